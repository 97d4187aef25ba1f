// tune.c: vkclip_tune: every variant of linear and of attention that fits a device, tried for its
// numbers, then for its time.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/tuning.h"
#include "verify/cases.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

// BiomedCLIP's sizes.
enum { WIDTH = 768, HIDDEN = 3072, HEADS = 12, IMAGE_TOKENS = 197, TEXT_TOKENS = 16 };

#define RUNS           5
#define ENOUGH         3e5 // microseconds; more runs of one kind tell nothing new
#define STRUCK_BYTES   4096
#define SOFTWARE_LIMIT 45.0 // seconds; what a software driver has not tried by then is left out

struct tuner {
    const vkclip_tune_params *params;
    vkclip_tuning *tuning;
    struct gpu *gpu;
    struct gpu_buffer *weights, *arena, *tiles;
    char struck[STRUCK_BYTES]; // names, a line each
    char wrong[160];
    double begun;
};

// A variant that is to be tried, as the kernels of one kind.
struct candidate {
    const char *name;
    enum kernels_set set;
    struct kernels_choice choice;
};

static struct candidate of_linear(const struct linear_variant *variant)
{
    struct candidate candidate = {.name = variant->name, .set = KERNELS_LINEAR};
    for (int i = 0; i < LINEAR_CLASSES; i++)
        candidate.choice.linear[i] = candidate.choice.linear_f32[i] = variant;
    return candidate;
}

static struct candidate of_attention(const struct attention_variant *variant)
{
    return (struct candidate){
        .name = variant->name, .set = KERNELS_ATTENTION, .choice.attention = variant};
}

// Attention first: it is soon done, and a software driver may run out of time.
static uint32_t list_candidates(const struct tuner *tuner,
                                struct candidate list[VKCLIP_TUNING_MOST_VARIANTS])
{
    const vkclip_device_facts *device = gpu_get_facts(tuner->gpu);
    uint32_t count = 0;
    for (uint32_t i = 0; i < attention_variant_count; i++)
        if (attention_variant_suits(&attention_variants[i], device) &&
            attention_variant_fits(&attention_variants[i], device, tuner->tuning->precision,
                                   WIDTH / HEADS))
            list[count++] = of_attention(&attention_variants[i]);
    for (uint32_t i = 0; i < linear_variant_count; i++)
        if (linear_variant_suits(&linear_variants[i], device, tuner->tuning->precision))
            list[count++] = of_linear(&linear_variants[i]);
    return count;
}

static struct kernels_params params_of(const struct tuner *tuner, const struct candidate *candidate)
{
    return (struct kernels_params){
        .precision = tuner->tuning->precision,
        .head_dim = WIDTH / HEADS,
        .is_causal = true,
        .set = candidate->set,
        .choice = &candidate->choice,
    };
}

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

