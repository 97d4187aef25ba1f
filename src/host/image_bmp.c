// BMP: Windows and OS/2 headers, 1 to 32 bits a pixel, uncompressed.
#include "host/image_stb.h"

#define BMP_UNCOMPRESSED 0
#define BMP_BITFIELDS    3
#define BMP_FILE_BYTES   14 // before the information header
#define BMP_MASKS_AT     54 // inside a long header, right after one of 40 bytes

struct bmp {
    uint32_t header_bytes, raster_at;
    uint32_t width_px, height_px;
    bool is_top_down;
    uint32_t bits, compression;
    uint32_t palette_at, palette_count, palette_entry_bytes;
    uint32_t masks[4]; // red, green, blue, alpha
};

// What Pillow accepts, and what makes sense of 16 and 32 bits without bit fields.
static const struct {
    uint32_t bits;
    uint32_t masks[4];
} layouts[] = {
    {16, {0x7c00, 0x3e0, 0x1f, 0}},
    {16, {0xf800, 0x7e0, 0x1f, 0}},
    {32, {0xff0000, 0xff00, 0xff, 0}},
    {32, {0xff000000, 0xff0000, 0xff00, 0}},
    {32, {0xff000000, 0xff0000, 0xff00, 0xff}},
    {32, {0xff, 0xff00, 0xff0000, 0xff000000}},
    {32, {0xff0000, 0xff00, 0xff, 0xff000000}},
};

static bool is_known_layout(const struct bmp *bmp)
{
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++) {
        const uint32_t *masks = layouts[i].masks;
        if (layouts[i].bits == bmp->bits && masks[0] == bmp->masks[0] &&
            masks[1] == bmp->masks[1] && masks[2] == bmp->masks[2] &&
            (bmp->bits == 16 || masks[3] == bmp->masks[3]))
            return true;
    }
    return false;
}

// Masks beyond the file's end stay 0, which is no known layout.
static void read_masks(struct bmp *bmp, const struct image_source *source)
{
    if (bmp->compression == BMP_BITFIELDS) {
        uint32_t mask_count = bmp->header_bytes >= 56 ? 4 : 3;
        if (source->byte_count < BMP_MASKS_AT + 4 * mask_count)
            return;
        for (uint32_t i = 0; i < mask_count; i++)
            bmp->masks[i] = read_u32(source->bytes + BMP_MASKS_AT + 4 * i);
    } else if (bmp->bits == 16 || bmp->bits == 32) {
        for (uint32_t i = 0; i < 3; i++)
            bmp->masks[i] = layouts[bmp->bits == 16 ? 0 : 2].masks[i];
    }
}

static bool read_header(struct bmp *bmp, const struct stb_file *file,
                        const struct image_source *source, vkclip_error *err)
{
    const uint8_t *bytes = source->bytes;
    if (source->byte_count < 26)
        return stb_fail(file, source, "truncated header", err);
    bmp->raster_at = read_u32(bytes + 10);
    bmp->header_bytes = read_u32(bytes + 14);
    if (bmp->header_bytes != 12 && (bmp->header_bytes < 40 || bmp->header_bytes > 256))
        return stb_fail(file, source, "unknown header", err);
    bmp->palette_at = BMP_FILE_BYTES + bmp->header_bytes;
    if (source->byte_count < bmp->palette_at)
        return stb_fail(file, source, "truncated header", err);

    if (bmp->header_bytes == 12) {
        bmp->width_px = read_u16(bytes + 18);
        bmp->height_px = read_u16(bytes + 20);
        bmp->bits = read_u16(bytes + 24);
        bmp->palette_entry_bytes = 3;
    } else {
        bmp->width_px = read_u32(bytes + 18);
        bmp->height_px = read_u32(bytes + 22);
        bmp->is_top_down = bmp->height_px >> 31;
        bmp->height_px = bmp->is_top_down ? 0 - bmp->height_px : bmp->height_px;
        bmp->bits = read_u16(bytes + 28);
        bmp->compression = read_u32(bytes + 30);
        bmp->palette_count = read_u32(bytes + 46);
        bmp->palette_entry_bytes = 4;
    }
    read_masks(bmp, source);
    return true;
}

static bool check_header(const struct bmp *bmp, const struct stb_file *file,
                         const struct image_source *source, vkclip_error *err)
{
    if (!image_check_size(source, bmp->width_px, bmp->height_px, err))
        return false;
    if (bmp->compression != BMP_UNCOMPRESSED && bmp->compression != BMP_BITFIELDS)
        return stb_fail(file, source, "compressed BMP is not supported", err);
    bool has_masks = bmp->bits == 16 || bmp->bits == 32;
    if (!has_masks && bmp->bits != 1 && bmp->bits != 4 && bmp->bits != 8 && bmp->bits != 24)
        return stb_fail(file, source, "unknown number of bits a pixel", err);
    if (has_masks ? !is_known_layout(bmp) : bmp->compression == BMP_BITFIELDS)
        return stb_fail(file, source, "unknown bit fields", err);

    uint64_t row_bytes = ((uint64_t)bmp->width_px * bmp->bits + 31) / 32 * 4;
    if (bmp->raster_at < bmp->palette_at ||
        bmp->raster_at + row_bytes * bmp->height_px > source->byte_count)
        return stb_fail(file, source, "truncated picture data", err);
    return true;
}

