// image.h: image file -> decoded pixels in the mode Pillow would give them.
#ifndef VKCLIP_HOST_IMAGE_H
#define VKCLIP_HOST_IMAGE_H

#include "base/error.h"

#define IMAGE_MAX_SIDE_PX 16384
#define IMAGE_MAX_PIXELS  100000000

// Pillow's modes, because resizing depends on them.
enum image_mode {
    IMAGE_BILEVEL, // "1":    1 byte a pixel, 0 or 255
    IMAGE_L,       // "L":    1 byte
    IMAGE_LA,      // "LA":   2 bytes
    IMAGE_PALETTE, // "P":    1 byte, index into palette
    IMAGE_RGB,     // "RGB":  3 bytes
    IMAGE_RGBA,    // "RGBA": 4 bytes
    IMAGE_I16,     // "I;16": 1 uint16_t, host order
    IMAGE_I,       // "I":    1 uint16_t as well; resizing does not clamp in between
    IMAGE_CMYK,    // "CMYK": 4 bytes, inverted as Pillow gives them
};

static inline bool image_is_wide(enum image_mode mode)
{
    return mode == IMAGE_I16 || mode == IMAGE_I;
}

struct image {
    uint32_t width_px, height_px;
    enum image_mode mode;
    uint8_t *pixels;      // rows top to bottom without padding
    uint32_t orientation; // by EXIF, 1 to 8; 0 where there is none
    uint8_t palette[256 * 3];
};

// Decodes a regular file, or bytes in memory, and does with it what is wanted. The format is told
// from the bytes, never from the name.
//
// Fails with VKCLIP_ERROR_FILE: another format (named where it is known), too large, truncated,
// damaged; with VKCLIP_ERROR_ARGUMENT: a window without width; or with VKCLIP_ERROR_MEMORY.
// Thread safety: safe.
bool image_open(struct image *image, const vkclip_image *wanted, vkclip_error *err);

// Accepts a zeroed image.
void image_close(struct image *image);

#endif
