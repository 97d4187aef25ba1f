#include "images.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "progress.h"
#include "report.h"

double clock_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

void images_report(const char *path, const vkclip_error *err)
{
    struct stat facts;
    report_error("%s", err->message);
    if (stat(path, &facts) == 0 && S_ISDIR(facts.st_mode))
        report_hint("name the pictures in it: %s/*", path);
}

// The images of one call to the library.
struct portion {
    float *rows;
    size_t width; // of a row
    vkclip_error *errors;
    size_t capacity;
};

static enum exit_status run_portions(struct session *session, char *const *paths, size_t count,
                                     const struct portion *portion, const struct image_user *user)
{
    bool (*const run)(vkclip_engine *, const char *const *, size_t, float *, vkclip_error *,
                      vkclip_error *) =
        user->wants_logits ? vkclip_classify_image_files : vkclip_embed_image_files;
    size_t step = vkclip_engine_get_facts(session->engine)->max_images;
    enum exit_status status = STATUS_FINE;
    vkclip_error err = {0};

    for (size_t done = 0; done < count;) {
        size_t now = step < count - done ? step : count - done;
        double start = clock_seconds();
        if (!run(session->engine, (const char *const *)paths + done, now, portion->rows,
                 portion->errors, &err)) {
            progress_hide();
            return report_failure(&err);
        }
        // Small portions while each takes long, so that results and progress keep coming.
        if (clock_seconds() - start < 0.5)
            step = step * 2 < portion->capacity ? step * 2 : portion->capacity;

        for (size_t i = 0; i < now; i++) {
            bool is_readable = portion->errors[i].status == VKCLIP_OK;
            if (!is_readable) {
                images_report(paths[done + i], &portion->errors[i]);
                status = STATUS_INPUT;
            }
            if (!user->use(user->user, done + i, portion->rows + i * portion->width, is_readable))
                return status;
        }
        done += now;
        progress_show(done);
    }
    progress_hide();
    return status;
}

enum exit_status images_run(struct session *session, char *const *paths, size_t count,
                            const struct image_user *user)
{
    const vkclip_model_facts *facts = vkclip_model_get_facts(session->model);
    size_t width = user->wants_logits ? facts->class_count : facts->embedding_width;
    size_t at_once = vkclip_engine_get_facts(session->engine)->max_images;
    size_t capacity = at_once * 4 > 16 ? at_once * 4 : 16;
    if (capacity > count)
        capacity = count;
    struct portion portion = {
        .rows = calloc(capacity * width, sizeof(float)),
        .width = width,
        .errors = calloc(capacity, sizeof(vkclip_error)),
        .capacity = capacity,
    };
    enum exit_status status;
    if (portion.rows && portion.errors) {
        progress_begin("pictures", count);
        status = run_portions(session, paths, count, &portion, user);
    } else {
        status = report_out_of_memory();
    }
    free(portion.rows);
    free(portion.errors);
    return status;
}
