// kernels.c: SPIR-V of every kernel and the shape each kind of device gets.
#include "model/kernels.h"

#include <string.h>

#include "base/parallel.h"
#include "base/sha256.h"
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
static const uint32_t linear_int8[] = {
#include "linear_int8.spv.inc"
};
static const uint32_t linear_int8_dot4[] = {
#include "linear_int8_dot4.spv.inc"
};
static const uint32_t quantize[] = {
#include "quantize.spv.inc"
};
static const uint32_t linear_striped_f32[] = {
#include "linear_striped_f32.spv.inc"
};
static const uint32_t linear_striped_f16[] = {
#include "linear_striped_f16.spv.inc"
};
static const uint32_t linear_striped_f16_f32[] = {
#include "linear_striped_f16_f32.spv.inc"
};
static const uint32_t linear_quads_f32[] = {
#include "linear_quads_f32.spv.inc"
};
static const uint32_t linear_quads_f16[] = {
#include "linear_quads_f16.spv.inc"
};
static const uint32_t linear_quads_f16_f32[] = {
#include "linear_quads_f16_f32.spv.inc"
};
#ifdef VKCLIP_HAS_MATRIX
static const uint32_t linear_matrix_f16[] = {
#include "linear_matrix_f16.spv.inc"
};
static const uint32_t linear_matrix_f16_f32[] = {
#include "linear_matrix_f16_f32.spv.inc"
};
#endif
#ifdef VKCLIP_HAS_MATRIX
static const uint32_t attention_matrix_f16[] = {
#include "attention_matrix_f16.spv.inc"
};
#endif
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
static const uint32_t top_k_f32[] = {
#include "top_k_f32.spv.inc"
};
// clang-format on

struct spirv {
    const uint32_t *words;
    size_t byte_count;
};
#define SPIRV(words) words, sizeof words

// By what they read and, where that differs, what they write.
struct linear_sources {
    struct spirv f32, f16, f16_f32;
};

static const struct spirv int8_source = {SPIRV(linear_int8)};
static const struct spirv int8_dot4_source = {SPIRV(linear_int8_dot4)};

static const struct linear_sources linear_sources = {
    {SPIRV(linear_f32)}, {SPIRV(linear_f16)}, {SPIRV(linear_f16_f32)}};
static const struct linear_sources striped_sources = {
    {SPIRV(linear_striped_f32)}, {SPIRV(linear_striped_f16)}, {SPIRV(linear_striped_f16_f32)}};
static const struct linear_sources quads_sources = {
    {SPIRV(linear_quads_f32)}, {SPIRV(linear_quads_f16)}, {SPIRV(linear_quads_f16_f32)}};
static const struct linear_sources matrix_sources = {
    .f32 = {NULL, 0},
#ifdef VKCLIP_HAS_MATRIX // else no device is said to have matrices
    .f16 = {SPIRV(linear_matrix_f16)},
    .f16_f32 = {SPIRV(linear_matrix_f16_f32)},
#endif
};

static const struct spirv attention_matrix_source = {
#ifdef VKCLIP_HAS_MATRIX
    SPIRV(attention_matrix_f16)
#else
    NULL, 0
#endif
};

static const struct {
    const char *name;
    struct spirv f32, f16;
} sources[KERNEL_COUNT] = {
    [KERNEL_PATCHIFY] = {"patchify", {SPIRV(patchify_f32)}, {SPIRV(patchify_f16)}},
    [KERNEL_EMBED_TOKENS] = {"embed_tokens", {SPIRV(embed_tokens_f32)}, {SPIRV(embed_tokens_f16)}},
    [KERNEL_LAYERNORM] = {"layernorm", {SPIRV(layernorm_f32)}, {SPIRV(layernorm_f16)}},
    [KERNEL_QUANTIZE] = {"quantize", {SPIRV(quantize)}, {SPIRV(quantize)}},
    [KERNEL_ATTENTION] = {"attention", {SPIRV(attention_f32)}, {SPIRV(attention_f16)}},
    [KERNEL_ATTENTION_CAUSAL] = {"attention", {SPIRV(attention_f32)}, {SPIRV(attention_f16)}},
    [KERNEL_MEAN] = {"mean", {SPIRV(mean_f32)}, {SPIRV(mean_f32)}},
    [KERNEL_NORMALIZE] = {"normalize", {SPIRV(normalize_f32)}, {SPIRV(normalize_f32)}},
    [KERNEL_TOP_K] = {"top_k", {SPIRV(top_k_f32)}, {SPIRV(top_k_f32)}},
};

