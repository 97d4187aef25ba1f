// verify.c: vkclip_verify: all cases of all kernels in use, both towers, and what is remembered.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/precision.h"
#include "model/tuning.h"
#include "verify/cases.h"
#include "verify/small_model.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

// Unit vectors of a tower in f32. In fp16, weights and inputs of 11 bits put every product off by
// up to 2^-11, at random, and in int8 of three bits fewer. All are what the project promises for
// the whole model.
static const double tower_allowed[] = {
    [VKCLIP_PRECISION_FP32] = 2e-5,
    [VKCLIP_PRECISION_FP16] = 5e-3,
    [VKCLIP_PRECISION_INT8] = 4e-2,
};

#define HEAD_DIM 64 // of BiomedCLIP, and of the small model

// What heads of other widths are tried on is left out: no tower in use has them.
static const enum case_group groups[] = {
    CASES_LINEAR_SIZES, CASES_LINEAR_ENDINGS, CASES_LINEAR_DEPTH,
    CASES_GELU,         CASES_QUANTIZE,       CASES_LAYERNORM,
    CASES_NORMALIZE,    CASES_ATTENTION,      CASES_ATTENTION_CAUSAL,
    CASES_MEAN,         CASES_PATCHIFY,       CASES_EMBED_TOKENS,
    CASES_TOP_K,
};

static const char *const suffixes[KERNEL_COUNT] = {
    [KERNEL_LINEAR + LINEAR_FEW] = ", few rows",
    [KERNEL_LINEAR + LINEAR_SOME] = ", some rows",
    [KERNEL_LINEAR + LINEAR_MANY] = ", many rows",
    [KERNEL_LINEAR_F32 + LINEAR_FEW] = ", to fp32, few rows",
    [KERNEL_LINEAR_F32 + LINEAR_SOME] = ", to fp32, some rows",
    [KERNEL_LINEAR_F32 + LINEAR_MANY] = ", to fp32, many rows",
    [KERNEL_ATTENTION_CAUSAL] = ", causal",
};

struct verification {
    const vkclip_verify_params *params;
    vkclip_verify_report *report;
    struct gpu *gpu;
    vkclip_precision precision;         // at hand
    vkclip_check *checks[KERNEL_COUNT]; // of this precision; NULL while there is none
    uint32_t done, total;
};

static void show_progress(const struct verification *verification)
{
    const vkclip_verify_params *params = verification->params;
    if (params->progress)
        params->progress(params->user, verification->done, verification->total);
}

static void make_progress(struct verification *verification)
{
    verification->done++;
    show_progress(verification);
}

static vkclip_check *add_check(struct verification *verification, const char *name,
                               const char *suffix)
{
    vkclip_verify_report *report = verification->report;
    vkclip_check *check = &report->checks[report->check_count++];
    *check = (vkclip_check){
        .precision = verification->precision,
        .is_repeatable = true,
        .is_contained = true,
        .is_passed = true,
    };
    snprintf(check->name, sizeof check->name, "%s%s", name, suffix ? suffix : "");
    return check;
}

// How far an error went towards what is allowed; above 1 is beyond it.
static double severity(double worst, double allowed)
{
    return worst > 0.0 ? worst / allowed : 0.0;
}

// Keeps the worst case of a kernel, where failing otherwise is worse than any error.
static void add_result(void *user, const struct rig_result *result)
{
    struct verification *verification = user;
    vkclip_check **slot = &verification->checks[result->kernel];
    if (!*slot)
        *slot = add_check(verification, kernel_name(result->kernel), suffixes[result->kernel]);
    vkclip_check *check = *slot;
    bool is_sound = result->is_repeatable && result->is_contained;
    bool is_worse =
        severity(result->worst, result->allowed) > severity(check->worst, check->allowed) ||
        !is_sound;
    if (check->case_count == 0 || (is_worse && check->is_repeatable && check->is_contained)) {
        snprintf(check->worst_case, sizeof check->worst_case, "%s", result->what);
        check->worst = result->worst;
        check->allowed = result->allowed;
    }
    check->case_count++;
    check->is_repeatable = check->is_repeatable && result->is_repeatable;
    check->is_contained = check->is_contained && result->is_contained;
    check->is_passed = check->is_passed && rig_result_passes(result);
}

