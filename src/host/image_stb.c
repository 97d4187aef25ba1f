#include "host/image_stb.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_ONLY_BMP
#define STBI_ONLY_GIF
#define STBI_ONLY_TGA
#define STBI_ONLY_PNM
#define STBI_ONLY_PSD // never offered one; the PNM reader of 2.28 to 2.30 calls a function of it
#define STBI_NO_STDIO
#define STBI_NO_SIMD
#define STBI_ASSERT(condition) ((void)0)
#define STBI_MAX_DIMENSIONS    (IMAGE_MAX_SIDE_PX * 6) // 16-bit RGB is unpacked as bytes
#pragma GCC diagnostic ignored "-Wunused-function"     // declarations of what is left out above
#include <stb_image.h>

// What stb_image has read of a file so far.
struct stb_reader {
    const struct stb_file *file;
    size_t position;
    bool has_run_out; // a byte after the last one was wanted
};

static int read_bytes(void *user, char *out, int wanted)
{
    struct stb_reader *reader = user;
    const struct stb_file *file = reader->file;
    size_t total = file->header_bytes + file->raster_bytes;
    size_t left = total - reader->position;
    size_t count = (size_t)wanted < left ? (size_t)wanted : left;
    if (count == 0)
        reader->has_run_out = true;

    size_t from_header = 0;
    if (reader->position < file->header_bytes) {
        from_header = file->header_bytes - reader->position;
        from_header = from_header < count ? from_header : count;
        memcpy(out, file->header + reader->position, from_header);
    }
    if (count > from_header)
        memcpy(out + from_header,
               file->raster + (reader->position + from_header - file->header_bytes),
               count - from_header);
    reader->position += count;
    return (int)count;
}

static void skip_bytes(void *user, int wanted)
{
    struct stb_reader *reader = user;
    size_t left = reader->file->header_bytes + reader->file->raster_bytes - reader->position;
    if (wanted < 0 || (size_t)wanted > left) {
        reader->has_run_out = true;
        wanted = (int)left;
    }
    reader->position += (size_t)wanted;
}

static int is_at_end(void *user)
{
    struct stb_reader *reader = user;
    return reader->position == reader->file->header_bytes + reader->file->raster_bytes;
}

uint32_t read_u16(const uint8_t *bytes)
{
    return bytes[0] | (uint32_t)bytes[1] << 8;
}

uint32_t read_u32(const uint8_t *bytes)
{
    return read_u16(bytes) | read_u16(bytes + 2) << 16;
}

void stb_put_u8(struct stb_file *file, uint32_t value)
{
    assert(file->header_bytes < sizeof file->header);
    file->header[file->header_bytes++] = (uint8_t)value;
}

void stb_put_u16(struct stb_file *file, uint32_t value)
{
    stb_put_u8(file, value & 255);
    stb_put_u8(file, value >> 8 & 255);
}

void stb_put_u32(struct stb_file *file, uint32_t value)
{
    stb_put_u16(file, value & 65535);
    stb_put_u16(file, value >> 16);
}

bool stb_fail(const struct stb_file *file, const struct image_source *source, const char *reason,
              vkclip_error *err)
{
    return fail(err, VKCLIP_ERROR_FILE, "%s: %s: %s", source->name, file->format, reason);
}

bool stb_unpack(const struct stb_file *file, const struct image_source *source, uint32_t width_px,
                uint32_t height_px, uint32_t channels, uint8_t **pixels, vkclip_error *err)
{
    struct stb_reader reader = {.file = file};
    const stbi_io_callbacks callbacks = {read_bytes, skip_bytes, is_at_end};
    int width, height, file_channels;
    uint8_t *unpacked = stbi_load_from_callbacks(&callbacks, &reader, &width, &height,
                                                 &file_channels, (int)channels);
    bool is_whole = unpacked && !reader.has_run_out;
    if (is_whole && (uint32_t)width == width_px && (uint32_t)height == height_px) {
        *pixels = unpacked;
        return true;
    }

    free(unpacked);
    if (reader.has_run_out)
        return stb_fail(file, source, "truncated picture data", err);
    const char *reason = stbi_failure_reason();
    if (reason && strcmp(reason, "outofmem") == 0)
        return fail(err, VKCLIP_ERROR_MEMORY, "%s: no memory for %u x %u pixels", source->name,
                    width_px, height_px);
    return stb_fail(file, source, reason ? reason : "damaged picture data", err);
}

bool palette_is_grey(const uint8_t palette[256 * 3], uint32_t entry_count)
{
    for (uint32_t i = 0; i < entry_count; i++)
        for (uint32_t c = 0; c < 3; c++)
            if (palette[3 * i + c] != i)
                return false;
    return true;
}
