// tune.c: vkclip_tune: every variant of linear that fits a device, tried for its numbers, then for
// its time.
#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/tuning.h"
#include "verify/cases.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

// BiomedCLIP's widths.
enum { WIDTH = 768, HIDDEN = 3072 };

#define RUNS           5
#define ENOUGH         3e5 // microseconds; more runs of one kind tell nothing new
#define STRUCK_BYTES   4096
#define SOFTWARE_LIMIT 45.0 // seconds; what a software driver has not tried by then is left out

struct tuner {
    const vkclip_tune_params *params;
    vkclip_tuning *tuning;
    struct gpu *gpu;
    struct gpu_buffer *weights, *arena;
    char struck[STRUCK_BYTES]; // names, a line each
    char wrong[160];
    double begun;
};

// ---- what must not be tried again ------------------------------------------------------------

static bool is_struck(const struct tuner *tuner, const char *name)
{
    const size_t length = strlen(name);
    for (const char *line = tuner->struck; *line;) {
        const char *end = strchr(line, '\n');
        if (!end)
            return false;
        if ((size_t)(end - line) == length && memcmp(line, name, length) == 0)
            return true;
        line = end + 1;
    }
    return false;
}

// A note that a variant is being tried was left by a run that did not survive it.
static bool strike_survivors(struct tuner *tuner, vkclip_error *err)
{
    const vkclip_tune_params *params = tuner->params;
    const vkclip_precision precision = tuner->tuning->precision;
    char name[32];
    gpu_note_read(tuner->gpu, params->cache_directory, precision, GPU_NOTE_STRUCK, tuner->struck,
                  sizeof tuner->struck);
    if (!gpu_note_read(tuner->gpu, params->cache_directory, precision, GPU_NOTE_TRYING, name,
                       sizeof name))
        return true;
    const size_t used = strlen(tuner->struck);
    snprintf(tuner->struck + used, sizeof tuner->struck - used, "%s\n", name);
    if (!gpu_note_write(tuner->gpu, params->cache_directory, precision, GPU_NOTE_STRUCK,
                        tuner->struck, err))
        return false;
    gpu_note_remove(tuner->gpu, params->cache_directory, precision, GPU_NOTE_TRYING);
    return true;
}

// ---- numbers ---------------------------------------------------------------------------------

static void note_result(void *user, const struct rig_result *result)
{
    struct tuner *tuner = user;
    if (rig_result_passes(result) || tuner->wrong[0])
        return;
    if (result->worst > result->allowed)
        snprintf(tuner->wrong, sizeof tuner->wrong, "wrong: off by %.1e of %.1e allowed (%s)",
                 result->worst, result->allowed, result->what);
    else
        snprintf(tuner->wrong, sizeof tuner->wrong, "%s (%s)",
                 result->is_repeatable ? "wrong: writes where it should not"
                                       : "does not give the same bits twice",
                 result->what);
}

static bool has_right_numbers(struct tuner *tuner, const struct kernels_params *params,
                              vkclip_error *err)
{
    static const enum case_group groups[] = {CASES_LINEAR_SIZES, CASES_LINEAR_ENDINGS,
                                             CASES_LINEAR_DEPTH};
    struct rig rig;
    tuner->wrong[0] = '\0';
    if (!rig_init(&rig, tuner->gpu, params, (struct rig_report){note_result, tuner}, err))
        return false;
    bool is_run = true;
    for (size_t i = 0; is_run && i < COUNT(groups) && !tuner->wrong[0]; i++)
        is_run = cases_run(&rig, groups[i], err);
    rig_finish(&rig);
    return is_run && (!tuner->wrong[0] || fail(err, VKCLIP_ERROR_NUMBERS, "%s", tuner->wrong));
}

// ---- time ------------------------------------------------------------------------------------

static int compare_doubles(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return left < right ? -1 : left > right;
}

