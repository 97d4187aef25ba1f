#include "verify/small_model.h"

#include <stdlib.h>
#include <string.h>

#include "engine.h"

struct small_tensor {
    const char *name;
    uint32_t rank;
    uint32_t shape[4];
    float scale, offset;
};

#include "verify/small_model.inc"

#define COUNT(array) (sizeof(array) / sizeof *(array))
enum { TENSORS = COUNT(small_tensors), TEXTS = COUNT(small_lengths) };

static const uint32_t seed = 0x76C11B, golden_ratio = 0x9E3779B9;

// Finalizer of MurmurHash3 (public domain).
static uint32_t mix(uint32_t word)
{
    word ^= word >> 16;
    word *= 0x85EBCA6Bu;
    word ^= word >> 13;
    word *= 0xC2B2AE35u;
    return word ^ word >> 16;
}

static uint32_t word(uint32_t stream, uint32_t i)
{
    return mix(mix(seed + golden_ratio * stream) + golden_ratio * i);
}

static float *make_weights(struct weight items[TENSORS])
{
    size_t total = 0;
    for (uint32_t t = 0; t < TENSORS; t++) {
        const struct small_tensor *tensor = &small_tensors[t];
        items[t] = (struct weight){
            .name = tensor->name,
            .type = WEIGHT_F32,
            .rank = tensor->rank,
            .element_count = 1,
            .offset_bytes = total * sizeof(float),
        };
        for (uint32_t i = 0; i < tensor->rank; i++) {
            items[t].shape[i] = tensor->shape[i];
            items[t].element_count *= tensor->shape[i];
        }
        total += (size_t)items[t].element_count;
    }
    float *values = malloc(total * sizeof *values), *next = values;
    for (uint32_t t = 0; values && t < TENSORS; t++)
        for (uint32_t i = 0; i < items[t].element_count; i++) {
            float unit = (float)(word(t, i) >> 8) * 0x1p-23f - 1.0f;
            *next++ = unit * small_tensors[t].scale + small_tensors[t].offset;
        }
    return values;
}

vkclip_model *small_model_create(vkclip_error *err)
{
    struct weight items[TENSORS];
    float *values = make_weights(items);
    vkclip_model *model = calloc(1, sizeof *model);
    if (!values || !model) {
        fail(err, VKCLIP_ERROR_MEMORY, "no memory for a small model");
        free(values);
        free(model);
        return NULL;
    }
    model->config = (struct config){
        .image = {.scheme = IMAGE_TIMM_IN_OPEN_CLIP,
                  .size_px = SMALL_IMAGE_SIZE_PX,
                  .mean = {0.48145466f, 0.4578275f, 0.40821073f},
                  .std = {0.26862954f, 0.26130258f, 0.27577711f},
                  .blocks = {0, CONFIG_TIMM_NORM_EPSILON, ACTIVATION_GELU}},
        .text = {.scheme = TEXT_BERT_IN_OPEN_CLIP,
                 .context_tokens = SMALL_CONTEXT_TOKENS,
                 .is_unit = true,
                 .blocks = {0, CONFIG_BERT_NORM_EPSILON, ACTIVATION_GELU}},
        .embedding_width = SMALL_EMBEDDING_WIDTH,
    };
    model->facts.image_size_px = SMALL_IMAGE_SIZE_PX;
    model->facts.context_tokens = SMALL_CONTEXT_TOKENS;
    model->is_whole = true;
    if (weights_open_memory(&model->weights, "small model", items, TENSORS, values, err) &&
        model_check_weights(model, NULL, err))
        return model;
    vkclip_model_close(model);
    return NULL;
}

static bool embed_pictures(vkclip_engine *engine, uint32_t first, uint32_t count, float *embeddings,
                           vkclip_error *err)
{
    enum { PIXELS = 3 * SMALL_IMAGE_SIZE_PX * SMALL_IMAGE_SIZE_PX };
    uint8_t pixels[SMALL_PICTURES * PIXELS];
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t p = 0; p < PIXELS; p++)
            pixels[i * PIXELS + p] = (uint8_t)(word(TENSORS + first + i, p) >> (24 + first + i));
    return vkclip_embed_pixels(engine, pixels, count, embeddings, err);
}

static bool embed_texts(vkclip_engine *engine, uint32_t first, uint32_t count, float *embeddings,
                        vkclip_error *err)
{
    int32_t ids[TEXTS * SMALL_CONTEXT_TOKENS], *next = ids;
    for (uint32_t i = first; i < first + count; i++)
        for (uint32_t token = 0; token < small_lengths[i]; token++)
            *next++ = (int32_t)(word(TENSORS + SMALL_PICTURES + i, token) %
                                    (SMALL_VOCABULARY - SMALL_FIRST_WORD) +
                                SMALL_FIRST_WORD);
    return vkclip_embed_tokens(engine, ids, small_lengths + first, count, embeddings, err);
}

const struct small_tower small_towers[2] = {
    {"image tower", SMALL_PICTURES, SMALL_EMBEDDING_WIDTH, small_image_embeddings[0],
     embed_pictures},
    {"text tower", TEXTS, SMALL_EMBEDDING_WIDTH, small_text_embeddings[0], embed_texts},
};
