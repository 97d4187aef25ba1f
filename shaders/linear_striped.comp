// linear_striped.comp: linear.comp's product for devices that compute lanes as one wide register.
//
//   math, bindings   as linear.comp
//   mapping    a workgroup computes TILE_ROWS rows. Its lanes lie side by side: lane l has columns
//              l, l + WORKGROUP_WIDTH and so on, TILE_COLS of them, so that weights are read as
//              whole registers and inputs are the same in all lanes. Workgroup x counts rows
//   numerics   as linear.comp with one part: the same bits
//   checked by src/verify/cases.c against ref_linear() in src/verify/reference.c
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "shared/element.glsl"
#include "shared/kernel_args.h"
#include "shared/activation.glsl"
#include "shared/linear_ending.glsl"

layout(constant_id = SPEC_WORKGROUP_WIDTH) const uint WORKGROUP_WIDTH = 16;
layout(constant_id = SPEC_TILE_ROWS) const uint TILE_ROWS = 12;
layout(constant_id = SPEC_TILE_COLS) const uint TILE_COLS = 2;
layout(local_size_x_id = SPEC_WORKGROUP_WIDTH) in;

layout(set = 0, binding = 0) readonly buffer Input { ELEMENT4 x[]; };
layout(set = 0, binding = 1) readonly buffer Weights { ELEMENT w[]; };

void main()
{
    const uint rows = count_rows();
    const uint row = gl_WorkGroupID.x * TILE_ROWS;
    const uint col = gl_WorkGroupID.y * gl_WorkGroupSize.x * TILE_COLS + gl_LocalInvocationID.x;
    const uint x_quads = args.in_cols / 4;
    float sums[TILE_ROWS][TILE_COLS];
    uint x_first[TILE_ROWS], w_first[TILE_COLS];
    [[unroll]] for (uint r = 0; r < TILE_ROWS; r++) {
        x_first[r] = min(row + r, rows - 1) * x_quads; // rows beyond the last are not stored
        [[unroll]] for (uint c = 0; c < TILE_COLS; c++)
            sums[r][c] = 0.0;
    }
    [[unroll]] for (uint c = 0; c < TILE_COLS; c++) {
        // Columns beyond the last panel read the last column instead; they are not stored.
        const uint at = min(col + c * gl_WorkGroupSize.x, args.out_cols - 1);
        w_first[c] = at / PANEL_COLS * args.in_cols * PANEL_COLS + at % PANEL_COLS;
    }

    for (uint k = 0; k < x_quads; k++) {
        float weights[4][TILE_COLS];
        [[unroll]] for (uint i = 0; i < 4; i++)
            [[unroll]] for (uint c = 0; c < TILE_COLS; c++)
                weights[i][c] = float(w[w_first[c] + (4 * k + i) * PANEL_COLS]);
        [[unroll]] for (uint r = 0; r < TILE_ROWS; r++) {
            const vec4 inputs = vec4(x[x_first[r] + k]);
            [[unroll]] for (uint c = 0; c < TILE_COLS; c++)
                [[unroll]] for (uint i = 0; i < 4; i++)
                    sums[r][c] = fma(inputs[i], weights[i][c], sums[r][c]);
        }
    }

    // A loop, as in linear.comp.
    float results[TILE_ROWS * TILE_COLS];
    [[unroll]] for (uint r = 0; r < TILE_ROWS; r++)
        [[unroll]] for (uint c = 0; c < TILE_COLS; c++)
            results[r * TILE_COLS + c] = sums[r][c];
    [[dont_unroll]] for (uint i = 0; i < TILE_ROWS * TILE_COLS; i++) {
        const uint r = row + i / TILE_COLS, c = col + i % TILE_COLS * gl_WorkGroupSize.x;
        if (r < rows && c < args.out_cols)
            store(r, c, results[i]);
    }
}
