#include "images.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "progress.h"
#include "report.h"

void images_report(const char *path, const vkclip_error *err)
{
    struct stat facts;
    report_error("%s", err->message);
    if (stat(path, &facts) == 0 && S_ISDIR(facts.st_mode))
        report_hint("name the pictures in it: %s/*", path);
}

static void warn_once(void *user, vkclip_log_level level, const char *message)
{
    struct image_options *options = user;
    if (!options->has_warned)
        report_log.write(report_log.user, level, message);
    options->has_warned = true;
}

// A decimal number: sign, digits, point; up to the terminator.
static bool parse_decimal(const char *text, char terminator, double *number, const char **rest)
{
    size_t length = strspn(text, "+-.0123456789");
    char *end;
    *number = strtod(text, &end);
    *rest = end + 1;
    return length > 0 && end == text + length && *end == terminator && length < 32;
}

bool images_check_options(const struct command *command, struct image_options *options)
{
    vkclip_image *reading = &options->reading;
    const char *width;
    reading->log = (vkclip_log){warn_once, options};
    if (!options->window)
        return true;
    if (strcmp(options->window, "auto") == 0) {
        reading->window = VKCLIP_WINDOW_AUTO;
        return true;
    }
    reading->window = VKCLIP_WINDOW_LINEAR;
    if (parse_decimal(options->window, ',', &reading->window_center, &width) &&
        parse_decimal(width, '\0', &reading->window_width, &width) && reading->window_width >= 1.0)
        return true;
    options_refuse(command,
                   "--window %s: want auto or CENTER,WIDTH, two numbers, the second 1 or more",
                   options->window);
    return false;
}

vkclip_image image_at(const struct image_options *options, const char *path)
{
    vkclip_image image = options->reading;
    image.path = path;
    return image;
}

// The first pictures of a call are read while the device waits, so that a fast device is given
// many; with a row each they take 3 MB.
enum { MOST_IMAGES_A_CALL = 1024 };

// The images of one call to the library.
struct portion {
    const struct image_options *options;
    vkclip_image *images;
    float *rows;
    size_t width; // of a row
    vkclip_error *errors;
    size_t capacity;
};

static enum exit_status run_portions(struct session *session, char *const *paths, size_t count,
                                     const struct portion *portion, const struct image_user *user)
{
    bool (*const run)(vkclip_engine *, const vkclip_image *, size_t, float *, vkclip_error *,
                      vkclip_error *) =
        user->wants_logits ? vkclip_classify_images : vkclip_embed_images;
    size_t step = vkclip_engine_get_facts(session->engine)->max_images;
    enum exit_status status = STATUS_FINE;
    vkclip_error err = {0};

    for (size_t done = 0; done < count;) {
        size_t now = step < count - done ? step : count - done;
        for (size_t i = 0; i < now; i++)
            portion->images[i] = image_at(portion->options, paths[done + i]);
        double start = vkclip_clock_seconds();
        if (!run(session->engine, portion->images, now, portion->rows, portion->errors, &err)) {
            progress_hide();
            return report_failure(&err);
        }
        // Small portions while each takes long, so that results and progress keep coming.
        if (vkclip_clock_seconds() - start < 1.0)
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

enum exit_status images_run(struct session *session, const struct image_options *options,
                            char *const *paths, size_t count, const struct image_user *user)
{
    const vkclip_model_facts *facts = vkclip_model_get_facts(session->model);
    size_t width = user->wants_logits ? facts->class_count : facts->embedding_width;
    size_t capacity = MOST_IMAGES_A_CALL < count ? MOST_IMAGES_A_CALL : count;
    struct portion portion = {
        .options = options,
        .images = calloc(capacity, sizeof(vkclip_image)),
        .rows = calloc(capacity * width, sizeof(float)),
        .width = width,
        .errors = calloc(capacity, sizeof(vkclip_error)),
        .capacity = capacity,
    };
    enum exit_status status;
    if (portion.images && portion.rows && portion.errors) {
        progress_begin("pictures", count);
        status = run_portions(session, paths, count, &portion, user);
    } else {
        status = report_out_of_memory();
    }
    free(portion.images);
    free(portion.rows);
    free(portion.errors);
    return status;
}
