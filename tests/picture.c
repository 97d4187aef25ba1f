#include "picture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

void picture_add(struct picture *picture, const void *bytes, size_t byte_count)
{
    size_t wanted = picture->byte_count + byte_count;
    if (wanted > picture->capacity_bytes) {
        picture->capacity_bytes = 2 * wanted;
        picture->bytes = realloc(picture->bytes, picture->capacity_bytes);
        if (!picture->bytes)
            abort();
    }
    if (byte_count > 0)
        memcpy(picture->bytes + picture->byte_count, bytes, byte_count);
    picture->byte_count += byte_count;
}

void picture_add_text(struct picture *picture, const char *text)
{
    picture_add(picture, text, strlen(text));
}

void picture_add_le(struct picture *picture, uint32_t value, int byte_count)
{
    for (int i = 0; i < byte_count; i++, value >>= 8)
        picture_add(picture, &(uint8_t){(uint8_t)value}, 1);
}

void picture_add_be(struct picture *picture, uint32_t value, int byte_count)
{
    for (int i = byte_count - 1; i >= 0; i--)
        picture_add(picture, &(uint8_t){(uint8_t)(value >> (8 * i))}, 1);
}

void picture_free(struct picture *picture)
{
    free(picture->bytes);
    *picture = (struct picture){0};
}

void picture_noise(uint8_t *bytes, size_t byte_count, uint32_t seed)
{
    for (size_t i = 0; i < byte_count; i++) {
        seed = seed * 1664525u + 1013904223u;
        bytes[i] = (uint8_t)(seed >> 24);
    }
}

static uint32_t crc32_of(const uint8_t *bytes, size_t byte_count)
{
    uint32_t crc = 0xffffffff;
    for (size_t i = 0; i < byte_count; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
    }
    return ~crc;
}

void png_chunk(struct picture *png, const char *type, const void *bytes, size_t byte_count)
{
    picture_add_be(png, (uint32_t)byte_count, 4);
    size_t start = png->byte_count;
    picture_add(png, type, 4);
    picture_add(png, bytes, byte_count);
    picture_add_be(png, crc32_of(png->bytes + start, byte_count + 4), 4);
}

void png_begin(struct picture *png, uint32_t width, uint32_t height, int bits, int color_type)
{
    picture_add(png, "\x89PNG\r\n\x1a\n", 8);
    struct picture header = {0};
    picture_add_be(&header, width, 4);
    picture_add_be(&header, height, 4);
    picture_add(&header, (uint8_t[]){(uint8_t)bits, (uint8_t)color_type, 0, 0, 0}, 5);
    png_chunk(png, "IHDR", header.bytes, header.byte_count);
    picture_free(&header);
}

static uint32_t adler32_of(const uint8_t *bytes, size_t byte_count)
{
    uint32_t a = 1, b = 0;
    for (size_t i = 0; i < byte_count; i++) {
        a = (a + bytes[i]) % 65521;
        b = (b + a) % 65521;
    }
    return b << 16 | a;
}

void png_data(struct picture *png, const uint8_t *data, size_t byte_count, size_t idat_count)
{
    struct picture zlib = {0};
    picture_add(&zlib, "\x78\x01", 2);
    for (size_t done = 0; done < byte_count;) {
        size_t block = byte_count - done < 65535 ? byte_count - done : 65535;
        bool is_last = done + block == byte_count;
        picture_add(&zlib, &(uint8_t){is_last}, 1);
        picture_add_le(&zlib, (uint32_t)block, 2);
        picture_add_le(&zlib, ~(uint32_t)block, 2);
        picture_add(&zlib, data + done, block);
        done += block;
    }
    picture_add_be(&zlib, adler32_of(data, byte_count), 4);

    for (size_t i = 0; i < idat_count; i++) {
        size_t start = zlib.byte_count * i / idat_count;
        size_t end = zlib.byte_count * (i + 1) / idat_count;
        png_chunk(png, "IDAT", zlib.bytes + start, end - start);
    }
    picture_free(&zlib);
}

