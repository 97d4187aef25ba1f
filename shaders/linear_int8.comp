// linear_int8.comp: linear.comp's product of 8-bit integers, and what follows it.
//
//   math       y = (x w^T) times the scales of row and column; then as linear.comp
//   bindings   0 x [rows, in_cols / 4 + 1] of quantize.comp; 1 w in panels
//              [out_cols / 32, in_cols / 4 + 1, 32]: words of four inputs, then the scales of the
//              columns, f32; 2 bias, 3 y, 4 counts as linear.comp
//   mapping    lanes form a grid, LANES_ACROSS wide; a lane computes TILE_ROWS rows, and columns
//              LANES_ACROSS apart, TILE_COLS of them, so that neighbours read neighbouring words.
//              Workgroup x counts rows
//   numerics   sums of integers are exact, in whatever order, so a result depends on no tile.
//              DOT4 multiplies four pairs at once. Without it they are floats, fused, as every
//              device has them: integers below 2^24 are exact there too, and are added up as
//              integers before they can be larger
//   checked by src/verify/cases_int8.c against ref_linear_int8() in src/verify/reference.c
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "shared/element.glsl"
#include "shared/kernel_args.h"
#include "shared/activation.glsl"
#include "shared/linear_ending.glsl"
#if DOT4
#extension GL_EXT_spirv_intrinsics : require
#include "shared/dot4.glsl"
#endif

layout(constant_id = SPEC_WORKGROUP_WIDTH) const uint WORKGROUP_WIDTH = 64;
layout(constant_id = SPEC_TILE_ROWS) const uint TILE_ROWS = 4;
layout(constant_id = SPEC_TILE_COLS) const uint TILE_COLS = 4;
layout(constant_id = SPEC_LANES_ACROSS) const uint LANES_ACROSS = 16;
layout(constant_id = SPEC_IS_STAGED) const bool IS_STAGED = false;
layout(local_size_x_id = SPEC_WORKGROUP_WIDTH) in;

layout(set = 0, binding = 0) readonly buffer Input { uint x[]; };
layout(set = 0, binding = 1) readonly buffer Weights { uint w[]; };

const uint TILE_DOWN = TILE_ROWS * (WORKGROUP_WIDTH / LANES_ACROSS);
const uint TILE_ACROSS = TILE_COLS * LANES_ACROSS;

const uint QUADS = TILE_COLS / 4; // a lane's columns in fours

int totals[TILE_ROWS][TILE_COLS];

#if DOT4
void multiply(uint inputs[TILE_ROWS], uint weights[TILE_COLS])
{
    [[unroll]] for (uint r = 0; r < TILE_ROWS; r++)
        [[unroll]] for (uint c = 0; c < TILE_COLS; c++)
            totals[r][c] += dot4(int(inputs[r]), int(weights[c]), 0);
}

void end_chunk() {}
#else
float sums[TILE_ROWS][TILE_COLS];

vec4 unpack(uint word)
{
    return vec4(ivec4(word << 24, word << 16, word << 8, word) >> 24);
}

void multiply(uint inputs[TILE_ROWS], uint weights[TILE_COLS])
{
    vec4 four[TILE_COLS];
    [[unroll]] for (uint c = 0; c < TILE_COLS; c++)
        four[c] = unpack(weights[c]);
    [[unroll]] for (uint r = 0; r < TILE_ROWS; r++) {
        const vec4 input4 = unpack(inputs[r]);
        [[unroll]] for (uint c = 0; c < TILE_COLS; c++)
            [[unroll]] for (uint i = 0; i < 4; i++)
                sums[r][c] = fma(input4[i], four[c][i], sums[r][c]);
    }
}

void end_chunk()
{
    [[unroll]] for (uint r = 0; r < TILE_ROWS; r++)
        [[unroll]] for (uint c = 0; c < TILE_COLS; c++) {
            totals[r][c] += int(sums[r][c]);
            sums[r][c] = 0.0;
        }
}
#endif

// Where the words of a row of x, or of a column of w, begin; the scale follows the last of them.
uint x_begin(uint row)
{
    return row * (args.in_cols / 4 + 1);
}

uint w_begin(uint col)
{
    return col / PANEL_COLS * (args.in_cols / 4 + 1) * PANEL_COLS + col % PANEL_COLS;
}

// 1024 products of at most 127 x 127 stay below 2^24.
const uint CHUNK = 256; // words

// Straight from memory. Rows and columns beyond the last are not stored.
void multiply_unstaged(uint row, uint col, uint rows)
{
    const uint words = args.in_cols / 4;
    uint x_first[TILE_ROWS], w_first[TILE_COLS];
    [[unroll]] for (uint r = 0; r < TILE_ROWS; r++)
        x_first[r] = x_begin(min(row + r, rows - 1));
    [[unroll]] for (uint c = 0; c < TILE_COLS; c++)
        w_first[c] = w_begin(min(col + c * LANES_ACROSS, args.out_cols - 1));

    for (uint k = 0; k < words;) {
        const uint end = min(k + CHUNK, words);
        for (; k < end; k++) {
            uint inputs[TILE_ROWS], weights[TILE_COLS];
            [[unroll]] for (uint c = 0; c < TILE_COLS; c++)
                weights[c] = w[w_first[c] + k * PANEL_COLS];
            [[unroll]] for (uint r = 0; r < TILE_ROWS; r++)
                inputs[r] = x[x_first[r] + k];
            multiply(inputs, weights);
        }
        end_chunk();
    }
}

