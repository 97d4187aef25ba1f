// eval_probe.c: vkclip eval probe, how much a linear classifier learns from embeddings.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "eval.h"
#include "probe.h"
#include "progress.h"
#include "random.h"
#include "report.h"
#include "solver.h"

static const uint32_t percents[] = {1, 10, 100};

struct probed {
    struct eval eval;
    size_t width;
    float *embeddings; // [dataset.count, width]
    size_t failed_count;

    // Pictures that could be read, by split; those to learn from are shuffled.
    uint32_t *rows[SPLIT_TEST + 1];
    size_t row_counts[SPLIT_TEST + 1];
    size_t *class_counts; // [class_count] to learn from

    uint32_t *fitted, *held_out; // [row_counts[SPLIT_TRAIN]] each, of a round
    size_t *quotas;              // [2, class_count]

    char **paths;    // [row_counts[SPLIT_TEST]] the dataset's
    uint32_t *truth; // likewise
    struct eval_round rounds[COUNT(percents)];
};

// ---- rows ----------------------------------------------------------------------------------

static bool take(void *user, size_t index, const float *row, bool is_readable)
{
    struct probed *p = user;
    const enum dataset_split split = p->eval.dataset.splits[index];
    if (!is_readable) {
        p->failed_count++;
        return true;
    }
    for (size_t i = 0; i < p->width; i++)
        p->embeddings[index * p->width + i] = row[i];
    p->rows[split][p->row_counts[split]++] = (uint32_t)index;
    if (split == SPLIT_TRAIN)
        p->class_counts[p->eval.dataset.labels[index]]++;
    return true;
}

static bool reserve(struct probed *p)
{
    const size_t count = p->eval.dataset.count, classes = p->eval.set.count;
    p->embeddings = calloc(count, p->width * sizeof *p->embeddings);
    p->class_counts = calloc(classes, sizeof *p->class_counts);
    p->fitted = calloc(count, sizeof *p->fitted);
    p->held_out = calloc(count, sizeof *p->held_out);
    p->quotas = calloc(classes, 2 * sizeof *p->quotas);
    p->paths = calloc(count, sizeof *p->paths);
    p->truth = calloc(count, sizeof *p->truth);
    bool is_reserved = p->embeddings && p->class_counts && p->fitted && p->held_out && p->quotas &&
                       p->paths && p->truth;
    for (size_t split = 0; split <= SPLIT_TEST; split++) {
        p->rows[split] = calloc(count, sizeof *p->rows[split]);
        is_reserved = is_reserved && p->rows[split];
    }
    return is_reserved;
}

// An INDEX needs no device, and a model for thumbnails alone.
static enum exit_status open_session(struct probed *p)
{
    struct eval *eval = &p->eval;
    enum exit_status status = STATUS_FINE;
    if (!eval->dataset.is_index)
        status = session_open(&eval->session, &eval->common);
    else if (eval->html)
        status = session_open_model(&eval->session, &eval->common, VKCLIP_MODEL_SIDE_FILES);
    p->width = eval->dataset.width;
    if (status == STATUS_FINE && !eval->dataset.is_index)
        p->width = vkclip_model_get_facts(eval->session.model)->embedding_width;
    return status;
}

static bool check_rows(const struct probed *p)
{
    for (uint32_t c = 0; c < p->eval.set.count; c++)
        if (p->class_counts[c] == 0) {
            report_error("%s: class '%s' has no picture to learn from", p->eval.path,
                         p->eval.set.classes[c].name);
            return false;
        }
    if (p->row_counts[SPLIT_TEST] == 0)
        report_error("%s: there is no picture to test with", p->eval.path);
    return p->row_counts[SPLIT_TEST] > 0;
}

static void shuffle(uint32_t *rows, size_t count, uint64_t seed)
{
    for (size_t left = count; left > 1; left--) {
        const size_t chosen = random_below(&seed, (uint32_t)left);
        const uint32_t row = rows[chosen];
        rows[chosen] = rows[left - 1];
        rows[left - 1] = row;
    }
}

