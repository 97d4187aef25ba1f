// linear.comp: product with a weight matrix, and what follows it in the network.
//
//   math       y = x w^T + bias, times scale in the first columns, through GELU, times gain, or
//              added to what y holds
//   bindings   0 x [rows, in_cols]; 1 w in panels [out_cols / 32, in_cols, 32]; 2 bias
//              [out_cols], then gain [out_cols] where there is one, f32; 3 y [rows, out_cols];
//              4 counts
//   mapping    lanes form a grid, LANES_ACROSS wide; each computes TILE_ROWS x TILE_COLS
//              outputs in registers. Workgroup x counts rows, so that neighbours share weights
//   numerics   products and sums in f32 whatever the storage type; one sum an output, from the
//              first input to the last: a row's result depends neither on its place nor on the
//              tile
//   checked by src/verify/cases.c against ref_linear() in src/verify/reference.c
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "shared/element.glsl"
#include "shared/kernel_args.h"
#include "shared/activation.glsl"
#include "shared/linear_ending.glsl"

layout(constant_id = SPEC_WORKGROUP_WIDTH) const uint WORKGROUP_WIDTH = 64;
layout(constant_id = SPEC_TILE_ROWS) const uint TILE_ROWS = 8;
layout(constant_id = SPEC_TILE_COLS) const uint TILE_COLS = 4;
layout(constant_id = SPEC_LANES_ACROSS) const uint LANES_ACROSS = 8;
layout(constant_id = SPEC_IS_STAGED) const bool IS_STAGED = false;
layout(local_size_x_id = SPEC_WORKGROUP_WIDTH) in;

layout(set = 0, binding = 0) readonly buffer Input { ELEMENT4 x[]; };
layout(set = 0, binding = 1) readonly buffer Weights { ELEMENT4 w[]; };

const uint QUADS = TILE_COLS / 4; // a lane's columns in fours
const uint TILE_DOWN = TILE_ROWS * (WORKGROUP_WIDTH / LANES_ACROSS);
const uint TILE_ACROSS = TILE_COLS * LANES_ACROSS;

vec4 sums[TILE_ROWS][QUADS];

// Column col .. col + 3 of input k.
vec4 weights_at(uint col, uint k)
{
    const uint panel = col / PANEL_COLS;
    return vec4(w[((panel * args.in_cols + k) * PANEL_COLS + col % PANEL_COLS) / 4]);
}

// Straight from memory: for devices with large caches or no fast shared memory.
void multiply_unstaged(uint row, uint col, uint rows)
{
    const uint x_quads = args.in_cols / 4;
    uint x_first[TILE_ROWS];
    [[unroll]] for (uint r = 0; r < TILE_ROWS; r++)
        x_first[r] = min(row + r, rows - 1) * x_quads; // rows beyond the last are not stored

    for (uint k = 0; k < x_quads; k++) {
        vec4 weights[QUADS][4];
        [[unroll]] for (uint c = 0; c < QUADS; c++)
            [[unroll]] for (uint i = 0; i < 4; i++)
                weights[c][i] = weights_at(col + 4 * c, 4 * k + i);
        [[unroll]] for (uint r = 0; r < TILE_ROWS; r++) {
            const vec4 inputs = vec4(x[x_first[r] + k]);
            [[unroll]] for (uint c = 0; c < QUADS; c++)
                [[unroll]] for (uint i = 0; i < 4; i++)
                    sums[r][c] = fma(vec4(inputs[i]), weights[c][i], sums[r][c]);
        }
    }
}

// A slab of both tiles in shared memory; 64 x 64 outputs take 8.3 KiB of the guaranteed 16. The
// odd row length keeps lanes that read one column of x off each other's banks.
const uint SLAB = 16; // inputs
shared float slab_x[IS_STAGED ? TILE_DOWN * (SLAB + 1) : 1];
shared vec4 slab_w[IS_STAGED ? SLAB * TILE_ACROSS / 4 : 1];

void load_slab(uint first_row, uint first_col, uint first_input, uint rows)
{
    for (uint i = gl_LocalInvocationID.x; i < TILE_DOWN * SLAB / 4; i += WORKGROUP_WIDTH) {
        const uint r = i / (SLAB / 4), k = first_input + i % (SLAB / 4) * 4;
        const uint row = min(first_row + r, rows - 1);
        const vec4 inputs = k < args.in_cols ? vec4(x[(row * args.in_cols + k) / 4]) : vec4(0.0);
        [[unroll]] for (uint j = 0; j < 4; j++)
            slab_x[r * (SLAB + 1) + i % (SLAB / 4) * 4 + j] = inputs[j];
    }
    for (uint i = gl_LocalInvocationID.x; i < SLAB * TILE_ACROSS / 4; i += WORKGROUP_WIDTH) {
        const uint k = first_input + i / (TILE_ACROSS / 4);
        const uint col = first_col + i % (TILE_ACROSS / 4) * 4;
        const bool is_inside = k < args.in_cols && col < args.out_cols;
        slab_w[i] = is_inside ? weights_at(col, k) : vec4(0.0);
    }
}

void multiply_staged(uint first_row, uint first_col, uint rows)
{
    const uint tile_row = gl_LocalInvocationID.x / LANES_ACROSS * TILE_ROWS;
    const uint tile_quad = gl_LocalInvocationID.x % LANES_ACROSS * QUADS;
    for (uint first_input = 0; first_input < args.in_cols; first_input += SLAB) {
        load_slab(first_row, first_col, first_input, rows);
        barrier();
        [[unroll]] for (uint k = 0; k < SLAB; k++)
            [[unroll]] for (uint c = 0; c < QUADS; c++) {
                const vec4 weights = slab_w[k * (TILE_ACROSS / 4) + tile_quad + c];
                [[unroll]] for (uint r = 0; r < TILE_ROWS; r++)
                    sums[r][c] = fma(vec4(slab_x[(tile_row + r) * (SLAB + 1) + k]), weights,
                                     sums[r][c]);
            }
        barrier();
    }
}

void main()
{
    const uint rows = count_rows();
    const uint lane = gl_LocalInvocationID.x;
    const uint first_row = gl_WorkGroupID.x * TILE_DOWN, first_col = gl_WorkGroupID.y * TILE_ACROSS;
    const uint row = first_row + lane / LANES_ACROSS * TILE_ROWS;
    const uint col = first_col + lane % LANES_ACROSS * TILE_COLS;
    [[unroll]] for (uint r = 0; r < TILE_ROWS; r++)
        [[unroll]] for (uint c = 0; c < QUADS; c++)
            sums[r][c] = vec4(0.0);

    if (IS_STAGED)
        multiply_staged(first_row, first_col, rows);
    else if (col < args.out_cols) // panels are whole, so a lane's columns are all there
        multiply_unstaged(row, col, rows);

    // A loop, on a copy so that the sums stay in registers: unrolled, 192 epilogues take llvmpipe
    // six seconds to compile.
    vec4 results[TILE_ROWS * QUADS];
    [[unroll]] for (uint r = 0; r < TILE_ROWS; r++)
        [[unroll]] for (uint c = 0; c < QUADS; c++)
            results[r * QUADS + c] = sums[r][c];
    [[dont_unroll]] for (uint i = 0; i < TILE_ROWS * QUADS; i++) {
        const uint r = row + i / QUADS, c = col + i % QUADS * 4;
        const vec4 four = results[i];
        [[unroll]] for (uint j = 0; j < 4; j++)
            if (r < rows && c + j < args.out_cols)
                store(r, c + j, four[j]);
    }
}
