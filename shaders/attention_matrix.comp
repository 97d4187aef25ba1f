// attention_matrix.comp: attention.comp's result on cooperative matrices, f16 x f16 -> f32.
//
//   math, bindings   as attention.comp
//   mapping    workgroup x is a tile, y a head. Each subgroup has FRAGMENT_ROWS queries, and the
//              matrices of them stay in its registers; BLOCK_KEYS keys at a time, and then their
//              values, go through shared memory. Scores and weights go through it as well: which
//              lane holds which of a matrix only the device knows. There LANES_SHARING lanes share
//              a query, each some of its keys
//   numerics   maxima, weights and their sums in f32; two passes over the keys, the first for the
//              maximum alone, so that no sum is ever rescaled. Weights are rounded to f16 before
//              they are added up: what they are divided by is the sum of what is multiplied. Blocks
//              and lanes are added as in attention.comp, fragments as in linear_matrix.comp
//   checked by src/verify/cases.c against ref_attention() in src/verify/reference.c
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_shader_subgroup_basic : require
#include "shared/element.glsl"
#include "shared/kernel_args.h"
#include "shared/attention_tile.glsl"

layout(constant_id = SPEC_WORKGROUP_WIDTH) const uint WORKGROUP_WIDTH = 128;
layout(constant_id = SPEC_FRAGMENT_ROWS) const uint FRAGMENT_ROWS = 16;
layout(constant_id = SPEC_FRAGMENT_COLS) const uint FRAGMENT_COLS = 16;
layout(constant_id = SPEC_FRAGMENT_DEPTH) const uint FRAGMENT_DEPTH = 16;
layout(constant_id = SPEC_SUBGROUPS) const uint SUBGROUPS = 4;
layout(constant_id = SPEC_BLOCK_KEYS) const uint BLOCK_KEYS = 32;
layout(local_size_x_id = SPEC_WORKGROUP_WIDTH) in;

const uint QUERIES = FRAGMENT_ROWS * SUBGROUPS;
const uint LANES_SHARING = WORKGROUP_WIDTH / QUERIES;
const uint HEAD_DEPTHS = HEAD_DIM / FRAGMENT_DEPTH; // fragments of a head as inputs
const uint HEAD_COLS = HEAD_DIM / FRAGMENT_COLS;    // and as outputs
const uint KEY_DEPTHS = BLOCK_KEYS / FRAGMENT_DEPTH;
const uint KEY_COLS = BLOCK_KEYS / FRAGMENT_COLS;
// The largest weight: as an f16 it leaves 30 binary digits to what is small.
const float ONE = 16384.0;

// Rows are longer than they need to be, by 16 bytes: off each other's banks. shared_bytes() in
// src/model/attention_variants.c counts what this takes.
const uint ROW_QUADS = QUADS + 2;
const uint SCORE_STRIDE = BLOCK_KEYS + 4, WEIGHT_STRIDE = BLOCK_KEYS + 8;
const uint STAGED_ROWS = QUERIES > BLOCK_KEYS ? QUERIES : BLOCK_KEYS;
shared f16vec4 staged[STAGED_ROWS * ROW_QUADS]; // rows of q, of k or of v
shared float scores[QUERIES * SCORE_STRIDE];
shared float16_t block_weights[QUERIES * WEIGHT_STRIDE];
shared float of_lanes[WORKGROUP_WIDTH];

coopmat<float16_t, gl_ScopeSubgroup, FRAGMENT_ROWS, FRAGMENT_DEPTH, gl_MatrixUseA> q[HEAD_DEPTHS];
coopmat<float, gl_ScopeSubgroup, FRAGMENT_ROWS, FRAGMENT_COLS, gl_MatrixUseAccumulator>
    sums[HEAD_COLS];

void load_queries(attention_tile tile)
{
    for (uint i = gl_LocalInvocationID.x; i < QUERIES * QUADS; i += WORKGROUP_WIDTH)
        staged[i / QUADS * ROW_QUADS + i % QUADS] = qkv[query_at(tile, i / QUADS) + i % QUADS];
    barrier();
    [[unroll]] for (uint d = 0; d < HEAD_DEPTHS; d++)
        coopMatLoad(q[d], staged,
                    gl_SubgroupID * FRAGMENT_ROWS * ROW_QUADS + d * FRAGMENT_DEPTH / 4, ROW_QUADS,
                    gl_CooperativeMatrixLayoutRowMajor);
    barrier();
}

void load_block(attention_tile tile, uint first, uint part)
{
    for (uint i = gl_LocalInvocationID.x; i < BLOCK_KEYS * QUADS; i += WORKGROUP_WIDTH)
        staged[i / QUADS * ROW_QUADS + i % QUADS] =
            qkv[key_at(tile, first + i / QUADS, part) + i % QUADS];
}

