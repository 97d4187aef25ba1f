// roof_dot4.comp: products of four 8-bit integers, added up, at the rate of the device.
//
//   math       x += dot(bytes of x, bytes of y), args.iterations times ROOF_UNROLLED, in 12 chains a lane
//   bindings   3 y [1] f32
//   mapping    as roof_fma.comp
//   numerics   32-bit integers, which wrap; see roof_fma.comp for the sum
//   checked by nothing: it computes nothing
#version 460
#extension GL_EXT_control_flow_attributes : require
#extension GL_EXT_spirv_intrinsics : require
#extension GL_GOOGLE_include_directive : require
#include "shared/kernel_args.h"
#include "shared/dot4.glsl"

layout(local_size_x_id = SPEC_WORKGROUP_WIDTH) in;

layout(push_constant) uniform Args { roof_args args; };
layout(set = 0, binding = 3) writeonly buffer Output { float y[]; };

void main()
{
    const int bytes = int(args.iterations + 0x01030107u);
    int x[12], sum = 0;
    [[unroll]] for (uint chain = 0; chain < 12; chain++)
        x[chain] = int(gl_LocalInvocationID.x + chain);
    for (uint i = 0; i < args.iterations; i++)
        [[unroll]] for (uint step = 0; step < ROOF_UNROLLED; step++)
            [[unroll]] for (uint chain = 0; chain < 12; chain++)
                x[chain] += dot4(x[chain], bytes, 0);

    [[unroll]] for (uint chain = 0; chain < 12; chain++)
        sum |= x[chain];
    if (sum == 0)
        y[0] = float(sum);
}
