// vit.h: the image tower.
#ifndef VKCLIP_MODEL_VIT_H
#define VKCLIP_MODEL_VIT_H

#include "model/config.h"
#include "model/loader.h"
#include "model/plan.h"

#define VIT_MAX_LAYERS 64

struct vit_sizes {
    uint32_t image_size_px, patch_size_px;
    uint32_t width, heads, hidden; // hidden: of the MLP
    uint32_t layers;
    uint32_t embedding_width;
    bool has_head_bias;
};

struct vit_block {
    struct norm_weights norm1, norm2;
    struct linear_weights qkv, proj, fc1, fc2;
};

struct vit {
    struct vit_sizes sizes;
    float norm_epsilon;
    float mean[3], std[3];
    struct gpu_range places; // [CLS] token and positions, patch bias included
    struct linear_weights patch;
    struct vit_block blocks[VIT_MAX_LAYERS];
    struct norm_weights norm;
    struct linear_weights head;
};

// Reads the sizes off the shapes of the weights and the configuration.
bool vit_measure(struct vit *vit, const struct weights *weights, const struct config *config,
                 vkclip_error *err);

// Names every tensor of the tower, for either pass of the loader.
void vit_load(struct vit *vit, struct loader *loader);

// Tokens of one image: its patches and [CLS].
uint32_t vit_tokens(const struct vit *vit);

// Appends the forward pass.
//
//   pixels  [sequences, size, size, 3] u8
//   tiles   attention tiles of the run
//   out     [sequences, embedding_width] f32, unit length
//
// Returns what the last block leaves, [sequences, width] f32, before the final norm.
struct tensor vit_plan(const struct vit *vit, struct plan *plan, struct gpu_range pixels,
                       struct gpu_range tiles, struct gpu_range out);

#endif