// What the kinds of devices get. GPUs get what fits the 128 lanes and 16 KiB that Vulkan
// guarantees.
struct device_shapes {
    const char *linear[LINEAR_CLASSES]; // variants, but for vendors in linear_variants.c
    const char *quads;                  // for all classes, where lanes can share loads; or NULL
    const char *dot4[LINEAR_CLASSES];   // the same in int8, where dot4 is fast
    const char *int8[LINEAR_CLASSES];   // and where it is not
    const char *narrow[2];              // for products of 4 and of 16 columns
    uint32_t row_width;                 // workgroup of layernorm and normalize
    uint32_t lanes_per_row;
    const char *attention; // name of the variant
    uint32_t copy_width;   // workgroup of patchify, embed_tokens and mean
    uint32_t top_k_width;
};

// Measured on llvmpipe (Mesa 22.3.6, 2 cores of an EPYC, GFLOP a core and second, 197 x 768 by
// 768 x 768): 14 with 12 x 16 outputs a lane, 8 with 12 x 4, 1.5 with shared memory, whose barriers
// a CPU pays dearly. With loads shared in quads 15.6; 13.5 and not 11.2 with 11 rows.
//
// Mali and V3D have 64 registers a lane, and keep shared memory where all memory is. In the
// textbook's tile their compilers (Mesa 26.2.6) spill: 167 fills in 1492 instructions on a
// Mali-G610, 316 in 2860 on V3D 7.1. In the small one they do not.
//
// In int8 without dot4 bytes are taken apart where they are used: staged-64x64 spills on Adrenos,
// and direct-64x32 takes 0.7 of its instructions there and on powervr, 0.45 on M1.
static const struct device_shapes device_shapes[TILES_COUNT] = {
    [TILES_SOFTWARE] =
        {
            .linear = {"direct-12x32", "direct-48x32", "direct-48x32"},
            .quads = "quads-12x32",
            .dot4 = {"direct-12x32", "direct-48x32", "direct-48x32"},
            .int8 = {"direct-12x32", "direct-48x32", "direct-48x32"},
            .narrow = {"direct-32x4", "direct-48x16"},
            .row_width = 8,
            .lanes_per_row = 1,
            .attention = "alone-32x1",
            .copy_width = 32,
            .top_k_width = 128,
        },
    [TILES_HARDWARE] =
        {
            .linear = {"direct-16x64", "staged-64x64", "staged-64x64"},
            .dot4 = {"dot4-16x64", "dot4-staged-64x64", "dot4-staged-64x64"},
            .int8 = {"direct-16x64", "direct-64x32", "direct-64x32"},
            .narrow = {"staged-128x4", "staged-64x16"},
            .row_width = 64,
            .lanes_per_row = 64,
            .attention = "shared-16x32",
            .copy_width = 64,
            .top_k_width = 128,
        },
    [TILES_SMALL] =
        {
            .linear = {"direct-16x64", "direct-16x64", "direct-16x64"},
            .dot4 = {"dot4-16x64", "dot4-16x64", "dot4-16x64"},
            .int8 = {"direct-16x64", "direct-16x64", "direct-16x64"},
            .narrow = {"direct-128x4", "direct-128x4"},
            .row_width = 64,
            .lanes_per_row = 64,
            .attention = "shared-16x16",
            .copy_width = 64,
            .top_k_width = 128,
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
    bool is_linear = kernel >= KERNEL_LINEAR && kernel < KERNEL_LINEAR_F32 + LINEAR_CLASSES;
    return is_linear ? "linear" : sources[kernel].name;
}

struct kernels_choice kernels_default_choice(enum kernels_tiles tiles, vkclip_precision precision,
                                             const vkclip_device_facts *device)
{
    const struct device_shapes *shapes = &device_shapes[tiles];
    const char *const *of_vendor = linear_defaults_of(device->vendor_id);
    const struct linear_variant *quads = shapes->quads ? linear_variant_find(shapes->quads) : NULL;
    const bool is_quads = quads && linear_variant_fits(quads, device, precision);
    const char *const *names = shapes->linear;
    // Intel's compiler (ANV of Mesa 26.2.6) spills 32 to 67 values of larger tiles in int8.
    const struct device_shapes *of_int8 =
        device->vendor_id == VENDOR_INTEL && tiles == TILES_HARDWARE ? &device_shapes[TILES_SMALL]
                                                                     : shapes;
    if (precision == VKCLIP_PRECISION_INT8)
        names = device->has_fast_dot4 ? of_int8->dot4 : of_int8->int8;
    else if (of_vendor && tiles != TILES_SOFTWARE && device->kind != VKCLIP_DEVICE_SOFTWARE)
        names = of_vendor;
    struct kernels_choice choice = {.attention = attention_variant_find(shapes->attention)};
    for (int i = 0; i < LINEAR_CLASSES; i++)
        choice.linear[i] = choice.linear_f32[i] = is_quads ? quads : linear_variant_find(names[i]);
    return choice;
}

struct kernels_choice kernels_narrow_choice(enum kernels_tiles tiles,
                                            const vkclip_device_facts *device, uint32_t cols)
{
    struct kernels_choice choice = kernels_default_choice(tiles, VKCLIP_PRECISION_FP32, device);
    const struct linear_variant *narrow =
        cols <= 16 ? linear_variant_find(device_shapes[tiles].narrow[cols > 4]) : NULL;
    for (int i = 0; narrow && i < LINEAR_CLASSES; i++)
        choice.linear[i] = narrow;
    return choice;
}

void kernels_mark(char mark[KERNELS_MARK_BYTES])
{
    const struct linear_sources *const all[] = {&linear_sources, &striped_sources, &quads_sources,
                                                &matrix_sources};
    struct sha256 sha;
    char hex[SHA256_HEX_BYTES];
    sha256_init(&sha);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        for (int j = 0; j < 3; j++) {
            const struct spirv *spirv = j == 0   ? &all[i]->f32
                                        : j == 1 ? &all[i]->f16
                                                 : &all[i]->f16_f32;
            sha256_add(&sha, spirv->words, spirv->byte_count);
        }
    sha256_add(&sha, int8_source.words, int8_source.byte_count);
    sha256_add(&sha, int8_dot4_source.words, int8_dot4_source.byte_count);
    sha256_add(&sha, attention_matrix_source.words, attention_matrix_source.byte_count);
    for (int i = 0; i < KERNEL_COUNT; i++) {
        sha256_add(&sha, sources[i].f32.words, sources[i].f32.byte_count);
        sha256_add(&sha, sources[i].f16.words, sources[i].f16.byte_count);
    }
    sha256_finish(&sha, hex);
    memcpy(mark, hex, KERNELS_MARK_BYTES - 1);
    mark[KERNELS_MARK_BYTES - 1] = '\0';
}

// ---- pipelines -------------------------------------------------------------------------------

#define MOST_CONSTANTS 8

// A pipeline to be made.
struct job {
    enum kernel kernel;
    struct spirv spirv;
    uint32_t constants[MOST_CONSTANTS];
    uint32_t constant_count, subgroup_width;
    struct gpu_pipeline *pipeline;
    vkclip_error error;
};

struct jobs {
    struct kernels *kernels;
    struct job items[KERNEL_COUNT];
    uint32_t count;
};

static struct job *add_job(struct jobs *jobs, enum kernel kernel, struct kernel_shape shape)
{
    struct job *job = &jobs->items[jobs->count++];
    job->kernel = kernel;
    jobs->kernels->shapes[kernel] = shape;
    return job;
}

static bool is_half(const struct jobs *jobs)
{
    return jobs->kernels->precision == VKCLIP_PRECISION_FP16;
}

static void add_plain(struct jobs *jobs, enum kernel kernel, uint32_t rows,
                      const uint32_t *constants, uint32_t count)
{
    struct job *job = add_job(jobs, kernel, (struct kernel_shape){.rows = rows});
    job->spirv = is_half(jobs) ? sources[kernel].f16 : sources[kernel].f32;
    memcpy(job->constants, constants, count * sizeof *constants);
    job->constant_count = count;
}

static void add_copy(struct jobs *jobs, enum kernel kernel, const struct device_shapes *shapes)
{
    add_plain(jobs, kernel, 1, &shapes->copy_width, 1);
}

static void add_by_row(struct jobs *jobs, enum kernel kernel, const struct device_shapes *shapes)
{
    const uint32_t constants[] = {
        [SPEC_WORKGROUP_WIDTH] = shapes->row_width,
        [SPEC_LANES_PER_ROW] = shapes->lanes_per_row,
    };
    add_plain(jobs, kernel, shapes->row_width / shapes->lanes_per_row, constants, 2);
}

// A workgroup takes a few neighbouring queries, whose scores lie side by side, and shares the rows
// of each among its lanes.
static void add_top_k(struct jobs *jobs, const struct device_shapes *shapes)
{
    add_plain(jobs, KERNEL_TOP_K, 1, &shapes->top_k_width, 1);
    jobs->kernels->shapes[KERNEL_TOP_K].cols = 8;
}

static void add_attention_matrix(struct jobs *jobs, struct job *job,
                                 const struct attention_variant *variant, uint32_t head_dim)
{
    const vkclip_device_facts *device = gpu_get_facts(jobs->kernels->gpu);
    const uint32_t constants[MOST_CONSTANTS] = {
        [SPEC_WORKGROUP_WIDTH] = variant->lanes * device->subgroup_width,
        [SPEC_FRAGMENT_ROWS] = device->matrix_rows,
        [SPEC_FRAGMENT_COLS] = device->matrix_cols,
        [SPEC_FRAGMENT_DEPTH] = device->matrix_depth,
        [SPEC_HEAD_DIM] = head_dim,
        [SPEC_IS_CAUSAL] = job->kernel == KERNEL_ATTENTION_CAUSAL,
        [SPEC_SUBGROUPS] = variant->lanes,
        [SPEC_BLOCK_KEYS] = variant->block_keys,
    };
    job->spirv = attention_matrix_source;
    memcpy(job->constants, constants, sizeof constants);
    job->constant_count = MOST_CONSTANTS;
    job->subgroup_width = device->subgroup_width;
}

static void add_attention(struct jobs *jobs, enum kernel kernel, uint32_t head_dim)
{
    const struct attention_variant variant =
        attention_variant_for(jobs->kernels->choice.attention, head_dim);
    const bool is_matrix = variant.method == ATTENTION_MATRIX;
    const struct kernel_shape shape = {
        .rows = attention_variant_rows(&variant, gpu_get_facts(jobs->kernels->gpu)),
        .arithmetic = is_matrix ? VKCLIP_ARITHMETIC_MATRIX : VKCLIP_ARITHMETIC_FP32,
    };
    if (is_matrix) {
        add_attention_matrix(jobs, add_job(jobs, kernel, shape), &variant, head_dim);
        return;
    }
    const uint32_t constants[MOST_CONSTANTS] = {
        [SPEC_WORKGROUP_WIDTH] = variant.lanes,
        [SPEC_LANES_SHARING] = variant.sharing,
        [SPEC_HEAD_DIM] = head_dim,
        [SPEC_IS_CAUSAL] = kernel == KERNEL_ATTENTION_CAUSAL,
        [SPEC_BLOCK_KEYS] = variant.block_keys,
    };
    add_plain(jobs, kernel, shape.rows, constants, MOST_CONSTANTS);
}

static void add_linear_matrix(struct jobs *jobs, struct job *job,
                              const struct linear_variant *variant, bool is_mixed)
{
    const vkclip_device_facts *device = gpu_get_facts(jobs->kernels->gpu);
    const uint32_t constants[MOST_CONSTANTS] = {
        [SPEC_WORKGROUP_WIDTH] = variant->lanes * device->subgroup_width,
        [SPEC_FRAGMENT_ROWS] = device->matrix_rows,
        [SPEC_FRAGMENT_COLS] = device->matrix_cols,
        [SPEC_FRAGMENT_DEPTH] = device->matrix_depth,
        [SPEC_FRAGMENTS_DOWN] = variant->tile_rows / device->matrix_rows,
        [SPEC_FRAGMENTS_ACROSS] = variant->tile_cols / device->matrix_cols,
        [SPEC_SUBGROUPS] = variant->lanes,
        [SPEC_SUBGROUPS_ACROSS] = variant->across,
    };
    job->spirv = is_mixed ? matrix_sources.f16_f32 : matrix_sources.f16;
    memcpy(job->constants, constants, sizeof constants);
    job->constant_count = MOST_CONSTANTS;
    job->subgroup_width = device->subgroup_width;
}

static void add_linear(struct jobs *jobs, enum kernel kernel, const struct linear_variant *variant)
{
    const bool is_mixed = kernel >= KERNEL_LINEAR_F32;
    struct job *job =
        add_job(jobs, kernel,
                (struct kernel_shape){
                    .rows = linear_variant_rows(variant),
                    .cols = linear_variant_cols(variant),
                    .arithmetic = variant->method == LINEAR_MATRIX  ? VKCLIP_ARITHMETIC_MATRIX
                                  : linear_variant_is_dot4(variant) ? VKCLIP_ARITHMETIC_DOT4
                                                                    : VKCLIP_ARITHMETIC_FP32,
                });
    if (variant->method == LINEAR_MATRIX) {
        add_linear_matrix(jobs, job, variant, is_mixed);
        return;
    }
    const bool is_int8 = jobs->kernels->precision == VKCLIP_PRECISION_INT8;
    const uint32_t constants[] = {
        [SPEC_WORKGROUP_WIDTH] = variant->lanes,
        [SPEC_TILE_ROWS] = variant->tile_rows,
        [SPEC_TILE_COLS] = variant->tile_cols,
        [SPEC_LANES_ACROSS] = variant->across,
        [SPEC_IS_STAGED] = linear_variant_is_staged(variant),
        [SPEC_PARTS] = variant->parts,
    };
    const struct linear_sources *from = variant->method == LINEAR_STRIPED ? &striped_sources
                                        : variant->method == LINEAR_QUADS ? &quads_sources
                                                                          : &linear_sources;
    job->spirv = is_mixed ? from->f16_f32 : is_half(jobs) ? from->f16 : from->f32;
    job->constant_count = variant->method == LINEAR_STRIPED ? SPEC_LANES_ACROSS
                          : variant->method == LINEAR_QUADS ? SPEC_TILE_ROWS
                                                            : sizeof constants / sizeof *constants;
    if (is_int8) {
        job->spirv = linear_variant_is_dot4(variant) ? int8_dot4_source : int8_source;
        job->constant_count = SPEC_PARTS;
    }
    memcpy(job->constants, constants, job->constant_count * sizeof *constants);
}

static void add_linears(struct jobs *jobs, const struct kernels_choice *choice)
{
    for (uint32_t i = 0; i < LINEAR_CLASSES; i++) {
        add_linear(jobs, KERNEL_LINEAR + i, choice->linear[i]);
        if (is_half(jobs))
            add_linear(jobs, KERNEL_LINEAR_F32 + i, choice->linear_f32[i]);
    }
}

// The first job that makes the same pipeline.
static struct job *first_like(struct jobs *jobs, const struct job *job)
{
    struct job *first = jobs->items;
    while (first->spirv.words != job->spirv.words ||
           memcmp(first->constants, job->constants, sizeof job->constants) != 0)
        first++;
    return first;
}

static void run_job(void *context, uint32_t index)
{
    struct jobs *jobs = context;
    struct job *job = &jobs->items[index];
    if (first_like(jobs, job) != job)
        return;
    job->pipeline = gpu_pipeline_create(jobs->kernels->gpu,
                                        &(struct gpu_pipeline_source){
                                            .name = kernel_name(job->kernel),
                                            .spirv = job->spirv.words,
                                            .spirv_bytes = job->spirv.byte_count,
                                            .constants = job->constants,
                                            .constant_count = job->constant_count,
                                            .subgroup_width = job->subgroup_width,
                                        },
                                        &job->error);
}

static bool run_jobs(struct jobs *jobs, vkclip_error *err)
{
    parallel_run(jobs->count, run_job, jobs);
    const vkclip_error *error = NULL;
    for (uint32_t i = 0; i < jobs->count; i++) {
        struct job *job = &jobs->items[i];
        jobs->kernels->pipelines[job->kernel] = first_like(jobs, job)->pipeline;
        if (!error && job->error.status)
            error = &job->error;
    }
    if (error && err)
        *err = *error;
    return !error;
}

bool kernels_init(struct kernels *kernels, struct gpu *gpu, const struct kernels_params *params,
                  vkclip_error *err)
{
    const vkclip_device_facts *facts = gpu_get_facts(gpu);
    if (params->precision == VKCLIP_PRECISION_FP16 && !facts->has_fp16_storage)
        return fail(err, VKCLIP_ERROR_DEVICE, "%s does not store fp16: use fp32", facts->name);

    const struct device_shapes *shapes = &device_shapes[params->tiles];
    const struct kernels_choice by_default =
        kernels_default_choice(params->tiles, params->precision, facts);
    *kernels = (struct kernels){
        .gpu = gpu,
        .precision = params->precision,
        .element_bytes = params->precision == VKCLIP_PRECISION_FP16 ? 2 : 4,
        .choice = params->choice ? *params->choice : by_default,
    };
    // Measured with heads of another width.
    if (params->set != KERNELS_LINEAR &&
        !attention_variant_fits(kernels->choice.attention, facts, params->precision,
                                params->head_dim))
        kernels->choice.attention = by_default.attention;
    struct jobs jobs = {.kernels = kernels};
    if (params->set != KERNELS_ATTENTION) {
        add_linears(&jobs, &kernels->choice); // first, since they take longest
        if (params->precision == VKCLIP_PRECISION_INT8)
            add_by_row(&jobs, KERNEL_QUANTIZE, shapes);
    }
    if (params->set != KERNELS_LINEAR) {
        add_attention(&jobs, KERNEL_ATTENTION, params->head_dim);
        if (params->is_causal)
            add_attention(&jobs, KERNEL_ATTENTION_CAUSAL, params->head_dim);
    }
    if (params->has_top_k)
        add_top_k(&jobs, shapes);
    if (params->set != KERNELS_ALL)
        return run_jobs(&jobs, err);
    add_by_row(&jobs, KERNEL_LAYERNORM, shapes);
    add_by_row(&jobs, KERNEL_NORMALIZE, shapes);
    if (params->has_mean)
        add_copy(&jobs, KERNEL_MEAN, shapes);
    add_copy(&jobs, KERNEL_PATCHIFY, shapes);
    add_copy(&jobs, KERNEL_EMBED_TOKENS, shapes);
    return run_jobs(&jobs, err);
}

void kernels_finish(struct kernels *kernels)
{
    for (int i = 0; i < KERNEL_COUNT; i++) {
        struct gpu_pipeline *pipeline = kernels->pipelines[i];
        gpu_pipeline_destroy(kernels->gpu, pipeline);
        for (int j = i; j < KERNEL_COUNT; j++)
            if (kernels->pipelines[j] == pipeline)
                kernels->pipelines[j] = NULL;
    }
    *kernels = (struct kernels){0};
}
