// roof_matrix.comp: products of cooperative matrices, f16 x f16 -> f32, at the rate of the device.
//
//   math       x += a b, args.iterations times ROOF_UNROLLED, each its own chain, four a by two b
//   bindings   3 y [1] f32
//   mapping    every subgroup for itself, matrices of the size linear_matrix.comp takes
//   numerics   x grows; see roof_fma.comp for the sum
//   checked by nothing: it computes nothing
#version 460
#extension GL_EXT_control_flow_attributes : require
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#include "shared/kernel_args.h"

layout(constant_id = SPEC_FRAGMENT_ROWS) const uint FRAGMENT_ROWS = 16;
layout(constant_id = SPEC_FRAGMENT_COLS) const uint FRAGMENT_COLS = 16;
layout(constant_id = SPEC_FRAGMENT_DEPTH) const uint FRAGMENT_DEPTH = 16;
layout(local_size_x_id = SPEC_WORKGROUP_WIDTH) in;

layout(push_constant) uniform Args { roof_args args; };
layout(set = 0, binding = 3) writeonly buffer Output { float y[]; };

shared float16_t values[FRAGMENT_DEPTH * (FRAGMENT_ROWS + FRAGMENT_COLS) + 32];

// No two products are alike, nor one of a step like that of the step before: a CPU's compiler would
// compute it once.
void main()
{
    for (uint i = gl_LocalInvocationID.x; i < values.length(); i += gl_WorkGroupSize.x)
        values[i] = float16_t(args.factor / float(i + 1));
    barrier();
    coopmat<float16_t, gl_ScopeSubgroup, FRAGMENT_ROWS, FRAGMENT_DEPTH, gl_MatrixUseA> a[4];
    coopmat<float16_t, gl_ScopeSubgroup, FRAGMENT_DEPTH, FRAGMENT_COLS, gl_MatrixUseB> b[2];
    coopmat<float, gl_ScopeSubgroup, FRAGMENT_ROWS, FRAGMENT_COLS, gl_MatrixUseAccumulator> x[8];
    [[unroll]] for (uint i = 0; i < 4; i++)
        coopMatLoad(a[i], values, 8 * i, FRAGMENT_DEPTH, gl_CooperativeMatrixLayoutRowMajor);
    [[unroll]] for (uint i = 0; i < 2; i++)
        coopMatLoad(b[i], values, FRAGMENT_DEPTH * FRAGMENT_ROWS + 8 * i, FRAGMENT_COLS,
                    gl_CooperativeMatrixLayoutRowMajor);
    [[unroll]] for (uint i = 0; i < ROOF_UNROLLED; i++)
        x[i] = coopmat<float, gl_ScopeSubgroup, FRAGMENT_ROWS, FRAGMENT_COLS,
                       gl_MatrixUseAccumulator>(0.0);
    for (uint i = 0; i < args.iterations; i++) {
        [[unroll]] for (uint step = 0; step < ROOF_UNROLLED; step++)
            x[step] = coopMatMulAdd(a[step % 4], b[step / 4], x[step]);
        b[0] = b[0] * float16_t(args.addend);
        b[1] = b[1] * float16_t(args.addend);
    }

    float sum = 0.0;
    [[unroll]] for (uint i = 0; i < ROOF_UNROLLED; i++)
        sum += x[i][0];
    if (sum < 0.0)
        y[0] = sum;
}
