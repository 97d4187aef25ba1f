// square.h: where the square that a model sees lies in a picture.
#ifndef VKCLIP_HOST_SQUARE_H
#define VKCLIP_HOST_SQUARE_H

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

// The shorter side becomes side_px, the longer one is truncated.
// Source: torchvision transforms functional, _compute_resized_output_size() and center_crop().
static inline struct square square_of(uint32_t width_px, uint32_t height_px, uint32_t side_px)
{
    struct square square = {
        .side_px = side_px, .resized_width_px = side_px, .resized_height_px = side_px};
    if (width_px <= height_px)
        square.resized_height_px =
            (uint32_t)((double)((uint64_t)side_px * height_px) / (double)width_px);
    else
        square.resized_width_px =
            (uint32_t)((double)((uint64_t)side_px * width_px) / (double)height_px);
    square.left = square_offset(square.resized_width_px - side_px);
    square.top = square_offset(square.resized_height_px - side_px);
    return square;
}

#endif
