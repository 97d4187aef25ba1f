// ask.c: vkclip ask, the answers to a question about an image, best first. Each answer makes a
// statement with the question, and statements are ranked as labels are.
#include <stdlib.h>
#include <string.h>

#include "images.h"
#include "prompts.h"
#include "ranking.h"
#include "report.h"
#include "session.h"
#include "text.h"

// CLIP's prompt for questions in Shen et al., "How Much Can CLIP Benefit Vision-and-Language
// Tasks?" (2021), section 4.1.
#define DEFAULT_TEMPLATE "question: {question} answer: {answer}"

struct inquiry {
    struct session_options common;
    struct image_options images;
    const char *question, *answer_file;
    struct string_list answers, templates;

    struct session session;
    char *const *paths;
    float *statements; // [answers.count, embedding_width]
    struct ranking ranking;
    vkclip_error err;
};

// The template with question and answer in place; what they hold is not looked at again.
static char *make_statement(const char *template, const char *question, const char *answer)
{
    struct text statement = {0};
    while (*template) {
        if (strncmp(template, "{question}", 10) == 0) {
            text_add(&statement, "%s", question);
            template += 10;
        } else if (strncmp(template, "{answer}", 8) == 0) {
            text_add(&statement, "%s", answer);
            template += 8;
        } else {
            text_add(&statement, "%c", *template ++);
        }
    }
    if (statement.is_out_of_memory)
        text_finish(&statement);
    return statement.bytes;
}

// The mean of an answer's statements, one a template.
static enum exit_status embed_answer(struct inquiry *q, const char *answer, float *embedding)
{
    char **statements = calloc(q->templates.count, sizeof *statements);
    bool is_made = statements != NULL;
    for (size_t i = 0; is_made && i < q->templates.count; i++) {
        statements[i] = make_statement(q->templates.items[i], q->question, answer);
        is_made = statements[i] != NULL;
    }
    enum exit_status status = STATUS_FINE;
    if (!is_made)
        status = report_out_of_memory();
    else if (!prompts_embed(q->session.engine, (const char *const *)statements, q->templates.count,
                            embedding, &q->err))
        status = report_failure(&q->err);
    for (size_t i = 0; statements && i < q->templates.count; i++)
        free(statements[i]);
    free(statements);
    return status;
}

static enum exit_status embed_answers(struct inquiry *q)
{
    size_t width = vkclip_model_get_facts(q->session.model)->embedding_width;
    q->statements = calloc(q->answers.count, width * sizeof(float));
    if (!q->statements)
        return report_out_of_memory();
    enum exit_status status = STATUS_FINE;
    for (size_t i = 0; i < q->answers.count && status == STATUS_FINE; i++)
        status = embed_answer(q, q->answers.items[i], q->statements + i * width);
    return status;
}

static bool print_image(void *user, size_t index, const float *row, bool is_readable)
{
    struct inquiry *q = user;
    if (!is_readable)
        return true;
    return vkclip_score_texts(q->session.model, row, q->statements, q->answers.count,
                              q->ranking.scores, &q->err) &&
           ranking_write(&q->ranking, q->paths[index]);
}

static enum exit_status ask(struct inquiry *q, size_t image_count)
{
    enum exit_status status = session_open(&q->session, &q->common);
    if (status == STATUS_FINE)
        status = embed_answers(q);
    if (status != STATUS_FINE)
        return status;

    q->ranking.labels = q->answers.items;
    q->ranking.count = q->answers.count;
    if (!ranking_init(&q->ranking))
        return report_out_of_memory();
    if (!ranking_write_head(&q->ranking))
        return STATUS_FINE; // output_finish says why
    status = images_run(&q->session, &q->images, q->paths, image_count,
                        &(struct image_user){print_image, q, false});
    return q->err.status == VKCLIP_OK ? status : report_failure(&q->err);
}

