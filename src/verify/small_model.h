// small_model.h: a model small enough to be made in memory from a seed, and what open_clip computes
// with it.
//
// Widths, depths and counts are unlike each other and ragged, heads have 64 columns as
// BiomedCLIP's; it has no vocabulary. Its shapes and the embeddings are written by
// tools/reference/make_goldens.py, which makes the same weights (src/base/seeded.h).
//
// Streams 0 .. are the tensors by name, then the pictures, then the texts.
#ifndef VKCLIP_VERIFY_SMALL_MODEL_H
#define VKCLIP_VERIFY_SMALL_MODEL_H

#include "vkclip.h"

// Fails with VKCLIP_ERROR_MEMORY; vkclip_model_close closes it.
vkclip_model *small_model_create(vkclip_error *err);

// Its pictures, or its texts, and what they embed to.
struct small_tower {
    const char *name;
    uint32_t count;
    uint32_t embedding_width;
    const float *embeddings; // [count, embedding_width]

    // Embeds inputs first .. first + count - 1 in one call.
    bool (*embed)(vkclip_engine *engine, uint32_t first, uint32_t count, float *embeddings,
                  vkclip_error *err);
};

extern const struct small_tower small_towers[2];

#endif
