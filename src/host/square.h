// square.h: where the square that a model sees lies in a picture.
#ifndef VKCLIP_HOST_SQUARE_H
#define VKCLIP_HOST_SQUARE_H

#include <stdbool.h>
#include <stdint.h>

// The picture is resized to resized_*_px, the square starts at left, top of that.
struct square {
    uint32_t side_px;
    uint32_t resized_width_px, resized_height_px;
    uint32_t left, top;
};

// round(excess / 2) with ties to even, which is what Python's round() does.
static inline uint32_t square_offset(uint32_t excess)
{
    uint32_t half = excess / 2;
    return excess % 2 ? half + half % 2 : half;
}

// What the square is made of.
struct resize_target {
    uint32_t side_px;    // of the square
    uint32_t resized_px; // what the shorter side becomes before the crop, at least side_px
    bool is_squashed;    // the longer side becomes that as well
    bool is_bilinear;    // else bicubic
    bool rounds_down;    // the offset of the crop; else ties go to even
};

// The shorter side becomes resized_px, the longer one is truncated.
// Source: torchvision transforms functional, _compute_resized_output_size() and center_crop();
// transformers image_transforms.py, get_resize_output_image_size() and center_crop().
static inline struct square square_of(uint32_t width_px, uint32_t height_px,
                                      const struct resize_target *target)
{
    const uint32_t side_px = target->side_px, resized_px = target->resized_px;
    struct square square = {
        .side_px = side_px, .resized_width_px = resized_px, .resized_height_px = resized_px};
    if (!target->is_squashed && width_px <= height_px)
        square.resized_height_px =
            (uint32_t)((double)((uint64_t)resized_px * height_px) / (double)width_px);
    else if (!target->is_squashed)
        square.resized_width_px =
            (uint32_t)((double)((uint64_t)resized_px * width_px) / (double)height_px);
    const uint32_t across = square.resized_width_px - side_px;
    const uint32_t down = square.resized_height_px - side_px;
    square.left = target->rounds_down ? across / 2 : square_offset(across);
    square.top = target->rounds_down ? down / 2 : square_offset(down);
    return square;
}

#endif