// The palette lies between header and raster. Returns how many entries the file means to give.
static uint32_t read_palette(const struct bmp *bmp, const struct image_source *source,
                             uint8_t *palette)
{
    uint32_t wanted = 1u << bmp->bits;
    if (bmp->palette_count > 0 && bmp->palette_count < wanted)
        wanted = bmp->palette_count;
    uint32_t present = (bmp->raster_at - bmp->palette_at) / bmp->palette_entry_bytes;
    for (uint32_t i = 0; i < wanted && i < present; i++) {
        const uint8_t *entry = source->bytes + bmp->palette_at + i * bmp->palette_entry_bytes;
        for (uint32_t c = 0; c < 3; c++)
            palette[3 * i + c] = entry[2 - c];
    }
    return wanted;
}

static void write_header(struct stb_file *file, const struct bmp *bmp)
{
    bool has_masks = bmp->bits == 16 || bmp->bits == 32;
    uint32_t header_bytes = has_masks ? 108 : 40;
    uint32_t palette_count = bmp->bits <= 8 ? 256 : 0;
    stb_put_u16(file, 'B' | 'M' << 8);
    stb_put_u32(file, 0);
    stb_put_u32(file, 0);
    stb_put_u32(file, BMP_FILE_BYTES + header_bytes + 4 * palette_count);
    stb_put_u32(file, header_bytes);
    stb_put_u32(file, bmp->width_px);
    stb_put_u32(file, bmp->is_top_down ? 0 - bmp->height_px : bmp->height_px);
    stb_put_u16(file, 1);
    stb_put_u16(file, bmp->bits);
    stb_put_u32(file, has_masks ? BMP_BITFIELDS : BMP_UNCOMPRESSED);
    for (int i = 0; i < 5; i++)
        stb_put_u32(file, 0);
    for (int i = 0; has_masks && i < 4; i++)
        stb_put_u32(file, bmp->masks[i]);
    while (file->header_bytes < BMP_FILE_BYTES + header_bytes)
        stb_put_u8(file, 0);
    for (uint32_t i = 0; i < palette_count; i++)
        stb_put_u32(file, i * 0x010101); // the colour of index i is i
}

// 5 and 6 bits were widened by repeating the high bits; Pillow multiplies and truncates, which
// is up to 1 darker.
static void widen_like_pillow(const struct bmp *bmp, uint8_t *rgb, size_t pixel_count)
{
    uint32_t green_bits = bmp->masks[1] == 0x7e0 ? 6 : 5;
    uint32_t green_max = (1u << green_bits) - 1;
    for (size_t i = 0; i < pixel_count; i++, rgb += 3) {
        rgb[0] = (uint8_t)((rgb[0] >> 3) * 255 / 31);
        rgb[1] = (uint8_t)(((uint32_t)rgb[1] >> (8 - green_bits)) * 255 / green_max);
        rgb[2] = (uint8_t)((rgb[2] >> 3) * 255 / 31);
    }
}

bool image_decode_bmp(struct image *image, const struct image_source *source, vkclip_error *err)
{
    struct stb_file file = {.format = "BMP"};
    struct bmp bmp = {0};
    if (!read_header(&bmp, &file, source, err) || !check_header(&bmp, &file, source, err))
        return false;

    image->width_px = bmp.width_px;
    image->height_px = bmp.height_px;
    image->mode = bmp.masks[3] ? IMAGE_RGBA : IMAGE_RGB;
    if (bmp.bits <= 8) {
        uint32_t palette_count = read_palette(&bmp, source, image->palette);
        bool is_grey = bmp.bits == 8 && palette_is_grey(image->palette, palette_count);
        image->mode = is_grey ? IMAGE_L : IMAGE_PALETTE;
    }

    write_header(&file, &bmp);
    file.raster = source->bytes + bmp.raster_at;
    file.raster_bytes = source->byte_count - bmp.raster_at;
    if (!stb_unpack(&file, source, bmp.width_px, bmp.height_px,
                    (uint32_t)image_pixel_bytes(image->mode), &image->pixels, err))
        return false;
    if (bmp.bits == 16)
        widen_like_pillow(&bmp, image->pixels, (size_t)bmp.width_px * bmp.height_px);
    return true;
}