static enum exit_status check(const struct command *command, struct inquiry *q, int count)
{
    if (!session_check_options(command, &q->common))
        return STATUS_USAGE;
    if (!images_check_options(command, &q->images))
        return STATUS_USAGE;
    if (!q->question)
        return options_refuse(command, "no question is given: -q QUESTION");
    if (q->answer_file && q->answers.count > 0)
        return options_refuse(command, "give --answer or --answers, not both");
    if (count == 0)
        return options_refuse(command, "no image is given");
    for (size_t i = 0; i < q->templates.count; i++)
        if (!strstr(q->templates.items[i], "{answer}"))
            return options_refuse(command, "--template %s: has no {answer}", q->templates.items[i]);

    if (q->answer_file && !string_list_read(&q->answers, q->answer_file))
        return STATUS_INPUT;
    if (q->answers.count == 0 &&
        !(string_list_add(&q->answers, "yes") && string_list_add(&q->answers, "no")))
        return report_out_of_memory();
    if (q->templates.count == 0 && !string_list_add(&q->templates, DEFAULT_TEMPLATE))
        return report_out_of_memory();
    return STATUS_FINE;
}

static enum exit_status run(const struct command *command, int count, char **arguments)
{
    struct inquiry q = {
        .paths = arguments,
        .common.needs = NEEDS_IMAGES,
        .ranking = {.kind = "answer", .has_cosines = true, .shows_logits = true},
    };
    const struct option options[] = {
        {.name = "question",
         .letter = 'q',
         .argument = "QUESTION",
         .string = &q.question,
         .help = "what is asked"},
        {.name = "answer",
         .letter = 'a',
         .argument = "ANSWER",
         .list = &q.answers,
         .help = "an answer; once for each; default: yes and no"},
        {.name = "answers",
         .argument = "FILE",
         .string = &q.answer_file,
         .help = "answers, one a line; - is standard input"},
        {.name = "template",
         .argument = "TEMPLATE",
         .list = &q.templates,
         .help = "statement with {question} and {answer}; several are averaged"},
        {.name = "top",
         .argument = "K",
         .number = &q.ranking.top,
         .least = 1,
         .most = UINT32_MAX,
         .help = "print the K best answers only"},
        {.name = "format",
         .argument = "FORMAT",
         .number = &q.ranking.format,
         .choices = ranking_formats,
         .help = "table, csv or json (one object a line)"},
        IMAGE_OPTIONS(q.images),
        SESSION_ENGINE_OPTIONS(q.common),
    };
    enum exit_status status;
    if (options_parse(command, options, COUNT(options), &count, arguments, &status)) {
        status = check(command, &q, count);
        if (status == STATUS_FINE)
            status = ask(&q, (size_t)count);
    }
    ranking_finish(&q.ranking);
    free(q.statements);
    session_close(&q.session);
    string_list_finish(&q.templates);
    string_list_finish(&q.answers);
    return status;
}

const struct command ask_command = {
    .name = "ask",
    .usage = "-m MODEL -q QUESTION [(-a ANSWER)... | --answers FILE] [options] IMAGE...",
    .summary = "Ranks answers to a question about an image.",
    .notes = IMAGE_NOTES
    "Each answer becomes a statement, by default '" DEFAULT_TEMPLATE "',\n"
    "and statements are ranked by how well they fit the image: probability among the answers\n"
    "given, which is not calibrated, logit, and cosine.\n\n"
    "This is zero-shot ranking: the model was trained to match captions, not to answer, and sees\n"
    "little of 'not' and 'no'. Statements that could stand below a figure serve it best. It is\n"
    "not the visual question answering of BiomedCLIP's paper, whose METER head was fine-tuned on\n"
    "questions and answers and is not published.\n\n" SESSION_ENGINE_NOTES,
    .examples = "  vkclip ask -q 'is there a fracture?' hand.png\n"
                "  vkclip ask -q 'which organ is this?' -a lung -a liver -a brain scan.png\n"
                "  vkclip ask -q 'which organ?' --answers organs.txt --top 3 \\\n"
                "      --template 'a scan of the {answer}' --format json scan.png\n",
    .run = run,
};
