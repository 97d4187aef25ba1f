#include "verify/rig.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/half.h"

bool rig_result_passes(const struct rig_result *result)
{
    return result->worst <= result->allowed && result->is_repeatable && result->is_contained;
}

bool rig_init(struct rig *rig, struct gpu *gpu, const struct kernels_params *params,
              struct rig_report report, vkclip_error *err)
{
    *rig = (struct rig){
        .gpu = gpu,
        .head_dim = params->head_dim,
        .report = report,
        .random_state = 1,
    };
    if (kernels_init(&rig->kernels, gpu, params, err))
        return true;
    kernels_finish(&rig->kernels);
    return false;
}

void rig_finish(struct rig *rig)
{
    kernels_finish(&rig->kernels);
}

bool rig_is_half(const struct rig *rig)
{
    return rig->kernels.precision == VKCLIP_PRECISION_FP16;
}

bool rig_is_int8(const struct rig *rig)
{
    return rig->kernels.precision == VKCLIP_PRECISION_INT8;
}

double rig_rounding(const struct rig *rig, double of_sums)
{
    return of_sums + (rig_is_half(rig) ? 0x1p-10 : 0.0);
}

// ---- memory ----------------------------------------------------------------------------------

void rig_begin(struct rig *rig, uint32_t sequences, uint32_t tokens)
{
    rig->plan =
        plan_create(&rig->kernels, &(struct plan_limits){sequences, tokens, tokens}, INFINITY);
    if (!rig->plan)
        fail(&rig->error, VKCLIP_ERROR_MEMORY, "no memory for a plan");
}

void rig_end(struct rig *rig)
{
    plan_destroy(rig->plan);
    gpu_buffer_destroy(rig->gpu, rig->arena);
    for (uint32_t i = 0; i < rig->buffer_count; i++)
        gpu_buffer_destroy(rig->gpu, rig->buffers[i]);
    for (uint32_t i = 0; i < rig->array_count; i++)
        free(rig->arrays[i]);
    rig->plan = NULL;
    rig->arena = NULL;
    rig->buffer_count = rig->array_count = rig->output_count = 0;
}

bool rig_is_sound(const struct rig *rig)
{
    return !rig->error.status;
}

void *rig_array(struct rig *rig, size_t count, size_t item_bytes)
{
    if (!rig_is_sound(rig))
        return NULL;
    assert(rig->array_count < RIG_MOST_ARRAYS);
    void *array = calloc(count, item_bytes);
    if (array)
        rig->arrays[rig->array_count++] = array;
    else
        fail(&rig->error, VKCLIP_ERROR_MEMORY, "no memory for %zu numbers", count);
    return array;
}

float rig_random(struct rig *rig)
{
    rig->random_state ^= rig->random_state << 13;
    rig->random_state ^= rig->random_state >> 17;
    rig->random_state ^= rig->random_state << 5;
    return (float)(rig->random_state >> 8) * 0x1p-23f - 1.0f;
}

float *rig_values(struct rig *rig, size_t count)
{
    float *values = rig_array(rig, count, sizeof *values);
    for (size_t i = 0; values && i < count; i++)
        values[i] = half_to_float(half_from_float(rig_random(rig)));
    return values;
}

// ---- buffers ---------------------------------------------------------------------------------

static struct gpu_range create_buffer(struct rig *rig, size_t byte_count, enum gpu_memory memory)
{
    if (!rig_is_sound(rig))
        return (struct gpu_range){0};
    assert(rig->buffer_count < RIG_MOST_BUFFERS);
    const size_t size_bytes = (byte_count + 3) / 4 * 4;
    struct gpu_buffer *buffer = gpu_buffer_create(rig->gpu, size_bytes, memory, &rig->error);
    if (buffer)
        rig->buffers[rig->buffer_count++] = buffer;
    return (struct gpu_range){.buffer = buffer, .size_bytes = size_bytes};
}

struct gpu_range rig_bytes(struct rig *rig, const void *bytes, size_t byte_count)
{
    struct gpu_range range = create_buffer(rig, byte_count, GPU_MEMORY_UPLOAD);
    if (range.buffer)
        memcpy(gpu_buffer_address(range.buffer), bytes, byte_count);
    return range;
}

struct gpu_range rig_floats(struct rig *rig, const float *values, size_t count)
{
    return rig_bytes(rig, values, count * sizeof *values);
}

static void put_elements(const struct rig *rig, void *target, const float *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (rig_is_half(rig))
            ((uint16_t *)target)[i] = half_from_float(values[i]);
        else
            ((float *)target)[i] = values[i];
}

struct gpu_range rig_elements(struct rig *rig, const float *values, size_t count)
{
    struct gpu_range range =
        create_buffer(rig, count * rig->kernels.element_bytes, GPU_MEMORY_UPLOAD);
    if (range.buffer)
        put_elements(rig, gpu_buffer_address(range.buffer), values, count);
    return range;
}

static void add_output(struct rig *rig, struct gpu_range range)
{
    assert(rig->output_count < RIG_MOST_OUTPUTS);
    rig->outputs[rig->output_count++] = range;
}

