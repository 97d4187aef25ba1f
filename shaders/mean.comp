// mean.comp: the mean of the rows of each sequence.
//
//   math       y[s,:] = sum_j x[j,:] / n, j the keys of sequence s from first_key on, n of them
//   bindings   0 x [tokens, cols] f32; 1 tiles, the first of which are one a sequence; 2 y
//              [sequences, cols] f32
//   mapping    one workgroup per sequence; lanes stride over the columns
//   numerics   f32, in the order of the keys: a result does not depend on the neighbours in the
//              batch
//   checked by src/verify/cases.c against ref_mean() in src/verify/reference.c
#version 460
#extension GL_GOOGLE_include_directive : require
#include "shared/kernel_args.h"

layout(local_size_x_id = SPEC_WORKGROUP_WIDTH) in;

layout(push_constant) uniform Args { mean_args args; };
layout(set = 0, binding = 0) readonly buffer Input { float x[]; };
layout(set = 0, binding = 1) readonly buffer Tiles { attention_tile tiles[]; };
layout(set = 0, binding = 2) writeonly buffer Output { float y[]; };

void main()
{
    const attention_tile tile = tiles[gl_WorkGroupID.x];
    for (uint c = gl_LocalInvocationID.x; c < args.cols; c += gl_WorkGroupSize.x) {
        float sum = 0.0;
        for (uint key = args.first_key; key < tile.key_count; key++) {
            const uint row = key == 0 ? tile.head_row : tile.body_row + key - 1;
            sum += x[row * args.cols + c];
        }
        y[gl_WorkGroupID.x * args.cols + c] = sum / float(tile.key_count - args.first_key);
    }
}
