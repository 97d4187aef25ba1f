// text_tower.h: the text tower: a BERT, or CLIP's own transformer.
#ifndef VKCLIP_MODEL_TEXT_TOWER_H
#define VKCLIP_MODEL_TEXT_TOWER_H

#include "model/encoder.h"

struct text_tower {
    enum text_scheme scheme;
    const char *prefix; // of its names
    uint32_t vocabulary_rows, positions;
    uint32_t token_types;       // 0: there are none
    uint32_t projection_layers; // 0, 1 or 2
    uint32_t projection_hidden; // between two
    uint32_t embedding_width;
    enum pooling pooling;
    bool is_unit;
    struct word_weights words; // [vocabulary, width]
    struct gpu_range places;   // positions, token type 0 included
    struct norm_weights norm_before, norm;
    struct linear_weights projection1, projection2;
    struct encoder encoder;
};

// Reads the sizes off the shapes of the weights and the configuration.
bool text_measure(struct text_tower *text, const struct weights *weights,
                  const struct config *config, vkclip_error *err);

// Names every tensor of the tower, for either pass of the loader.
void text_load(struct text_tower *text, struct loader *loader);

// Which token of a text its row among the first is: the one its embedding is read from, where it
// is read from one.
uint32_t text_first_token(const struct text_tower *text, uint32_t length);

// Appends the forward pass up to the end of the blocks.
//
//   tokens  struct token, a row each
//   tiles   attention tiles of the run
//
// Returns the rows that are read, [sequences, width]; [tokens, width] where their mean is taken.
struct encoder_rows text_plan_blocks(const struct text_tower *text, struct plan *plan,
                                     struct gpu_range tokens, struct gpu_range tiles);

// Appends the whole forward pass.
//
//   out  [sequences, embedding_width] f32, unit length where is_unit
void text_plan(const struct text_tower *text, struct plan *plan, struct gpu_range tokens,
               struct gpu_range tiles, struct gpu_range out);

#endif
