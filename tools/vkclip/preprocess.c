// preprocess.c: vkclip preprocess, images as the image tower gets them, into a .npy file.
#include <stdlib.h>
#include <string.h>

#include "images.h"
#include "npy.h"
#include "output.h"
#include "progress.h"
#include "report.h"
#include "session.h"

enum stage { STAGE_PIXELS, STAGE_TENSOR };
static const char *const stages[] = {"pixels", "tensor", NULL};

struct preprocessing {
    struct session_options common;
    struct image_options images;
    const char *output;
    uint32_t stage;

    struct session session;
    struct output_file npy;
    // One picture at a time.
    uint8_t *pixels;
    float *tensor;
    size_t value_count; // of either
};

static enum exit_status write_images(struct preprocessing *p, char *const *paths, size_t count)
{
    enum exit_status status = STATUS_FINE;
    progress_begin("pictures", count);
    for (size_t i = 0; i < count; i++) {
        vkclip_error err = {0};
        vkclip_image image = image_at(&p->images, paths[i]);
        bool is_readable = vkclip_preprocess(p->session.model, &image, p->pixels, &err);
        if (!is_readable) {
            images_report(paths[i], &err);
            status = STATUS_INPUT;
            memset(p->pixels, 0, p->value_count);
        }
        const void *row = p->pixels;
        size_t row_bytes = p->value_count;
        if (p->stage == STAGE_TENSOR) {
            row = p->tensor;
            row_bytes *= sizeof *p->tensor;
            if (is_readable)
                vkclip_pixels_to_tensor(p->session.model, p->pixels, 1, p->tensor);
            else
                memset(p->tensor, 0, row_bytes);
        }
        if (!output_file_write(&p->npy, row, row_bytes))
            return STATUS_INPUT;
        progress_show(i + 1);
    }
    progress_hide();
    return output_file_commit(&p->npy) ? status : STATUS_INPUT;
}

static enum exit_status preprocess(struct preprocessing *p, char *const *paths, size_t count)
{
    enum exit_status status =
        output_file_open(&p->npy, p->output)
            ? session_open_model(&p->session, &p->common, VKCLIP_MODEL_SIDE_FILES)
            : STATUS_INPUT;
    if (status != STATUS_FINE)
        return status;

    size_t side = vkclip_model_get_facts(p->session.model)->image_size_px;
    size_t pixels_shape[] = {count, side, side, 3};
    size_t tensor_shape[] = {count, 3, side, side};
    bool is_tensor = p->stage == STAGE_TENSOR;
    if (!npy_write_header(&p->npy, is_tensor ? NPY_F32 : NPY_U8,
                          is_tensor ? tensor_shape : pixels_shape, 4))
        return STATUS_INPUT;

    p->value_count = side * side * 3;
    p->pixels = calloc(p->value_count, sizeof *p->pixels);
    p->tensor = calloc(p->value_count, sizeof *p->tensor);
    if (!p->pixels || !p->tensor)
        return report_out_of_memory();
    return write_images(p, paths, count);
}

static enum exit_status run(const struct command *command, int count, char **arguments)
{
    struct preprocessing p = {.common.needs = NEEDS_IMAGES, .stage = STAGE_PIXELS};
    const struct option options[] = {
        {.name = "stage",
         .argument = "STAGE",
         .number = &p.stage,
         .choices = stages,
         .help = "pixels: uint8 [n, h, w, 3]; tensor: float32 [n, 3, h, w], normalised"},
        {.name = "output",
         .letter = 'o',
         .argument = "OUT.npy",
         .string = &p.output,
         .help = "file to write"},
        IMAGE_OPTIONS(p.images),
        SESSION_MODEL_OPTIONS(p.common),
    };
    enum exit_status status;
    if (!options_parse(command, options, COUNT(options), &count, arguments, &status))
        return status;
    if (!session_check_options(command, &p.common))
        return STATUS_USAGE;
    if (!images_check_options(command, &p.images))
        return STATUS_USAGE;
    if (!options_check_output(command, p.output))
        return STATUS_USAGE;
    if (count == 0)
        return options_refuse(command, "no image is given");

    status = preprocess(&p, arguments, (size_t)count);
    output_file_close(&p.npy);
    session_close(&p.session);
    free(p.pixels);
    free(p.tensor);
    return status;
}

const struct command preprocess_command = {
    .name = "preprocess",
    .usage = "-m MODEL [--stage pixels|tensor] -o OUT.npy [options] IMAGE...",
    .summary = "Writes images as the model sees them.",
    .notes = IMAGE_NOTES
    "An image that cannot be read is reported and has a row of zeros; the exit status is\n"
    "then 1. The file appears whole or not at all. Needs the configuration and the\n"
    "vocabulary of a model only: no weights, no device.\n\n" SESSION_NOTES,
    .examples = "  vkclip preprocess --stage tensor -o slides.npy slides/*.jpg\n",
    .run = run,
};
