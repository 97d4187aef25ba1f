#include "kernel_rig.h"

#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "base/half.h"

struct gpu *gpu;

const struct variant variants[VARIANT_COUNT] = {
    {"fp32, software tiles", VKCLIP_PRECISION_FP32, VKCLIP_DEVICE_SOFTWARE},
    {"fp32, hardware tiles", VKCLIP_PRECISION_FP32, VKCLIP_DEVICE_DISCRETE},
    {"fp16, software tiles", VKCLIP_PRECISION_FP16, VKCLIP_DEVICE_SOFTWARE},
    {"fp16, hardware tiles", VKCLIP_PRECISION_FP16, VKCLIP_DEVICE_DISCRETE},
};

bool rig_is_half(const struct rig *rig)
{
    return rig->variant->precision == VKCLIP_PRECISION_FP16;
}

double rig_rounding(const struct rig *rig, double of_sums)
{
    return of_sums + (rig_is_half(rig) ? 0x1p-11 : 0.0);
}

void rig_start(struct rig *rig, const struct variant *variant, uint32_t head_dim)
{
    vkclip_error err;
    *rig = (struct rig){.variant = variant};
    if (!kernels_init(&rig->kernels, gpu,
                      &(struct kernels_params){variant->precision, variant->kind, head_dim}, &err))
        fail_msg("%s", err.message);
}

void rig_plan(struct rig *rig, uint32_t sequences, uint32_t tokens)
{
    rig->limits = (struct plan_limits){sequences, tokens, tokens};
    rig->plan = plan_create(&rig->kernels, &rig->limits, 1e9);
    assert_non_null(rig->plan);
}

void rig_end_plan(struct rig *rig)
{
    plan_destroy(rig->plan);
    gpu_buffer_destroy(gpu, rig->arena);
    for (uint32_t i = 0; i < rig->buffer_count; i++)
        gpu_buffer_destroy(gpu, rig->buffers[i]);
    rig->buffer_count = 0;
    rig->arena = NULL;
}

void rig_finish(struct rig *rig)
{
    kernels_finish(&rig->kernels);
}

struct gpu_range rig_bytes(struct rig *rig, const void *bytes, size_t byte_count)
{
    vkclip_error err;
    struct gpu_buffer *buffer =
        gpu_buffer_create(gpu, (byte_count + 3) / 4 * 4, GPU_MEMORY_UPLOAD, &err);
    assert_non_null(buffer);
    memcpy(gpu_buffer_address(buffer), bytes, byte_count);
    rig->buffers[rig->buffer_count++] = buffer;
    return (struct gpu_range){.buffer = buffer, .size_bytes = (byte_count + 3) / 4 * 4};
}

struct gpu_range rig_floats(struct rig *rig, const float *values, size_t count)
{
    return rig_bytes(rig, values, count * sizeof *values);
}

void put_elements(const struct rig *rig, void *target, const float *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (rig_is_half(rig))
            ((uint16_t *)target)[i] = half_from_float(values[i]);
        else
            ((float *)target)[i] = values[i];
}

struct gpu_range rig_elements(struct rig *rig, const float *values, size_t count)
{
    void *bytes = malloc(count * 4);
    put_elements(rig, bytes, values, count);
    struct gpu_range range = rig_bytes(rig, bytes, count * (rig_is_half(rig) ? 2 : 4));
    free(bytes);
    return range;
}

struct gpu_range rig_readback(struct rig *rig, size_t float_count)
{
    vkclip_error err;
    struct gpu_buffer *buffer =
        gpu_buffer_create(gpu, float_count * sizeof(float), GPU_MEMORY_READBACK, &err);
    assert_non_null(buffer);
    rig->buffers[rig->buffer_count++] = buffer;
    return (struct gpu_range){.buffer = buffer, .size_bytes = float_count * sizeof(float)};
}

void rig_lay_out(struct rig *rig)
{
    vkclip_error err;
    uint64_t arena_bytes;
    if (!plan_layout(rig->plan, &arena_bytes, &err))
        fail_msg("%s", err.message);
    rig->arena = gpu_buffer_create(gpu, arena_bytes, GPU_MEMORY_READBACK, &err);
    assert_non_null(rig->arena);
    memset(gpu_buffer_address(rig->arena), 0xff, arena_bytes);
    if (!plan_record(rig->plan, rig->arena, false, &err))
        fail_msg("%s", err.message);
}

void *tensor_address(const struct rig *rig, struct tensor tensor)
{
    struct gpu_range range = plan_tensor_range(rig->plan, tensor, rig->arena);
    return (unsigned char *)gpu_buffer_address(rig->arena) + range.offset_bytes;
}

void get_elements(const struct rig *rig, struct tensor tensor, float *values, size_t count)
{
    const void *source = tensor_address(rig, tensor);
    for (size_t i = 0; i < count; i++)
        values[i] = rig_is_half(rig) ? half_to_float(((const uint16_t *)source)[i])
                                     : ((const float *)source)[i];
}

void rig_run(struct rig *rig, uint32_t sequences, uint32_t tokens, uint32_t tiles)
{
    vkclip_error err;
    struct plan_run run = {.counts = {sequences, tokens}, .tile_count = tiles};
    if (!plan_run(rig->plan, &run, &err))
        fail_msg("%s", err.message);
}

// ---- values ----------------------------------------------------------------------------------

static uint32_t random_state = 1;

float random_float(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    random_state ^= random_state << 5;
    return (float)(random_state >> 8) * 0x1p-23f - 1.0f;
}

float *random_values(size_t count)
{
    float *values = malloc(count * sizeof *values);
    assert_non_null(values);
    for (size_t i = 0; i < count; i++)
        values[i] = half_to_float(half_from_float(random_float()));
    return values;
}

void check(const char *what, const struct rig *rig, const float *got, const double *want,
           size_t count, double tolerance)
{
    char title[128];
    float *rounded = malloc(count * sizeof *rounded);
    for (size_t i = 0; i < count; i++)
        rounded[i] = (float)want[i];
    snprintf(title, sizeof title, "%s, %s", what, rig->variant->name);
    check_near(title, got, rounded, count, tolerance);
    free(rounded);
}

void for_each_variant(void (*test)(struct rig *))
{
    for (size_t i = 0; i < VARIANT_COUNT; i++) {
        if (variants[i].precision == VKCLIP_PRECISION_FP16 &&
            !gpu_get_facts(gpu)->has_fp16_storage) {
            printf("skipped: %s: the device does not store fp16\n", variants[i].name);
            continue;
        }
        struct rig rig;
        rig_start(&rig, &variants[i], 64);
        test(&rig);
        rig_finish(&rig);
    }
}

int open_gpu(void **state)
{
    (void)state;
    vkclip_error err;
    gpu = gpu_create(NULL, NULL, &err);
    if (!gpu) {
        printf("no device: %s\n", err.message);
        return 1;
    }
    gpu_cache_load(gpu, NULL);
    printf("device: %s, %s\n", gpu_get_facts(gpu)->name, gpu_get_facts(gpu)->driver);
    return 0;
}

int close_gpu(void **state)
{
    (void)state;
    gpu_destroy(gpu);
    return 0;
}
