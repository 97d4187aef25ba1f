// Defends that sound pictures become the pixels and modes that Pillow gives them, and that
// everything else is named in the refusal.
#include "test.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "host/image.h"
#include "picture.h"

#define NOISE_PX 4096

static uint8_t noise[NOISE_PX * 4];

static int make_noise(void **state)
{
    (void)state;
    picture_noise(noise, sizeof noise, 1);
    return 0;
}

static struct image decoded(struct picture *picture)
{
    struct image image;
    vkclip_error err = {0};
    vkclip_image wanted = {
        .path = "it", .bytes = picture->bytes, .byte_count = picture->byte_count};
    if (!image_open(&image, &wanted, &err))
        printf("unexpected refusal: %s\n", err.message);
    assert_non_null(image.pixels);
    picture_free(picture);
    return image;
}

static void expect_pixels(struct picture picture, enum image_mode mode, uint32_t width,
                          uint32_t height, const void *pixels, size_t byte_count)
{
    struct image image = decoded(&picture);
    assert_int_equal(image.mode, mode);
    assert_int_equal(image.width_px, width);
    assert_int_equal(image.height_px, height);
    assert_memory_equal(image.pixels, pixels, byte_count);
    image_close(&image);
}

static void expect_refusal(const void *bytes, size_t byte_count, const char *reason)
{
    // A copy of exact size, so that a sanitizer sees a read beyond its end.
    uint8_t *copy = malloc(byte_count ? byte_count : 1);
    assert_non_null(copy);
    memcpy(copy, bytes, byte_count);
    struct image image;
    vkclip_error err = {0};
    vkclip_image wanted = {.path = "it.png", .bytes = copy, .byte_count = byte_count};
    assert_false(image_open(&image, &wanted, &err));
    free(copy);
    assert_null(image.pixels);
    assert_true(err.status == VKCLIP_ERROR_FILE);
    assert_true(strncmp(err.message, "it.png: ", 8) == 0);
    if (!strstr(err.message, reason))
        printf("'%s' does not say '%s'\n", err.message, reason);
    assert_non_null(strstr(err.message, reason));
}

static void i01_what_is_no_picture_is_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *reason, *bytes;
        size_t byte_count;
    } cases[] = {
        {"empty", "", 0},
        {"known format", "\x01", 1},
        {"text file", "x", 1},
        {"truncated", "\xff\xd8\xff", 3},
        {"PNG", "\x89PNG\r\n\x1a\n", 8},
        {"truncated", "GIF89a", 6},
        {"truncated", "BM", 2},
        {"PNM: damaged header", "P6", 2},
        {"text file", "label,file\nbone,a.png\n", 21},
        {"Git LFS pointer", "version https://git-lfs.github.com/spec/v1\noid sha256:0\n", 56},
        {"WebP", "RIFF\x10\0\0\0WEBPVP8 ", 16},
        {"TIFF", "II*\0\x08\0\0\0", 8},
        {"TIFF", "MM\0*\0\0\0\x08", 8},
        {"BigTIFF", "II+\0\x08\0\0\0", 8},
        {"HEIC",
         "\0\0\0\x18"
         "ftypheic",
         12},
        {"AVIF",
         "\0\0\0\x18"
         "ftypavif",
         12},
        {"JPEG 2000", "\0\0\0\x0cjP  \r\n\x87\n", 12},
        {"JPEG XL", "\xff\x0a\0\0", 4},
        {"PDF", "%PDF-1.7", 8},
        {"zip", "PK\x03\x04\0\0", 6},
        {"gzip", "\x1f\x8b\x08", 3},
        {"SVG", "<svg xmlns=", 11},
        {"plain PNM", "P3\n1 1\n255\n1 2 3\n", 17},
        {"damaged signature", "\x89PNG\n\x1a\n\0\0\0\rIHDR", 15},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        expect_refusal(cases[i].bytes, cases[i].byte_count, cases[i].reason);

    uint8_t dicom[140] = {0};
    memcpy(dicom + 128, "DICM", 4);
    expect_refusal(dicom, sizeof dicom, "DICOM");
}

static void i01_the_format_is_told_from_the_bytes_not_the_name(void **state)
{
    (void)state;
    struct picture jpeg = jpeg_of(8, 8, (struct jpeg_kind){.channels = 1}, noise);
    FILE *file = fopen("build_test_image.png", "wb");
    assert_non_null(file);
    fwrite(jpeg.bytes, 1, jpeg.byte_count, file);
    fclose(file);
    picture_free(&jpeg);

    struct image image;
    vkclip_error err;
    const vkclip_image wanted = {.path = "build_test_image.png"};
    assert_true(image_open(&image, &wanted, &err));
    remove("build_test_image.png");
    assert_int_equal(image.mode, IMAGE_L);
    image_close(&image);
    assert_false(image_open(&image, &wanted, &err));
    assert_non_null(strstr(err.message, "build_test_image.png"));
}

