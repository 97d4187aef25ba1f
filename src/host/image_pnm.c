// Binary PGM and PPM (P5, P6), 8 and 16 bits. Other largest values than 255 and 65535 are scaled
// up, as Pillow does.
#include "host/image_stb.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

struct pnm {
    size_t position; // next byte to read
    uint32_t channels;
    uint32_t width_px, height_px, largest;
};

static int next_byte(struct pnm *pnm, const struct image_source *source)
{
    return pnm->position < source->byte_count ? source->bytes[pnm->position++] : EOF;
}

static bool is_space(int byte)
{
    return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

// The next byte that is neither space nor part of a comment.
static int next_token_byte(struct pnm *pnm, const struct image_source *source)
{
    for (;;) {
        int byte = next_byte(pnm, source);
        if (byte == '#')
            while (byte != '\n' && byte != '\r' && byte != EOF)
                byte = next_byte(pnm, source);
        if (!is_space(byte))
            return byte;
    }
}

// A decimal number of at most 9 digits and the one byte after it.
static bool read_number(struct pnm *pnm, const struct image_source *source, uint32_t *number)
{
    int byte = next_token_byte(pnm, source);
    *number = 0;
    int digit_count = 0;
    for (; byte >= '0' && byte <= '9' && digit_count < 9; digit_count++) {
        *number = *number * 10 + (uint32_t)(byte - '0');
        byte = next_byte(pnm, source);
    }
    return digit_count > 0 && is_space(byte);
}

// round(value / largest * full) with ties to even, full being 255 or 65535.
static uint32_t scale(uint32_t value, uint32_t largest, uint32_t full)
{
    double scaled = nearbyint((double)value / (double)largest * (double)full);
    return scaled > (double)full ? full : (uint32_t)scaled;
}

// Big-endian samples -> the image's. 16-bit colour becomes 8-bit, 16-bit grey stays.
static void convert_samples(const struct pnm *pnm, const uint8_t *bytes, struct image *image)
{
    size_t count = (size_t)pnm->width_px * pnm->height_px * pnm->channels;
    uint16_t *wide = (uint16_t *)(void *)image->pixels;
    for (size_t i = 0; i < count; i++) {
        uint32_t value =
            pnm->largest > 255 ? (uint32_t)bytes[2 * i] << 8 | bytes[2 * i + 1] : bytes[i];
        if (image->mode == IMAGE_I)
            wide[i] = (uint16_t)scale(value, pnm->largest, 65535);
        else
            image->pixels[i] = (uint8_t)scale(value, pnm->largest, 255);
    }
}

bool image_decode_pnm(struct image *image, const struct image_source *source, vkclip_error *err)
{
    struct stb_file file = {.format = "PNM"};
    struct pnm pnm = {.position = 2, .channels = source->bytes[1] == '5' ? 1 : 3};
    if (!read_number(&pnm, source, &pnm.width_px) || !read_number(&pnm, source, &pnm.height_px) ||
        !read_number(&pnm, source, &pnm.largest) || pnm.largest == 0 || pnm.largest > 65535)
        return stb_fail(&file, source, "damaged header", err);
    enum image_mode mode = pnm.channels == 3 ? IMAGE_RGB : pnm.largest > 255 ? IMAGE_I : IMAGE_L;
    if (!image_check_size(source, pnm.width_px, pnm.height_px, err))
        return false;

    uint32_t row_bytes = pnm.width_px * pnm.channels * (pnm.largest > 255 ? 2 : 1);
    file.raster = source->bytes + pnm.position;
    file.raster_bytes = source->byte_count - pnm.position;
    if ((uint64_t)row_bytes * pnm.height_px > file.raster_bytes)
        return stb_fail(&file, source, "truncated picture data", err);
    // All samples pass as grey bytes; what they are is seen to here.
    file.header_bytes = (size_t)snprintf((char *)file.header, sizeof file.header, "P5 %u %u 255\n",
                                         row_bytes, pnm.height_px);
    uint8_t *bytes;
    if (!stb_unpack(&file, source, row_bytes, pnm.height_px, 1, &bytes, err))
        return false;

    bool is_allocated = image_allocate(image, source, pnm.width_px, pnm.height_px, mode, err);
    if (is_allocated)
        convert_samples(&pnm, bytes, image);
    free(bytes);
    return is_allocated;
}
