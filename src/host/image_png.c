// PNG through libspng, unconverted: what Pillow's modes need is not what libspng's conversions
// give. Gamma, colour profiles and tRNS are ignored, as Pillow does.
#include "host/image_formats.h"
#include "host/orientation.h"

#include <stdlib.h>
#include <string.h>

#include <spng.h>

// Ancillary chunks: of one, when inflated, and of all that libspng keeps.
#define PNG_MAX_CHUNK_BYTES (16u << 20)
#define PNG_MAX_CACHE_BYTES (64u << 20)

static bool fail_spng(const struct image_source *source, int status, vkclip_error *err)
{
    if (status == SPNG_EOF || status == SPNG_IO_EOF)
        return fail(err, VKCLIP_ERROR_FILE, "%s: PNG is truncated", source->name);
    return fail(err, status == SPNG_EMEM ? VKCLIP_ERROR_MEMORY : VKCLIP_ERROR_FILE, "%s: PNG: %s",
                source->name, spng_strerror(status));
}

static enum image_mode png_mode(const struct spng_ihdr *header)
{
    switch (header->color_type) {
    case SPNG_COLOR_TYPE_INDEXED:
        return IMAGE_PALETTE;
    case SPNG_COLOR_TYPE_TRUECOLOR:
        return IMAGE_RGB;
    case SPNG_COLOR_TYPE_TRUECOLOR_ALPHA:
        return IMAGE_RGBA;
    case SPNG_COLOR_TYPE_GRAYSCALE_ALPHA:
        return IMAGE_LA;
    default:
        return header->bit_depth == 1    ? IMAGE_BILEVEL
               : header->bit_depth == 16 ? IMAGE_I16
                                         : IMAGE_L;
    }
}

// Samples of 1, 2 or 4 bits -> bytes. Grey is spread over 0..255, palette indices are not.
static void unpack_bits(const uint8_t *packed, const struct spng_ihdr *header, struct image *image)
{
    uint32_t bits = header->bit_depth, mask = (1u << bits) - 1;
    uint32_t scale = image->mode == IMAGE_PALETTE ? 1 : 255 / mask;
    size_t packed_row_bytes = ((size_t)image->width_px * bits + 7) / 8;
    uint8_t *pixel = image->pixels;
    for (uint32_t y = 0; y < image->height_px; y++, packed += packed_row_bytes)
        for (size_t x = 0; x < image->width_px; x++) {
            size_t bit = x * bits;
            uint32_t sample = (uint32_t)packed[bit / 8] >> (8 - bits - bit % 8) & mask;
            *pixel++ = (uint8_t)(sample * scale);
        }
}

static bool read_palette(spng_ctx *spng, const struct image_source *source, struct image *image,
                         vkclip_error *err)
{
    struct spng_plte palette;
    int status = spng_get_plte(spng, &palette);
    if (status != 0)
        return fail_spng(source, status, err);
    for (uint32_t i = 0; i < palette.n_entries; i++) { // the others stay black, as in Pillow
        image->palette[3 * i + 0] = palette.entries[i].red;
        image->palette[3 * i + 1] = palette.entries[i].green;
        image->palette[3 * i + 2] = palette.entries[i].blue;
    }
    return true;
}

static bool read_samples(spng_ctx *spng, const struct image_source *source, void *samples,
                         size_t byte_count, vkclip_error *err)
{
    int status = spng_decode_image(spng, samples, byte_count, SPNG_FMT_PNG, 0);
    if (status == 0)
        status = spng_decode_chunks(spng); // up to IEND, so that a cut file is noticed
    return status == 0 || fail_spng(source, status, err);
}

static uint32_t read_orientation(spng_ctx *spng)
{
    struct spng_exif exif;
    return spng_get_exif(spng, &exif) == 0
               ? orientation_of_exif((const uint8_t *)exif.data, exif.length)
               : 0;
}

// Through a buffer of its own, where the file's samples are not the image's.
static bool read_converted(spng_ctx *spng, const struct image_source *source,
                           const struct spng_ihdr *header, struct image *image, vkclip_error *err)
{
    size_t sample_bytes;
    int status = spng_decoded_image_size(spng, SPNG_FMT_PNG, &sample_bytes);
    if (status != 0)
        return fail_spng(source, status, err);
    uint8_t *samples = calloc(1, sample_bytes);
    if (!samples)
        return fail(err, VKCLIP_ERROR_MEMORY, "%s: no memory for %zu bytes of samples",
                    source->name, sample_bytes);

    bool is_read = read_samples(spng, source, samples, sample_bytes, err);
    if (is_read && header->bit_depth < 8) {
        unpack_bits(samples, header, image);
    } else if (is_read) {
        const uint16_t *wide = (const uint16_t *)(const void *)samples; // host order
        for (size_t i = 0; i < sample_bytes / 2; i++)
            image->pixels[i] = (uint8_t)(wide[i] >> 8);
    }
    free(samples);
    return is_read;
}

static uint32_t read_be32(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

// Before libspng, whose message for such a header would be "arithmetic overflow".
static bool check_size(const struct image_source *source, vkclip_error *err)
{
    if (source->byte_count < 24 || memcmp(source->bytes + 12, "IHDR", 4) != 0)
        return true;
    return image_check_size(source, read_be32(source->bytes + 16), read_be32(source->bytes + 20),
                            err);
}

static bool read_picture(spng_ctx *spng, const struct image_source *source, struct image *image,
                         vkclip_error *err)
{
    int status = spng_set_crc_action(spng, SPNG_CRC_ERROR, SPNG_CRC_ERROR);
    if (status == 0)
        status = spng_set_chunk_limits(spng, PNG_MAX_CHUNK_BYTES, PNG_MAX_CACHE_BYTES);
    if (status == 0)
        status = spng_set_png_buffer(spng, source->bytes, source->byte_count);
    struct spng_ihdr header;
    if (status == 0)
        status = spng_get_ihdr(spng, &header);
    if (status != 0)
        return fail_spng(source, status, err);

    enum image_mode mode = png_mode(&header);
    if (!image_allocate(image, source, header.width, header.height, mode, err))
        return false;
    if (mode == IMAGE_PALETTE && !read_palette(spng, source, image, err))
        return false;
    if (header.bit_depth == 8 || mode == IMAGE_I16)
        return read_samples(spng, source, image->pixels,
                            (size_t)image->width_px * image->height_px * image_pixel_bytes(mode),
                            err);
    return read_converted(spng, source, &header, image, err);
}

bool image_decode_png(struct image *image, const struct image_source *source, vkclip_error *err)
{
    if (!check_size(source, err))
        return false;
    spng_ctx *spng = spng_ctx_new(0);
    if (!spng)
        return fail(err, VKCLIP_ERROR_MEMORY, "%s: no memory to decode PNG", source->name);
    bool is_read = read_picture(spng, source, image, err);
    if (is_read)
        image->orientation = read_orientation(spng);
    spng_ctx_free(spng);
    return is_read;
}