// A slab of both tiles in shared memory, as large as linear.comp's.
const uint SLAB = 16; // words
shared uint slab_x[IS_STAGED ? TILE_DOWN * (SLAB + 1) : 1];
shared uint slab_w[IS_STAGED ? SLAB * TILE_ACROSS : 1];

void load_slabs(uint first_row, uint first_col, uint first_word, uint rows)
{
    const uint words = args.in_cols / 4;
    for (uint i = gl_LocalInvocationID.x; i < TILE_DOWN * SLAB; i += WORKGROUP_WIDTH) {
        const uint row = min(first_row + i / SLAB, rows - 1), k = first_word + i % SLAB;
        slab_x[i / SLAB * (SLAB + 1) + i % SLAB] = k < words ? x[x_begin(row) + k] : 0;
    }
    for (uint i = gl_LocalInvocationID.x; i < SLAB * TILE_ACROSS; i += WORKGROUP_WIDTH) {
        const uint col = first_col + i % TILE_ACROSS, k = first_word + i / TILE_ACROSS;
        const bool is_inside = k < words && col < args.out_cols;
        slab_w[i] = is_inside ? w[w_begin(col) + k * PANEL_COLS] : 0;
    }
}

// row and col: the lane's first in the tile.
void multiply_staged(uint first_row, uint first_col, uint row, uint col, uint rows)
{
    for (uint first_word = 0; first_word < args.in_cols / 4; first_word += SLAB) {
        load_slabs(first_row, first_col, first_word, rows);
        barrier();
        [[dont_unroll]] for (uint k = 0; k < SLAB; k++) {
            uint inputs[TILE_ROWS], weights[TILE_COLS];
            [[unroll]] for (uint c = 0; c < TILE_COLS; c++)
                weights[c] = slab_w[k * TILE_ACROSS + col + c * LANES_ACROSS];
            [[unroll]] for (uint r = 0; r < TILE_ROWS; r++)
                inputs[r] = slab_x[(row + r) * (SLAB + 1) + k];
            multiply(inputs, weights);
        }
        end_chunk();
        barrier();
    }
}

void store_scaled(uint row, uint col, int total)
{
    const uint words = args.in_cols / 4;
    const float scale = uintBitsToFloat(x[x_begin(row) + words]) *
                        uintBitsToFloat(w[w_begin(col) + words * PANEL_COLS]);
    // Not to be fused with what follows in some variants and not in others.
    precise const float product = float(total) * scale;
    store(row, col, product);
}

void main()
{
    const uint rows = count_rows(), lane = gl_LocalInvocationID.x;
    const uint first_row = gl_WorkGroupID.x * TILE_DOWN, first_col = gl_WorkGroupID.y * TILE_ACROSS;
    // Compilers do not know that a lane's number is below the width.
    const uint tile_row = LANES_ACROSS < WORKGROUP_WIDTH ? lane / LANES_ACROSS * TILE_ROWS : 0;
    const uint tile_col = LANES_ACROSS < WORKGROUP_WIDTH ? lane % LANES_ACROSS : lane;
    const uint row = first_row + tile_row, col = first_col + tile_col;
    [[unroll]] for (uint r = 0; r < TILE_ROWS; r++)
        [[unroll]] for (uint c = 0; c < TILE_COLS; c++) {
            totals[r][c] = 0;
#if !DOT4
            sums[r][c] = 0.0;
#endif
        }

    if (IS_STAGED)
        multiply_staged(first_row, first_col, tile_row, tile_col, rows);
    else
        multiply_unstaged(row, col, rows);

    // A loop, as in linear.comp.
    ivec4 results[TILE_ROWS * QUADS];
    [[unroll]] for (uint r = 0; r < TILE_ROWS; r++)
        [[unroll]] for (uint c = 0; c < TILE_COLS; c += 4)
            results[r * QUADS + c / 4] =
                ivec4(totals[r][c], totals[r][c + 1], totals[r][c + 2], totals[r][c + 3]);
    [[dont_unroll]] for (uint i = 0; i < TILE_ROWS * QUADS; i++) {
        const uint r = row + i / QUADS, c = col + i % QUADS * 4 * LANES_ACROSS;
        const ivec4 four = results[i];
        [[unroll]] for (uint j = 0; j < 4; j++)
            if (r < rows && c + j * LANES_ACROSS < args.out_cols)
                store_scaled(r, c + j * LANES_ACROSS, four[j]);
    }
}
