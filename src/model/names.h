// names.h: what the tensors of a tower are called in each naming scheme that is read.
//
// A model's configuration says which scheme its weights follow (config.h); a tower asks for its
// parts by role, and this table turns roles into names. What a scheme merely may have (norms
// before the blocks, registers, LayerScale, a classifier) is told by the tensors that are there.
//
// Names of parts are as loader.h takes them: one that ends in "." or "_" stands for a weight and a
// bias, any other for one tensor.
#ifndef VKCLIP_MODEL_NAMES_H
#define VKCLIP_MODEL_NAMES_H

#include "host/weights.h"

#define NAMES_MOST_BYTES 160

// Of the blocks of a tower; "<prefix><layers><number>." comes before each part.
struct block_names {
    const char *layers;
    const char *qkv[3]; // the others are NULL where one matrix holds all three
    const char *output;
    const char *norm1, *norm2; // beside attention, beside the MLP
    const char *fc1, *fc2;
    const char *scale1, *scale2; // LayerScale after either; NULL: the scheme has none
};

enum image_scheme {
    IMAGE_NONE,
    IMAGE_TIMM_IN_OPEN_CLIP,
    IMAGE_TIMM,
    IMAGE_OPEN_CLIP,
    IMAGE_HF_CLIP,
    IMAGE_HF_VIT,
    IMAGE_HF_DINOV2,
    IMAGE_SCHEME_COUNT,
};

struct image_names {
    const char *title;       // for people
    const char *prefixes[3]; // before all parts but the two heads; one of them
    struct block_names blocks;
    const char *patch, *cls, *positions;
    const char *registers[2]; // one of them
    const char *norm_before;  // the blocks
    const char *norm, *norm_after_mean;
    const char *projection, *classifier; // whole names
    const char *ignored[3];              // of parts that are there and not used
};

enum text_scheme {
    TEXT_NONE,
    TEXT_BERT_IN_OPEN_CLIP,
    TEXT_BERT,
    TEXT_HF_BIOMEDCLIP,
    TEXT_OPEN_CLIP,
    TEXT_HF_CLIP,
    TEXT_SCHEME_COUNT,
};

struct text_names {
    const char *title;
    const char *prefixes[3]; // before all parts but the projections
    struct block_names blocks;
    const char *words, *positions;
    const char *types, *norm_before; // NULL where there is none
    const char *norm;                // after the blocks; NULL: these end in one
    const char *projection;          // of one layer, a whole name
    const char *projections[2];      // of two
    bool is_post_norm, is_causal;
    const char *ignored[3]; // of parts that are there and not used
    const char *other_head; // likewise, a whole name
};

extern const struct image_names image_names[IMAGE_SCHEME_COUNT];
extern const struct text_names text_names[TEXT_SCHEME_COUNT];

struct tensor_name {
    char text[NAMES_MOST_BYTES];
};

// prefix, part and end, one after the other.
struct tensor_name name_of(const char *prefix, const char *part, const char *end);

// A part of a block, from 0.
struct tensor_name name_in_block(const char *prefix, const struct block_names *names,
                                 uint32_t block, const char *part);

// The first of up to three prefixes under which there is the tensor "<prefix><part><end>"; NULL
// where there is none.
const char *names_find_prefix(const struct weights *weights, const char *const prefixes[3],
                              const char *part, const char *end);

#endif
