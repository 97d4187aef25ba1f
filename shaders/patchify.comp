// patchify.comp: pictures -> one row of normalised pixels a patch, and the rows they add to.
//
//   math       patches[r, (c, ky, kx)] = v * scale[c] + shift[c], v the pixel 0..255; 0 in the
//              rows of [CLS] and registers. x[r,:] = places[0,:] in [CLS] rows, places[1 + i,:] in
//              the others, registers first
//   bindings   0 pixels [sequences, size, size, 3] u8 in words; 1 places [1 + registers +
//              patches, width] f32; 2 patches [tokens, 3 * patch * patch]; 3 x [tokens, width]
//              f32; 4 counts
//   mapping    one workgroup per row; lanes stride over the columns
//   numerics   f32; scale and shift are rounded from double
//   checked by src/verify/cases.c against ref_patchify() in src/verify/reference.c
#version 460
#extension GL_GOOGLE_include_directive : require
#include "shared/element.glsl"
#include "shared/kernel_args.h"

layout(local_size_x_id = SPEC_WORKGROUP_WIDTH) in;

layout(push_constant) uniform Args { patchify_args args; };
layout(set = 0, binding = 0) readonly buffer Pixels { uint words[]; };
layout(set = 0, binding = 1) readonly buffer Places { float places[]; };
layout(set = 0, binding = 2) writeonly buffer Patches { OUTPUT patches[]; };
layout(set = 0, binding = 3) writeonly buffer Rows { float x[]; };
layout(set = 0, binding = 4) uniform Counts { run_counts counts; };

float pixel(uint byte_index)
{
    return float(words[byte_index / 4] >> byte_index % 4 * 8 & 0xff);
}

void main()
{
    const uint row = gl_WorkGroupID.x;
    const uint size = args.image_size_px, patch_size = args.patch_size_px;
    const uint across = size / patch_size, patch_count = across * across;
    const uint patch_cols = 3 * patch_size * patch_size;

    const bool is_cls = row < counts.sequences;
    const uint body_count = args.register_count + patch_count;
    const uint body = is_cls ? 0 : row - counts.sequences;
    const uint image = body / body_count, place = is_cls ? 0 : 1 + body % body_count;
    const bool is_patch = place > args.register_count;
    const uint index = is_patch ? place - 1 - args.register_count : 0;
    const uint top = index / across * patch_size, left = index % across * patch_size;

    for (uint i = gl_LocalInvocationID.x; i < patch_cols; i += gl_WorkGroupSize.x) {
        const uint channel = i / (patch_size * patch_size);
        const uint ky = i / patch_size % patch_size, kx = i % patch_size;
        const uint at = ((image * size + top + ky) * size + left + kx) * 3 + channel;
        const float value = pixel(at) * args.scale[channel] + args.shift[channel];
        patches[row * patch_cols + i] = OUTPUT(is_patch ? value : 0.0);
    }
    for (uint c = gl_LocalInvocationID.x; c < args.width; c += gl_WorkGroupSize.x)
        x[row * args.width + c] = places[place * args.width + c];
}