// Leaves the scores of a block of keys in shared memory, and no lane at work on the staged keys.
void score_block(attention_tile tile, uint first)
{
    load_block(tile, first, K);
    barrier();
    [[dont_unroll]] for (uint c = 0; c < KEY_COLS; c++) {
        coopmat<float, gl_ScopeSubgroup, FRAGMENT_ROWS, FRAGMENT_COLS, gl_MatrixUseAccumulator>
            products = coopmat<float, gl_ScopeSubgroup, FRAGMENT_ROWS, FRAGMENT_COLS,
                               gl_MatrixUseAccumulator>(0.0);
        [[unroll]] for (uint d = 0; d < HEAD_DEPTHS; d++) {
            coopmat<float16_t, gl_ScopeSubgroup, FRAGMENT_DEPTH, FRAGMENT_COLS, gl_MatrixUseB> k;
            coopMatLoad(k, staged, c * FRAGMENT_COLS * ROW_QUADS + d * FRAGMENT_DEPTH / 4,
                        ROW_QUADS, gl_CooperativeMatrixLayoutColumnMajor);
            products = coopMatMulAdd(q[d], k, products);
        }
        coopMatStore(products, scores,
                     gl_SubgroupID * FRAGMENT_ROWS * SCORE_STRIDE + c * FRAGMENT_COLS,
                     SCORE_STRIDE, gl_CooperativeMatrixLayoutRowMajor);
    }
    barrier();
}

// The sums of a block of values, by the weights in shared memory.
void add_block()
{
    [[dont_unroll]] for (uint d = 0; d < KEY_DEPTHS; d++) {
        coopmat<float16_t, gl_ScopeSubgroup, FRAGMENT_ROWS, FRAGMENT_DEPTH, gl_MatrixUseA> weights;
        coopMatLoad(weights, block_weights,
                    gl_SubgroupID * FRAGMENT_ROWS * WEIGHT_STRIDE + d * FRAGMENT_DEPTH,
                    WEIGHT_STRIDE, gl_CooperativeMatrixLayoutRowMajor);
        [[unroll]] for (uint c = 0; c < HEAD_COLS; c++) {
            coopmat<float16_t, gl_ScopeSubgroup, FRAGMENT_DEPTH, FRAGMENT_COLS, gl_MatrixUseB> v;
            coopMatLoad(v, staged, d * FRAGMENT_DEPTH * ROW_QUADS + c * FRAGMENT_COLS / 4,
                        ROW_QUADS, gl_CooperativeMatrixLayoutRowMajor);
            sums[c] = coopMatMulAdd(weights, v, sums[c]);
        }
    }
}

bool is_visible(attention_tile tile, uint key, uint query)
{
    return are_visible(tile, key, query).x;
}

// Of the lane's keys.
float highest_of_block(attention_tile tile, uint first, uint query, uint across)
{
    float highest = LOWEST;
    for (uint key = across; key < BLOCK_KEYS; key += LANES_SHARING)
        if (is_visible(tile, first + key, query))
            highest = max(highest, scores[query * SCORE_STRIDE + key]);
    return highest;
}

// Leaves the weights of the lane's keys in shared memory and returns their sum.
float weigh_block(attention_tile tile, uint first, uint query, uint across, float highest)
{
    float total = 0.0;
    for (uint key = across; key < BLOCK_KEYS; key += LANES_SHARING) {
        const float score = scores[query * SCORE_STRIDE + key];
        const float16_t weight =
            float16_t(is_visible(tile, first + key, query) ? ONE * exp(score - highest) : 0.0);
        block_weights[query * WEIGHT_STRIDE + key] = weight;
        total += float(weight);
    }
    return total;
}

void main()
{
    const attention_tile tile = tiles[gl_WorkGroupID.x];
    const uint lane = gl_SubgroupID * (WORKGROUP_WIDTH / SUBGROUPS) + gl_SubgroupInvocationID;
    const uint query = lane / LANES_SHARING, across = lane % LANES_SHARING;
    const uint end = key_end(tile);
    load_queries(tile);
    [[unroll]] for (uint c = 0; c < HEAD_COLS; c++)
        sums[c] = coopmat<float, gl_ScopeSubgroup, FRAGMENT_ROWS, FRAGMENT_COLS,
                          gl_MatrixUseAccumulator>(0.0);

    float highest = LOWEST, total = 0.0;
    [[dont_unroll]] for (uint pass = 0; pass < 2; pass++) { // a compiler sees score_block once
        for (uint first = 0; first < end; first += BLOCK_KEYS) {
            score_block(tile, first);
            if (pass == 0) {
                highest = max(highest, highest_of_block(tile, first, query, across));
            } else {
                load_block(tile, first, V);
                total += weigh_block(tile, first, query, across, highest);
                barrier();
                add_block();
                barrier();
            }
        }
        if (pass == 0) {
            of_lanes[lane] = highest;
            barrier();
            [[unroll]] for (uint i = 0; i < LANES_SHARING; i++)
                highest = max(highest, of_lanes[query * LANES_SHARING + i]);
            barrier();
        }
    }
    of_lanes[lane] = total;
    barrier();
    total = 0.0;
    [[unroll]] for (uint i = 0; i < LANES_SHARING; i++)
        total += of_lanes[query * LANES_SHARING + i];

    [[unroll]] for (uint c = 0; c < HEAD_COLS; c++) {
        coopMatStore(sums[c], scores, gl_SubgroupID * FRAGMENT_ROWS * SCORE_STRIDE, SCORE_STRIDE,
                     gl_CooperativeMatrixLayoutRowMajor);
        barrier();
        for (uint quad = across; query < tile.query_count && quad < FRAGMENT_COLS / 4;
             quad += LANES_SHARING) {
            const uint at = query * SCORE_STRIDE + 4 * quad;
            const vec4 mean =
                vec4(scores[at], scores[at + 1], scores[at + 2], scores[at + 3]) / total;
            y[output_at(tile, query) + c * FRAGMENT_COLS / 4 + quad] = f16vec4(mean);
        }
        barrier();
    }
}
