// plan.c: steps and tensors -> lifetimes -> one arena -> one recording.
#include "model/plan_parts.h"

#include <stdlib.h>
#include <string.h>

// std140 rounds the block of counts up to 16 bytes; a binding of its 8 would be too small.
#define COUNTS_BYTES 16

struct plan *plan_create(const struct kernels *kernels, const struct plan_limits *limits,
                         double submit_gflop)
{
    struct plan *plan = calloc(1, sizeof *plan);
    if (!plan)
        return NULL;
    plan->kernels = kernels;
    plan->limits = *limits;
    plan->submit_gflop = submit_gflop;
    return plan;
}

void plan_destroy(struct plan *plan)
{
    if (!plan)
        return;
    struct gpu *gpu = plan->kernels->gpu;
    gpu_recording_destroy(gpu, plan->recording);
    gpu_buffer_destroy(gpu, plan->counts);
    gpu_buffer_destroy(gpu, plan->groups);
    free(plan);
}

// ---- layout ----------------------------------------------------------------------------------

static bool live_together(const struct plan_tensor *a, const struct plan_tensor *b)
{
    return a->first_step <= b->last_step && b->first_step <= a->last_step;
}

// The lowest place where the tensor meets no tensor placed before that lives at the same time.
static uint64_t find_place(const struct plan *plan, uint32_t index, uint64_t alignment)
{
    const struct plan_tensor *tensor = &plan->tensors[index];
    uint64_t offset = 0;
    for (uint32_t i = 0; i < index; i++) {
        const struct plan_tensor *other = &plan->tensors[i];
        bool is_apart = offset + tensor->size_bytes <= other->offset_bytes ||
                        other->offset_bytes + other->size_bytes <= offset;
        if (is_apart || !live_together(tensor, other))
            continue;
        offset = other->offset_bytes + other->size_bytes;
        offset = (offset + alignment - 1) / alignment * alignment;
        i = UINT32_MAX; // look at all of them again from the new place
    }
    return offset;
}

bool plan_layout(struct plan *plan, uint64_t *arena_bytes, vkclip_error *err)
{
    if (plan->error.status)
        return fail(err, plan->error.status, "%s", plan->error.message);

    const struct gpu *gpu = plan->kernels->gpu;
    const uint64_t range_limit = gpu_get_facts(gpu)->storage_range_bytes;
    *arena_bytes = 0;
    for (uint32_t i = 0; i < plan->tensor_count; i++) {
        struct plan_tensor *tensor = &plan->tensors[i];
        if (tensor->size_bytes > range_limit)
            return fail(err, VKCLIP_ERROR_MEMORY,
                        "%s binds at most %llu bytes, an activation of the model needs %llu",
                        gpu_get_facts(gpu)->name, (unsigned long long)range_limit,
                        (unsigned long long)tensor->size_bytes);
        tensor->offset_bytes = find_place(plan, i, gpu_offset_alignment(gpu));
        if (*arena_bytes < tensor->offset_bytes + tensor->size_bytes)
            *arena_bytes = tensor->offset_bytes + tensor->size_bytes;
    }
    return true;
}

enum kernel plan_last_kernel(const struct plan *plan)
{
    return plan->steps[plan->step_count - 1].kernel;
}

struct gpu_range plan_tensor_range(const struct plan *plan, struct tensor tensor,
                                   struct gpu_buffer *arena)
{
    return (struct gpu_range){
        .buffer = arena,
        .offset_bytes = plan->tensors[tensor.index].offset_bytes,
        .size_bytes = plan->tensors[tensor.index].size_bytes,
    };
}

// ---- recording and running -------------------------------------------------------------------

// Queries times keys when every sequence is as long as it may be.
static double pairs_at_limit(const struct plan *plan)
{
    return (double)plan->limits.tokens * plan->limits.longest;
}

static double gflop_at_limit(const struct plan *plan, const struct step *step)
{
    bool is_tokens = step->counted == GROUPS_BY_TOKENS;
    double rows = is_tokens ? plan->limits.tokens : plan->limits.sequences;
    return (rows * step->row_flop + pairs_at_limit(plan) * step->pair_flop) * 1e-9;
}

// A submit ends where the next step would carry it over the limit.
static void cut_into_submits(const struct plan *plan, struct gpu_dispatch *dispatches)
{
    double gflop = 0.0;
    for (uint32_t i = 0; i < plan->step_count; i++) {
        double next = gflop_at_limit(plan, &plan->steps[i]);
        if (i > 0 && gflop + next > plan->submit_gflop) {
            dispatches[i - 1].ends_submit = true;
            gflop = 0.0;
        }
        gflop += next;
    }
}

