// roof.c: what the device of an engine can do at most, by kernels that do nothing else.
#include <math.h>
#include <string.h>

#include "engine.h"
#include "shared/kernel_args.h"

// clang-format off
static const uint32_t fma_f32[] = {
#include "roof_fma_f32.spv.inc"
};
static const uint32_t fma_f16[] = {
#include "roof_fma_f16.spv.inc"
};
static const uint32_t dot4[] = {
#include "roof_dot4.spv.inc"
};
static const uint32_t matrix[] = {
#ifdef VKCLIP_HAS_MATRIX // else no device is said to have matrices
#include "roof_matrix.spv.inc"
#else
    0
#endif
};
static const uint32_t copy[] = {
#include "roof_copy.spv.inc"
};
static const uint32_t reads[] = {
#include "roof_read.spv.inc"
};
// clang-format on

enum {
    ITERATIONS = 1024,   // some ms of the slowest devices, a workgroup of them each
    MOST_GROUPS = 65535, // that Vulkan guarantees
    RUNS = 5,            // of which the fastest counts
};

// Lanes of a workgroup. A CPU computes 8 at once, and reads in one row only where there are no
// more: 6.6 GB/s instead of 2.9 on llvmpipe (Mesa 22.3.6, 2 cores of an EPYC).
static const uint32_t width_software = 8, width_hardware = 64;

// As long as the fastest devices are busy for; the slowest exceed it by a factor of two.
#define ENOUGH_S 0.01

#define COPY_BYTES       (UINT64_C(128) << 20) // what every device binds, beyond most caches
#define LEAST_COPY_BYTES (UINT64_C(1) << 20)

// One dispatch, or two of which the first fills what the second reads, and what they need.
struct trial {
    struct gpu *gpu;
    struct gpu_pipeline *pipelines[2];
    struct gpu_buffer *a, *b, *groups;
    struct gpu_recording *recording;
    uint32_t dispatch_count;
};

static void trial_finish(struct trial *trial)
{
    gpu_recording_destroy(trial->gpu, trial->recording);
    gpu_pipeline_destroy(trial->gpu, trial->pipelines[0]);
    gpu_pipeline_destroy(trial->gpu, trial->pipelines[1]);
    gpu_buffer_destroy(trial->gpu, trial->a);
    gpu_buffer_destroy(trial->gpu, trial->b);
    gpu_buffer_destroy(trial->gpu, trial->groups);
}

// Each dispatch has a kernel of its own and reads what the one before wrote.
static bool trial_init(struct trial *trial, const struct gpu_pipeline_source *sources,
                       uint64_t buffer_bytes, vkclip_error *err)
{
    struct gpu *gpu = trial->gpu;
    const struct roof_args args = {ITERATIONS, 0.5f, 1.0f};
    for (uint32_t i = 0; i < trial->dispatch_count; i++) {
        trial->pipelines[i] = gpu_pipeline_create(gpu, &sources[i], err);
        if (!trial->pipelines[i])
            return false;
    }
    trial->a = gpu_buffer_create(gpu, buffer_bytes, GPU_MEMORY_DEVICE, err);
    if (!trial->a)
        return false;
    trial->b = gpu_buffer_create(gpu, buffer_bytes, GPU_MEMORY_DEVICE, err);
    if (!trial->b)
        return false;
    trial->groups = gpu_buffer_create(gpu, 6 * sizeof(uint32_t), GPU_MEMORY_UPLOAD, err);
    if (!trial->groups)
        return false;
    const struct gpu_range a = {trial->a, 0, buffer_bytes}, b = {trial->b, 0, buffer_bytes};
    struct gpu_dispatch dispatches[2] = {
        {.pipeline = trial->pipelines[0], .bindings = {[0] = b, [3] = a}},
        {.pipeline = trial->pipelines[1], .bindings = {[0] = a, [3] = b}},
    };
    memcpy(dispatches[0].args, &args, sizeof args);
    trial->recording = gpu_recording_create(gpu,
                                            &(struct gpu_recording_params){
                                                .dispatches = dispatches,
                                                .dispatch_count = trial->dispatch_count,
                                                .groups = trial->groups,
                                                .is_timed = gpu_get_facts(gpu)->has_timestamps,
                                            },
                                            err);
    return trial->recording != NULL;
}

// Seconds of the last dispatch.
static bool trial_run(struct trial *trial, uint32_t group_count, double *seconds, vkclip_error *err)
{
    uint32_t *groups = gpu_buffer_address(trial->groups);
    for (uint32_t i = 0; i < 6; i++)
        groups[i] = i % 3 == 0 ? group_count : 1;
    const double start = vkclip_clock_seconds();
    if (!gpu_recording_run(trial->gpu, trial->recording, err))
        return false;
    *seconds = gpu_get_facts(trial->gpu)->has_timestamps
                   ? gpu_recording_time_ns(trial->recording, trial->dispatch_count - 1) * 1e-9
                   : (vkclip_clock_seconds() - start) / trial->dispatch_count;
    return true;
}

// Drivers that compile at first use do so in a run that does not count.
static bool trial_best(struct trial *trial, uint32_t group_count, double *seconds,
                       vkclip_error *err)
{
    double now;
    *seconds = INFINITY;
    if (!trial_run(trial, group_count, &now, err))
        return false;
    for (int i = 0; i < RUNS; i++) {
        if (!trial_run(trial, group_count, &now, err))
            return false;
        *seconds = fmin(*seconds, now);
    }
    return true;
}

static struct gpu_pipeline_source source_of(const char *name, const uint32_t *spirv,
                                            size_t spirv_bytes, const uint32_t *width)
{
    return (struct gpu_pipeline_source){
        .name = name,
        .spirv = spirv,
        .spirv_bytes = spirv_bytes,
        .constants = width,
        .constant_count = 1,
    };
}

