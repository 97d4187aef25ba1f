// linear_matrix.comp: linear.comp's product on cooperative matrices, f16 x f16 -> f32.
//
//   math, bindings   as linear.comp
//   mapping    subgroups form a grid, SUBGROUPS_ACROSS wide; each computes FRAGMENTS_DOWN x
//              FRAGMENTS_ACROSS fragments of FRAGMENT_ROWS x FRAGMENT_COLS outputs. Slabs of both
//              tiles go through shared memory, where rows and inputs that are not there are zeros.
//              Workgroup x counts rows
//   numerics   products of f16 are exact in f32; how the device adds those of one fragment is its
//              own affair, and the same for every output: fragments follow each other from the
//              first input to the last. So a result depends on the fragment's shape alone
//   checked by src/verify/cases.c against ref_linear() in src/verify/reference.c
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_shader_subgroup_basic : require
#include "shared/element.glsl"
#include "shared/kernel_args.h"
#include "shared/activation.glsl"
#include "shared/linear_ending.glsl"

layout(constant_id = SPEC_WORKGROUP_WIDTH) const uint WORKGROUP_WIDTH = 128;
layout(constant_id = SPEC_FRAGMENT_ROWS) const uint FRAGMENT_ROWS = 16;
layout(constant_id = SPEC_FRAGMENT_COLS) const uint FRAGMENT_COLS = 16;
layout(constant_id = SPEC_FRAGMENT_DEPTH) const uint FRAGMENT_DEPTH = 16;
layout(constant_id = SPEC_FRAGMENTS_DOWN) const uint FRAGMENTS_DOWN = 2;
layout(constant_id = SPEC_FRAGMENTS_ACROSS) const uint FRAGMENTS_ACROSS = 2;
layout(constant_id = SPEC_SUBGROUPS) const uint SUBGROUPS = 4;
layout(constant_id = SPEC_SUBGROUPS_ACROSS) const uint SUBGROUPS_ACROSS = 2;
layout(local_size_x_id = SPEC_WORKGROUP_WIDTH) in;

layout(set = 0, binding = 0) readonly buffer Input { f16vec4 x[]; };
layout(set = 0, binding = 1) readonly buffer Weights { f16vec4 w[]; };

const uint SUBGROUP_WIDTH = WORKGROUP_WIDTH / SUBGROUPS;
const uint SUBTILE_DOWN = FRAGMENT_ROWS * FRAGMENTS_DOWN;
const uint SUBTILE_ACROSS = FRAGMENT_COLS * FRAGMENTS_ACROSS;
const uint TILE_DOWN = SUBTILE_DOWN * (SUBGROUPS / SUBGROUPS_ACROSS);
const uint TILE_ACROSS = SUBTILE_ACROSS * SUBGROUPS_ACROSS;

// Rows of both slabs in fours, 8 halves longer than they need to be: off each other's banks.
const uint SLAB = 32; // inputs
const uint X_QUADS = (SLAB + 8) / 4;
const uint W_QUADS = (TILE_ACROSS + 8) / 4;
shared f16vec4 slab_x[TILE_DOWN * X_QUADS];
shared f16vec4 slab_w[SLAB * W_QUADS];

void load_slabs(uint first_row, uint first_col, uint first_input, uint rows)
{
    for (uint i = gl_LocalInvocationID.x; i < TILE_DOWN * SLAB / 4; i += WORKGROUP_WIDTH) {
        const uint r = i / (SLAB / 4), k = first_input + i % (SLAB / 4) * 4;
        const bool is_inside = first_row + r < rows && k < args.in_cols;
        slab_x[r * X_QUADS + i % (SLAB / 4)] =
            is_inside ? x[((first_row + r) * args.in_cols + k) / 4] : f16vec4(0.0);
    }
    for (uint i = gl_LocalInvocationID.x; i < SLAB * TILE_ACROSS / 4; i += WORKGROUP_WIDTH) {
        const uint k = i / (TILE_ACROSS / 4), quad = i % (TILE_ACROSS / 4);
        const uint col = first_col + quad * 4, k_at = first_input + k;
        const bool is_inside = k_at < args.in_cols && col < args.out_cols;
        const uint at = (col / PANEL_COLS * args.in_cols + k_at) * PANEL_COLS + col % PANEL_COLS;
        slab_w[k * W_QUADS + quad] = is_inside ? w[at / 4] : f16vec4(0.0);
    }
}

