// linear.comp: product with a weight matrix, and what follows it in the network.
//
//   math       y = x w^T + bias, times scale in the first columns, through GELU, times gain, or
//              added to what y holds
//   bindings   0 x [rows, in_cols]; 1 w in panels [out_cols / 32, in_cols, 32]; 2 bias
//              [out_cols], then gain [out_cols] where there is one, f32; 3 y [rows, out_cols];
//              4 counts
//   mapping    lanes form PARTS grids, LANES_ACROSS wide; a lane computes TILE_ROWS x TILE_COLS
//              outputs in registers, over its part of the inputs. Workgroup x counts rows, so
//              that neighbours share weights
//   numerics   products and sums in f32 whatever the storage type. Of every PARTS slabs of 16
//              inputs a part has one, which it adds in order; then the parts are added in order.
//              So a row's result depends on PARTS, not on its place, the tile or the staging
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
layout(constant_id = SPEC_PARTS) const uint PARTS = 1;
layout(local_size_x_id = SPEC_WORKGROUP_WIDTH) in;

layout(set = 0, binding = 0) readonly buffer Input { ELEMENT4 x[]; };
layout(set = 0, binding = 1) readonly buffer Weights { ELEMENT4 w[]; };

const uint PART_WIDTH = WORKGROUP_WIDTH / PARTS; // lanes
const uint QUADS = TILE_COLS / 4;                // a lane's columns in fours
const uint TILE_DOWN = TILE_ROWS * (PART_WIDTH / LANES_ACROSS);
const uint TILE_ACROSS = TILE_COLS * LANES_ACROSS;
const uint SLAB = 16; // inputs

vec4 sums[TILE_ROWS][QUADS];

// Column col .. col + 3 of input k.
vec4 weights_at(uint col, uint k)
{
    const uint panel = col / PANEL_COLS;
    return vec4(w[((panel * args.in_cols + k) * PANEL_COLS + col % PANEL_COLS) / 4]);
}

// The quad of inputs after k in the same part.
uint next_quad(uint k)
{
    const bool ends_slab = PARTS > 1 && k % (SLAB / 4) == SLAB / 4 - 1;
    return ends_slab ? k + 1 + (PARTS - 1) * (SLAB / 4) : k + 1;
}

// Straight from memory: for devices with large caches or no fast shared memory.
void multiply_unstaged(uint row, uint col, uint part, uint rows)
{
    const uint x_quads = args.in_cols / 4;
    uint x_first[TILE_ROWS];
    [[unroll]] for (uint r = 0; r < TILE_ROWS; r++)
        x_first[r] = min(row + r, rows - 1) * x_quads; // rows beyond the last are not stored

    for (uint k = part * (SLAB / 4); k < x_quads; k = next_quad(k)) {
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

// A slab a part of both tiles in shared memory; 64 x 64 outputs take 8.3 KiB of the guaranteed 16.
// The odd row length keeps lanes that read one column of x off each other's banks.
const uint SLABS = SLAB * PARTS;
shared float slab_x[IS_STAGED ? TILE_DOWN * (SLABS + 1) : 1];
shared vec4 slab_w[IS_STAGED ? SLABS * TILE_ACROSS / 4 : 1];

void load_slabs(uint first_row, uint first_col, uint first_input, uint rows)
{
    for (uint i = gl_LocalInvocationID.x; i < TILE_DOWN * SLABS / 4; i += WORKGROUP_WIDTH) {
        const uint r = i / (SLABS / 4), k = first_input + i % (SLABS / 4) * 4;
        const uint row = min(first_row + r, rows - 1);
        const vec4 inputs = k < args.in_cols ? vec4(x[(row * args.in_cols + k) / 4]) : vec4(0.0);
        [[unroll]] for (uint j = 0; j < 4; j++)
            slab_x[r * (SLABS + 1) + i % (SLABS / 4) * 4 + j] = inputs[j];
    }
    for (uint i = gl_LocalInvocationID.x; i < SLABS * TILE_ACROSS / 4; i += WORKGROUP_WIDTH) {
        const uint k = first_input + i / (TILE_ACROSS / 4);
        const uint col = first_col + i % (TILE_ACROSS / 4) * 4;
        const bool is_inside = k < args.in_cols && col < args.out_cols;
        slab_w[i] = is_inside ? weights_at(col, k) : vec4(0.0);
    }
}

// row and col: the lane's first in the tile.
void multiply_staged(uint first_row, uint first_col, uint row, uint col, uint part, uint rows)
{
    for (uint first_input = 0; first_input < args.in_cols; first_input += SLABS) {
        load_slabs(first_row, first_col, first_input, rows);
        barrier();
        [[unroll]] for (uint i = 0; i < SLAB; i++) {
            const uint k = part * SLAB + i;
            [[unroll]] for (uint c = 0; c < QUADS; c++) {
                const vec4 weights = slab_w[k * (TILE_ACROSS / 4) + col / 4 + c];
                [[unroll]] for (uint r = 0; r < TILE_ROWS; r++)
                    sums[r][c] = fma(vec4(slab_x[(row + r) * (SLABS + 1) + k]), weights,
                                     sums[r][c]);
            }
        }
        barrier();
    }
}

shared vec4 part_sums[PARTS > 1 ? WORKGROUP_WIDTH : 1];

// Leaves the sums of all parts in the lanes of part 0.
void add_parts()
{
    const uint lane = gl_LocalInvocationID.x;
    [[unroll]] for (uint r = 0; r < TILE_ROWS; r++)
        [[unroll]] for (uint c = 0; c < QUADS; c++) {
            part_sums[lane] = sums[r][c];
            barrier();
            [[unroll]] for (uint part = 1; part < PARTS; part++)
                sums[r][c] += part_sums[part * PART_WIDTH + lane % PART_WIDTH];
            barrier();
        }
}

void main()
{
    const uint rows = count_rows();
    // Compilers do not know that a lane's number is below the width.
    const uint part = PARTS > 1 ? gl_LocalInvocationID.x / PART_WIDTH : 0;
    const uint lane = PARTS > 1 ? gl_LocalInvocationID.x % PART_WIDTH : gl_LocalInvocationID.x;
    const uint first_row = gl_WorkGroupID.x * TILE_DOWN, first_col = gl_WorkGroupID.y * TILE_ACROSS;
    const uint tile_row = lane / LANES_ACROSS * TILE_ROWS, row = first_row + tile_row;
    const uint tile_col = lane % LANES_ACROSS * TILE_COLS, col = first_col + tile_col;
    [[unroll]] for (uint r = 0; r < TILE_ROWS; r++)
        [[unroll]] for (uint c = 0; c < QUADS; c++)
            sums[r][c] = vec4(0.0);

    if (IS_STAGED)
        multiply_staged(first_row, first_col, tile_row, tile_col, part, rows);
    else if (col < args.out_cols) // panels are whole, so a lane's columns are all there
        multiply_unstaged(row, col, part, rows);
    if (PARTS > 1)
        add_parts();
    if (part > 0)
        return;

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