// The products of a layer that end in one class: query, key and value together, and the two of the
// MLP's and attention's ends.
static void plan_products(struct tuner *tuner, struct plan *plan, uint32_t of_class)
{
    const bool is_f32 = of_class >= LINEAR_CLASSES;
    const bool is_all = tuner->tuning->class_count == LINEAR_CLASSES;
    const struct gpu_range weights = {tuner->weights, 0, (uint64_t)WIDTH * HIDDEN * sizeof(float)};
    const struct {
        uint32_t in_cols, out_cols;
        bool is_f32;
    } products[] = {
        {WIDTH, 3 * WIDTH, false},
        {WIDTH, HIDDEN, false},
        {WIDTH, WIDTH, true},
        {HIDDEN, WIDTH, true},
    };
    for (size_t i = 0; i < COUNT(products); i++) {
        if (!is_all && products[i].is_f32 != is_f32)
            continue;
        const struct linear_weights w = {
            .in_cols = products[i].in_cols,
            .out_cols = products[i].out_cols,
            .panels = weights,
        };
        struct tensor x = plan_input(plan, ROWS_TOKENS, w.in_cols, true);
        if (products[i].is_f32)
            plan_linear_f32(plan, x, &w);
        else
            plan_linear(plan, x, &w, &(struct plan_linear_options){.activation = ACTIVATION_GELU});
    }
}

// Rows that are timed: a text, an image, a batch.
static uint32_t rows_of(const struct tuner *tuner, uint32_t of_class)
{
    static const uint32_t rows[LINEAR_CLASSES] = {16, 197, 8 * 197};
    const bool is_software = gpu_get_facts(tuner->gpu)->kind == VKCLIP_DEVICE_SOFTWARE;
    const uint32_t of_rows = of_class % LINEAR_CLASSES;
    return is_software && of_rows == LINEAR_MANY ? LINEAR_SOME_ROWS + 32 : rows[of_rows];
}

static bool time_run(struct tuner *tuner, struct plan *plan, uint32_t rows, double *microseconds,
                     vkclip_error *err)
{
    const struct plan_run run = {.counts = {1, rows}};
    const double start = vkclip_clock_seconds();
    if (!plan_run(plan, &run, err))
        return false;
    *microseconds = (vkclip_clock_seconds() - start) * 1e6;
    if (!gpu_get_facts(tuner->gpu)->has_timestamps)
        return true;
    vkclip_kernel_time kernels[KERNEL_COUNT] = {0};
    plan_add_times(plan, kernels);
    *microseconds = 0.0;
    for (int k = 0; k < KERNEL_COUNT; k++)
        *microseconds += kernels[k].milliseconds * 1e3;
    return true;
}

// The least time of a class so far; infinity where there is none.
static double least_time(const struct tuner *tuner, uint32_t of_class)
{
    double least = INFINITY;
    for (uint32_t i = 0; i < tuner->tuning->variant_count; i++) {
        const double time = tuner->tuning->variants[i].microseconds[of_class];
        least = time > 0.0 && time < least ? time : least;
    }
    return least;
}

// Each class is timed for one variant in any case.
static bool has_time(const struct tuner *tuner, uint32_t of_class, vkclip_error *err)
{
    const bool is_late = gpu_get_facts(tuner->gpu)->kind == VKCLIP_DEVICE_SOFTWARE &&
                         vkclip_clock_seconds() - tuner->begun > SOFTWARE_LIMIT;
    return !is_late || isinf(least_time(tuner, of_class)) ||
           fail(err, VKCLIP_ERROR_DEVICE, "no time was left to try it");
}

// The median of some runs after the first, which may compile. What is hopeless is run once.
static bool time_runs(struct tuner *tuner, struct plan *plan, uint32_t rows, uint32_t of_class,
                      double *microseconds, vkclip_error *err)
{
    double times[RUNS];
    if (!time_run(tuner, plan, rows, microseconds, err))
        return false;
    int count = 0;
    double spent = 0.0;
    do {
        if (!time_run(tuner, plan, rows, &times[count], err))
            return false;
        spent += times[count++];
    } while (count < RUNS && spent < ENOUGH && times[0] < 2.0 * least_time(tuner, of_class));
    qsort(times, (size_t)count, sizeof *times, compare_doubles);
    *microseconds = times[count / 2];
    return true;
}

