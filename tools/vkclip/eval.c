#include "eval.h"

#include <stdlib.h>
#include <string.h>

#include "collection.h"
#include "model_path.h"
#include "progress.h"
#include "report.h"

bool eval_check(const struct command *command, struct eval *eval, int count, char **arguments)
{
    if (!session_check_options(command, &eval->common) ||
        !images_check_options(command, &eval->images))
        return false;
    if (count != 1) {
        options_refuse(command, count == 0 ? "no dataset is given" : "more than one dataset");
        return false;
    }
    eval->path = arguments[0];
    return true;
}

// Whatever is wrong with a file of the user's, it is some input that failed.
static enum exit_status report_input(const vkclip_error *err)
{
    enum exit_status status = report_failure(err);
    return err->status == VKCLIP_ERROR_FILE ? STATUS_INPUT : status;
}

enum exit_status eval_begin(struct eval *eval, bool wants_splits)
{
    vkclip_error err = {0};
    bool is_read = !eval->class_file || class_set_read(&eval->set, eval->class_file, &err);
    is_read = is_read && dataset_read(&eval->dataset, eval->path, wants_splits, &err);
    if (is_read && !eval->class_file)
        is_read = class_set_from_labels(&eval->set, &eval->dataset, &err);
    is_read = is_read && class_set_apply(&eval->set, &eval->dataset, eval->path, &err);
    if (!is_read)
        return report_input(&err);
    if (eval->set.count < 2) {
        report_error("%s: there is one class, '%s', and nothing to tell it from", eval->path,
                     eval->set.classes[0].name);
        return STATUS_INPUT;
    }
    // So that a wrong name is not found out after an hour of work.
    return !eval->html || output_file_open(&eval->page, eval->html) ? STATUS_FINE : STATUS_INPUT;
}

// ---- rows -----------------------------------------------------------------------------------

enum { ROWS_AT_ONCE = 1024 };

static enum exit_status run_rows(struct eval *eval, struct collection *collection, float *rows,
                                 const struct image_user *user)
{
    const size_t width = collection->facts.width;
    vkclip_error err = {0};
    for (size_t done = 0; done < eval->dataset.count;) {
        const size_t left = eval->dataset.count - done;
        const size_t now = left < ROWS_AT_ONCE ? left : ROWS_AT_ONCE;
        if (!npy_matrix_read(&collection->embeddings, done, now, rows, &err))
            return report_input(&err);
        for (size_t i = 0; i < now; i++)
            if (!user->use(user->user, done + i, rows + i * width, true))
                return STATUS_FINE;
        done += now;
    }
    return STATUS_FINE;
}

// Rows of another model would give figures, and wrong ones.
static enum exit_status check_index(const struct eval *eval, const struct collection *collection)
{
    char sha256[65];
    vkclip_error err = {0};
    if (!eval->session.engine)
        return STATUS_FINE;
    if (!vkclip_model_sha256(eval->session.model, sha256, &err))
        return report_failure(&err);
    if (strcmp(sha256, collection->facts.model_sha256) == 0)
        return STATUS_FINE;
    report_error("%s: is of another model", eval->path);
    return STATUS_INPUT;
}

static enum exit_status run_index(struct eval *eval, const struct image_user *user)
{
    struct collection collection = {0};
    vkclip_error err = {0};
    enum exit_status status = STATUS_FINE;
    float *rows = NULL;
    if (!collection_open(&collection, eval->path, &err))
        status = report_input(&err);
    if (status == STATUS_FINE)
        status = check_index(eval, &collection);
    if (status == STATUS_FINE) {
        rows = malloc(ROWS_AT_ONCE * collection.facts.width * sizeof *rows);
        status = rows ? run_rows(eval, &collection, rows, user) : report_out_of_memory();
    }
    free(rows);
    collection_close(&collection);
    return status;
}

bool eval_run(struct eval *eval, const struct image_user *user, enum exit_status *status)
{
    if (eval->dataset.is_index) {
        *status = run_index(eval, user);
        return *status == STATUS_FINE;
    }
    *status =
        images_run(&eval->session, &eval->images, eval->dataset.paths, eval->dataset.count, user);
    return *status == STATUS_FINE || *status == STATUS_INPUT;
}

// ---- the report -----------------------------------------------------------------------------

static enum exit_status write_page(struct eval *eval, const struct eval_report *report)
{
    struct text page = {0};
    eval_add_html(&page, report, eval->session.model, &eval->images);
    bool is_written = !page.is_out_of_memory;
    if (!is_written)
        report_out_of_memory();
    is_written = is_written && output_file_write(&eval->page, page.bytes, page.byte_count) &&
                 output_file_commit(&eval->page);
    text_finish(&page);
    return is_written ? STATUS_FINE : STATUS_INPUT;
}

static enum exit_status write_report(struct eval *eval, const struct eval_report *report)
{
    struct text text = {0};
    if (eval->format == EVAL_JSON)
        eval_add_json(&text, report);
    else
        eval_add_table(&text, report);
    output_write(&text);
    return eval->html ? write_page(eval, report) : STATUS_FINE;
}

enum exit_status eval_report(struct eval *eval, struct eval_report *report)
{
    char found[4096];
    report->dataset = eval->path;
    report->model = eval->common.model;
    if (!report->model)
        report->model = model_path_find(found, sizeof found) ? found : "a model";
    report->seed = eval->seed;
    report->set = &eval->set;
    bool is_measured = true;
    for (size_t i = 0; is_measured && i < report->round_count; i++) {
        const struct predictions predictions = eval_predictions(report, &report->rounds[i]);
        is_measured = metrics_init(&report->rounds[i].metrics, &predictions, eval->seed);
    }
    enum exit_status status = is_measured ? write_report(eval, report) : report_out_of_memory();
    for (size_t i = 0; i < report->round_count; i++)
        metrics_finish(&report->rounds[i].metrics);
    return status;
}

void eval_finish(struct eval *eval)
{
    output_file_close(&eval->page);
    session_close(&eval->session);
    class_set_finish(&eval->set);
    dataset_finish(&eval->dataset);
}