static bool has_right_numbers(struct tuner *tuner, const struct candidate *candidate,
                              vkclip_error *err)
{
    static const enum case_group of_linear[] = {CASES_LINEAR_SIZES, CASES_LINEAR_ENDINGS,
                                                CASES_LINEAR_DEPTH};
    static const enum case_group of_attention[] = {CASES_ATTENTION, CASES_ATTENTION_CAUSAL};
    const bool is_linear = candidate->set == KERNELS_LINEAR;
    const enum case_group *groups = is_linear ? of_linear : of_attention;
    const size_t count = is_linear ? COUNT(of_linear) : COUNT(of_attention);
    const struct kernels_params params = params_of(tuner, candidate);
    struct rig rig;
    tuner->wrong[0] = '\0';
    if (!rig_init(&rig, tuner->gpu, &params, (struct rig_report){note_result, tuner}, err))
        return false;
    bool is_run = true;
    for (size_t i = 0; is_run && i < count && !tuner->wrong[0]; i++)
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
    const bool is_all = tuner->tuning->precision != VKCLIP_PRECISION_FP16;
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

// What is timed of a class: linear with the rows of a text, an image and a batch, attention over a
// text and over an image or, where that keeps a device busy, several.
static struct plan_run run_of(const struct tuner *tuner, uint32_t of_class)
{
    static const uint32_t rows[LINEAR_CLASSES] = {TEXT_TOKENS, IMAGE_TOKENS, 8 * IMAGE_TOKENS};
    const bool is_software = gpu_get_facts(tuner->gpu)->kind == VKCLIP_DEVICE_SOFTWARE;
    const uint32_t linear = tuning_linear_classes(tuner->tuning),
                   of_rows = of_class % LINEAR_CLASSES;
    if (of_class == linear)
        return (struct plan_run){.counts = {1, TEXT_TOKENS}};
    if (of_class > linear)
        return (struct plan_run){
            .counts = {is_software ? 1 : 8, is_software ? IMAGE_TOKENS : 8 * IMAGE_TOKENS}};
    return (struct plan_run){.counts = {1, is_software && of_rows == LINEAR_MANY
                                               ? LINEAR_SOME_ROWS + 32
                                               : rows[of_rows]}};
}

static bool time_run(struct tuner *tuner, struct plan *plan, const struct plan_run *run,
                     double *microseconds, vkclip_error *err)
{
    const double start = vkclip_clock_seconds();
    if (!plan_run(plan, run, err))
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
static bool time_runs(struct tuner *tuner, struct plan *plan, const struct plan_run *run,
                      double least, double *microseconds, vkclip_error *err)
{
    double times[RUNS];
    if (!time_run(tuner, plan, run, microseconds, err))
        return false;
    int count = 0;
    double spent = 0.0;
    do {
        if (!time_run(tuner, plan, run, &times[count], err))
            return false;
        spent += times[count++];
    } while (count < RUNS && spent < ENOUGH && times[0] < 2.0 * least);
    qsort(times, (size_t)count, sizeof *times, compare_doubles);
    *microseconds = times[count / 2];
    return true;
}

// Numbers as networks have them: not zeros, by which some devices are faster.
static bool fill(struct tuner *tuner, struct gpu_buffer *buffer, uint64_t size_bytes,
                 vkclip_error *err)
{
    uint32_t state = 2463534242u;
    for (uint64_t done = 0; done < size_bytes; done += GPU_UPLOAD_PIECE_BYTES) {
        const uint64_t left = size_bytes - done;
        const uint64_t now = left < GPU_UPLOAD_PIECE_BYTES ? left : GPU_UPLOAD_PIECE_BYTES;
        uint32_t *words = gpu_upload_begin(tuner->gpu, buffer, done, err);
        if (!words)
            return false;
        for (uint64_t i = 0; i < now / sizeof *words; i++) {
            state = state * 1664525u + 1013904223u;
            // Two f16 of about 2^-6, or one f32 of about 2^-50: none is denormal.
            words[i] = (state & 0x83ff83ffu) | 0x24002400u;
        }
        if (!gpu_upload_end(tuner->gpu, buffer, done, now, err))
            return false;
    }
    return gpu_upload_wait(tuner->gpu, err);
}

#define MOST_SEQUENCES 8
#define MOST_TILES     1024

// Plans what is timed of a class; of attention, the tiles are cut and their number is noted.
static void plan_class(struct tuner *tuner, struct plan *plan, uint32_t of_class,
                       const struct kernels *kernels, struct plan_run *run)
{
    if (of_class < tuning_linear_classes(tuner->tuning)) {
        plan_products(tuner, plan, of_class);
        return;
    }
    const struct gpu_range tiles = {tuner->tiles, 0, MOST_TILES * sizeof(struct attention_tile)};
    uint32_t lengths[MOST_SEQUENCES];
    for (uint32_t i = 0; i < run->counts.sequences; i++)
        lengths[i] = run->counts.tokens / run->counts.sequences;
    run->tile_count = plan_cut_tiles(gpu_buffer_address(tuner->tiles), lengths,
                                     run->counts.sequences, kernels->shapes[KERNEL_ATTENTION].rows);
    plan_attention(plan, plan_input(plan, ROWS_TOKENS, 3 * WIDTH, true), tiles,
                   &(struct plan_attention_options){HEADS, false, ROWS_TOKENS});
}

static bool time_class(struct tuner *tuner, const struct kernels *kernels, uint32_t of_class,
                       double *microseconds, vkclip_error *err)
{
    struct plan_run run = run_of(tuner, of_class);
    const uint32_t rows = run.counts.tokens;
    const bool is_timed = gpu_get_facts(tuner->gpu)->has_timestamps;
    struct plan *plan =
        plan_create(kernels, &(struct plan_limits){run.counts.sequences, rows, rows}, INFINITY);
    if (!plan)
        return fail(err, VKCLIP_ERROR_MEMORY, "no memory for a plan");
    uint64_t arena_bytes;
    plan_class(tuner, plan, of_class, kernels, &run);
    bool is_done = plan_layout(plan, &arena_bytes, err);
    if (is_done)
        tuner->arena = gpu_buffer_create(tuner->gpu, arena_bytes, GPU_MEMORY_DEVICE, err);
    is_done = is_done && tuner->arena && plan_record(plan, tuner->arena, is_timed, err) &&
              fill(tuner, tuner->arena, arena_bytes, err) &&
              time_runs(tuner, plan, &run, least_time(tuner, of_class), microseconds, err);
    plan_destroy(plan);
    gpu_buffer_destroy(tuner->gpu, tuner->arena);
    tuner->arena = NULL;
    return is_done;
}

static bool time_variant(struct tuner *tuner, const struct candidate *candidate,
                         vkclip_tuning_variant *row, vkclip_error *err)
{
    struct kernels kernels;
    const struct kernels_params params = params_of(tuner, candidate);
    bool is_done = kernels_init(&kernels, tuner->gpu, &params, err);
    for (uint32_t i = 0; is_done && i < row->class_count; i++) {
        const uint32_t of_class = row->first_class + i;
        is_done = has_time(tuner, of_class, err) &&
                  time_class(tuner, &kernels, of_class, &row->microseconds[of_class], err);
    }
    kernels_finish(&kernels);
    return is_done;
}

static bool make_inputs(struct tuner *tuner, vkclip_error *err)
{
    const uint64_t weight_bytes = (uint64_t)WIDTH * HIDDEN * sizeof(float);
    tuner->tiles = gpu_buffer_create(tuner->gpu, MOST_TILES * sizeof(struct attention_tile),
                                     GPU_MEMORY_UPLOAD, err);
    if (tuner->tiles)
        tuner->weights = gpu_buffer_create(tuner->gpu, weight_bytes, GPU_MEMORY_DEVICE, err);
    return tuner->weights && fill(tuner, tuner->weights, weight_bytes, err);
}

// ---- the whole -------------------------------------------------------------------------------

// Tries one variant. False only where nothing more can be run; what is wrong with a variant is in
// its row.
static bool try_variant(struct tuner *tuner, const struct candidate *candidate, vkclip_error *err)
{
    vkclip_tuning *tuning = tuner->tuning;
    const char *directory = tuner->params->cache_directory;
    vkclip_tuning_variant *row = tuning_add(tuning, candidate->name);
    if (is_struck(tuner, candidate->name)) {
        snprintf(row->reason, sizeof row->reason, "ended the program or lost the device before");
        return true;
    }
    vkclip_error reason = {0};
    if (!gpu_note_write(tuner->gpu, directory, tuning->precision, GPU_NOTE_TRYING, candidate->name,
                        err))
        return false;
    bool is_fine = has_time(tuner, row->first_class, &reason) &&
                   has_right_numbers(tuner, candidate, &reason) &&
                   time_variant(tuner, candidate, row, &reason);
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

// Says that no variant of a class could be chosen, and what the first of them did.
static bool fail_class(const struct tuner *tuner, uint32_t of_class, vkclip_error *err)
{
    const vkclip_tuning *tuning = tuner->tuning;
    const vkclip_tuning_variant *row = tuning->variants;
    while (of_class < row->first_class || of_class >= row->first_class + row->class_count)
        row++;
    return fail(err, VKCLIP_ERROR_NUMBERS, "%s: no variant of %s computes right, %s %s",
                gpu_get_facts(tuner->gpu)->name,
                of_class < tuning_linear_classes(tuning) ? "linear" : "attention", row->name,
                row->reason);
}

static bool tune(struct tuner *tuner, vkclip_error *err)
{
    const vkclip_tune_params *params = tuner->params;
    struct candidate candidates[VKCLIP_TUNING_MOST_VARIANTS];
    const uint32_t total = list_candidates(tuner, candidates);
    if (!strike_survivors(tuner, err) || !make_inputs(tuner, err))
        return false;
    for (uint32_t i = 0; i < total; i++) {
        if (params->progress)
            params->progress(params->user, i, total);
        if (!try_variant(tuner, &candidates[i], err))
            return false;
    }
    if (params->progress)
        params->progress(params->user, total, total);
    gpu_cache_save(tuner->gpu, params->cache_directory);
    const uint32_t unchosen = tuning_choose(tuner->tuning);
    if (unchosen < tuner->tuning->class_count)
        return fail_class(tuner, unchosen, err);
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
    gpu_buffer_destroy(tuner.gpu, tuner.tiles);
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