// Twice as many workgroups until they are busy for long enough. step is what a lane computes in one
// step of its loop.
static bool measure_rate(struct gpu *gpu, const struct gpu_pipeline_source *source, double step,
                         double *giga_per_s, vkclip_error *err)
{
    struct trial trial = {.gpu = gpu, .dispatch_count = 1};
    uint32_t group_count = 1;
    double seconds = 0.0;
    bool is_done = trial_init(&trial, source, sizeof(float), err) &&
                   trial_run(&trial, 1, &seconds, err) && trial_run(&trial, 1, &seconds, err);
    while (is_done && seconds < ENOUGH_S && group_count < MOST_GROUPS) {
        group_count = min_u32(2 * (uint64_t)group_count, MOST_GROUPS);
        is_done = trial_run(&trial, group_count, &seconds, err);
    }
    is_done = is_done && trial_best(&trial, group_count, &seconds, err);
    if (is_done)
        *giga_per_s =
            1e-9 * step * ROOF_UNROLLED * ITERATIONS * *source->constants * group_count / seconds;
    trial_finish(&trial);
    return is_done;
}

// passes is how often the second kernel moves each byte. Untouched memory may not be there yet, so
// the first one fills what the second reads. Where memory is short, less is moved.
static bool measure_memory(struct gpu *gpu, const struct gpu_pipeline_source sources[2],
                           double passes, double *giga_per_s, vkclip_error *err)
{
    const uint32_t group_bytes = ROOF_COPIED * *sources->constants * 16;
    for (uint64_t byte_count = COPY_BYTES;; byte_count /= 2) {
        struct trial trial = {.gpu = gpu, .dispatch_count = 2};
        vkclip_error reason = {0};
        double seconds;
        bool is_done = trial_init(&trial, sources, byte_count, &reason) &&
                       trial_best(&trial, (uint32_t)(byte_count / group_bytes), &seconds, &reason);
        trial_finish(&trial);
        if (is_done) {
            *giga_per_s = 1e-9 * passes * (double)byte_count / seconds;
            return true;
        }
        if (reason.status != VKCLIP_ERROR_MEMORY || byte_count / 2 < LEAST_COPY_BYTES)
            return fail(err, reason.status, "%s", reason.message);
    }
}

static bool measure_rates(struct gpu *gpu, const uint32_t *width, vkclip_roof *roof,
                          vkclip_error *err)
{
    const vkclip_device_facts *device = gpu_get_facts(gpu);
    const struct {
        bool is_there;
        struct gpu_pipeline_source source;
        double step; // operations of a lane
        double *giga_per_s;
    } rates[] = {
        {true, source_of("roof_fma", fma_f32, sizeof fma_f32, width), 24.0, &roof->fp32_gflops},
        {device->has_fp16_arithmetic, source_of("roof_fma", fma_f16, sizeof fma_f16, width), 24.0,
         &roof->fp16_gflops},
        {device->has_dot4, source_of("roof_dot4", dot4, sizeof dot4, width), 96.0,
         &roof->dot4_gops},
    };
    for (size_t i = 0; i < sizeof rates / sizeof *rates; i++)
        if (rates[i].is_there &&
            !measure_rate(gpu, &rates[i].source, rates[i].step, rates[i].giga_per_s, err))
            return false;
    return true;
}

// Whole subgroups, one of them for a CPU.
static bool measure_matrices(struct gpu *gpu, vkclip_roof *roof, vkclip_error *err)
{
    const vkclip_device_facts *device = gpu_get_facts(gpu);
    if (!device->matrix_rows)
        return true;
    const uint32_t subgroups = device->kind == VKCLIP_DEVICE_SOFTWARE ? 1 : 4;
    const uint32_t constants[] = {
        [SPEC_WORKGROUP_WIDTH] =
            min_u32(subgroups * device->subgroup_width, device->workgroup_width),
        [SPEC_FRAGMENT_ROWS] = device->matrix_rows,
        [SPEC_FRAGMENT_COLS] = device->matrix_cols,
        [SPEC_FRAGMENT_DEPTH] = device->matrix_depth,
    };
    struct gpu_pipeline_source source = source_of("roof_matrix", matrix, sizeof matrix, constants);
    source.constant_count = sizeof constants / sizeof *constants;
    source.subgroup_width = device->subgroup_width;
    const double of_subgroup =
        2.0 * device->matrix_rows * device->matrix_cols * device->matrix_depth;
    return measure_rate(gpu, &source, of_subgroup / device->subgroup_width, &roof->matrix_gflops,
                        err);
}

bool vkclip_roof_measure(vkclip_engine *engine, vkclip_roof *roof, vkclip_error *err)
{
    if (!engine || !roof)
        return fail(err, VKCLIP_ERROR_ARGUMENT, "vkclip_roof_measure: a NULL argument");
    *roof = (vkclip_roof){0};
    const uint32_t *width =
        engine->facts.device.kind == VKCLIP_DEVICE_SOFTWARE ? &width_software : &width_hardware;
    const struct gpu_pipeline_source copies = source_of("roof_copy", copy, sizeof copy, width);
    const struct gpu_pipeline_source pairs[2][2] = {
        {copies, source_of("roof_read", reads, sizeof reads, width)}, {copies, copies}};
    return measure_rates(engine->gpu, width, roof, err) &&
           measure_matrices(engine->gpu, roof, err) &&
           measure_memory(engine->gpu, pairs[0], 1.0, &roof->read_gbs, err) &&
           measure_memory(engine->gpu, pairs[1], 2.0, &roof->copy_gbs, err);
}
