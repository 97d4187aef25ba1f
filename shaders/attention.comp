// attention.comp: softmax(q k^T) v of every head, over sequences of any length.
//
//   math       out[i,:] = sum_j p_ij v[j,:], p_i = softmax_j(q[i,:] . k[j,:]); q is scaled already.
//              j runs over all keys of the sequence or, where IS_CAUSAL, up to i; the row among
//              the first is the last token then
//   bindings   0 qkv [tokens, 3 * width], columns q, k, v, head after head in each; 1 tiles, a
//              workgroup each; 2 out [tokens, width]
//   mapping    workgroup x is a tile, y a head; LANES_SHARING lanes share four queries. Where that
//              is one, it holds their queries and sums and takes BLOCK_KEYS at a time, without
//              barriers.
//              Else BLOCK_KEYS keys at a time go through shared memory: a lane computes four
//              scores for each of its keys, then adds to the sums of four queries in its columns
//   numerics   f32; one pass, the maximum so far removed and the sums rescaled when it grows.
//              Blocks are counted from the first key of the sequence and lanes added in order,
//              so a result does not depend on the tile or on the neighbours in the batch
//   checked by src/verify/cases.c against ref_attention() in src/verify/reference.c
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "shared/element.glsl"
#include "shared/kernel_args.h"
#include "shared/attention_tile.glsl"

layout(constant_id = SPEC_WORKGROUP_WIDTH) const uint WORKGROUP_WIDTH = 64;
layout(constant_id = SPEC_LANES_SHARING) const uint LANES_SHARING = 16;
layout(constant_id = SPEC_BLOCK_KEYS) const uint BLOCK_KEYS = 32;
layout(local_size_x_id = SPEC_WORKGROUP_WIDTH) in;

const uint GROUPS = WORKGROUP_WIDTH / LANES_SHARING; // of lanes that share four queries
const uint LANE_KEYS = BLOCK_KEYS / LANES_SHARING;
const uint LANE_QUADS = (QUADS + LANES_SHARING - 1) / LANES_SHARING;
const bool IS_SHARED = LANES_SHARING > 1;
const bool IS_LEAN = IS_SHARED && LANE_KEYS == 1; // of registers

// Column i of of_columns is column i of four queries.
vec4 add_products(vec4 scores, mat4 of_columns, vec4 k)
{
    scores = fma(of_columns[0], vec4(k.x), scores);
    scores = fma(of_columns[1], vec4(k.y), scores);
    scores = fma(of_columns[2], vec4(k.z), scores);
    return fma(of_columns[3], vec4(k.w), scores);
}

// Column i of sums is of query i.
mat4 add_weighted(mat4 sums, vec4 v, vec4 weights)
{
    return mat4(fma(vec4(weights.x), v, sums[0]), fma(vec4(weights.y), v, sums[1]),
                fma(vec4(weights.z), v, sums[2]), fma(vec4(weights.w), v, sums[3]));
}

mat4 scale(mat4 sums, vec4 factors)
{
    return mat4(sums[0] * factors.x, sums[1] * factors.y, sums[2] * factors.z, sums[3] * factors.w);
}

void store(attention_tile tile, uint query, uint quad, mat4 means)
{
    [[unroll]] for (uint i = 0; i < 4; i++)
        if (query + i < tile.query_count)
            y[output_at(tile, query + i) + quad] = ELEMENT4(means[i]);
}

// What a lane alone has of its four queries: quads of columns, and as many of the sums.
mat4 own_q[QUADS], own_sums[QUADS];
vec4 own_highest = vec4(LOWEST), own_totals = vec4(0.0);

// A key that a query does not see has the lowest score: the weight is 0 next to any other, and what
// it was before the first of these is multiplied by 0.
vec4 score_alone(attention_tile tile, uint key, uint query)
{
    const uint k = key_at(tile, key, K);
    vec4 scores = vec4(0.0);
    [[unroll]] for (uint c = 0; c < QUADS; c++)
        scores = add_products(scores, own_q[c], vec4(qkv[k + c]));
    return mix(vec4(LOWEST), scores, are_visible(tile, key, query));
}

