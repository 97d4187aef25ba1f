// labels.c: labels and templates -> one embedding a label.
#include "engine.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// "a photo of {}" with a label in its place; malloc'ed.
static char *fill_template(const char *template, const char *label)
{
    const char *gap = strstr(template, "{}");
    size_t before = gap ? (size_t)(gap - template) : strlen(template);
    const char *after = gap ? gap + 2 : "";
    size_t length = before + strlen(label) + strlen(after);
    char *prompt = malloc(length + 1);
    if (prompt)
        snprintf(prompt, length + 1, "%.*s%s%s", (int)before, template, label, after);
    return prompt;
}

static void add_unit(float *sum, const float *unit, uint32_t width)
{
    for (uint32_t c = 0; c < width; c++)
        sum[c] += unit[c];
}

// To unit length, as torch.nn.functional.normalize does it.
static void make_unit(float *vector, uint32_t width)
{
    double squares = 0.0;
    for (uint32_t c = 0; c < width; c++)
        squares += (double)vector[c] * (double)vector[c];
    double norm = fmax(sqrt(squares), 1e-12);
    for (uint32_t c = 0; c < width; c++)
        vector[c] = (float)((double)vector[c] / norm);
}

// The prompts of all labels in one call, so that they share batches.
static bool embed_prompts(vkclip_engine *engine, char *const *prompts, size_t label_count,
                          size_t template_count, float *embeddings, vkclip_error *err)
{
    const uint32_t width = engine->model->facts.embedding_width;
    const size_t prompt_count = label_count * template_count;
    if (template_count == 1)
        return vkclip_embed_texts(engine, (const char *const *)prompts, prompt_count, embeddings,
                                  err);
    float *units = malloc(prompt_count * width * sizeof *units);
    if (!units)
        return fail(err, VKCLIP_ERROR_MEMORY, "no memory for %zu prompts", prompt_count);
    bool is_done =
        vkclip_embed_texts(engine, (const char *const *)prompts, prompt_count, units, err);
    for (size_t label = 0; is_done && label < label_count; label++) {
        float *sum = embeddings + label * width;
        memset(sum, 0, width * sizeof *sum);
        for (size_t i = 0; i < template_count; i++)
            add_unit(sum, units + (label * template_count + i) * width, width);
        make_unit(sum, width);
    }
    free(units);
    return is_done;
}

bool vkclip_embed_labels(vkclip_engine *engine, const char *const *labels, size_t label_count,
                         const char *const *templates, size_t template_count, float *embeddings,
                         vkclip_error *err)
{
    if (!engine || !labels || !templates || !embeddings || label_count == 0 || template_count == 0)
        return fail(err, VKCLIP_ERROR_ARGUMENT, "vkclip_embed_labels: nothing to embed");
    for (size_t i = 0; i < label_count + template_count; i++)
        if (!(i < label_count ? labels[i] : templates[i - label_count]))
            return fail(err, VKCLIP_ERROR_ARGUMENT, "vkclip_embed_labels: a NULL string");
    const size_t prompt_count = label_count * template_count;
    char **prompts = calloc(prompt_count, sizeof *prompts);
    bool is_done = prompts != NULL;
    for (size_t i = 0; is_done && i < prompt_count; i++) {
        prompts[i] = fill_template(templates[i % template_count], labels[i / template_count]);
        is_done = prompts[i] != NULL;
    }
    if (!is_done)
        fail(err, VKCLIP_ERROR_MEMORY, "no memory for %zu prompts", prompt_count);
    is_done =
        is_done && embed_prompts(engine, prompts, label_count, template_count, embeddings, err);
    for (size_t i = 0; prompts && i < prompt_count; i++)
        free(prompts[i]);
    free(prompts);
    return is_done;
}
