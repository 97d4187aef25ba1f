// classify.c: vkclip classify, classification of image files: zero-shot, among labels that are
// given, or among the classes of a model's own classifier.
#include <stdio.h>
#include <stdlib.h>

#include "images.h"
#include "ranking.h"
#include "report.h"
#include "session.h"

struct classification {
    struct session_options common;
    struct image_options images;
    struct string_list labels, templates;
    const char *label_file;

    bool has_classes; // no label is given: the model's own
    struct session session;
    char *const *paths;
    float *label_embeddings; // [labels.count, embedding_width]; NULL where has_classes
    struct ranking ranking;
    vkclip_error err;
};

// row: an embedding, or logits where has_classes.
static bool score(struct classification *c, const float *row)
{
    return c->has_classes ? vkclip_score_classes(c->session.model, row, c->ranking.scores, &c->err)
                          : vkclip_score_texts(c->session.model, row, c->label_embeddings,
                                               c->labels.count, c->ranking.scores, &c->err);
}

static bool print_image(void *user, size_t index, const float *row, bool is_readable)
{
    struct classification *c = user;
    if (!is_readable)
        return true;
    return score(c, row) && ranking_write(&c->ranking, c->paths[index]);
}

static enum exit_status embed_labels(struct classification *c)
{
    size_t width = vkclip_model_get_facts(c->session.model)->embedding_width;
    c->label_embeddings = calloc(c->labels.count, width * sizeof(float));
    if (!c->label_embeddings)
        return report_out_of_memory();
    bool is_done =
        vkclip_embed_labels(c->session.engine, c->labels.items, c->labels.count, c->templates.items,
                            c->templates.count, c->label_embeddings, &c->err);
    return is_done ? STATUS_FINE : report_failure(&c->err);
}

// The model's classes become the labels; one without a name is called by its number.
static enum exit_status list_classes(const struct command *command, struct classification *c)
{
    const uint32_t count = vkclip_model_get_facts(c->session.model)->class_count;
    if (count == 0)
        return options_refuse(command, "no label is given, and the model has no classifier");
    for (uint32_t i = 0; i < count; i++) {
        char number[32];
        const char *name = vkclip_model_get_class(c->session.model, i);
        snprintf(number, sizeof number, "class %u", i);
        if (!string_list_add(&c->labels, name ? name : number))
            return report_out_of_memory();
    }
    return STATUS_FINE;
}

static enum exit_status classify(const struct command *command, struct classification *c,
                                 size_t image_count)
{
    c->has_classes = c->labels.count == 0;
    enum exit_status status = session_open_model(&c->session, &c->common, VKCLIP_MODEL_WHOLE);
    if (status == STATUS_FINE && c->has_classes)
        status = list_classes(command, c);
    if (status == STATUS_FINE)
        status = session_open_engine(&c->session, &c->common);
    if (status == STATUS_FINE && !c->has_classes)
        status = embed_labels(c);
    if (status != STATUS_FINE)
        return status;

    c->ranking.labels = c->labels.items;
    c->ranking.count = c->labels.count;
    c->ranking.has_cosines = !c->has_classes;
    c->ranking.shows_logits = c->has_classes;
    if (!ranking_init(&c->ranking))
        return report_out_of_memory();
    if (!ranking_write_head(&c->ranking))
        return STATUS_FINE; // output_finish says why
    status = images_run(&c->session, &c->images, c->paths, image_count,
                        &(struct image_user){print_image, c, c->has_classes});
    return c->err.status == VKCLIP_OK ? status : report_failure(&c->err);
}

static enum exit_status check(const struct command *command, struct classification *c, int count)
{
    if (!session_check_options(command, &c->common))
        return STATUS_USAGE;
    if (!images_check_options(command, &c->images))
        return STATUS_USAGE;
    if (c->label_file && c->labels.count > 0)
        return options_refuse(command, "give --label or --labels, not both");
    if (count == 0)
        return options_refuse(command, "no image is given");

    if (c->label_file && !string_list_read(&c->labels, c->label_file))
        return STATUS_INPUT;
    if (c->templates.count == 0 && !string_list_add(&c->templates, "this is a photo of {}"))
        return report_out_of_memory();
    return STATUS_FINE;
}

static enum exit_status run(const struct command *command, int count, char **arguments)
{
    struct classification c = {
        .paths = arguments, .common.needs = NEEDS_IMAGES, .ranking.kind = "label"};
    const struct option options[] = {
        {.name = "label",
         .letter = 'l',
         .argument = "LABEL",
         .list = &c.labels,
         .help = "a label; once for each"},
        {.name = "labels",
         .argument = "FILE",
         .string = &c.label_file,
         .help = "labels, one a line; - is standard input"},
        {.name = "template",
         .argument = "TEMPLATE",
         .list = &c.templates,
         .help = "sentence around {}, the label, else before it; several are averaged"},
        {.name = "top",
         .argument = "K",
         .number = &c.ranking.top,
         .least = 1,
         .most = UINT32_MAX,
         .help = "print the K best labels of each image only"},
        {.name = "format",
         .argument = "FORMAT",
         .number = &c.ranking.format,
         .choices = ranking_formats,
         .help = "table, csv or json (one object a line)"},
        IMAGE_OPTIONS(c.images),
        SESSION_ENGINE_OPTIONS(c.common),
    };
    enum exit_status status;
    if (options_parse(command, options, COUNT(options), &count, arguments, &status)) {
        status = check(command, &c, count);
        if (status == STATUS_FINE)
            status = classify(command, &c, (size_t)count);
    }
    ranking_finish(&c.ranking);
    free(c.label_embeddings);
    session_close(&c.session);
    string_list_finish(&c.templates);
    string_list_finish(&c.labels);
    return status;
}

const struct command classify_command = {
    .name = "classify",
    .usage = "-m MODEL [(-l LABEL)... | --labels FILE] [options] IMAGE...",
    .summary = "Tells which of the labels fit each image best.",
    .notes = IMAGE_NOTES
    "Each label has its probability among the labels given, which is not calibrated, and\n"
    "its cosine. The default template is 'this is a photo of {}'. An image that cannot\n"
    "be read is reported and left out; the exit status is then 1. Without labels a model with\n"
    "a classifier of its own is asked for its classes, each with probability and "
    "logit.\n\n" SESSION_ENGINE_NOTES,
    .examples = "  vkclip classify -l 'chest X-ray' -l 'brain MRI' scan.png\n"
                "  vkclip classify --labels labels.txt --top 3 slides/*.jpg\n"
                "  vkclip classify --labels labels.txt --template 'a micrograph of {}' \\\n"
                "      --template 'this is a photo of {}' --format json slides/*.jpg\n",
    .run = run,
};
