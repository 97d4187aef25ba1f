// embed.c: vkclip embed image and vkclip embed text, unit vectors into a .npy file.
#include <stdlib.h>

#include "images.h"
#include "npy.h"
#include "output.h"
#include "report.h"
#include "session.h"
#include "texts.h"

struct embedding_job {
    struct session_options common;
    struct image_options images;
    const char *output;
    const char *text_file;
    struct session session;
    struct output_file npy;
};

// The session and the header of the output file. The file is created first, so that a wrong
// name is not found out after an hour of work.
static enum exit_status begin(struct embedding_job *job, size_t row_count)
{
    if (!output_file_open(&job->npy, job->output))
        return STATUS_INPUT;
    enum exit_status status = session_open(&job->session, &job->common);
    if (status != STATUS_FINE)
        return status;
    size_t width = vkclip_model_get_facts(job->session.model)->embedding_width;
    bool is_written = npy_write_header(&job->npy, NPY_F32, (size_t[]){row_count, width}, 2);
    return is_written ? STATUS_FINE : STATUS_INPUT;
}

static void finish(struct embedding_job *job)
{
    output_file_close(&job->npy);
    session_close(&job->session);
}

// The file is put in place with rows of zeros for unreadable images, but not when the device
// was lost.
static enum exit_status commit(struct embedding_job *job, enum exit_status status)
{
    if (status != STATUS_FINE && status != STATUS_INPUT)
        return status;
    return output_file_commit(&job->npy) ? status : STATUS_INPUT;
}

static bool write_row(void *user, size_t index, const float *embedding, bool is_readable)
{
    (void)index;
    (void)is_readable;
    struct embedding_job *job = user;
    size_t width = vkclip_model_get_facts(job->session.model)->embedding_width;
    return output_file_write(&job->npy, embedding, width * sizeof *embedding);
}

static enum exit_status run_image(const struct command *command, int count, char **arguments)
{
    struct embedding_job job = {.common.needs = NEEDS_IMAGES};
    const struct option options[] = {
        {.name = "output",
         .letter = 'o',
         .argument = "OUT.npy",
         .string = &job.output,
         .help = "file to write: float32 [images, width]"},
        IMAGE_OPTIONS(job.images),
        SESSION_ENGINE_OPTIONS(job.common),
    };
    enum exit_status status;
    if (!options_parse(command, options, COUNT(options), &count, arguments, &status))
        return status;
    if (!session_check_options(command, &job.common))
        return STATUS_USAGE;
    if (!images_check_options(command, &job.images))
        return STATUS_USAGE;
    if (!options_check_output(command, job.output))
        return STATUS_USAGE;
    if (count == 0)
        return options_refuse(command, "no image is given");

    status = begin(&job, (size_t)count);
    if (status == STATUS_FINE)
        status = commit(&job, images_run(&job.session, &job.images, arguments, (size_t)count,
                                         &(struct image_user){write_row, &job, false}));
    finish(&job);
    return status;
}

static bool write_texts(void *user, size_t first, const float *rows, size_t count)
{
    (void)first;
    struct embedding_job *job = user;
    size_t width = vkclip_model_get_facts(job->session.model)->embedding_width;
    return output_file_write(&job->npy, rows, count * width * sizeof *rows);
}

static enum exit_status check_texts(const struct command *command, const struct embedding_job *job,
                                    struct string_list *texts, int count, char **arguments)
{
    if (!session_check_options(command, &job->common))
        return STATUS_USAGE;
    if (!options_check_output(command, job->output))
        return STATUS_USAGE;
    if (job->text_file && count > 0)
        return options_refuse(command, "give texts or --texts, not both");
    if (!job->text_file && count == 0)
        return options_refuse(command, "no text is given");

    if (job->text_file)
        return string_list_read(texts, job->text_file) ? STATUS_FINE : STATUS_INPUT;
    for (int i = 0; i < count; i++)
        if (!string_list_add(texts, arguments[i]))
            return report_out_of_memory();
    return STATUS_FINE;
}

static enum exit_status run_text(const struct command *command, int count, char **arguments)
{
    struct embedding_job job = {.common.needs = NEEDS_TEXTS};
    struct string_list texts = {0};
    const struct option options[] = {
        {.name = "output",
         .letter = 'o',
         .argument = "OUT.npy",
         .string = &job.output,
         .help = "file to write: float32 [texts, width]"},
        {.name = "texts",
         .argument = "FILE",
         .string = &job.text_file,
         .help = "texts, one a line; - is standard input"},
        SESSION_ENGINE_OPTIONS(job.common),
    };
    enum exit_status status;
    if (!options_parse(command, options, COUNT(options), &count, arguments, &status))
        return status;

    status = check_texts(command, &job, &texts, count, arguments);
    if (status == STATUS_FINE)
        status = begin(&job, texts.count);
    if (status == STATUS_FINE)
        status = commit(&job, texts_run(&job.session, texts.items, texts.count,
                                        &(struct text_user){write_texts, &job}));
    finish(&job);
    string_list_finish(&texts);
    return status;
}

const struct command embed_image_command = {
    .name = "embed image",
    .usage = "-m MODEL -o OUT.npy [options] IMAGE...",
    .summary = "Writes the embeddings of images.",
    .notes = IMAGE_NOTES
    "Rows are unit vectors in the order of the images. An image that cannot be read is\n"
    "reported and has a row of zeros; the exit status is then 1. The file appears whole\n"
    "or not at all.\n\n" SESSION_ENGINE_NOTES,
    .examples = "  vkclip embed image -o slides.npy slides/*.jpg\n",
    .run = run_image,
};

const struct command embed_text_command = {
    .name = "embed text",
    .usage = "-m MODEL -o OUT.npy [options] TEXT... | --texts FILE",
    .summary = "Writes the embeddings of texts.",
    .notes = "Rows are unit vectors in the order of the texts; no template is applied. What goes\n"
             "beyond the tokens a model takes, see 'vkclip info', is cut, as in the reference.\n"
             "The file appears whole or not at all.\n\n" SESSION_ENGINE_NOTES,
    .examples = "  vkclip embed text -o labels.npy 'chest X-ray' 'brain MRI'\n"
                "  vkclip embed text -o captions.npy --texts captions.txt\n",
    .run = run_text,
};
