// kernels.c: SPIR-V of every kernel and the shape each kind of device gets.
#include "model/kernels.h"

#include "shared/kernel_args.h"

// clang-format off
static const uint32_t patchify_f32[] = {
#include "patchify_f32.spv.inc"
};
static const uint32_t patchify_f16[] = {
#include "patchify_f16.spv.inc"
};
static const uint32_t embed_tokens_f32[] = {
#include "embed_tokens_f32.spv.inc"
};
static const uint32_t embed_tokens_f16[] = {
#include "embed_tokens_f16.spv.inc"
};
static const uint32_t layernorm_f32[] = {
#include "layernorm_f32.spv.inc"
};
static const uint32_t layernorm_f16[] = {
#include "layernorm_f16.spv.inc"
};
static const uint32_t linear_f32[] = {
#include "linear_f32.spv.inc"
};
static const uint32_t linear_f16[] = {
#include "linear_f16.spv.inc"
};
static const uint32_t linear_f16_f32[] = {
#include "linear_f16_f32.spv.inc"
};
static const uint32_t attention_f32[] = {
#include "attention_f32.spv.inc"
};
static const uint32_t attention_f16[] = {
#include "attention_f16.spv.inc"
};
static const uint32_t mean_f32[] = {
#include "mean_f32.spv.inc"
};
static const uint32_t normalize_f32[] = {
#include "normalize_f32.spv.inc"
};
// clang-format on

struct spirv {
    const uint32_t *words;
    size_t byte_count;
};
#define SPIRV(words) words, sizeof words

static const struct {
    const char *name;
    struct spirv f32, f16;
} sources[KERNEL_COUNT] = {
    [KERNEL_PATCHIFY] = {"patchify", {SPIRV(patchify_f32)}, {SPIRV(patchify_f16)}},
    [KERNEL_EMBED_TOKENS] = {"embed_tokens", {SPIRV(embed_tokens_f32)}, {SPIRV(embed_tokens_f16)}},
    [KERNEL_LAYERNORM] = {"layernorm", {SPIRV(layernorm_f32)}, {SPIRV(layernorm_f16)}},
    [KERNEL_LINEAR] = {"linear", {SPIRV(linear_f32)}, {SPIRV(linear_f16)}},
    [KERNEL_LINEAR_NARROW] = {"linear", {SPIRV(linear_f32)}, {SPIRV(linear_f16)}},
    [KERNEL_LINEAR_F32] = {"linear", .f16 = {SPIRV(linear_f16_f32)}},
    [KERNEL_LINEAR_F32_NARROW] = {"linear", .f16 = {SPIRV(linear_f16_f32)}},
    [KERNEL_ATTENTION] = {"attention", {SPIRV(attention_f32)}, {SPIRV(attention_f16)}},
    [KERNEL_ATTENTION_CAUSAL] = {"attention", {SPIRV(attention_f32)}, {SPIRV(attention_f16)}},
    [KERNEL_MEAN] = {"mean", {SPIRV(mean_f32)}, {SPIRV(mean_f32)}},
    [KERNEL_NORMALIZE] = {"normalize", {SPIRV(normalize_f32)}, {SPIRV(normalize_f32)}},
};

// Tiles of linear, as specialization constants.
struct linear_tile {
    uint32_t workgroup_width, tile_rows, tile_cols, lanes_across, is_staged;
};

// Tiles of attention, likewise.
struct attention_shape {
    uint32_t workgroup_width, lanes_sharing, block_keys;
};

// What the kinds of devices get. Measured on llvmpipe (Mesa 22.3.6, 2 cores of an EPYC, GFLOP a
// core and second, 197 x 768 by 768 x 768): 14 with 12 x 16 outputs a lane, 8 with 12 x 4, 1.5
// with shared memory, whose barriers a CPU pays dearly. GPUs get the textbook's 64 x 64 tile in
// shared memory, within the 128 lanes and 16 KiB that Vulkan guarantees.
struct device_shapes {
    struct linear_tile linear, linear_narrow;
    uint32_t row_width; // workgroup of layernorm and normalize
    uint32_t lanes_per_row;
    struct attention_shape attention;
    uint32_t copy_width; // workgroup of patchify, embed_tokens and mean
};

