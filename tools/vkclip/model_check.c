#include "model_check.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "golden_file.h"
#include "model_path.h"
#include "progress.h"
#include "report.h"
#include "session.h"

// How far an embedding may be off: the largest difference of its numbers, and 1 - cosine. What the
// project promises; rounding to 24, 11 and 8 bits over a tower's layers stays below.
struct allowance {
    double difference, turn;
};
static const struct allowance allowances[] = {
    [VKCLIP_PRECISION_FP32] = {2e-5, 1e-6},
    [VKCLIP_PRECISION_FP16] = {5e-3, 1e-4},
    [VKCLIP_PRECISION_INT8] = {4e-2, 6.4e-3},
};

enum tower { IMAGE_TOWER, TEXT_TOWER };
static const char *const tower_names[] = {"image tower", "text tower"};
static const char *const input_names[] = {"picture", "text"};

enum { PATH_BYTES = 4096 + 256, PROMPT_BYTES = 128 };

struct job {
    const struct model_check_params *params;
    struct model_report *report;
    vkclip_model *model;
    size_t width;
    struct golden_file golden;
    char (*paths)[PATH_BYTES]; // of the published pictures
    char (*prompts)[PROMPT_BYTES];
    struct golden inputs[2]; // by tower: the golden's, or the published ones, without embeddings

    vkclip_precision precision; // at hand
    vkclip_engine *engine;
};

static vkclip_check *add_check(const struct job *job, const char *name, size_t case_count)
{
    struct model_report *report = job->report;
    vkclip_check *check = &report->checks[report->check_count++];
    *check = (vkclip_check){
        .precision = job->precision,
        .case_count = (uint32_t)case_count,
        .is_repeatable = true,
        .is_contained = true,
    };
    snprintf(check->name, sizeof check->name, "%s", name);
    return check;
}

// ---- embeddings ------------------------------------------------------------------------------

static bool embed_images(const struct job *job, const char *const *paths, size_t count,
                         float *embeddings, vkclip_error *err)
{
    vkclip_image *images = calloc(count, sizeof *images);
    if (!images)
        return report_fill(err, VKCLIP_ERROR_MEMORY, "no memory for %zu paths", count);
    for (size_t i = 0; i < count; i++)
        images[i].path = paths[i];
    bool is_run = vkclip_embed_images(job->engine, images, count, embeddings, NULL, err);
    free(images);
    return is_run;
}

static bool embed(const struct job *job, enum tower tower, const char *const *inputs, size_t count,
                  float *embeddings, vkclip_error *err)
{
    return tower == IMAGE_TOWER ? embed_images(job, inputs, count, embeddings, err)
                                : vkclip_embed_texts(job->engine, inputs, count, embeddings, err);
}

// Embeds all inputs of a tower together, then again one by one: other neighbours must give the same
// bits. free() the result; NULL on failure.
static float *embed_twice(const struct job *job, enum tower tower, bool *is_repeatable,
                          vkclip_error *err)
{
    const struct golden *inputs = &job->inputs[tower];
    const size_t bytes = job->width * sizeof(float);
    float *together = malloc(inputs->count * bytes), *alone = malloc(bytes);
    bool is_run = together && alone;
    if (!is_run)
        report_fill(err, VKCLIP_ERROR_MEMORY, "no memory for %zu embeddings", inputs->count);
    progress_begin(tower == IMAGE_TOWER ? "pictures" : "texts", inputs->count);
    is_run = is_run && embed(job, tower, inputs->inputs, inputs->count, together, err);
    for (size_t i = 0; is_run && i < inputs->count; i++) {
        is_run = embed(job, tower, inputs->inputs + i, 1, alone, err);
        if (is_run && memcmp(alone, together + i * job->width, bytes) != 0)
            *is_repeatable = false;
        progress_show(i + 1);
    }
    progress_hide();
    free(alone);
    if (is_run)
        return together;
    free(together);
    return NULL;
}

// ---- against a golden ------------------------------------------------------------------------

