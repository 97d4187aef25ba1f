// attention.comp: softmax(q k^T) v of every head, over sequences of any length.
//
//   math       out[i,:] = sum_j p_ij v[j,:], p_i = softmax_j(q[i,:] . k[j,:]); q is scaled already.
//              j runs over all keys of the sequence or, where IS_CAUSAL, up to i; the row among
//              the first is the last token then
//   bindings   0 qkv [tokens, 3 * width], columns q, k, v, head after head in each; 1 tiles, a
//              workgroup each; 2 out [tokens, width]
//   mapping    workgroup x is a tile, y a head; a lane computes one query. All lanes read the
//              same key at the same time
//   numerics   f32; one pass, the maximum so far removed and the sums rescaled when it grows.
//              The order of keys is that of the sequence, so a result does not depend on the
//              tile or on the neighbours in the batch. Eight keys at a time would save
//              rescaling, but take llvmpipe over ten seconds to compile
//   checked by src/verify/cases.c against ref_attention() in src/verify/reference.c
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "shared/element.glsl"
#include "shared/kernel_args.h"

layout(constant_id = SPEC_WORKGROUP_WIDTH) const uint WORKGROUP_WIDTH = 64;
layout(constant_id = SPEC_HEAD_DIM) const uint HEAD_DIM = 64;
layout(constant_id = SPEC_IS_CAUSAL) const bool IS_CAUSAL = false;
layout(local_size_x_id = SPEC_WORKGROUP_WIDTH) in;

layout(push_constant) uniform Args { attention_args args; };
layout(set = 0, binding = 0) readonly buffer Qkv { ELEMENT4 qkv[]; };
layout(set = 0, binding = 1) readonly buffer Tiles { attention_tile tiles[]; };
layout(set = 0, binding = 2) writeonly buffer Output { ELEMENT4 y[]; };

const uint QUADS = HEAD_DIM / 4;
const float LOWEST = -1.7e38; // half of the smallest float, so that differences stay finite

void main()
{
    const attention_tile tile = tiles[gl_WorkGroupID.x];
    if (gl_LocalInvocationID.x >= tile.query_count)
        return;
    const uint width = args.width / 4;
    const uint head = gl_WorkGroupID.y * QUADS;
    const uint query_row = tile.query_row + gl_LocalInvocationID.x;

    vec4 q[QUADS], sums[QUADS];
    [[unroll]] for (uint c = 0; c < QUADS; c++) {
        q[c] = vec4(qkv[query_row * 3 * width + head + c]);
        sums[c] = vec4(0.0);
    }

    float highest = LOWEST, total = 0.0;
    for (uint key = 0; key < tile.key_count; key++) {
        const uint row = key == 0 ? tile.head_row : tile.body_row + key - 1;
        if (IS_CAUSAL && query_row != tile.head_row && (key == 0 || row > query_row))
            continue;
        const uint k = row * 3 * width + width + head, v = k + width;
        vec4 products = vec4(0.0);
        [[unroll]] for (uint c = 0; c < QUADS; c++)
            products = fma(q[c], vec4(qkv[k + c]), products);
        const float score = products.x + products.y + (products.z + products.w);

        if (score > highest) {
            const float shrink = exp(highest - score);
            highest = score;
            total *= shrink;
            [[unroll]] for (uint c = 0; c < QUADS; c++)
                sums[c] *= shrink;
        }
        const float weight = exp(score - highest);
        total += weight;
        [[unroll]] for (uint c = 0; c < QUADS; c++)
            sums[c] = fma(vec4(weight), vec4(qkv[v + c]), sums[c]);
    }

    [[unroll]] for (uint c = 0; c < QUADS; c++)
        y[query_row * width + head + c] = ELEMENT4(sums[c] / total);
}
