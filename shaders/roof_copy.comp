// roof_copy.comp: one buffer to another at the rate of the device's memory.
//
//   math       y = x
//   bindings   0 x [4 words a lane and step]; 3 y, the same
//   mapping    a workgroup copies ROOF_COPIED neighbouring pieces, a lane 16 bytes of each
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
    for (uint step = 0; step < ROOF_COPIED; step++)
        y[first + step * WORKGROUP_WIDTH] = x[first + step * WORKGROUP_WIDTH];
}
