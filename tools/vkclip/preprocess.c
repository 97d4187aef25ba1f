// preprocess.c: vkclip preprocess, images as the image tower gets them, into a .npy file.
#include <stdlib.h>
#include <string.h>

#include "images.h"
#include "output.h"
#include "progress.h"
#include "report.h"
#include "session.h"

enum stage { STAGE_PIXELS, STAGE_TENSOR };
static const char *const stages[] = {"pixels", "tensor", NULL};

// One picture at a time, as pixels and as tensor.
struct buffers {
    uint8_t *pixels;
    float *tensor;
    size_t value_count; // of a picture
};

static enum exit_status write_images(const vkclip_model *model, struct npy *npy, enum stage stage,
                                     const struct buffers *buffers, char *const *paths,
                                     size_t count)
{
    enum exit_status status = STATUS_FINE;
    progress_begin("pictures", count);
    for (size_t i = 0; i < count; i++) {
        vkclip_error err = {0};
        bool is_readable =
            vkclip_preprocess(model, &(vkclip_image){.path = paths[i]}, buffers->pixels, &err);
        if (!is_readable) {
            images_report(paths[i], &err);
            status = STATUS_INPUT;
            memset(buffers->pixels, 0, buffers->value_count);
        }
        const void *row = buffers->pixels;
        size_t row_bytes = buffers->value_count;
        if (stage == STAGE_TENSOR) {
            row = buffers->tensor;
            row_bytes *= sizeof *buffers->tensor;
            if (is_readable)
                vkclip_pixels_to_tensor(model, buffers->pixels, 1, buffers->tensor);
            else
                memset(buffers->tensor, 0, row_bytes);
        }
        if (!npy_write(npy, row, row_bytes))
            return STATUS_INPUT;
        progress_show(i + 1);
    }
    progress_hide();
    return npy_commit(npy) ? status : STATUS_INPUT;
}

static enum exit_status preprocess(const vkclip_model *model, struct npy *npy, enum stage stage,
                                   char *const *paths, size_t count)
{
    size_t side = vkclip_model_get_facts(model)->image_size_px;
    size_t pixels_shape[] = {count, side, side, 3};
    size_t tensor_shape[] = {count, 3, side, side};
    bool is_tensor = stage == STAGE_TENSOR;
    if (!npy_write_header(npy, is_tensor ? NPY_F32 : NPY_U8,
                          is_tensor ? tensor_shape : pixels_shape, 4))
        return STATUS_INPUT;

    struct buffers buffers = {.value_count = side * side * 3};
    buffers.pixels = calloc(buffers.value_count, sizeof *buffers.pixels);
    buffers.tensor = calloc(buffers.value_count, sizeof *buffers.tensor);
    enum exit_status status = buffers.pixels && buffers.tensor
                                  ? write_images(model, npy, stage, &buffers, paths, count)
                                  : report_out_of_memory();
    free(buffers.pixels);
    free(buffers.tensor);
    return status;
}

static enum exit_status run(const struct command *command, int count, char **arguments)
{
    struct session_options common = {0};
    const char *output = NULL;
    uint32_t stage = STAGE_PIXELS;
    const struct option options[] = {
        {.name = "stage",
         .argument = "STAGE",
         .number = &stage,
         .choices = stages,
         .help = "pixels: uint8 [n, h, w, 3]; tensor: float32 [n, 3, h, w], normalised"},
        {.name = "output",
         .letter = 'o',
         .argument = "OUT.npy",
         .string = &output,
         .help = "file to write"},
        SESSION_MODEL_OPTIONS(common),
    };
    enum exit_status status;
    if (!options_parse(command, options, COUNT(options), &count, arguments, &status))
        return status;
    if (!session_check_options(command, &common))
        return STATUS_USAGE;
    if (!options_check_output(command, output))
        return STATUS_USAGE;
    if (count == 0)
        return options_refuse(command, "no image is given");

    struct npy npy;
    struct session session = {0};
    status = npy_open(&npy, output) ? session_open_model(&session, &common, VKCLIP_MODEL_SIDE_FILES)
                                    : STATUS_INPUT;
    if (status == STATUS_FINE)
        status = preprocess(session.model, &npy, (enum stage)stage, arguments, (size_t)count);
    npy_close(&npy);
    session_close(&session);
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
