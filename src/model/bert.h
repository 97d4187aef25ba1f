// bert.h: the text tower.
#ifndef VKCLIP_MODEL_BERT_H
#define VKCLIP_MODEL_BERT_H

#include "model/config.h"
#include "model/loader.h"
#include "model/plan.h"

#define BERT_MAX_LAYERS 64

struct bert_sizes {
    uint32_t vocabulary_rows, positions, token_types;
    uint32_t width, heads, hidden; // hidden: of the MLP
    uint32_t layers;
    uint32_t projection_hidden; // of text.proj; 0: one linear layer
    uint32_t embedding_width;
};

struct bert_layer {
    struct linear_weights qkv, output, fc1, fc2;
    struct norm_weights attention_norm, output_norm;
};

struct bert {
    struct bert_sizes sizes;
    float norm_epsilon;
    struct gpu_range words;  // [vocabulary, width]
    struct gpu_range places; // positions, token type 0 included
    struct norm_weights embedding_norm;
    struct bert_layer layers[BERT_MAX_LAYERS];
    struct linear_weights projection1, projection2;
};

// Reads the sizes off the shapes of the weights and the configuration.
bool bert_measure(struct bert *bert, const struct weights *weights, const struct config *config,
                  vkclip_error *err);

// Names every tensor of the tower, for either pass of the loader.
void bert_load(struct bert *bert, struct loader *loader);

// Appends the forward pass.
//
//   tokens  struct token, a row each
//   tiles   attention tiles of the run
//   out     [sequences, embedding_width] f32, unit length
//
// Returns what the last layer leaves, [sequences, width] f32, before the projection.
struct tensor bert_plan(const struct bert *bert, struct plan *plan, struct gpu_range tokens,
                        struct gpu_range tiles, struct gpu_range out);

#endif
