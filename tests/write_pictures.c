// Writes the pictures that compare_pixels.py shows to Pillow and to vkclip, into a folder:
// JPEGs of every sampling, coding and colour space that libjpeg writes, some of them cut off; PNGs
// of every colour type and depth, plain and interlaced, with and without tRNS; shapes that make the
// resize go one way or the other; EXIF orientations.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "picture.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const char *folder;

// Writes a file and frees it.
static void put(struct picture picture, const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    bool is_written =
        file && fwrite(picture.bytes, 1, picture.byte_count, file) == picture.byte_count;
    if (!file || fclose(file) != 0 || !is_written) {
        perror(path);
        exit(1);
    }
    picture_free(&picture);
}

// A picture with slopes, edges and noise: a 16-bit sample at a place.
static uint32_t sample_at(uint32_t x, uint32_t y, uint32_t channel)
{
    uint32_t noise = (x * 2654435761u ^ y * 2246822519u ^ channel * 3266489917u) * 668265263u;
    uint32_t slopes = x * (180 + 90 * channel) + y * (260 - 70 * channel) + channel * 17000;
    uint32_t edges = (x / 23 + y / 31) % 3 * 9000;
    return (slopes + edges + (noise >> 20)) & 65535;
}

static uint8_t *make_samples(uint32_t width, uint32_t height, uint32_t channels)
{
    uint8_t *samples = malloc((size_t)width * height * channels);
    if (!samples)
        exit(1);
    for (size_t i = 0; i < (size_t)width * height * channels; i++) {
        uint32_t pixel = (uint32_t)(i / channels);
        samples[i] =
            (uint8_t)(sample_at(pixel % width, pixel / width, (uint32_t)(i % channels)) >> 8);
    }
    return samples;
}

static struct picture make_jpeg(uint32_t width, uint32_t height, struct jpeg_kind kind)
{
    uint8_t *samples = make_samples(width, height, (uint32_t)kind.channels);
    struct picture jpeg = jpeg_of(width, height, kind, samples);
    free(samples);
    return jpeg;
}

static void write_samplings(void)
{
    static const char *const factors[] = {
        "11-11-11", "21-11-11", "12-11-11", "22-11-11", "41-11-11", "42-11-11", "14-11-11",
        "24-11-11", "22-12-21", "22-21-11", "31-11-11", "13-11-11", "11-22-22", "12-21-11",
    };
    static const uint32_t sizes[][2] = {{237, 301}, {61, 47}};
    for (size_t i = 0; i < COUNT(factors); i++)
        for (size_t k = 0; k < COUNT(sizes); k++)
            for (int is_progressive = 0; is_progressive < 2; is_progressive++) {
                struct jpeg_kind kind = {
                    .channels = 3, .is_progressive = is_progressive, .factors = factors[i]};
                char name[128];
                snprintf(name, sizeof name, "jpeg_%s_%ux%u%s.jpg", factors[i], sizes[k][0],
                         sizes[k][1], is_progressive ? "_progressive" : "");
                put(make_jpeg(sizes[k][0], sizes[k][1], kind), name);
            }
}

// Of kinds of JPEG: whole, and cut off at each twelfth. Not so with arithmetic coding, which Pillow
// cannot decode in portions: it keeps the rows it had where the first portion ends, vkclip goes on.
static void write_kinds(void)
{
    static const struct {
        const char *name;
        struct jpeg_kind kind;
    } kinds[] = {
        {"grey", {.channels = 1}},
        {"grey_progressive", {.channels = 1, .is_progressive = true}},
        {"grey_restarts", {.channels = 1, .restart_interval = 3}},
        {"grey_22", {.channels = 1, .factors = "22"}},
        {"rgb", {.channels = 3, .is_untransformed = true}},
        {"unmarked", {.channels = 3, .is_unmarked = true}},
        {"restart_1", {.channels = 3, .restart_interval = 1}},
        {"restart_7_progressive", {.channels = 3, .is_progressive = true, .restart_interval = 7}},
        {"split", {.channels = 3, .is_split = true}},
        {"split_restarts", {.channels = 3, .is_split = true, .restart_interval = 5}},
        {"arithmetic", {.channels = 3, .is_arithmetic = true}},
        {"arithmetic_progressive", {.channels = 3, .is_arithmetic = true, .is_progressive = true}},
        {"cmyk", {.channels = 4}},
        {"cmyk_progressive", {.channels = 4, .is_progressive = true}},
        {"cmyk_unmarked", {.channels = 4, .is_unmarked = true}},
        {"cmyk_restarts", {.channels = 4, .restart_interval = 4}},
        {"ycck", {.channels = 4, .is_ycck = true, .factors = "11-11-11-11"}},
        {"ycck_422", {.channels = 4, .is_ycck = true, .factors = "21-11-11-21"}},
        {"ycck_420", {.channels = 4, .is_ycck = true, .factors = "22-11-11-22"}},
        {"ycck_420_progressive",
         {.channels = 4, .is_ycck = true, .is_progressive = true, .factors = "22-11-11-22"}},
    };
    for (size_t i = 0; i < COUNT(kinds); i++) {
        struct picture whole = make_jpeg(119, 83, kinds[i].kind);
        for (size_t part = kinds[i].kind.is_arithmetic ? 12 : 1; part <= 12; part++) {
            struct picture cut = {0};
            char name[128];
            picture_add(&cut, whole.bytes, whole.byte_count * part / 12);
            if (part < 12)
                snprintf(name, sizeof name, "jpeg_%s_cut_%02zu.jpg", kinds[i].name, part);
            else
                snprintf(name, sizeof name, "jpeg_%s.jpg", kinds[i].name);
            put(cut, name);
        }
        picture_free(&whole);
    }
}

