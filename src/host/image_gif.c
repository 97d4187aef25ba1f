// GIF: the first frame, on a canvas of the logical screen's size.
#include "host/image_stb.h"

#include <stdlib.h>
#include <string.h>

// stb_image takes 9 bytes a pixel; half of the other formats' limit keeps this at 450 MB.
#define GIF_MAX_PIXELS (IMAGE_MAX_PIXELS / 2)

#define GIF_HAS_TABLE       0x80
#define GIF_INTERLACED      0x40
#define GIF_HAS_TRANSPARENT 0x01

struct gif {
    size_t position; // next byte to read
    uint32_t canvas_width_px, canvas_height_px;
    uint32_t left, top, width_px, height_px; // of the frame
    bool is_interlaced;
    uint32_t fill_index;  // for pixels outside the frame
    uint32_t entry_count; // of the palette, 0 without one
};

static bool fail_truncated(const struct stb_file *file, const struct image_source *source,
                           vkclip_error *err)
{
    return stb_fail(file, source, "truncated before the first picture", err);
}

// Returns the next byte_count bytes, or NULL where the file ends before.
static const uint8_t *take(struct gif *gif, const struct image_source *source, size_t byte_count)
{
    if (byte_count > source->byte_count - gif->position)
        return NULL;
    gif->position += byte_count;
    return source->bytes + gif->position - byte_count;
}

static bool read_palette(struct gif *gif, const struct image_source *source, uint32_t flags,
                         uint8_t *palette)
{
    if (!(flags & GIF_HAS_TABLE))
        return true;
    uint32_t entry_count = 2u << (flags & 7);
    const uint8_t *entries = take(gif, source, 3 * (size_t)entry_count);
    if (!entries)
        return false;
    memset(palette, 0, 256 * 3); // a local palette replaces the whole global one
    memcpy(palette, entries, 3 * (size_t)entry_count);
    gif->entry_count = entry_count;
    return true;
}

static bool read_extension(struct gif *gif, const struct image_source *source)
{
    const uint8_t *label = take(gif, source, 1);
    if (!label)
        return false;
    for (;;) {
        const uint8_t *count = take(gif, source, 1);
        if (!count)
            return false;
        if (*count == 0)
            return true;
        const uint8_t *block = take(gif, source, *count);
        if (!block)
            return false;
        if (*label == 0xf9 && *count >= 4 && block[0] & GIF_HAS_TRANSPARENT)
            gif->fill_index = block[3];
    }
}

// Up to the compressed picture.
static bool read_header(struct gif *gif, const struct stb_file *file,
                        const struct image_source *source, uint8_t *palette, vkclip_error *err)
{
    const uint8_t *screen = take(gif, source, 13);
    if (!screen || !read_palette(gif, source, screen[10], palette))
        return fail_truncated(file, source, err);

    const uint8_t *tag;
    while ((tag = take(gif, source, 1)) && *tag != ',') {
        if (*tag == ';')
            return stb_fail(file, source, "holds no picture", err);
        if (*tag != '!')
            return stb_fail(file, source, "unknown block", err);
        if (!read_extension(gif, source))
            return fail_truncated(file, source, err);
    }
    const uint8_t *frame = tag ? take(gif, source, 9) : NULL;
    if (!frame || !read_palette(gif, source, frame[8], palette))
        return fail_truncated(file, source, err);

    gif->left = read_u16(frame);
    gif->top = read_u16(frame + 2);
    gif->width_px = read_u16(frame + 4);
    gif->height_px = read_u16(frame + 6);
    gif->is_interlaced = frame[8] & GIF_INTERLACED;
    // A frame may stick out of the screen, which then grows, as in Pillow.
    gif->canvas_width_px = read_u16(screen + 6);
    gif->canvas_height_px = read_u16(screen + 8);
    if (gif->canvas_width_px < gif->left + gif->width_px)
        gif->canvas_width_px = gif->left + gif->width_px;
    if (gif->canvas_height_px < gif->top + gif->height_px)
        gif->canvas_height_px = gif->top + gif->height_px;
    return true;
}

// A GIF of this frame alone, in which the colour of index i is i and nothing is transparent.
static void write_header(struct stb_file *file, const struct gif *gif)
{
    for (const char *c = "GIF89a"; *c; c++)
        stb_put_u8(file, (uint8_t)*c);
    stb_put_u16(file, gif->width_px);
    stb_put_u16(file, gif->height_px);
    stb_put_u8(file, GIF_HAS_TABLE | 7);
    stb_put_u16(file, 0);
    for (uint32_t i = 0; i < 256; i++)
        for (uint32_t c = 0; c < 3; c++)
            stb_put_u8(file, i);
    stb_put_u8(file, ',');
    stb_put_u32(file, 0);
    stb_put_u16(file, gif->width_px);
    stb_put_u16(file, gif->height_px);
    stb_put_u8(file, gif->is_interlaced ? GIF_INTERLACED : 0);
}

// RGBA of the frame -> indices on the canvas. Alpha is 0 where the data gave no pixel.
static bool place_frame(struct image *image, const struct gif *gif, const uint8_t *rgba)
{
    memset(image->pixels, (int)gif->fill_index, (size_t)image->width_px * image->height_px);
    for (uint32_t y = 0; y < gif->height_px; y++) {
        uint8_t *row = image->pixels + (size_t)(gif->top + y) * image->width_px + gif->left;
        for (uint32_t x = 0; x < gif->width_px; x++, rgba += 4) {
            if (rgba[3] == 0)
                return false;
            row[x] = rgba[0];
        }
    }
    return true;
}

bool image_decode_gif(struct image *image, const struct image_source *source, vkclip_error *err)
{
    struct stb_file file = {.format = "GIF"};
    struct gif gif = {0};
    if (!read_header(&gif, &file, source, image->palette, err))
        return false;
    if (gif.entry_count == 0)
        return stb_fail(&file, source, "has no palette", err);
    if (gif.width_px == 0 || gif.height_px == 0)
        return stb_fail(&file, source, "its first picture has no pixels", err);
    enum image_mode mode =
        palette_is_grey(image->palette, gif.entry_count) ? IMAGE_L : IMAGE_PALETTE;
    if (!image_allocate(image, source, gif.canvas_width_px, gif.canvas_height_px, mode, err))
        return false;
    if ((uint64_t)gif.width_px * gif.height_px > GIF_MAX_PIXELS)
        return stb_fail(&file, source, "more than 50 megapixels", err);

    file.raster = source->bytes + gif.position;
    file.raster_bytes = source->byte_count - gif.position;
    if (file.raster_bytes == 0 || file.raster[0] > 8)
        return stb_fail(&file, source, "damaged picture data", err);
    write_header(&file, &gif);
    uint8_t *rgba;
    if (!stb_unpack(&file, source, gif.width_px, gif.height_px, 4, &rgba, err))
        return false;
    bool is_whole = place_frame(image, &gif, rgba);
    free(rgba);
    return is_whole || stb_fail(&file, source, "picture data ends too early", err);
}