void png_pixels(struct picture *png, const uint8_t *rows, size_t row_bytes, uint32_t height,
                size_t idat_count)
{
    struct picture data = {0};
    for (uint32_t y = 0; y < height; y++) {
        picture_add(&data, "", 1); // filter 0
        picture_add(&data, rows + y * row_bytes, row_bytes);
    }
    png_data(png, data.bytes, data.byte_count, idat_count);
    picture_free(&data);
}

void png_end(struct picture *png)
{
    png_chunk(png, "IEND", "", 0);
}

struct picture png_of(uint32_t width, uint32_t height, int color_type, const uint8_t *pixels)
{
    struct picture png = {0};
    png_begin(&png, width, height, 8, color_type);
    png_pixels(&png, pixels, (size_t)width * (color_type == 2 ? 3 : 1), height, 1);
    png_end(&png);
    return png;
}

static void set_jpeg_kind(struct jpeg_compress_struct *libjpeg, struct jpeg_kind kind,
                          jpeg_scan_info *scans)
{
    libjpeg->input_components = kind.channels;
    libjpeg->in_color_space = kind.channels == 1   ? JCS_GRAYSCALE
                              : kind.channels == 3 ? JCS_RGB
                                                   : JCS_CMYK;
    jpeg_set_defaults(libjpeg);
    if (kind.is_ycck)
        jpeg_set_colorspace(libjpeg, JCS_YCCK);
    if (kind.is_untransformed)
        jpeg_set_colorspace(libjpeg, JCS_RGB);
    if (kind.is_unmarked)
        libjpeg->write_JFIF_header = libjpeg->write_Adobe_marker = FALSE;
    for (int i = 0; kind.factors && i < kind.channels; i++) {
        libjpeg->comp_info[i].h_samp_factor = kind.factors[3 * i] - '0';
        libjpeg->comp_info[i].v_samp_factor = kind.factors[3 * i + 1] - '0';
    }
    jpeg_set_quality(libjpeg, 90, TRUE);
    if (kind.is_progressive)
        jpeg_simple_progression(libjpeg);
    libjpeg->arith_code = kind.is_arithmetic;
    libjpeg->restart_interval = (unsigned)kind.restart_interval;
    if (kind.is_split) {
        for (int i = 0; i < kind.channels; i++)
            scans[i] =
                (jpeg_scan_info){.comps_in_scan = 1, .component_index = {i, 0, 0, 0}, .Se = 63};
        libjpeg->scan_info = scans;
        libjpeg->num_scans = kind.channels;
    }
}

struct picture jpeg_of(uint32_t width, uint32_t height, struct jpeg_kind kind,
                       const uint8_t *pixels)
{
    struct jpeg_compress_struct libjpeg;
    struct jpeg_error_mgr errors;
    jpeg_scan_info scans[4];
    unsigned char *bytes = NULL;
    unsigned long byte_count = 0;

    libjpeg.err = jpeg_std_error(&errors);
    jpeg_create_compress(&libjpeg);
    jpeg_mem_dest(&libjpeg, &bytes, &byte_count);
    libjpeg.image_width = width;
    libjpeg.image_height = height;
    set_jpeg_kind(&libjpeg, kind, scans);
    jpeg_start_compress(&libjpeg, TRUE);
    if (kind.exif)
        jpeg_write_marker(&libjpeg, JPEG_APP0 + 1, kind.exif, (unsigned)kind.exif_bytes);
    size_t row_bytes = (size_t)width * (size_t)kind.channels;
    for (uint32_t y = 0; y < height; y++) {
        JSAMPROW row = (JSAMPROW)(uintptr_t)(pixels + y * row_bytes);
        jpeg_write_scanlines(&libjpeg, &row, 1);
    }
    jpeg_finish_compress(&libjpeg);
    jpeg_destroy_compress(&libjpeg);
    return (struct picture){.bytes = bytes, .byte_count = byte_count};
}

