// positions.h: position embeddings of a square of patches, made for a square of another size.
#ifndef VKCLIP_MODEL_POSITIONS_H
#define VKCLIP_MODEL_POSITIONS_H

#include "base/error.h"

// How a model is used on other images than its positions were trained for.
enum position_fit {
    POSITIONS_FIXED,  // not at all
    POSITIONS_DINOV2, // as DINOv2 does it: bicubic, for a square 0.1 larger
    POSITIONS_SMOOTH, // as timm does it: bicubic, of widened support where the square shrinks
};

// Resizes [in_across, in_across, cols] to [out_across, out_across, cols].
//
// Fails with VKCLIP_ERROR_MEMORY.
// Source: dinov2 vision_transformer.py, interpolate_pos_encoding() with its offset of 0.1; timm
// pos_embed.py, resample_abs_pos_embed(); PyTorch UpSample.h and UpSampleKernel.cpp.
bool positions_resize(const float *in, uint32_t in_across, float *out, uint32_t out_across,
                      uint32_t cols, enum position_fit fit, vkclip_error *err);

#endif
