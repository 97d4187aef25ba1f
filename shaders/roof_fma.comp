// roof_fma.comp: multiplications and additions at the rate of the device, in f32 or in f16.
//
//   math       x = x factor + addend, args.iterations times ROOF_UNROLLED, in 12 chains a lane
//   bindings   3 y [1] f32
//   mapping    every lane for itself; 12 chains hide the latency of one, and still fit the 16
//              registers of a CPU and the 64 of the smallest GPUs
//   numerics   x goes to 2; a sum no chain can have keeps the compiler from leaving them out
//   checked by nothing: it computes nothing
#version 460
#extension GL_EXT_control_flow_attributes : require
#extension GL_GOOGLE_include_directive : require
#if HALF
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#define NUMBER  float16_t
#define NUMBER4 f16vec4
#else
#define NUMBER  float
#define NUMBER4 vec4
#endif
#include "shared/kernel_args.h"

layout(local_size_x_id = SPEC_WORKGROUP_WIDTH) in;

layout(push_constant) uniform Args { roof_args args; };
layout(set = 0, binding = 3) writeonly buffer Output { float y[]; };

void main()
{
    const NUMBER4 factor = NUMBER4(NUMBER(args.factor)), addend = NUMBER4(NUMBER(args.addend));
    NUMBER4 x[3];
    [[unroll]] for (uint chain = 0; chain < 3; chain++)
        x[chain] = NUMBER4(NUMBER(gl_LocalInvocationID.x + chain));
    for (uint i = 0; i < args.iterations; i++)
        [[unroll]] for (uint step = 0; step < ROOF_UNROLLED; step++)
            [[unroll]] for (uint chain = 0; chain < 3; chain++)
                x[chain] = fma(x[chain], factor, addend);

    const NUMBER4 sum = x[0] + x[1] + x[2];
    if (float(sum.x + sum.y + sum.z + sum.w) < 0.0)
        y[0] = float(sum.x);
}