// ---- learning ------------------------------------------------------------------------------

// The rows of a round: of each class the share asked for, one at least, in their shuffled order, so
// that a larger round has those of a smaller. A fifth of them, in front, is held out where nothing
// else is there to choose C by.
struct choice {
    struct probe_rows all, fitted, held_out;
};

static struct probe_rows rows_of(const struct probed *p, const uint32_t *picked, size_t count)
{
    return (struct probe_rows){
        .embeddings = p->embeddings,
        .labels = p->eval.dataset.labels,
        .width = p->width,
        .class_count = p->eval.set.count,
        .picked = picked,
        .count = count,
    };
}

static struct choice choose_rows(struct probed *p, uint32_t percent, uint32_t *all)
{
    const uint32_t classes = p->eval.set.count;
    const bool has_validation = p->row_counts[SPLIT_VALIDATION] > 0;
    size_t *wanted = p->quotas, *held = p->quotas + classes;
    size_t all_count = 0, fitted_count = 0, held_count = 0;
    for (uint32_t c = 0; c < classes; c++) {
        wanted[c] = (p->class_counts[c] * percent + 50) / 100;
        wanted[c] += wanted[c] == 0;
        held[c] = has_validation ? 0 : wanted[c] / 5;
    }
    for (size_t i = 0; i < p->row_counts[SPLIT_TRAIN]; i++) {
        const uint32_t row = p->rows[SPLIT_TRAIN][i], c = p->eval.dataset.labels[row];
        if (wanted[c] == 0)
            continue;
        wanted[c]--;
        all[all_count++] = row;
        if (held[c] > 0) {
            held[c]--;
            p->held_out[held_count++] = row;
        } else {
            p->fitted[fitted_count++] = row;
        }
    }
    return (struct choice){
        .all = rows_of(p, all, all_count),
        .fitted = rows_of(p, p->fitted, fitted_count),
        .held_out = has_validation
                        ? rows_of(p, p->rows[SPLIT_VALIDATION], p->row_counts[SPLIT_VALIDATION])
                        : rows_of(p, p->held_out, held_count),
    };
}

static bool predict(struct probed *p, const struct probe *probe, struct eval_round *round)
{
    const size_t count = p->row_counts[SPLIT_TEST], classes = p->eval.set.count;
    double *probabilities = calloc(count, classes * sizeof *probabilities);
    for (size_t i = 0; probabilities && i < count; i++)
        probe_predict(probe, p->embeddings + p->rows[SPLIT_TEST][i] * p->width,
                      probabilities + i * classes);
    round->probabilities = probabilities;
    return probabilities != NULL;
}

// C is 1, as scikit-learn's, where there are too few rows to hold some out.
static enum exit_status run_round(struct probed *p, uint32_t percent, uint32_t *all,
                                  struct eval_round *round)
{
    struct probe probe = {0};
    vkclip_error err = {0};
    const struct choice choice = choose_rows(p, percent, all);
    double strength = 1.0;
    bool is_done = choice.held_out.count == 0 ||
                   probe_choose(&choice.fitted, &choice.held_out, &strength, &err);
    is_done = is_done && probe_fit(&probe, &choice.all, strength, &err);
    enum exit_status status = STATUS_FINE;
    if (!is_done)
        status = report_failure(&err);
    else if (!predict(p, &probe, round))
        status = report_out_of_memory();
    round->percent = percent;
    round->training_count = choice.all.count;
    round->strength = strength;
    snprintf(round->title, sizeof round->title, "%u %% of the training pictures: %zu, C = %.4g",
             percent, choice.all.count, strength);
    probe_finish(&probe);
    return status;
}

static enum exit_status run_rounds(struct probed *p)
{
    uint32_t *all = calloc(p->row_counts[SPLIT_TRAIN], sizeof *all);
    enum exit_status status = all ? STATUS_FINE : report_out_of_memory();
    shuffle(p->rows[SPLIT_TRAIN], p->row_counts[SPLIT_TRAIN], p->eval.seed);
    progress_begin("probes", COUNT(percents));
    for (size_t i = 0; i < COUNT(percents) && status == STATUS_FINE; i++) {
        status = run_round(p, percents[i], all, &p->rounds[i]);
        progress_show(i + 1);
    }
    progress_hide();
    free(all);
    return status;
}