// The variants that an engine gets on this device.
static bool check_kernels(struct verification *verification, vkclip_error *err)
{
    struct kernels_choice choice;
    const bool is_tuned = tuning_read_choice(
        verification->gpu, verification->params->cache_directory, verification->precision, &choice);
    const struct kernels_params params = {
        .precision = verification->precision,
        .tiles = kernels_choose_tiles(&verification->report->device),
        .head_dim = HEAD_DIM,
        .is_causal = true,
        .has_mean = true,
        .has_top_k = true,
        .choice = is_tuned ? &choice : NULL,
    };
    struct rig rig;
    memset(verification->checks, 0, sizeof verification->checks);
    if (!rig_init(&rig, verification->gpu, &params, (struct rig_report){add_result, verification},
                  err))
        return false;
    bool is_run = true;
    for (size_t i = 0; is_run && i < COUNT(groups); i++) {
        is_run = cases_run(&rig, groups[i], err);
        make_progress(verification);
    }
    rig_finish(&rig);
    return is_run;
}

// ---- towers ----------------------------------------------------------------------------------

// Runs all inputs together, then again one by one: other tiles and other neighbours must give the
// same bits.
static bool embed_twice(const struct small_tower *tower, vkclip_engine *engine, float *together,
                        float *alone, vkclip_error *err)
{
    if (!together || !alone)
        return fail(err, VKCLIP_ERROR_MEMORY, "no memory for the embeddings");
    bool is_run = tower->embed(engine, 0, tower->count, together, err);
    for (uint32_t i = 0; is_run && i < tower->count; i++)
        is_run = tower->embed(engine, i, 1, alone + i * tower->embedding_width, err);
    return is_run;
}

static bool check_tower(struct verification *verification, const struct small_tower *tower,
                        vkclip_engine *engine, vkclip_error *err)
{
    const size_t count = (size_t)tower->count * tower->embedding_width;
    float *together = malloc(count * sizeof *together), *alone = malloc(count * sizeof *alone);
    vkclip_error reason = {0};
    bool is_run = embed_twice(tower, engine, together, alone, &reason);
    if (is_run || reason.status == VKCLIP_ERROR_NUMBERS) {
        vkclip_check *check = add_check(verification, tower->name, NULL);
        check->case_count = tower->count;
        snprintf(check->worst_case, sizeof check->worst_case, "%u inputs, together and alone",
                 tower->count);
        check->allowed = tower_allowed[verification->precision];
        check->is_repeatable = is_run && memcmp(together, alone, count * sizeof *alone) == 0;
        check->worst = is_run ? 0.0 : INFINITY; // an embedding is not finite
        for (size_t i = 0; is_run && i < count; i++)
            check->worst =
                fmax(check->worst, fabs((double)together[i] - (double)tower->embeddings[i]));
        check->is_passed = check->worst <= check->allowed && check->is_repeatable;
        is_run = true;
    } else if (err) {
        *err = reason;
    }
    free(together);
    free(alone);
    return is_run;
}

static bool check_towers(struct verification *verification, vkclip_error *err)
{
    const vkclip_verify_params *params = verification->params;
    vkclip_model *model = small_model_create(err);
    vkclip_engine *engine = NULL;
    if (model)
        engine = vkclip_engine_create(model,
                                      &(vkclip_engine_params){
                                          .device = params->device,
                                          .precision = verification->precision,
                                          .max_images = small_towers[0].count,
                                          .cache_directory = params->cache_directory,
                                          .allows_failed_device = true,
                                      },
                                      err);
    bool is_run = engine != NULL;
    for (size_t i = 0; is_run && i < COUNT(small_towers); i++) {
        is_run = check_tower(verification, &small_towers[i], engine, err);
        make_progress(verification);
    }
    vkclip_engine_destroy(engine);
    vkclip_model_close(model);
    return is_run;
}