void raise_alone(vec4 top)
{
    if (top == own_highest)
        return;
    const vec4 shrink = exp(own_highest - top);
    own_highest = top;
    own_totals *= shrink;
    [[unroll]] for (uint c = 0; c < QUADS; c++)
        own_sums[c] = scale(own_sums[c], shrink);
}

void add_alone(attention_tile tile, uint key, vec4 scores)
{
    const uint v = key_at(tile, key, V);
    const vec4 weights = exp(scores - own_highest);
    own_totals += weights;
    [[unroll]] for (uint c = 0; c < QUADS; c++)
        own_sums[c] = add_weighted(own_sums[c], vec4(qkv[v + c]), weights);
}

// For devices whose barriers are dear, and which have no registers to run out of.
void attend_alone(attention_tile tile)
{
    const uint query = 4 * gl_LocalInvocationID.x;
    if (query >= tile.query_count)
        return;
    const uint q0 = query_at(tile, query), q1 = query_at(tile, query + 1);
    const uint q2 = query_at(tile, query + 2), q3 = query_at(tile, query + 3);
    [[unroll]] for (uint c = 0; c < QUADS; c++) {
        own_q[c] = transpose(mat4(vec4(qkv[q0 + c]), vec4(qkv[q1 + c]), vec4(qkv[q2 + c]),
                                  vec4(qkv[q3 + c])));
        own_sums[c] = mat4(0.0);
    }

    const uint end = key_end(tile);
    for (uint key = 0; BLOCK_KEYS == 1 && key < end; key++) {
        const vec4 scores = score_alone(tile, key, query);
        raise_alone(max(own_highest, scores));
        add_alone(tile, key, scores);
    }
    for (uint first = 0; BLOCK_KEYS > 1 && first < end; first += BLOCK_KEYS) {
        vec4 scores[BLOCK_KEYS], top = own_highest;
        [[dont_unroll]] for (uint i = 0; i < BLOCK_KEYS; i++) {
            scores[i] = score_alone(tile, first + i, query);
            top = max(top, scores[i]);
        }
        raise_alone(top);
        [[dont_unroll]] for (uint i = 0; i < BLOCK_KEYS; i++)
            add_alone(tile, first + i, scores[i]);
    }
    [[unroll]] for (uint c = 0; c < QUADS; c++)
        store(tile, query, c, scale(own_sums[c], 1.0 / own_totals));
}

// shared_bytes() in src/model/attention_variants.c counts what this takes.
shared vec4 queries[IS_SHARED ? 4 * GROUPS * QUADS : 1];
shared vec4 block[IS_SHARED ? QUADS * (BLOCK_KEYS + 1) : 1]; // of k or v
shared vec4 block_weights[IS_SHARED ? GROUPS * BLOCK_KEYS : 1];
shared vec4 of_lanes[IS_SHARED ? WORKGROUP_WIDTH : 1];
// What a lean lane does not need for its scores. Without, V3D's compiler (Mesa 26.2.6) spills 8
// registers, 18 where causal.
shared vec4 kept_highest[IS_LEAN ? WORKGROUP_WIDTH : 1];
shared vec4 kept_totals[IS_LEAN ? WORKGROUP_WIDTH : 1];

void load_queries(attention_tile tile)
{
    for (uint i = gl_LocalInvocationID.x; i < 4 * GROUPS * QUADS; i += WORKGROUP_WIDTH)
        queries[i] = vec4(qkv[query_at(tile, i / QUADS) + i % QUADS]);
}

// Lanes side by side read one quad of as many keys of k, but as many quads of one key of v; the
// odd stride of k keeps those that write it off each other's banks.
void load_block(attention_tile tile, uint first, uint part)
{
    const uint key_stride = part == K ? 1 : QUADS, quad_stride = part == K ? BLOCK_KEYS + 1 : 1;
    for (uint i = gl_LocalInvocationID.x; i < BLOCK_KEYS * QUADS; i += WORKGROUP_WIDTH)
        block[i / QUADS * key_stride + i % QUADS * quad_stride] =
            vec4(qkv[key_at(tile, first + i / QUADS, part) + i % QUADS]);
}