static void png_of_8_bits_keeps_its_pixels(void **state)
{
    (void)state;
    static const struct {
        int color_type, channels;
        enum image_mode mode;
    } cases[] = {{0, 1, IMAGE_L}, {2, 3, IMAGE_RGB}, {4, 2, IMAGE_LA}, {6, 4, IMAGE_RGBA}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct picture png = {0};
        png_begin(&png, 31, 17, 8, cases[i].color_type);
        size_t row_bytes = 31 * (size_t)cases[i].channels;
        png_pixels(&png, noise, row_bytes, 17, 3);
        png_end(&png);
        expect_pixels(png, cases[i].mode, 31, 17, noise, 17 * row_bytes);
    }
}

static void png_of_few_bits_is_unpacked(void **state)
{
    (void)state;
    static const uint8_t row[1] = {0x1b}; // 00 01 10 11
    static const struct {
        int bits;
        uint32_t width;
        uint8_t grey[8], index[8];
        enum image_mode mode;
    } cases[] = {
        {1, 7, {0, 0, 0, 255, 255, 0, 255}, {0, 0, 0, 1, 1, 0, 1}, IMAGE_BILEVEL},
        {2, 4, {0, 85, 170, 255}, {0, 1, 2, 3}, IMAGE_L},
        {4, 2, {17, 187}, {1, 11}, IMAGE_L},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct picture png = {0};
        png_begin(&png, cases[i].width, 1, cases[i].bits, 0);
        png_pixels(&png, row, 1, 1, 1);
        png_end(&png);
        expect_pixels(png, cases[i].mode, cases[i].width, 1, cases[i].grey, cases[i].width);

        png = (struct picture){0};
        png_begin(&png, cases[i].width, 1, cases[i].bits, 3);
        png_chunk(&png, "PLTE", "abcdef", 6);
        png_pixels(&png, row, 1, 1, 1);
        png_end(&png);
        struct image image = decoded(&png);
        assert_int_equal(image.mode, IMAGE_PALETTE);
        assert_memory_equal(image.pixels, cases[i].index, cases[i].width);
        assert_memory_equal(image.palette, "abcdef\0\0\0\0\0\0", 12); // beyond PLTE is black
        image_close(&image);
    }
}

static void png_of_16_bits_keeps_grey_and_halves_colour(void **state)
{
    (void)state;
    static const uint8_t row[8] = {0x01, 0x2c, 0xff, 0x80, 0x7f, 0xff, 0x00, 0xff};
    struct picture png = {0};
    png_begin(&png, 4, 1, 16, 0);
    png_pixels(&png, row, 8, 1, 1);
    png_end(&png);
    expect_pixels(png, IMAGE_I16, 4, 1, ((uint16_t[]){300, 0xff80, 0x7fff, 255}), 8);

    png = (struct picture){0};
    png_begin(&png, 1, 1, 16, 6);
    png_pixels(&png, row, 8, 1, 1);
    png_end(&png);
    expect_pixels(png, IMAGE_RGBA, 1, 1, ((uint8_t[]){0x01, 0xff, 0x7f, 0x00}), 4);

    png = (struct picture){0};
    png_begin(&png, 2, 1, 16, 4);
    png_pixels(&png, row, 8, 1, 1);
    png_end(&png);
    expect_pixels(png, IMAGE_LA, 2, 1, ((uint8_t[]){0x01, 0xff, 0x7f, 0x00}), 4);
}

static void i07_gamma_and_transparent_colour_change_nothing(void **state)
{
    (void)state;
    struct picture png = {0};
    png_begin(&png, 16, 16, 8, 2);
    png_chunk(&png, "gAMA", "\0\0\x10\0", 4);
    png_chunk(&png, "sRGB", "\0", 1);
    png_chunk(&png, "tRNS", "\0\x01\0\x02\0\x03", 6);
    png_pixels(&png, noise, 48, 16, 1);
    png_end(&png);
    expect_pixels(png, IMAGE_RGB, 16, 16, noise, 768);
}

static void i03_png_of_many_tiny_idats_with_data_after_its_end_is_accepted(void **state)
{
    (void)state;
    struct picture png = {0};
    png_begin(&png, 32, 32, 8, 2);
    png_pixels(&png, noise, 96, 32, 4000); // most are empty
    png_end(&png);
    picture_add_text(&png, "trailing text");
    expect_pixels(png, IMAGE_RGB, 32, 32, noise, 3072);
}

