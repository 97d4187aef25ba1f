// TGA: palette, grey, grey with alpha, 16, 24 and 32 bits, plain or run-length coded.
#include "host/image_stb.h"

#define TGA_HEADER_BYTES 18

#define TGA_PALETTE    1
#define TGA_COLOR      2
#define TGA_GREY       3
#define TGA_COMPRESSED 8 // added to the above

#define TGA_FROM_RIGHT 0x10
#define TGA_TOP_DOWN   0x20

struct tga {
    uint32_t id_bytes;
    uint32_t kind;
    bool is_compressed;
    uint32_t map_start, map_count, map_bits;
    uint32_t width_px, height_px, bits, descriptor;
};

static struct tga read_header(const uint8_t *bytes)
{
    return (struct tga){
        .id_bytes = bytes[0],
        .kind = bytes[2] & ~(uint32_t)TGA_COMPRESSED,
        .is_compressed = bytes[2] & TGA_COMPRESSED,
        .map_start = read_u16(bytes + 3),
        .map_count = bytes[1] ? read_u16(bytes + 5) : 0,
        .map_bits = bytes[7],
        .width_px = read_u16(bytes + 12),
        .height_px = read_u16(bytes + 14),
        .bits = bytes[16],
        .descriptor = bytes[17],
    };
}

static bool find_mode(const struct tga *tga, enum image_mode *mode)
{
    static const struct {
        uint32_t kind, bits;
        enum image_mode mode;
    } modes[] = {
        {TGA_PALETTE, 8, IMAGE_PALETTE}, {TGA_COLOR, 16, IMAGE_RGB}, {TGA_COLOR, 24, IMAGE_RGB},
        {TGA_COLOR, 32, IMAGE_RGBA},     {TGA_GREY, 8, IMAGE_L},     {TGA_GREY, 16, IMAGE_LA},
    };
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
        if (modes[i].kind == tga->kind && modes[i].bits == tga->bits) {
            *mode = modes[i].mode;
            return true;
        }
    return false;
}

bool image_looks_like_tga(const uint8_t *bytes, size_t byte_count)
{
    if (byte_count < TGA_HEADER_BYTES || bytes[1] > 1)
        return false;
    struct tga tga = read_header(bytes);
    enum image_mode mode;
    bool has_known_map =
        tga.map_count > 0 && (tga.map_bits == 16 || tga.map_bits == 24 || tga.map_bits == 32);
    return find_mode(&tga, &mode) && (tga.kind != TGA_PALETTE || has_known_map) &&
           tga.width_px > 0 && tga.height_px > 0 && (tga.descriptor & 0xc0) == 0 &&
           (tga.descriptor & 15) <= 8;
}

// Entries before map_start stay black, as in Pillow.
static void read_palette(const struct tga *tga, const uint8_t *map, uint8_t *palette)
{
    for (uint32_t i = 0; i < tga->map_count && tga->map_start + i < 256; i++) {
        uint8_t *entry = &palette[3 * (tga->map_start + i)];
        const uint8_t *from = map + (size_t)i * tga->map_bits / 8;
        for (uint32_t c = 0; c < 3; c++)
            entry[c] = tga->map_bits == 16
                           ? (uint8_t)((read_u16(from) >> (10 - 5 * c) & 31) * 255 / 31)
                           : from[2 - c];
    }
}

// Palette indices are passed off as grey.
static void write_header(struct stb_file *file, const struct tga *tga)
{
    uint32_t kind = tga->kind == TGA_PALETTE ? TGA_GREY : tga->kind;
    stb_put_u16(file, 0);
    stb_put_u8(file, tga->is_compressed ? kind | TGA_COMPRESSED : kind);
    for (int i = 0; i < 9; i++)
        stb_put_u8(file, 0);
    stb_put_u16(file, tga->width_px);
    stb_put_u16(file, tga->height_px);
    stb_put_u8(file, tga->bits);
    stb_put_u8(file, tga->descriptor & TGA_TOP_DOWN);
}

// Whether the run-length packets give all pixels. stb_image reads zeros behind the end instead,
// for as many pixels as the header promises.
static bool has_all_packets(const struct tga *tga, const uint8_t *raster, size_t byte_count)
{
    uint64_t pixel_count = (uint64_t)tga->width_px * tga->height_px;
    size_t position = 0;
    for (uint64_t done = 0; done < pixel_count;) {
        if (position >= byte_count)
            return false;
        uint32_t count = (raster[position] & 127u) + 1;
        uint32_t given = raster[position] & 128 ? 1 : count;
        if (done + count > pixel_count && given > 1)
            given = (uint32_t)(pixel_count - done);
        position += 1 + (size_t)given * (tga->bits / 8);
        done += count;
    }
    return position <= byte_count;
}

bool image_decode_tga(struct image *image, const struct image_source *source, vkclip_error *err)
{
    struct stb_file file = {.format = "TGA"};
    struct tga tga = read_header(source->bytes);
    enum image_mode mode;
    if (!find_mode(&tga, &mode))
        return stb_fail(&file, source, "unknown number of bits a pixel", err);
    if (!image_check_size(source, tga.width_px, tga.height_px, err))
        return false;
    if (tga.descriptor & TGA_FROM_RIGHT)
        return stb_fail(&file, source, "columns from right to left are not supported", err);

    size_t map_at = TGA_HEADER_BYTES + tga.id_bytes;
    size_t raster_at = map_at + (size_t)tga.map_count * ((tga.map_bits + 7) / 8);
    uint64_t raster_bytes = (uint64_t)tga.width_px * tga.height_px * (tga.bits / 8);
    if (raster_at >= source->byte_count ||
        (tga.is_compressed
             ? !has_all_packets(&tga, source->bytes + raster_at, source->byte_count - raster_at)
             : raster_bytes > source->byte_count - raster_at))
        return stb_fail(&file, source, "truncated picture data", err);

    image->width_px = tga.width_px;
    image->height_px = tga.height_px;
    image->mode = mode;
    if (mode == IMAGE_PALETTE)
        read_palette(&tga, source->bytes + map_at, image->palette);
    write_header(&file, &tga);
    file.raster = source->bytes + raster_at;
    file.raster_bytes = source->byte_count - raster_at;
    return stb_unpack(&file, source, tga.width_px, tga.height_px, (uint32_t)image_pixel_bytes(mode),
                      &image->pixels, err);
}