// Mali and V3D have 64 registers a lane, and keep shared memory where all memory is. In the
// textbook's tile their compilers (Mesa 26.2.6) spill: 167 fills in 1492 instructions on a
// Mali-G610, 316 in 2860 on V3D 7.1. In the small one they do not.
//
// Attention: four queries a lane load each key once, and take llvmpipe 0.45 of the time of one a
// lane (197 tokens); six gain no more. GPUs share these four among 16 lanes, so that a lane holds
// 16 sums, not 256. With 32 keys at a time AMD's compiler counts 185 vector instructions for a
// query and key on navi31, with 16 it counts 213, and Intel's 15000 and 23000 cycles on Tiger
// Lake; Mali's and V3D's spill with 32.
static const struct device_shapes device_shapes[TILES_COUNT] = {
    [TILES_SOFTWARE] =
        {
            .linear = {8, 12, 16, 2, 0},
            .linear_narrow = {8, 12, 4, 8, 0},
            .row_width = 8,
            .lanes_per_row = 1,
            .attention = {8, 1, 1},
            .copy_width = 32,
        },
    [TILES_HARDWARE] =
        {
            .linear = {128, 8, 4, 16, 1},
            .linear_narrow = {64, 4, 4, 16, 0},
            .row_width = 64,
            .lanes_per_row = 64,
            .attention = {64, 16, 32},
            .copy_width = 64,
        },
    [TILES_SMALL] =
        {
            .linear = {64, 4, 4, 16, 0},
            .linear_narrow = {64, 4, 4, 16, 0},
            .row_width = 64,
            .lanes_per_row = 64,
            .attention = {64, 16, 16},
            .copy_width = 64,
        },
};

// Vulkan does not tell how many registers there are. GPUs with few have narrow subgroups too: 16
// lanes or fewer on Mali and V3D, 32 or more on all others.
enum kernels_tiles kernels_choose_tiles(const vkclip_device_facts *device)
{
    if (device->kind == VKCLIP_DEVICE_SOFTWARE)
        return TILES_SOFTWARE;
    return device->subgroup_width < 32 ? TILES_SMALL : TILES_HARDWARE;
}

const char *kernel_name(enum kernel kernel)
{
    return sources[kernel].name;
}

static bool create(struct kernels *kernels, enum kernel kernel, const uint32_t *constants,
                   uint32_t constant_count, vkclip_error *err)
{
    const struct spirv *spirv =
        kernels->precision == VKCLIP_PRECISION_FP16 ? &sources[kernel].f16 : &sources[kernel].f32;
    kernels->pipelines[kernel] = gpu_pipeline_create(kernels->gpu,
                                                     &(struct gpu_pipeline_source){
                                                         .name = sources[kernel].name,
                                                         .spirv = spirv->words,
                                                         .spirv_bytes = spirv->byte_count,
                                                         .constants = constants,
                                                         .constant_count = constant_count,
                                                     },
                                                     err);
    return kernels->pipelines[kernel] != NULL;
}

static bool create_linear(struct kernels *kernels, enum kernel kernel,
                          const struct linear_tile *tile, vkclip_error *err)
{
    const uint32_t constants[] = {
        [SPEC_WORKGROUP_WIDTH] = tile->workgroup_width,
        [SPEC_TILE_ROWS] = tile->tile_rows,
        [SPEC_TILE_COLS] = tile->tile_cols,
        [SPEC_LANES_ACROSS] = tile->lanes_across,
        [SPEC_IS_STAGED] = tile->is_staged,
    };
    kernels->shapes[kernel].rows = tile->workgroup_width / tile->lanes_across * tile->tile_rows;
    kernels->shapes[kernel].cols = tile->lanes_across * tile->tile_cols;
    return create(kernels, kernel, constants, 5, err);
}

static bool create_by_row(struct kernels *kernels, enum kernel kernel,
                          const struct device_shapes *shapes, vkclip_error *err)
{
    const uint32_t constants[] = {
        [SPEC_WORKGROUP_WIDTH] = shapes->row_width,
        [SPEC_LANES_PER_ROW] = shapes->lanes_per_row,
    };
    kernels->shapes[kernel].rows = shapes->row_width / shapes->lanes_per_row;
    return create(kernels, kernel, constants, 2, err);
}

static bool create_copy(struct kernels *kernels, enum kernel kernel,
                        const struct device_shapes *shapes, vkclip_error *err)
{
    kernels->shapes[kernel].rows = 1;
    return create(kernels, kernel, &shapes->copy_width, 1, err);
}

