// quantize.comp: each row of a matrix as 8-bit integers and their scale, for linear_int8.comp.
//
//   math       scale_r = max_c |x[r,c]| / 127; y[r,c] = x[r,c] / scale_r, rounded
//   bindings   0 x [rows, cols] f32; 3 y [rows, cols / 4 + 1]: words of four columns, the first in
//              the lowest bits, then the scale, f32; 4 counts
//   mapping    LANES_PER_ROW lanes stride over the words of a row
//   numerics   halves are rounded to even. Division may be off by 2.5 ulp, so a device may round
//              what lies that near to a half either way; the same one way. A row that is not
//              finite gets such a scale, and a row below 1e-30 is zeros
//   checked by src/verify/cases_int8.c against ref_quantize() in src/verify/reference.c
#version 460
#extension GL_GOOGLE_include_directive : require
#include "shared/kernel_args.h"

layout(constant_id = SPEC_WORKGROUP_WIDTH) const uint WORKGROUP_WIDTH = 64;
layout(constant_id = SPEC_LANES_PER_ROW) const uint LANES_PER_ROW = 64;
layout(local_size_x_id = SPEC_WORKGROUP_WIDTH) in;

layout(push_constant) uniform Args { quantize_args args; };
layout(set = 0, binding = 0) readonly buffer Input { vec4 x[]; };
layout(set = 0, binding = 3) writeonly buffer Output { uint y[]; };
layout(set = 0, binding = 4) uniform Counts { run_counts counts; };

shared uint row_max_parts[WORKGROUP_WIDTH];

// The largest of the values in the lanes that share a row, in each of them. Every lane must call.
uint row_max(uint value)
{
    if (LANES_PER_ROW == 1)
        return value;
    const uint lane = gl_LocalInvocationID.x;
    row_max_parts[lane] = value;
    for (uint step = LANES_PER_ROW / 2; step > 0; step /= 2) {
        barrier();
        if (lane % LANES_PER_ROW < step)
            row_max_parts[lane] = max(row_max_parts[lane], row_max_parts[lane + step]);
    }
    barrier();
    return row_max_parts[lane / LANES_PER_ROW * LANES_PER_ROW];
}

void main()
{
    const uint rows = args.rows == ROWS_TOKENS ? counts.tokens : counts.sequences;
    const uint lane = gl_LocalInvocationID.x % LANES_PER_ROW;
    const uint row = gl_WorkGroupID.x * (WORKGROUP_WIDTH / LANES_PER_ROW) +
                     gl_LocalInvocationID.x / LANES_PER_ROW;
    // Lanes of rows beyond the last work on the last one, for the barriers, and store nothing.
    const uint words = args.cols / 4, first = min(row, rows - 1) * words;

    // Floats without their sign are in the order of their bits, and NaN is above them all.
    uvec4 most = uvec4(0);
    for (uint k = lane; k < words; k += LANES_PER_ROW)
        most = max(most, floatBitsToUint(x[first + k]) & 0x7fffffffu);
    const float largest =
        uintBitsToFloat(row_max(max(max(most.x, most.y), max(most.z, most.w))));
    const float factor = largest > 1e-30 ? 127.0 / largest : 0.0;

    if (row >= rows)
        return;
    for (uint k = lane; k < words; k += LANES_PER_ROW) {
        const uvec4 bytes = uvec4(ivec4(roundEven(x[first + k] * factor))) & 0xffu;
        y[row * (words + 1) + k] = bytes.x | bytes.y << 8 | bytes.z << 16 | bytes.w << 24;
    }
    if (lane == 0)
        y[row * (words + 1) + words] = floatBitsToUint(largest * (1.0 / 127.0));
}