static bool time_class(struct tuner *tuner, const struct kernels *kernels, uint32_t of_class,
                       double *microseconds, vkclip_error *err)
{
    const uint32_t rows = rows_of(tuner, of_class);
    const bool is_timed = gpu_get_facts(tuner->gpu)->has_timestamps;
    struct plan *plan = plan_create(kernels, &(struct plan_limits){1, rows, rows}, INFINITY);
    if (!plan)
        return fail(err, VKCLIP_ERROR_MEMORY, "no memory for a plan");
    uint64_t arena_bytes;
    plan_products(tuner, plan, of_class);
    bool is_done = plan_layout(plan, &arena_bytes, err);
    if (is_done)
        tuner->arena = gpu_buffer_create(tuner->gpu, arena_bytes, GPU_MEMORY_DEVICE, err);
    is_done = is_done && tuner->arena && plan_record(plan, tuner->arena, is_timed, err) &&
              time_runs(tuner, plan, rows, of_class, microseconds, err);
    plan_destroy(plan);
    gpu_buffer_destroy(tuner->gpu, tuner->arena);
    tuner->arena = NULL;
    return is_done;
}

static bool time_variant(struct tuner *tuner, const struct kernels_params *params,
                         double *microseconds, vkclip_error *err)
{
    struct kernels kernels;
    bool is_done = kernels_init(&kernels, tuner->gpu, params, err);
    for (uint32_t i = 0; is_done && i < tuner->tuning->class_count; i++)
        is_done = has_time(tuner, i, err) && time_class(tuner, &kernels, i, &microseconds[i], err);
    kernels_finish(&kernels);
    return is_done;
}

static_assert(WIDTH * HIDDEN * sizeof(float) <= GPU_UPLOAD_PIECE_BYTES, "one piece");

// Weights as networks have them: not zeros, by which some devices are faster.
static bool make_weights(struct tuner *tuner, vkclip_error *err)
{
    const uint32_t count = WIDTH * HIDDEN;
    tuner->weights = gpu_buffer_create(tuner->gpu, count * sizeof(float), GPU_MEMORY_DEVICE, err);
    if (!tuner->weights)
        return false;
    uint32_t *words = gpu_upload_begin(tuner->gpu, tuner->weights, 0, err); // less than a piece
    if (!words)
        return false;
    uint32_t state = 2463534242u;
    for (uint32_t i = 0; i < count; i++) {
        state = state * 1664525u + 1013904223u;
        // Two f16 of about 2^-6, or one f32 of about 2^-50: none is denormal.
        words[i] = (state & 0x83ff83ffu) | 0x24002400u;
    }
    return gpu_upload_end(tuner->gpu, tuner->weights, 0, count * sizeof *words, err) &&
           gpu_upload_wait(tuner->gpu, err);
}

// ---- the whole -------------------------------------------------------------------------------

// Tries one variant. False only where nothing more can be run; what is wrong with a variant is in
// its row.
static bool try_variant(struct tuner *tuner, const struct linear_variant *variant,
                        vkclip_error *err)
{
    vkclip_tuning *tuning = tuner->tuning;
    const char *directory = tuner->params->cache_directory;
    vkclip_tuning_variant *row = &tuning->variants[tuning->variant_count++];
    *row = (vkclip_tuning_variant){0};
    snprintf(row->name, sizeof row->name, "%s", variant->name);
    if (is_struck(tuner, variant->name)) {
        snprintf(row->reason, sizeof row->reason, "ended the program or lost the device before");
        return true;
    }
    struct kernels_choice choice;
    for (int i = 0; i < LINEAR_CLASSES; i++)
        choice.linear[i] = choice.linear_f32[i] = variant;
    const struct kernels_params params = {
        .precision = tuning->precision,
        .is_linear_only = true,
        .choice = &choice,
    };
    vkclip_error reason = {0};
    if (!gpu_note_write(tuner->gpu, directory, tuning->precision, GPU_NOTE_TRYING, variant->name,
                        err))
        return false;
    bool is_fine = has_time(tuner, 0, &reason) && has_right_numbers(tuner, &params, &reason) &&
                   time_variant(tuner, &params, row->microseconds, &reason);
    if (reason.status == VKCLIP_ERROR_LOST) { // the note stays
        if (err)
            *err = reason;
        return false;
    }
    gpu_note_remove(tuner->gpu, directory, tuning->precision, GPU_NOTE_TRYING);
    if (!is_fine) {
        snprintf(row->reason, sizeof row->reason, "%.*s", (int)sizeof row->reason - 1,
                 reason.message);
        memset(row->microseconds, 0, sizeof row->microseconds);
    }
    return true;
}

