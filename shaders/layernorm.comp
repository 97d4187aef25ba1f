// layernorm.comp: layer normalization of each row of a matrix.
//
//   math       y[r,c] = (x[r,c] - mean_r) / sqrt(var_r + epsilon) * gain[c] + bias[c]
//   bindings   0 x [rows, cols] f32, becomes y when args.replaces; 1 gain [cols] then bias
//              [cols] f32; 2 y [rows, cols]; 4 counts
//   mapping    LANES_PER_ROW lanes stride over the columns of a row
//   numerics   f32, two passes, and both relative to the row's first element: E[x^2] - mean^2
//              cancels when |mean| is large, and so does a long sum of large numbers. Division
//              and square root rather than inversesqrt, which may be off by 2 ulp
//   checked by src/verify/cases.c against ref_layernorm() in src/verify/reference.c
#version 460
#extension GL_GOOGLE_include_directive : require
#include "shared/element.glsl"
#include "shared/kernel_args.h"

layout(constant_id = SPEC_WORKGROUP_WIDTH) const uint WORKGROUP_WIDTH = 64;
layout(constant_id = SPEC_LANES_PER_ROW) const uint LANES_PER_ROW = 64;
layout(local_size_x_id = SPEC_WORKGROUP_WIDTH) in;

layout(push_constant) uniform Args { layernorm_args args; };
layout(set = 0, binding = 0) buffer Input { float x[]; };
layout(set = 0, binding = 1) readonly buffer Parameters { float gain_bias[]; };
layout(set = 0, binding = 2) writeonly buffer Output { OUTPUT y[]; };
layout(set = 0, binding = 4) uniform Counts { run_counts counts; };

#include "shared/row_sum.glsl"

void main()
{
    const uint rows = args.rows == ROWS_TOKENS ? counts.tokens : counts.sequences;
    const uint lane = gl_LocalInvocationID.x % LANES_PER_ROW;
    const uint row = gl_WorkGroupID.x * (WORKGROUP_WIDTH / LANES_PER_ROW) +
                     gl_LocalInvocationID.x / LANES_PER_ROW;
    // Lanes of rows beyond the last work on the last one, for the barriers, and store nothing.
    const uint first = min(row, rows - 1) * args.cols;

    const float pivot = x[first];
    float sum = 0.0;
    for (uint c = lane; c < args.cols; c += LANES_PER_ROW)
        sum += x[first + c] - pivot;
    const float mean = row_sum(sum) / float(args.cols); // less the pivot

    float squares = 0.0;
    for (uint c = lane; c < args.cols; c += LANES_PER_ROW) {
        const float d = x[first + c] - pivot - mean;
        squares += d * d;
    }
    const float deviation = sqrt(row_sum(squares) / float(args.cols) + args.epsilon);

    if (row >= rows)
        return;
    for (uint c = lane; c < args.cols; c += LANES_PER_ROW) {
        const float value =
            (x[first + c] - pivot - mean) / deviation * gain_bias[c] + gain_bias[args.cols + c];
        y[first + c] = OUTPUT(value);
        if (args.replaces != 0)
            x[first + c] = value;
    }
}
