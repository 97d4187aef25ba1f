#include "verify/small_model.h"

#include "base/seeded.h"
#include "synthetic.h"

struct small_tensor {
    const char *name;
    uint32_t rank;
    uint32_t shape[4];
    float scale, offset;
};

#include "verify/small_model.inc"

#define COUNT(array) (sizeof(array) / sizeof *(array))
enum { TENSORS = COUNT(small_tensors), TEXTS = COUNT(small_lengths) };

static uint32_t word(uint32_t stream, uint32_t i)
{
    return seeded_word(seeded_key(stream), i);
}

vkclip_model *small_model_create(vkclip_error *err)
{
    struct weight items[TENSORS];
    for (uint32_t t = 0; t < TENSORS; t++) {
        const struct small_tensor *tensor = &small_tensors[t];
        items[t] = (struct weight){
            .name = tensor->name,
            .type = WEIGHT_F32,
            .rank = tensor->rank,
            .seed = {t, tensor->scale, tensor->offset},
        };
        for (uint32_t i = 0; i < tensor->rank; i++)
            items[t].shape[i] = tensor->shape[i];
    }
    return synthetic_open(
        &(struct synthetic){
            .name = "small model",
            .image_size_px = SMALL_IMAGE_SIZE_PX,
            .context_tokens = SMALL_CONTEXT_TOKENS,
            .embedding_width = SMALL_EMBEDDING_WIDTH,
            .items = items,
            .item_count = TENSORS,
        },
        err);
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