// ---- the whole -------------------------------------------------------------------------------

// Says what is wrong in a check that did not pass.
static void describe(const vkclip_check *check, vkclip_error *err)
{
    int length = snprintf(err->message, sizeof err->message, "%s in %s (%s) ", check->name,
                          precision_name(check->precision), check->worst_case);
    char *rest = err->message + length;
    const size_t rest_bytes = sizeof err->message - (size_t)length;
    err->status = VKCLIP_ERROR_NUMBERS;
    if (check->worst > check->allowed)
        snprintf(rest, rest_bytes, "is off by %.1e, %.1e is allowed", check->worst, check->allowed);
    else if (!check->is_contained)
        snprintf(rest, rest_bytes, "writes where it should not");
    else
        snprintf(rest, rest_bytes, "does not give the same bits twice");
}

// A device that is wrong, lost or hangs is marked; one that could not be tried keeps its mark.
static void remember(const struct verification *verification, const vkclip_error *reason)
{
    const vkclip_verify_params *params = verification->params;
    vkclip_error err;
    if (!params->cache_directory)
        return;
    if (reason->status == VKCLIP_OK && !params->skips_kernels)
        gpu_note_remove(verification->gpu, params->cache_directory, verification->precision,
                        GPU_NOTE_FAILED);
    if ((reason->status == VKCLIP_ERROR_NUMBERS || reason->status == VKCLIP_ERROR_LOST) &&
        !gpu_note_write(verification->gpu, params->cache_directory, verification->precision,
                        GPU_NOTE_FAILED, reason->message, &err))
        log_line(&params->log, VKCLIP_LOG_WARNING, "the failure is not remembered: %s",
                 err.message);
}

// Checks one precision. *reason says what is wrong, if anything.
static void check_precision(struct verification *verification, vkclip_error *reason)
{
    const vkclip_verify_report *report = verification->report;
    const uint32_t first = report->check_count;
    bool is_run = verification->params->skips_kernels || check_kernels(verification, reason);
    gpu_cache_save(verification->gpu, verification->params->cache_directory);
    is_run = is_run && check_towers(verification, reason);
    for (uint32_t i = first; is_run && i < report->check_count && !reason->status; i++)
        if (!report->checks[i].is_passed)
            describe(&report->checks[i], reason);
    remember(verification, reason);
}

bool vkclip_verify(const vkclip_verify_params *params, vkclip_verify_report *report,
                   vkclip_error *err)
{
    if (!params || !report)
        return fail(err, VKCLIP_ERROR_ARGUMENT, "vkclip_verify: a NULL argument");
    *report = (vkclip_verify_report){0};
    struct verification verification = {
        .params = params,
        .report = report,
        .gpu = gpu_create(params->device, &params->log, err),
    };
    if (!verification.gpu)
        return false;
    report->device = *gpu_get_facts(verification.gpu);
    gpu_cache_load(verification.gpu, params->cache_directory);

    vkclip_precision precisions[] = {VKCLIP_PRECISION_FP32, VKCLIP_PRECISION_FP16};
    size_t precision_count = report->device.has_fp16_storage ? 2 : 1;
    if (params->precision != VKCLIP_PRECISION_DEFAULT) {
        precisions[0] = params->precision;
        precision_count = 1;
    }
    const size_t group_count = params->skips_kernels ? 0 : COUNT(groups);
    verification.total = (uint32_t)(precision_count * (group_count + COUNT(small_towers)));
    show_progress(&verification);
    vkclip_error first = {0};
    bool goes_on = true;
    for (size_t i = 0; goes_on && i < precision_count; i++) {
        vkclip_error reason = {0};
        verification.precision = precisions[i];
        check_precision(&verification, &reason);
        goes_on = !reason.status || reason.status == VKCLIP_ERROR_NUMBERS;
        if (!first.status || !goes_on)
            first = reason;
    }
    gpu_destroy(verification.gpu);
    if (first.status)
        return fail(err, first.status, "%s", first.message);
    return true;
}
