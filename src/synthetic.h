// synthetic.h: models that no file holds: BiomedCLIP's shape and the values of a seed.
#ifndef VKCLIP_SYNTHETIC_H
#define VKCLIP_SYNTHETIC_H

#include "host/weights.h"
#include "vkclip.h"

// What differs between models of BiomedCLIP's graph, beyond what their tensors tell.
struct synthetic {
    const char *name; // in errors
    uint32_t image_size_px;
    uint32_t context_tokens;
    uint32_t embedding_width;
    const struct weight *items; // [item_count], of which the model keeps a copy
    uint32_t item_count;
};

// Opens it as if it were a file's, without a vocabulary.
//
// Fails with VKCLIP_ERROR_MEMORY, or VKCLIP_ERROR_MODEL where the tensors are not such a model's.
vkclip_model *synthetic_open(const struct synthetic *synthetic, vkclip_error *err);

// ---- BiomedCLIP's own tensors ----------------------------------------------------------------

#define SYNTHETIC_TENSORS 352

struct synthetic_table {
    struct weight items[SYNTHETIC_TENSORS]; // in the order of the published file
    char names[SYNTHETIC_TENSORS][80];
};

// Their names and shapes, and seeds so that activations are sane: stream t for the tensor at place
// t, and by name, first match,
//
//   logit_scale                          4.4454, near the published 4.44538
//   position_ids                         int64, which has no seed
//   norm or LayerNorm, .weight           1 + u / 4
//   norm or LayerNorm, .bias             u / 8
//   .bias                                u / 16
//   cls_token, pos_embed, *_embeddings   u / 2
//   query, key                           twice what follows, so that attention is not flat
//   the other matrices                   u times the largest power of two whose square is <= 3 /
//                                        columns (elements a row): outputs of variance about 1
//
// tools/reference/make_goldens.py fills open_clip's model the same way.
void synthetic_list(struct synthetic_table *table);

#endif
