// eval_classify.c: vkclip eval classify, how right zero-shot classification is.
#include <math.h>
#include <stdlib.h>

#include "eval.h"
#include "report.h"

struct classified {
    struct eval eval;
    struct string_list templates;
    float *classes;       // [class_count, embedding_width]
    vkclip_score *scores; // [class_count]

    // Of the pictures that could be read.
    size_t count;
    char **paths;          // [count] the dataset's
    uint32_t *truth;       // [count]
    double *probabilities; // [count, class_count]
    vkclip_error err;
};

// Softmax of the logits, in double precision, so that pictures the model is sure of still differ.
static void find_probabilities(const vkclip_score *scores, uint32_t count, double *probabilities)
{
    double most = -INFINITY, sum = 0.0;
    for (uint32_t c = 0; c < count; c++)
        most = fmax(most, (double)scores[c].logit);
    for (uint32_t c = 0; c < count; c++)
        sum += probabilities[c] = exp((double)scores[c].logit - most);
    for (uint32_t c = 0; c < count; c++)
        probabilities[c] /= sum;
}

static bool take(void *user, size_t index, const float *row, bool is_readable)
{
    struct classified *c = user;
    const uint32_t classes = c->eval.set.count;
    if (!is_readable)
        return true;
    if (!vkclip_score_texts(c->eval.session.model, row, c->classes, classes, c->scores, &c->err))
        return false;
    find_probabilities(c->scores, classes, c->probabilities + c->count * classes);
    c->paths[c->count] = c->eval.dataset.paths[index];
    c->truth[c->count++] = c->eval.dataset.labels[index];
    return true;
}

static bool reserve(struct classified *c, size_t width)
{
    const size_t count = c->eval.dataset.count, classes = c->eval.set.count;
    c->classes = calloc(classes, width * sizeof *c->classes);
    c->scores = calloc(classes, sizeof *c->scores);
    c->paths = calloc(count, sizeof *c->paths);
    c->truth = calloc(count, sizeof *c->truth);
    c->probabilities = calloc(count, classes * sizeof *c->probabilities);
    return c->classes && c->scores && c->paths && c->truth && c->probabilities;
}

static enum exit_status write_report(struct classified *c)
{
    struct eval_round round = {.probabilities = c->probabilities};
    if (c->count == 0) {
        report_error("%s: no picture could be read", c->eval.path);
        return STATUS_INPUT;
    }
    return eval_report(&c->eval, &(struct eval_report){
                                     .title = "Zero-shot classification",
                                     .count = c->count,
                                     .failed_count = c->eval.dataset.failed_count +
                                                     c->eval.dataset.count - c->count,
                                     .paths = c->paths,
                                     .truth = c->truth,
                                     .rounds = &round,
                                     .round_count = 1,
                                 });
}

static enum exit_status classify(struct classified *c)
{
    struct eval *eval = &c->eval;
    enum exit_status status = session_open(&eval->session, &eval->common);
    if (status != STATUS_FINE)
        return status;
    const size_t width = vkclip_model_get_facts(eval->session.model)->embedding_width;
    if (!reserve(c, width))
        return report_out_of_memory();
    if (!class_set_embed(&eval->set, eval->session.engine, width, c->classes, &c->err))
        return report_failure(&c->err);

    const bool is_run = eval_run(eval, &(struct image_user){take, c, false}, &status);
    if (c->err.status != VKCLIP_OK)
        return report_failure(&c->err);
    if (!is_run)
        return status;
    enum exit_status written = write_report(c);
    return written == STATUS_FINE ? status : written;
}

// The templates of the command line, of the file, or the one that classify has.
static enum exit_status choose_templates(const struct command *command, struct classified *c)
{
    struct string_list *chosen = &c->eval.set.templates;
    if (chosen->count > 0 && c->templates.count > 0)
        return options_refuse(command, "%s has templates: give no --template", c->eval.class_file);
    for (size_t i = 0; i < c->templates.count; i++)
        if (!string_list_add(chosen, c->templates.items[i]))
            return report_out_of_memory();
    if (chosen->count == 0 && !string_list_add(chosen, "this is a photo of {}"))
        return report_out_of_memory();
    return STATUS_FINE;
}

static enum exit_status run(const struct command *command, int count, char **arguments)
{
    struct classified c = {.eval.common.needs = NEEDS_IMAGES};
    const struct option options[] = {
        {.name = "template",
         .argument = "TEMPLATE",
         .list = &c.templates,
         .help = "sentence around {}, the prompt, else before it; several are averaged"},
        EVAL_OPTIONS(c.eval),
    };
    enum exit_status status;
    if (options_parse(command, options, COUNT(options), &count, arguments, &status)) {
        status = eval_check(command, &c.eval, count, arguments) ? eval_begin(&c.eval, false)
                                                                : STATUS_USAGE;
        if (status == STATUS_FINE)
            status = choose_templates(command, &c);
        if (status == STATUS_FINE)
            status = classify(&c);
    }
    free(c.classes);
    free(c.scores);
    free(c.paths);
    free(c.truth);
    free(c.probabilities);
    eval_finish(&c.eval);
    string_list_finish(&c.templates);
    return status;
}

const struct command eval_classify_command = {
    .name = "eval classify",
    .usage = "-m MODEL [--classes FILE] [options] DATASET",
    .summary = "Measures zero-shot classification of labelled pictures.",
    .notes = "DATASET is a folder with a folder of pictures for each class; a table, CSV or JSON\n"
             "Lines, with the columns path and label; or an INDEX of 'vkclip index' with the\n"
             "metadata label, whose pictures are not read again.\n"
             "Prompts are the labels, unless --classes tells others; share/vkclip/prompts has\n"
             "those of BiomedCLIP's paper, which bring its figures along:\n"
             "  {\"templates\": [\"a photo of {}\"],\n"
             "   \"classes\": [{\"labels\": [\"0\", \"normal\"], \"name\": \"normal\",\n"
             "                \"prompts\": [\"normal lung\"]}, ...]}\n"
             "Labels are folders or what the column says; name is by default the first of them,\n"
             "and the prompt the name. Memory grows by 12 bytes a class and a path for each\n"
             "picture.\n\n" EVAL_NOTES IMAGE_NOTES SESSION_ENGINE_NOTES,
    .examples = "  vkclip eval classify --classes prompts/lc25000-lung.json lung_image_sets\n"
                "  vkclip eval classify --template 'a micrograph of {}' --html report.html cells\n"
                "  vkclip eval classify --format json test.csv\n",
    .run = run,
};