struct gpu_range rig_output_buffer(struct rig *rig, size_t float_count)
{
    struct gpu_range range = create_buffer(rig, float_count * sizeof(float), GPU_MEMORY_READBACK);
    if (range.buffer) {
        memset(gpu_buffer_address(range.buffer), 0xff, float_count * sizeof(float));
        add_output(rig, range);
    }
    return range;
}

// ---- the plan --------------------------------------------------------------------------------

bool rig_lay_out(struct rig *rig)
{
    if (!rig_is_sound(rig) || !plan_layout(rig->plan, &rig->arena_bytes, &rig->error))
        return false;
    rig->arena = gpu_buffer_create(rig->gpu, rig->arena_bytes, GPU_MEMORY_READBACK, &rig->error);
    if (!rig->arena)
        return false;
    memset(gpu_buffer_address(rig->arena), 0xff, (size_t)rig->arena_bytes);
    return plan_record(rig->plan, rig->arena, false, &rig->error);
}

void *rig_address(const struct rig *rig, struct tensor tensor)
{
    struct gpu_range range = plan_tensor_range(rig->plan, tensor, rig->arena);
    return (unsigned char *)gpu_buffer_address(rig->arena) + range.offset_bytes;
}

void rig_put_elements(const struct rig *rig, struct tensor tensor, const float *values,
                      size_t count)
{
    put_elements(rig, rig_address(rig, tensor), values, count);
}

void rig_get_elements(const struct rig *rig, struct tensor tensor, float *values, size_t count)
{
    const void *source = rig_address(rig, tensor);
    for (size_t i = 0; i < count; i++)
        values[i] = rig_is_half(rig) ? half_to_float(((const uint16_t *)source)[i])
                                     : ((const float *)source)[i];
}

void rig_expect_output(struct rig *rig, struct tensor tensor, uint64_t size_bytes)
{
    struct gpu_range range = plan_tensor_range(rig->plan, tensor, rig->arena);
    range.size_bytes = size_bytes;
    add_output(rig, range);
}

// ---- running ---------------------------------------------------------------------------------

// Copies all outputs one after the other.
static void save_outputs(const struct rig *rig, unsigned char *copy)
{
    for (uint32_t i = 0; i < rig->output_count; i++) {
        const struct gpu_range *range = &rig->outputs[i];
        const unsigned char *address = gpu_buffer_address(range->buffer);
        const size_t byte_count = (size_t)range->size_bytes;
        memcpy(copy, address + range->offset_bytes, byte_count);
        copy += byte_count;
    }
}

// Whether the arena, outputs aside, is as it was.
static bool is_contained(const struct rig *rig, const unsigned char *before)
{
    const unsigned char *now = gpu_buffer_address(rig->arena);
    for (uint64_t i = 0; i < rig->arena_bytes;) {
        uint64_t past = i;
        for (uint32_t j = 0; j < rig->output_count; j++) {
            const struct gpu_range *range = &rig->outputs[j];
            if (range->buffer == rig->arena && past >= range->offset_bytes &&
                past < range->offset_bytes + range->size_bytes)
                past = range->offset_bytes + range->size_bytes;
        }
        if (past == i && now[i] != before[i])
            return false;
        i = past == i ? i + 1 : past;
    }
    return true;
}

bool rig_run(struct rig *rig, uint32_t sequences, uint32_t tokens, uint32_t tiles)
{
    const struct plan_run run = {.counts = {sequences, tokens}, .tile_count = tiles};
    const size_t arena_bytes = (size_t)rig->arena_bytes;
    size_t output_bytes = 0;
    for (uint32_t i = 0; i < rig->output_count; i++)
        output_bytes += (size_t)rig->outputs[i].size_bytes;
    unsigned char *before = rig_array(rig, arena_bytes, 1);
    unsigned char *first = rig_array(rig, output_bytes, 1);
    unsigned char *second = rig_array(rig, output_bytes, 1);
    if (!rig_is_sound(rig))
        return false;

    void *arena = gpu_buffer_address(rig->arena);
    memcpy(before, arena, arena_bytes);
    if (!plan_run(rig->plan, &run, &rig->error))
        return false;
    rig->is_contained = is_contained(rig, before);
    save_outputs(rig, first);
    memcpy(arena, before, arena_bytes);
    if (!plan_run(rig->plan, &run, &rig->error))
        return false;
    save_outputs(rig, second);
    rig->is_repeatable = memcmp(first, second, output_bytes) == 0;
    return true;
}

void rig_check(struct rig *rig, const char *what, const float *got, const double *want,
               size_t count, double allowed)
{
    struct rig_result result = {
        .kernel = plan_last_kernel(rig->plan),
        .allowed = allowed,
        .is_repeatable = rig->is_repeatable,
        .is_contained = rig->is_contained,
    };
    snprintf(result.what, sizeof result.what, "%s", what);
    for (size_t i = 0; i < count; i++) {
        double error = fabs((double)got[i] - want[i]) / fmax(1.0, fabs(want[i]));
        if (isnan(error))
            error = INFINITY;
        if (error > result.worst) {
            result.worst = error;
            result.at = i;
        }
    }
    rig->report.write(rig->report.user, &result);
}
