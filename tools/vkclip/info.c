// info.c: vkclip info, the facts of a model.
#include <inttypes.h>

#include "output.h"
#include "report.h"
#include "session.h"

static void print_json(struct text *text, const vkclip_model_facts *facts)
{
    text_add(text, "{\"family\": ");
    text_add_json(text, facts->family);
    text_add(text, ", \"evidence\": ");
    text_add_json(text, facts->evidence);
    text_add(text, ", \"class_count\": %u, ", facts->class_count);
    text_add(text, "\"image_size_px\": %u, \"context_tokens\": %u, \"vocabulary_count\": %u, ",
             facts->image_size_px, facts->context_tokens, facts->vocabulary_count);
    text_add(text, "\"vocabulary_rows\": %u, \"embedding_width\": %u, \"patch_size_px\": %u, ",
             facts->vocabulary_rows, facts->embedding_width, facts->patch_size_px);
    text_add(text, "\"image_width\": %u, \"image_layers\": %u, \"image_heads\": %u, ",
             facts->image_width, facts->image_layers, facts->image_heads);
    text_add(text, "\"text_width\": %u, \"text_layers\": %u, \"text_heads\": %u, ",
             facts->text_width, facts->text_layers, facts->text_heads);
    text_add(text, "\"tensor_count\": %u, \"parameter_count\": %" PRIu64, facts->tensor_count,
             facts->parameter_count);
    text_add(text, ", \"file_bytes\": %" PRIu64 ", \"logit_scale\": %.9g}\n", facts->file_bytes,
             (double)facts->logit_scale);
}

static void print_text(struct text *text, const vkclip_model_facts *facts)
{
    text_add(text, "family       %s\n", facts->family);
    text_add(text, "recognised   by %s\n", facts->evidence);
    text_add(text, "parameters   %" PRIu64 " in %u tensors, %.1f MB on disk\n",
             facts->parameter_count, facts->tensor_count, (double)facts->file_bytes * 1e-6);
    if (facts->image_size_px)
        text_add(text,
                 "images       %u x %u pixels in patches of %u; %u layers, width %u, %u heads\n",
                 facts->image_size_px, facts->image_size_px, facts->patch_size_px,
                 facts->image_layers, facts->image_width, facts->image_heads);
    if (facts->class_count)
        text_add(text, "classes      %u\n", facts->class_count);
    if (facts->context_tokens) {
        text_add(text, "texts        up to %u tokens; %u layers, width %u, %u heads\n",
                 facts->context_tokens, facts->text_layers, facts->text_width, facts->text_heads);
        text_add(text, "vocabulary   %u tokens, %u rows\n", facts->vocabulary_count,
                 facts->vocabulary_rows);
    }
    text_add(text, "embeddings   %u numbers\n", facts->embedding_width);
    if (facts->image_size_px && facts->context_tokens)
        text_add(text, "logit scale  %.4f\n", (double)facts->logit_scale);
}

static enum exit_status run(const struct command *command, int count, char **arguments)
{
    struct session_options common = {0};
    bool is_json = false;
    const struct option options[] = {
        SESSION_MODEL_OPTIONS(common),
        {.name = "json", .flag = &is_json, .help = "print one JSON object"},
    };
    enum exit_status status;
    if (!options_parse(command, options, COUNT(options), &count, arguments, &status))
        return status;
    if (!session_check_options(command, &common))
        return STATUS_USAGE;
    if (count > 0)
        return options_refuse(command, "'%s' is not expected here", arguments[0]);

    struct session session;
    status = session_open_model(&session, &common, VKCLIP_MODEL_WHOLE);
    if (status == STATUS_FINE) {
        struct text text = {0};
        (is_json ? print_json : print_text)(&text, vkclip_model_get_facts(session.model));
        output_write(&text);
    }
    session_close(&session);
    return status;
}

const struct command info_command = {
    .name = "info",
    .usage = "-m MODEL [--json]",
    .summary = "Tells what a model consists of.",
    .notes = SESSION_NOTES,
    .examples = "  vkclip info -m tools/demo/model\n",
    .run = run,
};