static void write_jpeg_shapes(void)
{
    static const uint32_t shapes[][2] = {
        {1, 1},     {2, 3},     {8, 8},     {16, 16},   {17, 33},    {5, 600},   {600, 5},
        {120, 500}, {300, 601}, {300, 599}, {900, 300}, {300, 1900}, {224, 224}, {448, 224}};
    for (size_t i = 0; i < COUNT(shapes); i++) {
        char name[128];
        snprintf(name, sizeof name, "jpeg_shape_%ux%u.jpg", shapes[i][0], shapes[i][1]);
        put(make_jpeg(shapes[i][0], shapes[i][1], (struct jpeg_kind){.channels = 3}), name);
    }
}

struct png_kind {
    int bits, color_type;
    bool is_interlaced, has_transparency, is_dark; // dark: values of 16 bits around 255
};

static const uint32_t png_channels[7] = {[0] = 1, [2] = 3, [3] = 1, [4] = 2, [6] = 4};

// One row of samples, packed, with filter 0 before it.
static void add_row(struct picture *data, struct png_kind kind, const uint32_t *columns,
                    uint32_t column_count, uint32_t y)
{
    uint32_t channels = png_channels[kind.color_type], bits = (uint32_t)kind.bits;
    uint32_t packed = 0, packed_bits = 0;
    picture_add(data, "", 1);
    for (uint32_t i = 0; i < column_count * channels; i++) {
        uint32_t sample = sample_at(columns[i / channels], y, i % channels);
        if (kind.is_dark)
            sample /= 128;
        packed = packed << bits | sample >> (16 - bits);
        packed_bits += bits;
        if (packed_bits >= 8) {
            picture_add_be(data, packed, (int)packed_bits / 8);
            packed = packed_bits = 0;
        }
    }
    if (packed_bits > 0)
        picture_add_be(data, packed << (8 - packed_bits), 1);
}

// The pixels of each Adam7 pass; a plain picture is one pass of all.
static void add_passes(struct picture *data, struct png_kind kind, uint32_t width, uint32_t height)
{
    static const uint32_t passes[][4] = {{0, 0, 8, 8}, {4, 0, 8, 8}, {0, 4, 4, 8}, {2, 0, 4, 4},
                                         {0, 2, 2, 4}, {1, 0, 2, 2}, {0, 1, 1, 2}, {0, 0, 1, 1}};
    uint32_t *columns = malloc(width * sizeof *columns);
    if (!columns)
        exit(1);
    for (uint32_t i = kind.is_interlaced ? 0 : 7; i < (kind.is_interlaced ? 7u : 8u); i++) {
        uint32_t count = 0;
        for (uint32_t x = passes[i][0]; x < width; x += passes[i][2])
            columns[count++] = x;
        for (uint32_t y = passes[i][1]; y < height && count > 0; y += passes[i][3])
            add_row(data, kind, columns, count, y);
    }
    free(columns);
}

static void add_palette(struct picture *png, struct png_kind kind)
{
    uint32_t color_count = 1u << kind.bits;
    uint8_t palette[256 * 3], alpha[256];
    picture_noise(palette, sizeof palette, 7);
    picture_noise(alpha, sizeof alpha, 8);
    png_chunk(png, "PLTE", palette, color_count * 3);
    if (kind.has_transparency)
        png_chunk(png, "tRNS", alpha, color_count);
}

