// tokenize.c: vkclip tokenize, token ids as the text tower gets them.
#include <stdlib.h>

#include "output.h"
#include "report.h"
#include "session.h"

static enum exit_status tokenize(const vkclip_model *model, char *const *texts, size_t count)
{
    uint32_t capacity = vkclip_model_get_facts(model)->context_tokens;
    int32_t *ids = calloc(capacity, sizeof *ids);
    if (!ids)
        return report_out_of_memory();

    enum exit_status status = STATUS_FINE;
    bool is_open = true;
    for (size_t i = 0; i < count && is_open; i++) {
        uint32_t token_count;
        vkclip_error err = {0};
        if (!vkclip_tokenize(model, texts[i], ids, capacity, &token_count, &err)) {
            status = report_failure(&err);
            break;
        }
        struct text line = {0};
        for (uint32_t j = 0; j < token_count; j++)
            text_add(&line, "%s%d", j ? ", " : "[", (int)ids[j]);
        text_add(&line, token_count ? "]\n" : "[]\n");
        is_open = output_write(&line);
    }
    free(ids);
    return status;
}

static enum exit_status run(const struct command *command, int count, char **arguments)
{
    struct session_options common = {.needs = NEEDS_TEXTS};
    const struct option options[] = {SESSION_MODEL_OPTIONS(common)};
    enum exit_status status;
    if (!options_parse(command, options, COUNT(options), &count, arguments, &status))
        return status;
    if (!session_check_options(command, &common))
        return STATUS_USAGE;
    if (count == 0)
        return options_refuse(command, "no text is given");

    struct session session;
    status = session_open_model(&session, &common, VKCLIP_MODEL_SIDE_FILES);
    if (status == STATUS_FINE)
        status = tokenize(session.model, arguments, (size_t)count);
    session_close(&session);
    return status;
}

const struct command tokenize_command = {
    .name = "tokenize",
    .usage = "-m MODEL [options] TEXT...",
    .summary = "Prints the token ids of texts.",
    .notes =
        "One JSON array a line, one line a text, without padding. Needs the configuration and\n"
        "the vocabulary of a model only: no weights, no device.\n\n" SESSION_NOTES,
    .examples = "  vkclip tokenize 'chest X-ray' -- '-- taken as it stands'\n",
    .run = run,
};
