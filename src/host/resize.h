// resize.h: decoded image -> square RGB pixels, byte for byte as torchvision and Pillow do it.
#ifndef VKCLIP_HOST_RESIZE_H
#define VKCLIP_HOST_RESIZE_H

#include "host/image.h"
#include "host/square.h"

// Resizes to the target in the image's own mode (nearest for palette and bilevel), crops the
// centre, converts to RGB.
//
//   image   with alpha, its pixels are used up
//   pixels  [side_px, side_px, 3] u8, caller's
//
// Fails with VKCLIP_ERROR_MEMORY only.
// Thread safety: safe.
// Source: torchvision Resize and CenterCrop; Pillow 13.0 Resample.c, Geometry.c, Convert.c.
bool resize_to_square(struct image *image, const struct resize_target *target, uint8_t *pixels,
                      vkclip_error *err);

// (v / 255 - mean) / std in f32, channels first.
//
//   pixels  [side_px, side_px, 3] u8
//   tensor  [3, side_px, side_px] f32, caller's
void normalize_pixels(const uint8_t *pixels, uint32_t side_px, const float mean[3],
                      const float std[3], float *tensor);

#endif
