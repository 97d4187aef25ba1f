// score.c: cosine, logit and probability of one image against texts.
#include "base/error.h"
#include "engine.h"

#include <math.h>

bool vkclip_score_texts(const vkclip_model *model, const float *image, const float *texts,
                        size_t text_count, vkclip_score *scores, vkclip_error *err)
{
    if (!model || !model->is_whole || !image || !texts || !scores || text_count == 0)
        return fail(err, VKCLIP_ERROR_ARGUMENT,
                    "vkclip_score_texts wants embeddings and a model opened whole");

    const uint32_t width = model->facts.embedding_width;
    const float scale = model->facts.logit_scale;
    float highest = -INFINITY;
    for (size_t i = 0; i < text_count; i++) {
        double cosine = 0.0;
        for (uint32_t c = 0; c < width; c++)
            cosine += (double)image[c] * (double)texts[i * width + c];
        scores[i].cosine = (float)cosine;
        scores[i].logit = (float)(cosine * (double)scale);
        highest = fmaxf(highest, scores[i].logit);
    }

    double total = 0.0;
    for (size_t i = 0; i < text_count; i++)
        total += exp((double)scores[i].logit - (double)highest);
    for (size_t i = 0; i < text_count; i++) {
        scores[i].probability = (float)(exp((double)scores[i].logit - (double)highest) / total);
        if (!isfinite(scores[i].probability))
            return fail(err, VKCLIP_ERROR_NUMBERS,
                        "a probability is not finite (cosine %g, logit scale %g)",
                        (double)scores[i].cosine, (double)scale);
    }
    return true;
}
