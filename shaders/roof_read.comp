// roof_read.comp: a buffer read at the rate of the device's memory, as matmuls read weights.
//
//   math       none; a sum that is hardly ever met keeps the compiler from leaving the reads out
//   bindings   0 x [4 words a lane and step]; 3 y, as large
//   mapping    as roof_copy.comp
//   numerics   none
//   checked by nothing: it computes nothing
#version 460
#extension GL_GOOGLE_include_directive : require
#include "shared/kernel_args.h"

layout(constant_id = SPEC_WORKGROUP_WIDTH) const uint WORKGROUP_WIDTH = 64;
layout(local_size_x_id = SPEC_WORKGROUP_WIDTH) in;

layout(set = 0, binding = 0) readonly buffer Input { uvec4 x[]; };
layout(set = 0, binding = 3) writeonly buffer Output { uvec4 y[]; };

void main()
{
    const uint first = gl_WorkGroupID.x * ROOF_COPIED * WORKGROUP_WIDTH + gl_LocalInvocationID.x;
    uvec4 all = uvec4(0);
    for (uint step = 0; step < ROOF_COPIED; step++)
        all |= x[first + step * WORKGROUP_WIDTH];
    if (all.x + all.y + all.z + all.w == 0x9E3779B9u)
        y[first] = all;
}
