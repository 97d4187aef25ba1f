// image_formats.h: what image.c and the decoders of single formats share.
#ifndef VKCLIP_HOST_IMAGE_FORMATS_H
#define VKCLIP_HOST_IMAGE_FORMATS_H

#include "host/image.h"

// The encoded file while it is being decoded.
struct image_source {
    const uint8_t *bytes;
    size_t byte_count;
    const char *name; // for errors
    const vkclip_image *wanted;
};

// Refuses sizes of zero or above IMAGE_MAX_SIDE_PX and IMAGE_MAX_PIXELS. Every decoder calls it
// before it allocates anything that depends on the size.
bool image_check_size(const struct image_source *source, uint64_t width_px, uint64_t height_px,
                      vkclip_error *err);

// Bytes one pixel takes in a mode.
size_t image_pixel_bytes(enum image_mode mode);

// Checks the size, sets it and the mode, and allocates zeroed pixels.
bool image_allocate(struct image *image, const struct image_source *source, uint64_t width_px,
                    uint64_t height_px, enum image_mode mode, vkclip_error *err);

// Each decodes one format whose signature is known to be there, into a zeroed image. After a
// failure image_open() frees what is in it.
bool image_decode_jpeg(struct image *image, const struct image_source *source, vkclip_error *err);
bool image_decode_png(struct image *image, const struct image_source *source, vkclip_error *err);
bool image_decode_bmp(struct image *image, const struct image_source *source, vkclip_error *err);
bool image_decode_gif(struct image *image, const struct image_source *source, vkclip_error *err);
bool image_decode_tga(struct image *image, const struct image_source *source, vkclip_error *err);
bool image_decode_pnm(struct image *image, const struct image_source *source, vkclip_error *err);
bool image_decode_dicom(struct image *image, const struct image_source *source, vkclip_error *err);

// TGA has no signature: whether the header is one that a TGA could have.
bool image_looks_like_tga(const uint8_t *bytes, size_t byte_count);

#endif