static double dot(const float *a, const float *b, size_t width)
{
    double sum = 0.0;
    for (size_t i = 0; i < width; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

// As a part of the length of what is wanted, which is 1 but where a model leaves it as it is.
static double largest_difference(const float *got, const float *want, size_t width)
{
    double largest = 0.0;
    for (size_t i = 0; i < width; i++)
        largest = fmax(largest, fabs((double)got[i] - (double)want[i]));
    return largest / sqrt(dot(want, want, width));
}

static double cosine(const float *a, const float *b, size_t width)
{
    return dot(a, b, width) / sqrt(dot(a, a, width) * dot(b, b, width));
}

// Keeps the row that went farthest towards what is allowed; beyond 1 is beyond it.
static bool check_tower(struct job *job, enum tower tower, vkclip_error *err)
{
    const struct golden *golden = &job->inputs[tower];
    const struct allowance *allowed = &allowances[job->precision];
    bool is_repeatable = true;
    float *rows = embed_twice(job, tower, &is_repeatable, err);
    if (!rows)
        return false;
    vkclip_check *check = add_check(job, tower_names[tower], golden->count);
    double farthest = -1.0;
    for (size_t i = 0; i < golden->count; i++) {
        const float *got = rows + i * job->width, *want = golden->embeddings + i * job->width;
        const double difference = largest_difference(got, want, job->width);
        const double turn = 1.0 - cosine(got, want, job->width);
        const double went = fmax(difference / allowed->difference, turn / allowed->turn);
        if (went <= farthest)
            continue;
        farthest = went;
        check->worst = difference;
        snprintf(check->worst_case, sizeof check->worst_case, "%s %zu, 1 - cosine %.1e",
                 input_names[tower], i + 1, turn);
    }
    check->allowed = allowed->difference;
    check->is_repeatable = is_repeatable;
    check->is_passed = farthest <= 1.0 && is_repeatable;
    free(rows);
    return true;
}

static bool check_towers(struct job *job, vkclip_error *err)
{
    for (int tower = IMAGE_TOWER; tower <= TEXT_TOWER; tower++)
        if (job->inputs[tower].count > 0 && !check_tower(job, (enum tower)tower, err))
            return false;
    return true;
}

// ---- against what was published --------------------------------------------------------------

static bool compare_published(const struct job *job, const float *images, const float *texts,
                              struct published_comparison *comparison, vkclip_error *err)
{
    for (uint32_t picture = 0; picture < published.picture_count; picture++) {
        vkclip_score scores[PUBLISHED_MOST];
        float logits[PUBLISHED_MOST];
        if (!vkclip_score_texts(job->model, images + picture * job->width, texts,
                                published.label_count, scores, err))
            return false;
        for (uint32_t label = 0; label < published.label_count; label++)
            logits[label] = scores[label].logit;
        published_compare(&published, picture, logits, comparison);
    }
    return true;
}

static bool check_published(struct job *job, vkclip_error *err)
{
    struct published_comparison *comparison = &job->report->comparisons[job->report->check_count];
    bool is_repeatable = true;
    float *images = embed_twice(job, IMAGE_TOWER, &is_repeatable, err);
    float *texts = images ? embed_twice(job, TEXT_TOWER, &is_repeatable, err) : NULL;
    bool is_run = texts && compare_published(job, images, texts, comparison, err);
    if (is_run) {
        vkclip_check *check = add_check(job, "published probabilities",
                                        (size_t)published.picture_count * published.label_count);
        snprintf(check->worst_case, sizeof check->worst_case, "%s, %s",
                 published.pictures[comparison->worst_picture],
                 published.labels[comparison->worst_label]);
        check->worst = comparison->worst;
        check->allowed = PUBLISHED_ALLOWED;
        check->is_repeatable = is_repeatable;
        check->is_passed = check->worst <= check->allowed && is_repeatable;
    }
    free(images);
    free(texts);
    return is_run;
}

// ---- what to compare with --------------------------------------------------------------------

// The checksum takes seconds, so the size is looked at first.
static bool expect_published_weights(const struct job *job, vkclip_error *err)
{
    char sha256[65];
    const uint64_t file_bytes = vkclip_model_get_facts(job->model)->file_bytes;
    if (file_bytes != published.weights_bytes)
        return report_fill(err, VKCLIP_ERROR_FILE,
                           "%s: --examples is for the published weights of %s, which are %" PRIu64
                           " bytes long; these are %" PRIu64,
                           job->params->model, published.model, published.weights_bytes,
                           file_bytes);
    if (!vkclip_model_sha256(job->model, sha256, err))
        return false;
    if (strcmp(sha256, published.weights_sha256) != 0)
        return report_fill(err, VKCLIP_ERROR_FILE,
                           "%s: --examples is for the published weights of %s; these have the "
                           "sha256 %s",
                           job->params->model, published.model, sha256);
    return true;
}

static bool list_published(struct job *job, vkclip_error *err)
{
    struct golden *pictures = &job->inputs[IMAGE_TOWER], *labels = &job->inputs[TEXT_TOWER];
    snprintf(job->report->against, sizeof job->report->against,
             "the probabilities published with %s", published.model);
    job->report->is_published = true;
    job->paths = calloc(PUBLISHED_MOST, sizeof *job->paths);
    job->prompts = calloc(PUBLISHED_MOST, sizeof *job->prompts);
    pictures->inputs = calloc(PUBLISHED_MOST, sizeof *pictures->inputs);
    labels->inputs = calloc(PUBLISHED_MOST, sizeof *labels->inputs);
    if (!job->paths || !job->prompts || !pictures->inputs || !labels->inputs)
        return report_fill(err, VKCLIP_ERROR_MEMORY, "no memory for %d paths", PUBLISHED_MOST);
    for (size_t i = 0; i < published.picture_count; i++) {
        snprintf(job->paths[i], PATH_BYTES, "%s/%s", job->params->examples, published.pictures[i]);
        pictures->inputs[pictures->count++] = job->paths[i];
    }
    for (size_t i = 0; i < published.label_count; i++) {
        snprintf(job->prompts[i], PROMPT_BYTES, "%s%s", published.prompt, published.labels[i]);
        labels->inputs[labels->count++] = job->prompts[i];
    }
    return true;
}

static bool open_golden(struct job *job, vkclip_error *err)
{
    char *path = job->report->against;
    struct stat facts;
    if (!model_path_beside(job->params->model, "vkclip_golden.json", path,
                           sizeof job->report->against))
        return report_fill(err, VKCLIP_ERROR_FILE, "the path of the model is too long");
    if (stat(path, &facts) != 0 || !S_ISREG(facts.st_mode))
        return report_fill(err, VKCLIP_ERROR_FILE,
                           "%s: nothing to compare with: no such file, which "
                           "tools/reference/make_goldens.py writes, and no --examples",
                           path);
    if (!golden_file_open(&job->golden, path, job->width, err))
        return false;
    job->inputs[IMAGE_TOWER] = job->golden.pictures;
    job->inputs[TEXT_TOWER] = job->golden.texts;
    return true;
}

// ---- the whole -------------------------------------------------------------------------------

static bool check_precision(struct job *job, vkclip_error *err)
{
    const struct model_check_params *params = job->params;
    job->engine = vkclip_engine_create(job->model,
                                       &(vkclip_engine_params){
                                           .device = params->device,
                                           .precision = job->precision,
                                           .cache_directory = params->cache_directory,
                                       },
                                       err);
    bool is_run = job->engine &&
                  (job->report->is_published ? check_published(job, err) : check_towers(job, err));
    vkclip_engine_destroy(job->engine);
    return is_run;
}

// Says what is wrong first, if anything is.
static bool conclude(const struct model_report *report, vkclip_error *err)
{
    for (uint32_t i = 0; i < report->check_count; i++) {
        const vkclip_check *check = &report->checks[i];
        if (!check->is_repeatable)
            return report_fill(err, VKCLIP_ERROR_NUMBERS,
                               "the model's %s in %s: other bits for an input alone", check->name,
                               session_precisions[check->precision]);
        if (!check->is_passed)
            return report_fill(err, VKCLIP_ERROR_NUMBERS,
                               "the model's %s in %s: %s is off by %.1e, %.1e is allowed",
                               check->name, session_precisions[check->precision], check->worst_case,
                               check->worst, check->allowed);
    }
    return true;
}

static void finish(struct job *job)
{
    if (job->report->is_published) {
        free(job->inputs[IMAGE_TOWER].inputs);
        free(job->inputs[TEXT_TOWER].inputs);
    }
    free(job->paths);
    free(job->prompts);
    golden_file_close(&job->golden);
    vkclip_model_close(job->model);
}

bool model_check(const struct model_check_params *params, struct model_report *report,
                 vkclip_error *err)
{
    *report = (struct model_report){0};
    struct job job = {.params = params, .report = report};
    job.model = vkclip_model_open(params->model, VKCLIP_MODEL_WHOLE, &report_log, err);
    bool is_run = job.model != NULL;
    if (is_run) {
        job.width = vkclip_model_get_facts(job.model)->embedding_width;
        is_run = params->examples ? expect_published_weights(&job, err) && list_published(&job, err)
                                  : open_golden(&job, err);
    }
    for (size_t i = 0; is_run && i < params->precision_count; i++) {
        job.precision = params->precisions[i];
        is_run = check_precision(&job, err);
    }
    finish(&job);
    return is_run && conclude(report, err);
}
