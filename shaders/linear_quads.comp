// linear_quads.comp: linear.comp's product for devices whose loads are dear: lanes share theirs.
//
//   math, bindings   as linear.comp
//   mapping    a workgroup computes TILE_ROWS rows. The four lanes of a quad lie side by side, each
//              with four columns. Of four inputs of a row each lane loads one, and tells the
//              others. Workgroup x counts rows
//   numerics   as linear.comp with one part: the same bits
//   checked by src/verify/cases.c against ref_linear() in src/verify/reference.c
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_KHR_shader_subgroup_quad : require
#include "shared/element.glsl"
#include "shared/kernel_args.h"
#include "shared/activation.glsl"
#include "shared/linear_ending.glsl"

layout(constant_id = SPEC_WORKGROUP_WIDTH) const uint WORKGROUP_WIDTH = 4;
layout(local_size_x_id = SPEC_WORKGROUP_WIDTH) in;
// No specialization constants: SwiftShader unrolls a loop, and keeps an array in registers, only
// where it finds the size in the code. Else each lane fetches each element from memory by itself.
const uint TILE_ROWS = 12, QUAD_COLS = 16; // 12: linear_variants.c has what else was tried

layout(set = 0, binding = 0) readonly buffer Input { ELEMENT x[]; };
layout(set = 0, binding = 1) readonly buffer Weights { ELEMENT4 w[]; };

// What the lanes of the quad have, in their order.
vec4 of_quad(float value)
{
    return vec4(subgroupQuadBroadcast(value, 0), subgroupQuadBroadcast(value, 1),
                subgroupQuadBroadcast(value, 2), subgroupQuadBroadcast(value, 3));
}

void main()
{
    const uint rows = count_rows(), row = gl_WorkGroupID.x * TILE_ROWS;
    const uint lane = gl_SubgroupID * gl_SubgroupSize + gl_SubgroupInvocationID;
    const uint col = (gl_WorkGroupID.y * WORKGROUP_WIDTH + lane) * (QUAD_COLS / 4);
    // Columns beyond the last panel read the last columns instead; they are not stored.
    const uint at = min(col, (args.out_cols - 1) / 4 * 4);
    const uint w_first = (at / PANEL_COLS * args.in_cols * PANEL_COLS + at % PANEL_COLS) / 4;
    vec4 sums[TILE_ROWS];
    uint x_first[TILE_ROWS];
    [[unroll]] for (uint r = 0; r < TILE_ROWS; r++) {
        // Nor are rows beyond the last.
        x_first[r] = min(row + r, rows - 1) * args.in_cols + lane % 4;
        sums[r] = vec4(0.0);
    }

    for (uint k = 0; k < args.in_cols; k += 4) {
        vec4 inputs[TILE_ROWS];
        [[unroll]] for (uint r = 0; r < TILE_ROWS; r++)
            inputs[r] = of_quad(float(x[x_first[r] + k]));
        [[unroll]] for (uint i = 0; i < 4; i++) {
            const vec4 weights = vec4(w[w_first + (k + i) * (PANEL_COLS / 4)]);
            [[unroll]] for (uint r = 0; r < TILE_ROWS; r++)
                sums[r] = fma(vec4(inputs[r][i]), weights, sums[r]);
        }
    }

    // A loop, as in linear.comp, on a copy.
    vec4 results[TILE_ROWS];
    [[unroll]] for (uint r = 0; r < TILE_ROWS; r++)
        results[r] = sums[r];
    [[dont_unroll]] for (uint i = 0; i < TILE_ROWS * 4; i++) {
        const uint r = row + i / 4, c = col + i % 4;
        if (r < rows && c < args.out_cols)
            store(r, c, results[i / 4][i % 4]);
    }
}
