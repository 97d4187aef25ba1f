// encoder.h: the transformer blocks of a tower, whichever it is.
#ifndef VKCLIP_MODEL_ENCODER_H
#define VKCLIP_MODEL_ENCODER_H

#include "model/config.h"
#include "model/loader.h"
#include "model/names.h"
#include "model/plan.h"

#define ENCODER_MOST_LAYERS 64

struct encoder_block {
    struct norm_weights norm1, norm2;
    struct linear_weights qkv, output, fc1, fc2;
};

struct encoder {
    uint32_t width, heads, hidden; // hidden: of the MLP
    uint32_t layers;
    float norm_epsilon;
    uint32_t activation; // ACTIVATION_...
    bool is_post_norm;   // x = norm(x + f(x)), else x += f(norm(x))
    bool is_causal;      // a token sees those before it
    bool has_scale;      // LayerScale: x += scale * f(norm(x))
    struct encoder_block blocks[ENCODER_MOST_LAYERS];
};

// Where the blocks of a tower are found.
struct encoder_place {
    const char *prefix;
    const struct block_names *names;
};

// Reads the sizes off the shapes of the weights; the width and what the scheme implies are set
// already. tower is what it is called in errors.
bool encoder_measure(struct encoder *encoder, const struct weights *weights,
                     const struct encoder_place *place, const struct encoder_config *config,
                     const char *tower, vkclip_error *err);

// Names every tensor of the blocks, for either pass of the loader.
void encoder_load(struct encoder *encoder, struct loader *loader,
                  const struct encoder_place *place);

// Rows as they go through the blocks: x is f32; h is the same as matmul input, where the blocks
// are post-norm.
struct encoder_rows {
    struct tensor x, h;
};

// Appends all blocks. The last one computes the first rows alone where no others are wanted.
//
//   rows   [tokens, width]
//   tiles  attention tiles of the run
struct encoder_rows encoder_plan(const struct encoder *encoder, struct plan *plan,
                                 struct encoder_rows rows, struct gpu_range tiles,
                                 bool wants_all_rows);

#endif