// Quality 90 on smooth data errs by a few levels; what is checked is the meaning of the channels.
static void i04_cmyk_and_ycck_jpeg_are_inverted_as_adobe_writes_them(void **state)
{
    (void)state;
    uint8_t ink[16 * 16 * 4];
    for (size_t i = 0; i < sizeof ink; i++)
        ink[i] = (uint8_t)(40 * (i % 4) + 30);
    for (int is_ycck = 0; is_ycck < 2; is_ycck++) {
        struct jpeg_kind kind = {.channels = 4, .is_ycck = is_ycck};
        struct picture jpeg = jpeg_of(16, 16, kind, ink);
        struct image image = decoded(&jpeg);
        assert_int_equal(image.mode, IMAGE_CMYK);
        for (size_t i = 0; i < sizeof ink; i++)
            assert_true(abs(image.pixels[i] + ink[i] - 255) <= 4);
        image_close(&image);
    }
}

static void i04_unusual_but_whole_jpegs_are_decoded(void **state)
{
    (void)state;
    static const struct jpeg_kind kinds[] = {
        {.channels = 1},
        {.channels = 3},
        {.channels = 3, .is_progressive = true},
        {.channels = 3, .is_arithmetic = true},
        {.channels = 3, .is_split = true},
        {.channels = 3, .restart_interval = 1},
        {.channels = 3, .is_progressive = true, .restart_interval = 2},
    };
    struct image first = {0};
    for (size_t i = 0; i < COUNT(kinds); i++) {
        struct picture jpeg = jpeg_of(33, 19, kinds[i], noise);
        struct image image = decoded(&jpeg);
        assert_int_equal(image.mode, kinds[i].channels == 1 ? IMAGE_L : IMAGE_RGB);
        if (i == 1)
            first = image;
        else if (i > 1) // the coding differs, the coefficients do not
            assert_memory_equal(image.pixels, first.pixels, 33 * 19 * 3);
        if (i != 1)
            image_close(&image);
    }
    image_close(&first);
}

static void i05_exif_orientation_is_not_applied(void **state)
{
    (void)state;
    static const uint8_t rotated[] = "Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06"
                                     "\0\0\0\0\0";
    struct jpeg_kind kind = {.channels = 3};
    struct picture plain = jpeg_of(24, 16, kind, noise);
    kind.exif = rotated;
    kind.exif_bytes = sizeof rotated - 1;
    struct picture turned = jpeg_of(24, 16, kind, noise);
    struct image image = decoded(&plain);
    expect_pixels(turned, IMAGE_RGB, 24, 16, image.pixels, 24 * 16 * 3);
    image_close(&image);
}

static void i06_extreme_shapes_are_decoded(void **state)
{
    (void)state;
    static const uint32_t shapes[][2] = {{1, 1},   {1, 5000},  {5000, 1}, {224, 224},
                                         {3, 777}, {1, 16384}, {16384, 1}};
    uint8_t *pixels = malloc(16384 * 3 + 224 * 224 * 3);
    assert_non_null(pixels);
    picture_noise(pixels, 16384 * 3 + 224 * 224 * 3, 9);
    for (size_t i = 0; i < COUNT(shapes); i++) {
        uint32_t width = shapes[i][0], height = shapes[i][1];
        size_t byte_count = (size_t)width * height * 3;
        expect_pixels(png_of(width, height, 2, pixels), IMAGE_RGB, width, height, pixels,
                      byte_count);
        expect_pixels(bmp_of(width, height, pixels), IMAGE_RGB, width, height, pixels, byte_count);
        expect_pixels(tga_of(width, height, pixels), IMAGE_RGB, width, height, pixels, byte_count);
        expect_pixels(pnm_of(width, height, 3, 255, pixels), IMAGE_RGB, width, height, pixels,
                      byte_count);
    }
    free(pixels);
}

static void gif_is_read_as_indices_on_its_screen(void **state)
{
    (void)state;
    uint8_t palette[768];
    picture_noise(palette, sizeof palette, 3);
    struct picture gif = gif_of(40, 30, 3, 2, noise, palette);
    struct image image = decoded(&gif);
    assert_int_equal(image.mode, IMAGE_PALETTE);
    assert_int_equal(image.width_px, 43);
    assert_int_equal(image.height_px, 32);
    assert_memory_equal(image.palette, palette, sizeof palette);
    for (size_t x = 0; x < 43 * 2 + 3; x++)
        assert_int_equal(image.pixels[x], 5); // outside the frame: the transparent index
    for (size_t y = 0; y < 30; y++)
        assert_memory_equal(image.pixels + (y + 2) * 43 + 3, noise + y * 40, 40);
    image_close(&image);

    for (size_t i = 0; i < 256; i++)
        memset(palette + 3 * i, (int)i, 3);
    expect_pixels(gif_of(40, 30, 0, 0, noise, palette), IMAGE_L, 40, 30, noise, 1200);
}

