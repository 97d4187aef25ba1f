// bicubic.h: which source pixels make one output pixel, and with what weight. Bilinear differs in
// the kernel alone.
#ifndef VKCLIP_HOST_BICUBIC_H
#define VKCLIP_HOST_BICUBIC_H

#include "base/error.h"

#define BICUBIC_FIXED_BITS 22 // 32 bits less 8 of the pixel and 2 for overshoot

struct bicubic_span {
    uint32_t start; // first source pixel
    uint32_t count; // source pixels, at most tap_count
};

// The weights of outputs first .. first + output_count - 1 along one axis.
struct bicubic {
    uint32_t output_count, tap_count;
    struct bicubic_span *spans; // [output_count]
    double *weights;            // [output_count, tap_count], their sum is 1
    int32_t *fixed_weights;     // the same, times 2^22
};

// Computes the antialiasing weights for resizing source_px to resized_px, of which only
// output_count pixels from `first` on are wanted.
//
// Fails with VKCLIP_ERROR_MEMORY only.
// Source: Pillow Resample.c, precompute_coeffs() and normalize_coeffs_8bpc().
bool bicubic_init(struct bicubic *bicubic, uint32_t source_px, uint32_t resized_px, uint32_t first,
                  uint32_t output_count, bool is_bilinear, vkclip_error *err);

// Accepts a zeroed or half-built object.
void bicubic_finish(struct bicubic *bicubic);

#endif