static struct picture make_png(uint32_t width, uint32_t height, struct png_kind kind,
                               uint32_t orientation)
{
    struct picture png = {0}, header = {0}, data = {0}, exif = {0};
    picture_add(&png, "\x89PNG\r\n\x1a\n", 8);
    picture_add_be(&header, width, 4);
    picture_add_be(&header, height, 4);
    picture_add(&header,
                (uint8_t[]){(uint8_t)kind.bits, (uint8_t)kind.color_type, 0, 0, kind.is_interlaced},
                5);
    png_chunk(&png, "IHDR", header.bytes, header.byte_count);
    if (kind.color_type == 3)
        add_palette(&png, kind);
    else if (kind.has_transparency)
        png_chunk(&png, "tRNS", "\0\1\0\2\0\3", 2 * png_channels[kind.color_type]);
    if (orientation > 0) {
        picture_add(&exif, "II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0", 18);
        picture_add_le(&exif, orientation, 4);
        picture_add_le(&exif, 0, 4);
        png_chunk(&png, "eXIf", exif.bytes, exif.byte_count);
    }
    add_passes(&data, kind, width, height);
    png_data(&png, data.bytes, data.byte_count, 3);
    png_end(&png);
    picture_free(&header);
    picture_free(&data);
    picture_free(&exif);
    return png;
}

static void write_png_kinds(void)
{
    static const int kinds[][2] = {{1, 0}, {2, 0}, {4, 0}, {8, 0}, {16, 0}, {8, 2}, {16, 2}, {1, 3},
                                   {2, 3}, {4, 3}, {8, 3}, {8, 4}, {16, 4}, {8, 6}, {16, 6}};
    static const uint32_t sizes[][2] = {{37, 29}, {300, 261}};
    for (size_t i = 0; i < COUNT(kinds); i++)
        for (size_t k = 0; k < COUNT(sizes); k++)
            for (int flags = 0; flags < 4; flags++) {
                struct png_kind kind = {.bits = kinds[i][0],
                                        .color_type = kinds[i][1],
                                        .is_interlaced = flags & 1,
                                        .has_transparency = flags & 2};
                char name[128];
                if (kind.has_transparency && kind.color_type >= 4)
                    continue;
                snprintf(name, sizeof name, "png_%d_of_%d_bits_%ux%u%s%s.png", kind.color_type,
                         kind.bits, sizes[k][0], sizes[k][1], kind.is_interlaced ? "_adam7" : "",
                         kind.has_transparency ? "_trns" : "");
                put(make_png(sizes[k][0], sizes[k][1], kind, 0), name);
            }
}

static void write_png_shapes(void)
{
    static const struct {
        const char *name;
        struct png_kind kind;
    } kinds[] = {
        {"grey", {.bits = 8, .color_type = 0}},
        {"deep", {.bits = 16, .color_type = 0}},
        {"dark", {.bits = 16, .color_type = 0, .is_dark = true}},
        {"rgb", {.bits = 8, .color_type = 2}},
        {"palette", {.bits = 8, .color_type = 3}},
        {"greya", {.bits = 8, .color_type = 4}},
        {"rgba", {.bits = 8, .color_type = 6}},
    };
    static const uint32_t shapes[][2] = {{1, 1},     {224, 224}, {300, 601}, {300, 599},
                                         {601, 300}, {250, 700}, {224, 500}, {30, 333}};
    for (size_t i = 0; i < COUNT(kinds); i++)
        for (size_t k = 0; k < COUNT(shapes); k++) {
            char name[128];
            snprintf(name, sizeof name, "png_shape_%s_%ux%u.png", kinds[i].name, shapes[k][0],
                     shapes[k][1]);
            put(make_png(shapes[k][0], shapes[k][1], kinds[i].kind, 0), name);
        }
}

static void write_orientations(void)
{
    for (uint32_t orientation = 1; orientation <= 8; orientation++) {
        uint8_t exif[] = "Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\0\0\0\0\0\0";
        char name[128];
        exif[25] = (uint8_t)orientation;
        struct jpeg_kind kind = {.channels = 3, .exif = exif, .exif_bytes = sizeof exif - 1};
        snprintf(name, sizeof name, "jpeg_orientation_%u.jpg", orientation);
        put(make_jpeg(90, 61, kind), name);
        snprintf(name, sizeof name, "png_orientation_%u.png", orientation);
        put(make_png(61, 90, (struct png_kind){.bits = 16, .color_type = 0}, orientation), name);
    }
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: write_pictures FOLDER\n");
        return 2;
    }
    folder = argv[1];
    write_samplings();
    write_kinds();
    write_jpeg_shapes();
    write_png_kinds();
    write_png_shapes();
    write_orientations();
    return 0;
}
