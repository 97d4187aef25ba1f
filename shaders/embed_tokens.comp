// embed_tokens.comp: token ids -> rows of the text tower.
//
//   math       x[r,:] = words[id_r,:] + places[position_r,:]; places holds the token type too
//              of tokens whose word is in the part that is bound
//   bindings   0 tokens, a row each; 1 words [part of the vocabulary, width]; 2 places [positions,
//              width] f32; 3 x [tokens, width] f32
//   mapping    one workgroup per row; lanes stride over the columns
//   numerics   one f32 addition
//   checked by src/verify/cases.c against ref_embed_tokens() in src/verify/reference.c
#version 460
#extension GL_GOOGLE_include_directive : require
#include "shared/element.glsl"
#include "shared/kernel_args.h"

layout(local_size_x_id = SPEC_WORKGROUP_WIDTH) in;

layout(push_constant) uniform Args { embed_tokens_args args; };
layout(set = 0, binding = 0) readonly buffer Tokens { token tokens[]; };
layout(set = 0, binding = 1) readonly buffer Words { ELEMENT words[]; };
layout(set = 0, binding = 2) readonly buffer Places { float places[]; };
layout(set = 0, binding = 3) writeonly buffer Rows { float x[]; };

void main()
{
    const uint row = gl_WorkGroupID.x;
    const token t = tokens[row];
    const uint word = t.id - args.first_id; // wraps below the part
    if (word >= args.id_count)
        return;
    for (uint c = gl_LocalInvocationID.x; c < args.width; c += gl_WorkGroupSize.x)
        x[row * args.width + c] =
            float(words[word * args.width + c]) + places[t.position * args.width + c];
}
