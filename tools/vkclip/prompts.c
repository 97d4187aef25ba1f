#include "prompts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"

// The sentence as a template that an empty label leaves as it is: the first "{}" is the gap, so
// that one within the sentence is not.
static char *as_template(const char *sentence)
{
    size_t capacity = strlen(sentence) + 3;
    char *template = malloc(capacity);
    if (template)
        snprintf(template, capacity, "{}%s", sentence);
    return template;
}

bool prompts_embed(vkclip_engine *engine, const char *const *sentences, size_t count,
                   float *embedding, vkclip_error *err)
{
    char **templates = calloc(count, sizeof *templates);
    bool is_done = templates != NULL;
    for (size_t i = 0; is_done && i < count; i++)
        is_done = (templates[i] = as_template(sentences[i])) != NULL;
    if (!is_done)
        report_fill(err, VKCLIP_ERROR_MEMORY, "no memory for %zu prompts", count);
    is_done = is_done && vkclip_embed_labels(engine, (const char *[]){""}, 1,
                                             (const char *const *)templates, count, embedding, err);
    for (size_t i = 0; templates && i < count; i++)
        free(templates[i]);
    free(templates);
    return is_done;
}
