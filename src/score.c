// score.c: cosine, logit and probability of one image against texts or classes.
#include "base/error.h"
#include "engine.h"

#include <math.h>
#include <stdio.h>

// Probabilities from logits.
static bool set_probabilities(vkclip_score *scores, size_t count, const char *what,
                              vkclip_error *err)
{
    float highest = -INFINITY;
    double total = 0.0;
    for (size_t i = 0; i < count; i++)
        highest = fmaxf(highest, scores[i].logit);
    for (size_t i = 0; i < count; i++)
        total += exp((double)scores[i].logit - (double)highest);
    for (size_t i = 0; i < count; i++) {
        scores[i].probability = (float)(exp((double)scores[i].logit - (double)highest) / total);
        if (!isfinite(scores[i].probability))
            return fail(err, VKCLIP_ERROR_NUMBERS, "a probability is not finite (%s)", what);
    }
    return true;
}

bool vkclip_score_texts(const vkclip_model *model, const float *image, const float *texts,
                        size_t text_count, vkclip_score *scores, vkclip_error *err)
{
    if (!model || !model->is_whole || !image || !texts || !scores || text_count == 0)
        return fail(err, VKCLIP_ERROR_ARGUMENT,
                    "vkclip_score_texts wants embeddings and a model opened whole");

    const uint32_t width = model->facts.embedding_width;
    const float scale = model->facts.logit_scale;
    for (size_t i = 0; i < text_count; i++) {
        double cosine = 0.0;
        for (uint32_t c = 0; c < width; c++)
            cosine += (double)image[c] * (double)texts[i * width + c];
        scores[i].cosine = (float)cosine;
        scores[i].logit = (float)(cosine * (double)scale);
    }
    char what[48];
    snprintf(what, sizeof what, "logit scale %g", (double)scale);
    return set_probabilities(scores, text_count, what, err);
}

bool vkclip_score_classes(const vkclip_model *model, const float *logits, vkclip_score *scores,
                          vkclip_error *err)
{
    if (!model || !model->facts.class_count || !logits || !scores)
        return fail(err, VKCLIP_ERROR_ARGUMENT,
                    "vkclip_score_classes wants logits and a model with a classifier");
    for (uint32_t i = 0; i < model->facts.class_count; i++)
        scores[i] = (vkclip_score){.logit = logits[i]};
    return set_probabilities(scores, model->facts.class_count, "of a classifier", err);
}