// Bytes of shared memory of attention.comp: queries, a block of keys, weights, and a vec4 a lane or
// three. With heads of 64 columns 15.3 KiB by 32 keys, 12.3 by 16.
static uint32_t attention_bytes(const struct attention_shape *shape, uint32_t head_dim)
{
    const uint32_t queries = 4 * shape->workgroup_width / shape->lanes_sharing;
    const uint32_t lane_floats = shape->block_keys == shape->lanes_sharing ? 12 : 4;
    const uint32_t floats = (queries + shape->block_keys + 1) * head_dim +
                            queries * shape->block_keys + lane_floats * shape->workgroup_width;
    return floats * (uint32_t)sizeof(float);
}

// Heads wider than 64 columns get smaller tiles, so that these fit in what Vulkan guarantees.
static struct attention_shape fit_attention(struct attention_shape shape, uint32_t head_dim)
{
    enum { GUARANTEED_BYTES = 16384 };
    while (shape.lanes_sharing > 1 && attention_bytes(&shape, head_dim) > GUARANTEED_BYTES)
        if (shape.block_keys > shape.lanes_sharing)
            shape.block_keys /= 2;
        else
            shape.workgroup_width /= 2;
    return shape;
}

static bool create_attention(struct kernels *kernels, enum kernel kernel,
                             const struct device_shapes *shapes, uint32_t head_dim,
                             vkclip_error *err)
{
    const struct attention_shape shape = fit_attention(shapes->attention, head_dim);
    const uint32_t constants[] = {
        [SPEC_WORKGROUP_WIDTH] = shape.workgroup_width,
        [SPEC_HEAD_DIM] = head_dim,
        [SPEC_IS_CAUSAL] = kernel == KERNEL_ATTENTION_CAUSAL,
        [SPEC_LANES_SHARING] = shape.lanes_sharing,
        [SPEC_BLOCK_KEYS] = shape.block_keys,
    };
    kernels->shapes[kernel].rows = 4 * shape.workgroup_width / shape.lanes_sharing;
    return create(kernels, kernel, constants, 5, err);
}

bool kernels_init(struct kernels *kernels, struct gpu *gpu, const struct kernels_params *params,
                  vkclip_error *err)
{
    const vkclip_device_facts *facts = gpu_get_facts(gpu);
    if (params->precision == VKCLIP_PRECISION_FP16 && !facts->has_fp16_storage)
        return fail(err, VKCLIP_ERROR_DEVICE, "%s does not store fp16: use fp32", facts->name);

    const struct device_shapes *shapes = &device_shapes[params->tiles];
    *kernels = (struct kernels){
        .gpu = gpu,
        .precision = params->precision,
        .element_bytes = params->precision == VKCLIP_PRECISION_FP16 ? 2 : 4,
    };
    return create_copy(kernels, KERNEL_PATCHIFY, shapes, err) &&
           create_copy(kernels, KERNEL_EMBED_TOKENS, shapes, err) &&
           create_by_row(kernels, KERNEL_LAYERNORM, shapes, err) &&
           create_by_row(kernels, KERNEL_NORMALIZE, shapes, err) &&
           create_linear(kernels, KERNEL_LINEAR, &shapes->linear, err) &&
           create_linear(kernels, KERNEL_LINEAR_NARROW, &shapes->linear_narrow, err) &&
           (params->precision != VKCLIP_PRECISION_FP16 ||
            (create_linear(kernels, KERNEL_LINEAR_F32, &shapes->linear, err) &&
             create_linear(kernels, KERNEL_LINEAR_F32_NARROW, &shapes->linear_narrow, err))) &&
           create_attention(kernels, KERNEL_ATTENTION, shapes, params->head_dim, err) &&
           (!params->is_causal ||
            create_attention(kernels, KERNEL_ATTENTION_CAUSAL, shapes, params->head_dim, err)) &&
           (!params->has_mean || create_copy(kernels, KERNEL_MEAN, shapes, err));
}

void kernels_finish(struct kernels *kernels)
{
    for (int i = 0; i < KERNEL_COUNT; i++)
        gpu_pipeline_destroy(kernels->gpu, kernels->pipelines[i]);
    *kernels = (struct kernels){0};
}
