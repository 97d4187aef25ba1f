// attention_variants.c: the table of variants, and what follows from their numbers.
#include "model/attention_variants.h"

#include <string.h>

// Four queries a lane load each key once, and take llvmpipe 0.45 of the time of one a lane (197
// tokens); six gain no more. GPUs share these four among 16 lanes, so that a lane holds 16 sums,
// not 256. With 32 keys at a time AMD's compiler counts 185 vector instructions for a query and key
// on navi31, with 16 it counts 213, and Intel's 15000 and 23000 cycles on Tiger Lake; Mali's and
// V3D's spill with 32. Twice the queries load half the keys, and a lane holds twice the sums.
//
// Alone, sums are rescaled where the maximum grows: at a third of the keys when they are looked at
// one by one, once in 16 when these are scored first, which Mesa 22.3.6 likes and 26.2.6 does not.
// Milliseconds of CPU time, 197 tokens and 12 heads in fp32 on an EPYC, Mesa 22.3.6 and 26.2.6: one
// key 14.2 and 5.6, 16 keys 13.2 and 6.7; 4, 8, 32 and 64 are no better. In two passes, of which
// the first looks for the maximum and the second scores once more: 16.7 and 6.3.
//
// On matrices, the scores of a block are computed twice, so that sums are never rescaled. llvmpipe
// of Mesa 26.2.6 takes 55.8 ms with two subgroups and 45.7 with one, where lanes alone take 6.0.
// Compiled for an RX 7900 XTX, an 890M, an RX 9070 XT, Turing, Ampere, Ada and Blackwell (Mesa
// 26.2.6), nothing spills; what they take on these was not measured.
//
// Never more than the 128 lanes and 16 KiB that Vulkan guarantees, but for matrices.
const struct attention_variant attention_variants[] = {
    {"alone-32x1", ATTENTION_ALONE, 8, 1, 1},       {"alone-32x16", ATTENTION_ALONE, 8, 1, 16},
    {"shared-16x32", ATTENTION_SHARED, 64, 16, 32}, {"shared-16x16", ATTENTION_SHARED, 64, 16, 16},
    {"shared-32x16", ATTENTION_SHARED, 64, 8, 16},  {"matrix-4x32", ATTENTION_MATRIX, 4, 1, 32},
    {"matrix-2x32", ATTENTION_MATRIX, 2, 1, 32},
};
const uint32_t attention_variant_count = sizeof attention_variants / sizeof *attention_variants;

uint32_t attention_variant_rows(const struct attention_variant *variant,
                                const vkclip_device_facts *device)
{
    return variant->method == ATTENTION_MATRIX ? variant->lanes * device->matrix_rows
                                               : 4 * variant->lanes / variant->sharing;
}

// Of shared memory, as attention.comp declares it: queries, a block of keys, weights, and a vec4 a
// lane or three. With heads of 64 columns 15.3 KiB by 32 keys, 12.3 by 16.
static uint32_t shared_bytes(const struct attention_variant *variant, uint32_t head_dim)
{
    const uint32_t queries = 4 * variant->lanes / variant->sharing;
    const uint32_t lane_floats = variant->block_keys == variant->sharing ? 12 : 4;
    const uint32_t floats = (queries + variant->block_keys + 1) * head_dim +
                            queries * variant->block_keys + lane_floats * variant->lanes;
    return floats * (uint32_t)sizeof(float);
}

// As attention_matrix.comp declares it. Four subgroups with 16 rows and 32 lanes each, heads of 64
// columns: 23.5 KiB.
static uint32_t matrix_bytes(const struct attention_variant *variant,
                             const vkclip_device_facts *device, uint32_t head_dim)
{
    const uint32_t queries = variant->lanes * device->matrix_rows, keys = variant->block_keys;
    const uint32_t staged = (queries > keys ? queries : keys) * (head_dim + 8);
    return 2 * (staged + queries * (keys + 8)) + 4 * queries * (keys + 4) +
           4 * variant->lanes * device->subgroup_width;
}

struct attention_variant attention_variant_for(const struct attention_variant *variant,
                                               uint32_t head_dim)
{
    enum { GUARANTEED_BYTES = 16384 };
    struct attention_variant smaller = *variant;
    while (smaller.method == ATTENTION_SHARED &&
           shared_bytes(&smaller, head_dim) > GUARANTEED_BYTES)
        if (smaller.block_keys > smaller.sharing)
            smaller.block_keys /= 2;
        else
            smaller.lanes /= 2;
    return smaller;
}

bool attention_variant_fits(const struct attention_variant *variant,
                            const vkclip_device_facts *device, vkclip_precision precision,
                            uint32_t head_dim)
{
    if (variant->method != ATTENTION_MATRIX)
        return true;
    return precision == VKCLIP_PRECISION_FP16 && device->matrix_rows &&
           device->subgroup_width % device->matrix_rows == 0 &&
           head_dim % device->matrix_depth == 0 && head_dim % device->matrix_cols == 0 &&
           variant->lanes * device->subgroup_width <= device->workgroup_width &&
           matrix_bytes(variant, device, head_dim) <= device->shared_memory_bytes;
}

bool attention_variant_suits(const struct attention_variant *variant,
                             const vkclip_device_facts *device)
{
    return device->kind == VKCLIP_DEVICE_SOFTWARE ? variant->method != ATTENTION_SHARED
                                                  : variant->method != ATTENTION_ALONE;
}

const struct attention_variant *attention_variant_find(const char *name)
{
    for (uint32_t i = 0; i < attention_variant_count; i++)
        if (strcmp(attention_variants[i].name, name) == 0)
            return &attention_variants[i];
    return NULL;
}