coopmat<float, gl_ScopeSubgroup, FRAGMENT_ROWS, FRAGMENT_COLS, gl_MatrixUseAccumulator>
    sums[FRAGMENTS_DOWN * FRAGMENTS_ACROSS];

// row and col: the subgroup's first in the tile.
void multiply_slabs(uint row, uint col)
{
    [[unroll]] for (uint k = 0; k < SLAB; k += FRAGMENT_DEPTH) {
        coopmat<float16_t, gl_ScopeSubgroup, FRAGMENT_ROWS, FRAGMENT_DEPTH, gl_MatrixUseA>
            inputs[FRAGMENTS_DOWN];
        coopmat<float16_t, gl_ScopeSubgroup, FRAGMENT_DEPTH, FRAGMENT_COLS, gl_MatrixUseB> weights;
        [[unroll]] for (uint r = 0; r < FRAGMENTS_DOWN; r++)
            coopMatLoad(inputs[r], slab_x, (row + r * FRAGMENT_ROWS) * X_QUADS + k / 4, X_QUADS,
                        gl_CooperativeMatrixLayoutRowMajor);
        [[unroll]] for (uint c = 0; c < FRAGMENTS_ACROSS; c++) {
            coopMatLoad(weights, slab_w, k * W_QUADS + (col + c * FRAGMENT_COLS) / 4, W_QUADS,
                        gl_CooperativeMatrixLayoutRowMajor);
            [[unroll]] for (uint r = 0; r < FRAGMENTS_DOWN; r++)
                sums[r * FRAGMENTS_ACROSS + c] =
                    coopMatMulAdd(inputs[r], weights, sums[r * FRAGMENTS_ACROSS + c]);
        }
    }
}

// Which lane holds which output only the device knows, so a fragment a subgroup goes through shared
// memory on its way out.
const uint FRAGMENT_SIZE = FRAGMENT_ROWS * FRAGMENT_COLS;
shared float results[SUBGROUPS * FRAGMENT_SIZE];

void store_fragment(uint row, uint col, uint rows)
{
    for (uint i = gl_SubgroupInvocationID; i < FRAGMENT_SIZE; i += SUBGROUP_WIDTH) {
        const uint r = row + i / FRAGMENT_COLS, c = col + i % FRAGMENT_COLS;
        if (r < rows && c < args.out_cols)
            store(r, c, results[gl_SubgroupID * FRAGMENT_SIZE + i]);
    }
}

void main()
{
    const uint rows = count_rows();
    const uint first_row = gl_WorkGroupID.x * TILE_DOWN, first_col = gl_WorkGroupID.y * TILE_ACROSS;
    const uint row = gl_SubgroupID / SUBGROUPS_ACROSS * SUBTILE_DOWN;
    const uint col = gl_SubgroupID % SUBGROUPS_ACROSS * SUBTILE_ACROSS;
    [[unroll]] for (uint i = 0; i < FRAGMENTS_DOWN * FRAGMENTS_ACROSS; i++)
        sums[i] = coopmat<float, gl_ScopeSubgroup, FRAGMENT_ROWS, FRAGMENT_COLS,
                          gl_MatrixUseAccumulator>(0.0);

    for (uint first_input = 0; first_input < args.in_cols; first_input += SLAB) {
        load_slabs(first_row, first_col, first_input, rows);
        barrier();
        multiply_slabs(row, col);
        barrier();
    }

    [[unroll]] for (uint i = 0; i < FRAGMENTS_DOWN * FRAGMENTS_ACROSS; i++) {
        coopMatStore(sums[i], results, gl_SubgroupID * FRAGMENT_SIZE, FRAGMENT_COLS,
                     gl_CooperativeMatrixLayoutRowMajor);
        barrier();
        store_fragment(first_row + row + i / FRAGMENTS_ACROSS * FRAGMENT_ROWS,
                       first_col + col + i % FRAGMENTS_ACROSS * FRAGMENT_COLS, rows);
        barrier();
    }
}