void attend_together(attention_tile tile)
{
    const uint lane = gl_LocalInvocationID.x;
    const uint group = lane / LANES_SHARING, across = lane % LANES_SHARING;
    const uint first_lane = lane - across, query = 4 * group;
    const bool is_used = query < tile.query_count; // others help to load
    load_queries(tile);

    mat4 sums[LANE_QUADS];
    [[unroll]] for (uint c = 0; c < LANE_QUADS; c++)
        sums[c] = mat4(0.0);
    vec4 highest = vec4(LOWEST), totals = vec4(0.0); // totals of the lane's own keys
    if (IS_LEAN) {
        kept_highest[lane] = highest;
        kept_totals[lane] = totals;
    }
    const uint end = key_end(tile);
    for (uint first = 0; first < end; first += BLOCK_KEYS) {
        barrier();
        load_block(tile, first, K);
        barrier();
        vec4 scores[LANE_KEYS];
        [[unroll]] for (uint j = 0; j < LANE_KEYS; j++)
            scores[j] = vec4(0.0);
        if (is_used)
            for (uint c = 0; c < QUADS; c++) {
                const uint q = query * QUADS + c, k = c * (BLOCK_KEYS + 1) + across;
                const mat4 of_columns = transpose(mat4(queries[q], queries[q + QUADS],
                                                       queries[q + 2 * QUADS],
                                                       queries[q + 3 * QUADS]));
                [[unroll]] for (uint j = 0; j < LANE_KEYS; j++)
                    scores[j] = add_products(scores[j], of_columns, block[k + j * LANES_SHARING]);
            }

        if (IS_LEAN)
            highest = kept_highest[lane];
        vec4 top = highest;
        [[unroll]] for (uint j = 0; j < LANE_KEYS; j++) {
            const uint key = first + across + j * LANES_SHARING;
            scores[j] = mix(vec4(LOWEST), scores[j], are_visible(tile, key, query));
            top = max(top, scores[j]);
        }
        of_lanes[lane] = top;
        barrier();
        load_block(tile, first, V);
        [[unroll]] for (uint i = 0; i < LANES_SHARING; i++)
            top = max(top, of_lanes[first_lane + i]);
        const vec4 shrink = exp(highest - top);
        highest = top;
        if (IS_LEAN)
            totals = kept_totals[lane];
        totals *= shrink;
        [[unroll]] for (uint c = 0; c < LANE_QUADS; c++)
            sums[c] = scale(sums[c], shrink);
        [[unroll]] for (uint j = 0; j < LANE_KEYS; j++) {
            const vec4 weights = exp(scores[j] - highest);
            totals += weights;
            block_weights[group * BLOCK_KEYS + across + j * LANES_SHARING] = weights;
        }
        if (IS_LEAN) {
            kept_highest[lane] = highest;
            kept_totals[lane] = totals;
        }
        barrier();
        if (is_used)
            for (uint key = 0; key < BLOCK_KEYS; key++)
                [[unroll]] for (uint c = 0; c < LANE_QUADS; c++) {
                    const uint quad = min(across + c * LANES_SHARING, QUADS - 1);
                    sums[c] = add_weighted(sums[c], block[key * QUADS + quad],
                                           block_weights[group * BLOCK_KEYS + key]);
                }
    }

    of_lanes[lane] = IS_LEAN ? kept_totals[lane] : totals;
    barrier();
    totals = vec4(0.0);
    [[unroll]] for (uint i = 0; i < LANES_SHARING; i++)
        totals += of_lanes[first_lane + i];
    [[unroll]] for (uint c = 0; c < LANE_QUADS; c++)
        if (across + c * LANES_SHARING < QUADS)
            store(tile, query, across + c * LANES_SHARING, scale(sums[c], 1.0 / totals));
}

void main()
{
    const attention_tile tile = tiles[gl_WorkGroupID.x];
    if (IS_SHARED)
        attend_together(tile);
    else
        attend_alone(tile);
}
