// normalize.comp: each row of a matrix to unit length, or as it is.
//
//   math       y[r,:] = x[r,:] / max(|x[r,:]|, 1e-12), or x[r,:] where not args.is_unit
//   bindings   0 x [sequences, cols] f32; 3 y [sequences, cols] f32; 4 counts
//   mapping    LANES_PER_ROW lanes stride over the columns of a row
//   numerics   f32; the bound is that of torch.nn.functional.normalize
//   checked by src/verify/cases.c against ref_normalize() in src/verify/reference.c
#version 460
#extension GL_GOOGLE_include_directive : require
#include "shared/kernel_args.h"

layout(constant_id = SPEC_WORKGROUP_WIDTH) const uint WORKGROUP_WIDTH = 64;
layout(constant_id = SPEC_LANES_PER_ROW) const uint LANES_PER_ROW = 64;
layout(local_size_x_id = SPEC_WORKGROUP_WIDTH) in;

layout(push_constant) uniform Args { normalize_args args; };
layout(set = 0, binding = 0) readonly buffer Input { float x[]; };
layout(set = 0, binding = 3) writeonly buffer Output { float y[]; };
layout(set = 0, binding = 4) uniform Counts { run_counts counts; };

#include "shared/row_sum.glsl"

void main()
{
    const uint lane = gl_LocalInvocationID.x % LANES_PER_ROW;
    const uint row = gl_WorkGroupID.x * (WORKGROUP_WIDTH / LANES_PER_ROW) +
                     gl_LocalInvocationID.x / LANES_PER_ROW;
    const uint first = min(row, counts.sequences - 1) * args.cols;

    float squares = 0.0;
    for (uint c = lane; c < args.cols; c += LANES_PER_ROW)
        squares += x[first + c] * x[first + c];
    const float length = max(sqrt(row_sum(squares)), 1e-12);
    const float norm = args.is_unit != 0 ? length : 1.0;

    if (row >= counts.sequences)
        return;
    for (uint c = lane; c < args.cols; c += LANES_PER_ROW)
        y[first + c] = x[first + c] / norm;
}