struct picture bmp_of(uint32_t width, uint32_t height, const uint8_t *rgb)
{
    struct picture bmp = {0};
    uint32_t padding = (0 - width * 3) & 3;
    picture_add_text(&bmp, "BM");
    picture_add_le(&bmp, 54 + (width * 3 + padding) * height, 4);
    picture_add_le(&bmp, 0, 4);
    picture_add_le(&bmp, 54, 4);
    picture_add_le(&bmp, 40, 4);
    picture_add_le(&bmp, width, 4);
    picture_add_le(&bmp, height, 4);
    picture_add_le(&bmp, 1, 2);
    picture_add_le(&bmp, 24, 2);
    for (int i = 0; i < 6; i++)
        picture_add_le(&bmp, 0, 4);
    for (uint32_t y = height; y-- > 0;) {
        for (uint32_t x = 0; x < width; x++)
            for (uint32_t c = 3; c-- > 0;)
                picture_add(&bmp, rgb + ((size_t)y * width + x) * 3 + c, 1);
        picture_add(&bmp, "\0\0\0", padding);
    }
    return bmp;
}

// Codes of 9 bits, never more, because the table is cleared in time.
static void add_gif_codes(struct picture *gif, const uint8_t *indices, size_t count)
{
    struct picture codes = {0};
    uint32_t bits = 0, bit_count = 0;
    for (size_t i = 0; i <= count; i++) {
        uint32_t wanted[2] = {256, i < count ? indices[i] : 257};
        for (size_t k = i % 200 == 0 ? 0 : 1; k < 2; k++) {
            bits |= wanted[k] << bit_count;
            for (bit_count += 9; bit_count >= 8; bit_count -= 8, bits >>= 8)
                picture_add_le(&codes, bits & 255, 1);
        }
    }
    picture_add_le(&codes, bits, 1);
    picture_add_le(gif, 8, 1);
    for (size_t done = 0; done < codes.byte_count;) {
        size_t block = codes.byte_count - done < 255 ? codes.byte_count - done : 255;
        picture_add_le(gif, (uint32_t)block, 1);
        picture_add(gif, codes.bytes + done, block);
        done += block;
    }
    picture_add_le(gif, 0, 1);
    picture_free(&codes);
}

struct picture gif_of(uint32_t width, uint32_t height, uint32_t left, uint32_t top,
                      const uint8_t *indices, const uint8_t *palette)
{
    struct picture gif = {0};
    picture_add_text(&gif, "GIF89a");
    picture_add_le(&gif, width + left, 2);
    picture_add_le(&gif, height + top, 2);
    picture_add(&gif, "\xf7\0\0", 3);
    picture_add(&gif, palette, 256 * 3);
    picture_add(&gif, "!\xf9\x04\x01\0\0\x05\0", 8); // index 5 is transparent
    picture_add_text(&gif, ",");
    picture_add_le(&gif, left, 2);
    picture_add_le(&gif, top, 2);
    picture_add_le(&gif, width, 2);
    picture_add_le(&gif, height, 2);
    picture_add_le(&gif, 0, 1);
    add_gif_codes(&gif, indices, (size_t)width * height);
    picture_add_text(&gif, ";");
    return gif;
}

struct picture tga_of(uint32_t width, uint32_t height, const uint8_t *rgb)
{
    struct picture tga = {0};
    picture_add(&tga, "\0\0\x0a\0\0\0\0\0\0\0\0\0", 12);
    picture_add_le(&tga, width, 2);
    picture_add_le(&tga, height, 2);
    picture_add(&tga, "\x18\x20", 2);
    for (size_t i = 0; i < (size_t)width * height; i++) {
        uint8_t packet[4] = {0x80, rgb[3 * i + 2], rgb[3 * i + 1], rgb[3 * i]}; // a run of one
        picture_add(&tga, packet, 4);
    }
    return tga;
}

struct picture pnm_of(uint32_t width, uint32_t height, int channels, uint32_t largest,
                      const uint8_t *samples)
{
    struct picture pnm = {0};
    char header[64];
    snprintf(header, sizeof header, "P%d\n# comment 12\n%u %u\n%u\n", channels == 1 ? 5 : 6, width,
             height, largest);
    picture_add_text(&pnm, header);
    picture_add(&pnm, samples, (size_t)width * height * (size_t)channels * (largest > 255 ? 2 : 1));
    return pnm;
}
