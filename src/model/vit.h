// vit.h: the image tower.
#ifndef VKCLIP_MODEL_VIT_H
#define VKCLIP_MODEL_VIT_H

#include "model/encoder.h"

struct vit {
    enum image_scheme scheme;
    const char *prefix; // of its names
    uint32_t image_size_px, patch_size_px;
    uint32_t position_rows;    // of the table in the weights
    uint32_t positions_across; // of the square it is made for
    bool has_cls_position;     // among them
    enum position_fit position_fit;
    uint32_t register_count; // tokens between [CLS] and the patches
    uint32_t embedding_width;
    uint32_t class_count; // 0: there is no classifier
    bool has_norm_before; // the blocks; then the patches have no bias
    bool has_projection, has_projection_bias;
    enum pooling pooling;
    float mean[3], std[3];
    struct gpu_range places; // [CLS], registers, positions, patch bias included
    struct linear_weights patch;
    struct norm_weights norm_before, norm;
    struct linear_weights projection, classifier;
    struct encoder encoder;
};

// Reads the sizes off the shapes of the weights and the configuration.
bool vit_measure(struct vit *vit, const struct weights *weights, const struct config *config,
                 vkclip_error *err);

// Names every tensor of the tower, for either pass of the loader.
void vit_load(struct vit *vit, struct loader *loader);

// Tokens of one image: [CLS], registers and patches.
uint32_t vit_tokens(const struct vit *vit);

struct vit_outputs {
    struct gpu_range embeddings; // [sequences, embedding_width] f32, unit length
    struct gpu_range logits;     // [sequences, class_count] f32, where there is a classifier
};

// Appends the forward pass up to the end of the blocks, before the last norm.
//
//   pixels  [sequences, size, size, 3] u8
//   tiles   attention tiles of the run
//
// Returns [CLS] rows, [sequences, width] f32; [tokens, width] where their mean is taken.
struct tensor vit_plan_blocks(const struct vit *vit, struct plan *plan, struct gpu_range pixels,
                              struct gpu_range tiles);

// Appends the whole forward pass.
void vit_plan(const struct vit *vit, struct plan *plan, struct gpu_range pixels,
              struct gpu_range tiles, const struct vit_outputs *outputs);

#endif
