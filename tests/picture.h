// picture.h: writes small pictures into memory, so that tests need no files, and can damage them.
#ifndef VKCLIP_TEST_PICTURE_H
#define VKCLIP_TEST_PICTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// A growing file. Free with picture_free().
struct picture {
    uint8_t *bytes;
    size_t byte_count, capacity_bytes;
};

void picture_add(struct picture *picture, const void *bytes, size_t byte_count);
void picture_add_text(struct picture *picture, const char *text);
void picture_add_le(struct picture *picture, uint32_t value, int byte_count);
void picture_add_be(struct picture *picture, uint32_t value, int byte_count);
void picture_free(struct picture *picture);

// The same random bytes on every machine.
void picture_noise(uint8_t *bytes, size_t byte_count, uint32_t seed);

// PNG parts: signature and IHDR; any chunk; stored (uncompressed) data in idat_count chunks, of
// which png_pixels() makes up the filter bytes; IEND.
void png_begin(struct picture *png, uint32_t width, uint32_t height, int bits, int color_type);
void png_chunk(struct picture *png, const char *type, const void *bytes, size_t byte_count);
void png_data(struct picture *png, const uint8_t *data, size_t byte_count, size_t idat_count);
void png_pixels(struct picture *png, const uint8_t *rows, size_t row_bytes, uint32_t height,
                size_t idat_count);
void png_end(struct picture *png);

// A whole PNG of 8-bit grey or RGB.
struct picture png_of(uint32_t width, uint32_t height, int color_type, const uint8_t *pixels);

// How to write a JPEG.
struct jpeg_kind {
    int channels;                                          // 1 grey, 3 RGB, 4 CMYK
    bool is_progressive, is_arithmetic, is_ycck, is_split; // split: one scan a component
    bool is_untransformed;                                 // RGB as it is
    bool is_unmarked;                                      // neither JFIF nor Adobe marker
    int restart_interval;
    const char *factors; // "22-11-11": horizontal and vertical samples of each; NULL: libjpeg's
    const uint8_t *exif; // APP1, if any
    size_t exif_bytes;
};

struct picture jpeg_of(uint32_t width, uint32_t height, struct jpeg_kind kind,
                       const uint8_t *pixels);

// 24-bit BMP of RGB pixels, bottom row first.
struct picture bmp_of(uint32_t width, uint32_t height, const uint8_t *rgb);

// GIF of indices into a palette of 256 colours, with a frame at left, top of a larger screen.
struct picture gif_of(uint32_t width, uint32_t height, uint32_t left, uint32_t top,
                      const uint8_t *indices, const uint8_t *palette);

// Run-length coded TGA of RGB pixels, top row first.
struct picture tga_of(uint32_t width, uint32_t height, const uint8_t *rgb);

// P5 or P6.
struct picture pnm_of(uint32_t width, uint32_t height, int channels, uint32_t largest,
                      const uint8_t *samples);

#endif
