// image_stb.h: stb_image as an unpacker of BMP, GIF, TGA and PNM rasters.
//
// stb_image never sees a header from a file. The decoders of these formats read it themselves,
// check it, and write a fresh one: this keeps its header bugs out of reach (Debian 12 ships
// version 2.27), and lets palette pictures be read as the indices that Pillow resizes.
#ifndef VKCLIP_HOST_IMAGE_STB_H
#define VKCLIP_HOST_IMAGE_STB_H

#include "host/image_formats.h"

#define STB_HEADER_MAX_BYTES 2048

// A file of one picture: the header we wrote, then the raster where it lies in the real file.
struct stb_file {
    const char *format; // for errors
    size_t header_bytes;
    const uint8_t *raster;
    size_t raster_bytes;
    uint8_t header[STB_HEADER_MAX_BYTES];
};

// Little-endian numbers of 16 and 32 bits.
uint32_t read_u16(const uint8_t *bytes);
uint32_t read_u32(const uint8_t *bytes);

// Appends to the header.
void stb_put_u8(struct stb_file *file, uint32_t value);
void stb_put_u16(struct stb_file *file, uint32_t value);
void stb_put_u32(struct stb_file *file, uint32_t value);

// A refusal of the file's contents: "<name>: <format>: <reason>".
bool stb_fail(const struct stb_file *file, const struct image_source *source, const char *reason,
              vkclip_error *err);

// Unpacks the raster.
//
//   channels  1 to 4, what the pixels shall have
//   pixels    [height, width, channels] u8, the caller frees them
//
// Fails with VKCLIP_ERROR_FILE when the raster is damaged or ends too early, VKCLIP_ERROR_MEMORY.
bool stb_unpack(const struct stb_file *file, const struct image_source *source, uint32_t width_px,
                uint32_t height_px, uint32_t channels, uint8_t **pixels, vkclip_error *err);

// Whether the first entries say that an index is a grey value; Pillow then drops the palette.
bool palette_is_grey(const uint8_t palette[256 * 3], uint32_t entry_count);

#endif