static enum exit_status write_report(struct probed *p)
{
    const size_t count = p->row_counts[SPLIT_TEST];
    for (size_t i = 0; i < count; i++) {
        p->paths[i] = p->eval.dataset.paths[p->rows[SPLIT_TEST][i]];
        p->truth[i] = p->eval.dataset.labels[p->rows[SPLIT_TEST][i]];
    }
    return eval_report(&p->eval, &(struct eval_report){
                                     .title = "Linear probe",
                                     .count = count,
                                     .failed_count = p->eval.dataset.failed_count + p->failed_count,
                                     .paths = p->paths,
                                     .truth = p->truth,
                                     .rounds = p->rounds,
                                     .round_count = COUNT(percents),
                                 });
}

static enum exit_status probe(struct probed *p)
{
    enum exit_status status = open_session(p);
    if (status != STATUS_FINE)
        return status;
    if (!reserve(p))
        return report_out_of_memory();
    if (!eval_run(&p->eval, &(struct image_user){take, p, false}, &status))
        return status;
    if (!check_rows(p))
        return STATUS_INPUT;
    enum exit_status ended = run_rounds(p);
    if (ended == STATUS_FINE)
        ended = write_report(p);
    return ended == STATUS_FINE ? status : ended;
}

static void finish(struct probed *p)
{
    for (size_t i = 0; i < COUNT(percents); i++)
        free((double *)p->rounds[i].probabilities);
    for (size_t split = 0; split <= SPLIT_TEST; split++)
        free(p->rows[split]);
    free(p->embeddings);
    free(p->class_counts);
    free(p->fitted);
    free(p->held_out);
    free(p->quotas);
    free(p->paths);
    free(p->truth);
    eval_finish(&p->eval);
}

static enum exit_status run(const struct command *command, int count, char **arguments)
{
    struct probed p = {.eval.common.needs = NEEDS_IMAGES};
    const struct option options[] = {EVAL_OPTIONS(p.eval)};
    enum exit_status status;
    if (!options_parse(command, options, COUNT(options), &count, arguments, &status))
        return status;
    if (!eval_check(command, &p.eval, count, arguments))
        return STATUS_USAGE;
    if (!solver_is_built()) {
        report_error("this build was made without NLopt");
        return STATUS_UNUSABLE;
    }
    status = eval_begin(&p.eval, true);
    if (status == STATUS_FINE)
        status = probe(&p);
    finish(&p);
    return status;
}

const struct command eval_probe_command = {
    .name = "eval probe",
    .usage = "-m MODEL [--classes FILE] [options] DATASET",
    .summary = "Measures what a linear classifier learns from embeddings.",
    .notes =
        "DATASET is a folder with train and test, and perhaps val, each with a folder of\n"
        "pictures for each class; a table, CSV or JSON Lines, with the columns path, label and\n"
        "split (train, val or test); or an INDEX of 'vkclip index' with the metadata label and\n"
        "split, which needs no device.\n"
        "Multinomial logistic regression, scikit-learn's LogisticRegression by NLopt's L-BFGS,\n"
        "learns from 1, 10 and 100 % of the training pictures of each class, one at least,\n"
        "drawn by --seed. C, from 10^-3 to 10^5 in half powers, is the smallest of those that\n"
        "are right on most validation pictures: val, else a fifth of those drawn, with which\n"
        "it then learns as well. Figures are of test. Memory is the embeddings: 2 KB a picture\n"
        "of 512 numbers.\n\n" EVAL_NOTES IMAGE_NOTES SESSION_ENGINE_NOTES,
    .examples = "  vkclip eval probe cells\n"
                "  vkclip eval probe --html report.html --format json splits.csv\n",
    .run = run,
};