static bool tune(struct tuner *tuner, vkclip_error *err)
{
    const vkclip_tune_params *params = tuner->params;
    const vkclip_device_facts *device = gpu_get_facts(tuner->gpu);
    const vkclip_precision precision = tuner->tuning->precision;
    uint32_t total = 0, done = 0;
    for (uint32_t i = 0; i < linear_variant_count; i++)
        total += linear_variant_suits(&linear_variants[i], device, precision);
    if (!strike_survivors(tuner, err) || !make_weights(tuner, err))
        return false;
    for (uint32_t i = 0; i < linear_variant_count; i++) {
        if (!linear_variant_suits(&linear_variants[i], device, precision))
            continue;
        if (params->progress)
            params->progress(params->user, done++, total);
        if (!try_variant(tuner, &linear_variants[i], err))
            return false;
    }
    if (params->progress)
        params->progress(params->user, total, total);
    gpu_cache_save(tuner->gpu, params->cache_directory);
    if (!tuning_choose(tuner->tuning))
        return fail(err, VKCLIP_ERROR_NUMBERS, "%s: no variant of linear computes right, %s %s",
                    gpu_get_facts(tuner->gpu)->name, tuner->tuning->variants[0].name,
                    tuner->tuning->variants[0].reason);
    return tuning_write(tuner->gpu, params->cache_directory, tuner->tuning, err);
}

static struct gpu *open_gpu(const vkclip_tune_params *params, vkclip_precision *precision,
                            vkclip_error *err)
{
    struct gpu *gpu = gpu_create(params->device, &params->log, err);
    if (!gpu)
        return NULL;
    const vkclip_device_facts *device = gpu_get_facts(gpu);
    *precision = tuning_precision(device, params->precision);
    if (*precision != VKCLIP_PRECISION_FP16 || device->has_fp16_storage)
        return gpu;
    fail(err, VKCLIP_ERROR_DEVICE, "%s does not store fp16: use fp32", device->name);
    gpu_destroy(gpu);
    return NULL;
}

static bool check_params(const vkclip_tune_params *params, const void *result, vkclip_error *err)
{
    return (params && params->cache_directory && result) ||
           fail(err, VKCLIP_ERROR_ARGUMENT, "tuning wants params with a cache_directory");
}

bool vkclip_tune(const vkclip_tune_params *params, vkclip_tuning *tuning, vkclip_error *err)
{
    if (!check_params(params, tuning, err))
        return false;
    vkclip_precision precision = VKCLIP_PRECISION_FP32;
    struct tuner tuner = {
        .params = params,
        .tuning = tuning,
        .gpu = open_gpu(params, &precision, err),
        .begun = vkclip_clock_seconds(),
    };
    if (!tuner.gpu)
        return false;
    tuning_init(tuning, precision);
    gpu_cache_load(tuner.gpu, params->cache_directory);
    bool is_done = tune(&tuner, err);
    gpu_buffer_destroy(tuner.gpu, tuner.weights);
    gpu_destroy(tuner.gpu);
    return is_done;
}

bool vkclip_tuning_read(const vkclip_tune_params *params, vkclip_tuning *tuning, vkclip_error *err)
{
    vkclip_precision precision = VKCLIP_PRECISION_FP32;
    struct gpu *gpu = check_params(params, tuning, err) ? open_gpu(params, &precision, err) : NULL;
    if (!gpu)
        return false;
    tuning_read(gpu, params->cache_directory, precision, tuning);
    gpu_destroy(gpu);
    return true;
}

bool vkclip_tuning_forget(const vkclip_tune_params *params, vkclip_error *err)
{
    vkclip_precision precision = VKCLIP_PRECISION_FP32;
    struct gpu *gpu = check_params(params, params, err) ? open_gpu(params, &precision, err) : NULL;
    if (!gpu)
        return false;
    gpu_note_remove(gpu, params->cache_directory, precision, GPU_NOTE_TUNED);
    gpu_note_remove(gpu, params->cache_directory, precision, GPU_NOTE_STRUCK);
    gpu_note_remove(gpu, params->cache_directory, precision, GPU_NOTE_TRYING);
    gpu_destroy(gpu);
    return true;
}