static struct gpu_dispatch *make_dispatches(const struct plan *plan, struct gpu_buffer *arena)
{
    struct gpu_dispatch *dispatches = calloc(plan->step_count, sizeof *dispatches);
    if (!dispatches)
        return NULL;
    for (uint32_t i = 0; i < plan->step_count; i++) {
        const struct step *step = &plan->steps[i];
        dispatches[i].pipeline = plan->kernels->pipelines[step->kernel];
        memcpy(dispatches[i].args, step->args, sizeof step->args);
        for (uint32_t j = 0; j < GPU_MAX_STORAGE_BINDINGS; j++) {
            const struct binding *binding = &step->bindings[j];
            dispatches[i].bindings[j] =
                binding->tensor == NO_TENSOR
                    ? binding->range
                    : plan_tensor_range(plan, (struct tensor){.index = binding->tensor}, arena);
        }
    }
    cut_into_submits(plan, dispatches);
    return dispatches;
}

bool plan_record(struct plan *plan, struct gpu_buffer *arena, bool is_timed, vkclip_error *err)
{
    struct gpu *gpu = plan->kernels->gpu;
    if (!plan->counts)
        plan->counts = gpu_buffer_create(gpu, COUNTS_BYTES, GPU_MEMORY_UPLOAD, err);
    if (!plan->groups)
        plan->groups =
            gpu_buffer_create(gpu, plan->step_count * 3 * sizeof(uint32_t), GPU_MEMORY_UPLOAD, err);
    if (!plan->counts || !plan->groups)
        return false;

    struct gpu_dispatch *dispatches = make_dispatches(plan, arena);
    if (!dispatches)
        return fail(err, VKCLIP_ERROR_MEMORY, "no memory for a plan");
    struct gpu_recording *recording =
        gpu_recording_create(gpu,
                             &(struct gpu_recording_params){
                                 .dispatches = dispatches,
                                 .dispatch_count = plan->step_count,
                                 .counts = {.buffer = plan->counts, .size_bytes = COUNTS_BYTES},
                                 .groups = plan->groups,
                                 .is_timed = is_timed,
                             },
                             err);
    free(dispatches);
    if (!recording)
        return false; // the one before stays in use
    gpu_recording_destroy(gpu, plan->recording);
    plan->recording = recording;
    return true;
}

static uint32_t group_count(const struct step *step, const struct plan_run *run)
{
    uint32_t count = step->counted == GROUPS_BY_TOKENS  ? run->counts.tokens
                     : step->counted == GROUPS_BY_TILES ? run->tile_count
                                                        : run->counts.sequences;
    return (count + step->per_group - 1) / step->per_group;
}

bool plan_begin(struct plan *plan, const struct plan_run *run, vkclip_error *err)
{
    uint32_t *groups = gpu_buffer_address(plan->groups);
    for (uint32_t i = 0; i < plan->step_count; i++) {
        groups[3 * i] = group_count(&plan->steps[i], run);
        groups[3 * i + 1] = plan->steps[i].groups_y;
        groups[3 * i + 2] = 1;
    }
    memcpy(gpu_buffer_address(plan->counts), &run->counts, sizeof run->counts);
    plan->last_run = *run;
    return gpu_recording_begin(plan->kernels->gpu, plan->recording, err);
}

bool plan_end(struct plan *plan, vkclip_error *err)
{
    return gpu_recording_end(plan->kernels->gpu, plan->recording, err);
}

bool plan_run(struct plan *plan, const struct plan_run *run, vkclip_error *err)
{
    return plan_begin(plan, run, err) && plan_end(plan, err);
}

static double least_bytes(const struct step *step, const struct run_counts *counts)
{
    double sum = 0.0;
    for (uint32_t i = 0; i < GPU_MAX_STORAGE_BINDINGS; i++) {
        const struct traffic *traffic = &step->bindings[i].traffic;
        sum += traffic->fixed + counts->tokens * traffic->a_token +
               counts->sequences * traffic->a_sequence;
    }
    return sum;
}

void plan_add_times(const struct plan *plan, vkclip_kernel_time rows[KERNEL_COUNT])
{
    const struct plan_run *run = &plan->last_run;
    for (uint32_t i = 0; i < plan->step_count; i++) {
        const struct step *step = &plan->steps[i];
        bool is_tokens = step->counted == GROUPS_BY_TOKENS;
        double row_count = is_tokens ? run->counts.tokens : run->counts.sequences;
        double pairs = step->counted == GROUPS_BY_TILES ? run->attention_pairs : run->first_pairs;
        rows[step->kernel].calls++;
        rows[step->kernel].arithmetic = plan->kernels->shapes[step->kernel].arithmetic;
        rows[step->kernel].milliseconds += gpu_recording_time_ns(plan->recording, i) * 1e-6;
        rows[step->kernel].gflop += (row_count * step->row_flop + pairs * step->pair_flop) * 1e-9;
        rows[step->kernel].gigabytes += least_bytes(step, &run->counts) * 1e-9;
    }
}