// Little-endian; 100 of 256 colours, of which Pillow leaves the rest black.
static void bmp_of_8_bits_is_read_as_indices(void **state)
{
    (void)state;
    struct picture bmp = {0};
    picture_add(&bmp, "BM\0\0\0\0\0\0\0\0\xc6\x01\0\0\x28\0\0\0", 18);
    picture_add_le(&bmp, 12, 4);
    picture_add_le(&bmp, (uint32_t)-9, 4); // top row first
    picture_add(&bmp, "\x01\0\x08\0", 4);
    for (int i = 0; i < 4; i++)
        picture_add_le(&bmp, 0, 4);
    picture_add_le(&bmp, 100, 4);
    picture_add_le(&bmp, 0, 4);
    picture_add(&bmp, noise, 400);
    picture_add(&bmp, noise, 12 * 9);
    struct image image = decoded(&bmp);
    assert_int_equal(image.mode, IMAGE_PALETTE);
    assert_memory_equal(image.pixels, noise, 12 * 9);
    assert_int_equal(image.palette[3 * 99], noise[4 * 99 + 2]);
    assert_int_equal(image.palette[3 * 100], 0);
    image_close(&image);
}

static void pnm_samples_are_scaled_to_full_range(void **state)
{
    (void)state;
    static const uint8_t small[3] = {0, 50, 100}, large[4] = {0x01, 0x2c, 0xff, 0xff};
    expect_pixels(pnm_of(3, 1, 1, 100, small), IMAGE_L, 3, 1, "\0\x80\xff", 3); // 127.5 to even
    expect_pixels(pnm_of(2, 1, 1, 65535, large), IMAGE_I, 2, 1, ((uint16_t[]){300, 65535}), 4);
    expect_pixels(pnm_of(1, 1, 1, 600, large), IMAGE_I, 1, 1, ((uint16_t[]){32768}), 2);
}

// Decodes every file of a folder whose name ends in .png. Skips where the data is not there.
static void decode_folder(const char *folder, bool expect_success, size_t *count)
{
    DIR *directory = opendir(folder);
    if (!directory) {
        printf("%s is absent\n", folder);
        skip();
        return;
    }
    struct dirent *entry;
    while ((entry = readdir(directory))) {
        if (!strstr(entry->d_name, ".png"))
            continue;
        char path[512];
        snprintf(path, sizeof path, "%s/%.200s", folder, entry->d_name);
        struct image image;
        vkclip_error err = {0};
        bool is_open = image_open(&image, &(vkclip_image){.path = path}, &err);
        if (is_open != expect_success)
            printf("%s: %s\n", path, is_open ? "accepted" : err.message);
        assert_true(is_open == expect_success);
        assert_true(is_open || strlen(err.message) > strlen(path) + 2);
        image_close(&image);
        ++*count;
    }
    closedir(directory);
}

static void i02_corrupt_pngsuite_is_refused(void **state)
{
    (void)state;
    size_t count = 0;
    decode_folder("../shared/data/decoder/pngsuite/corrupt", false, &count);
    assert_true(count >= 12);
}

static void i02_sound_pngsuite_is_decoded(void **state)
{
    (void)state;
    size_t count = 0;
    decode_folder("../shared/data/decoder/pngsuite/primary", true, &count);
    decode_folder("../shared/data/decoder/pngsuite/16bit", true, &count);
    assert_true(count >= 80);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(i01_what_is_no_picture_is_refused_by_name),
        cmocka_unit_test(i01_the_format_is_told_from_the_bytes_not_the_name),
        cmocka_unit_test(png_of_8_bits_keeps_its_pixels),
        cmocka_unit_test(png_of_few_bits_is_unpacked),
        cmocka_unit_test(png_of_16_bits_keeps_grey_and_halves_colour),
        cmocka_unit_test(i07_gamma_and_transparent_colour_change_nothing),
        cmocka_unit_test(i03_png_of_many_tiny_idats_with_data_after_its_end_is_accepted),
        cmocka_unit_test(i04_cmyk_and_ycck_jpeg_are_inverted_as_adobe_writes_them),
        cmocka_unit_test(i04_unusual_but_whole_jpegs_are_decoded),
        cmocka_unit_test(i05_exif_orientation_is_not_applied),
        cmocka_unit_test(i06_extreme_shapes_are_decoded),
        cmocka_unit_test(gif_is_read_as_indices_on_its_screen),
        cmocka_unit_test(bmp_of_8_bits_is_read_as_indices),
        cmocka_unit_test(pnm_samples_are_scaled_to_full_range),
        cmocka_unit_test(i02_corrupt_pngsuite_is_refused),
        cmocka_unit_test(i02_sound_pngsuite_is_decoded),
    };
    return cmocka_run_group_tests(tests, make_noise, NULL);
}
