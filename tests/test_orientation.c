// Defends that EXIF orientation turns a picture as Pillow's ImageOps.exif_transpose does, only when
// asked, and that no EXIF data do any harm.
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "host/image_formats.h"
#include "host/orientation.h"
#include "picture.h"

// A TIFF structure of two entries, the second of which is the orientation.
#define EXIF_BYTES 38

static void make_exif(uint8_t exif[EXIF_BYTES], bool is_big_endian, uint32_t type, uint32_t value)
{
    struct picture tiff = {0};
    void (*add)(struct picture *, uint32_t, int) = is_big_endian ? picture_add_be : picture_add_le;
    picture_add_text(&tiff, is_big_endian ? "MM" : "II");
    add(&tiff, 42, 2);
    add(&tiff, 8, 4);
    add(&tiff, 2, 2);
    add(&tiff, 256, 2); // width
    add(&tiff, 4, 2);
    add(&tiff, 1, 4);
    add(&tiff, 274, 4);
    add(&tiff, 274, 2);
    add(&tiff, type, 2);
    add(&tiff, 1, 4);
    add(&tiff, value, type == 3 ? 2 : 4);
    add(&tiff, 0, type == 3 ? 2 : 0);
    add(&tiff, 0, 4); // no further directory
    assert_int_equal(tiff.byte_count, EXIF_BYTES);
    memcpy(exif, tiff.bytes, EXIF_BYTES);
    picture_free(&tiff);
}

// Of a copy of exact size, so that a sanitizer sees a read beyond its end.
static uint32_t orientation_of(const uint8_t *exif, size_t byte_count)
{
    uint8_t *copy = malloc(byte_count ? byte_count : 1);
    assert_non_null(copy);
    memcpy(copy, exif, byte_count);
    uint32_t orientation = orientation_of_exif(copy, byte_count);
    free(copy);
    assert_true(orientation >= 1 && orientation <= 8);
    return orientation;
}

static void exif_is_read_in_either_byte_order(void **state)
{
    (void)state;
    uint8_t exif[EXIF_BYTES];
    for (uint32_t value = 0; value < 20; value++)
        for (int is_big_endian = 0; is_big_endian < 2; is_big_endian++) {
            uint32_t wanted = value >= 1 && value <= 8 ? value : 1;
            make_exif(exif, is_big_endian, 3, value);
            assert_int_equal(orientation_of(exif, sizeof exif), wanted);
            make_exif(exif, is_big_endian, 4, value);
            assert_int_equal(orientation_of(exif, sizeof exif), wanted);
            make_exif(exif, is_big_endian, 2, value); // text
            assert_int_equal(orientation_of(exif, sizeof exif), 1);
        }
}

static void i05_hostile_exif_is_upright(void **state)
{
    (void)state;
    uint8_t exif[EXIF_BYTES];
    make_exif(exif, true, 3, 6);
    for (size_t end = 0; end <= sizeof exif; end++) // the last entry ends at byte 34
        assert_int_equal(orientation_of(exif, end), end < 34 ? 1 : 6);

    static const uint8_t masks[] = {0xff, 0x80, 0x01};
    for (size_t at = 0; at < sizeof exif; at++)
        for (size_t i = 0; i < COUNT(masks); i++) {
            exif[at] ^= masks[i];
            orientation_of(exif, sizeof exif);
            exif[at] ^= masks[i];
        }

    static const uint32_t offsets[] = {0, 1, 35, 36, 37, 38, 39, 0x7fffffff, 0xffffffff};
    for (size_t i = 0; i < COUNT(offsets); i++) {
        struct picture tiff = {0};
        picture_add(&tiff, "MM\0*", 4);
        picture_add_be(&tiff, offsets[i], 4);
        picture_add(&tiff, exif + 8, sizeof exif - 8);
        assert_int_equal(orientation_of(tiff.bytes, tiff.byte_count), 1);
        picture_free(&tiff);
    }
    memset(exif + 8, 0xff, 2); // 65535 entries
    assert_int_equal(orientation_of(exif, sizeof exif), 6);
}

// 0 1 2
// 3 4 5  by Pillow's transpose().
static void each_orientation_turns_as_pillow_does(void **state)
{
    (void)state;
    static const struct {
        uint32_t width;
        uint8_t pixels[6];
    } wanted[] = {
        {3, {0, 1, 2, 3, 4, 5}}, {3, {2, 1, 0, 5, 4, 3}}, {3, {5, 4, 3, 2, 1, 0}},
        {3, {3, 4, 5, 0, 1, 2}}, {2, {0, 3, 1, 4, 2, 5}}, {2, {3, 0, 4, 1, 5, 2}},
        {2, {5, 2, 4, 1, 3, 0}}, {2, {2, 5, 1, 4, 0, 3}},
    };
    static const enum image_mode modes[] = {IMAGE_L, IMAGE_I16, IMAGE_RGB, IMAGE_CMYK};
    for (uint32_t orientation = 1; orientation <= 8; orientation++)
        for (size_t i = 0; i < COUNT(modes); i++) {
            size_t pixel_bytes = image_pixel_bytes(modes[i]);
            struct image image = {.width_px = 3, .height_px = 2, .mode = modes[i]};
            image.pixels = malloc(6 * pixel_bytes);
            assert_non_null(image.pixels);
            for (size_t at = 0; at < 6 * pixel_bytes; at++)
                image.pixels[at] = (uint8_t)(at / pixel_bytes + 10 * (at % pixel_bytes));
            assert_true(orientation_apply(&image, orientation, "it", NULL));
            assert_int_equal(image.width_px, wanted[orientation - 1].width);
            assert_int_equal(image.height_px, 6 / image.width_px);
            for (size_t at = 0; at < 6 * pixel_bytes; at++)
                assert_int_equal(image.pixels[at],
                                 wanted[orientation - 1].pixels[at / pixel_bytes] +
                                     10 * (at % pixel_bytes));
            image_close(&image);
        }
}

// Opens a picture as it is and upright, and expects it to stand on its side.
static void expect_turned(struct picture picture)
{
    struct image plain, turned;
    vkclip_image wanted = {.path = "it", .bytes = picture.bytes, .byte_count = picture.byte_count};
    assert_true(image_open(&plain, &wanted, NULL));
    wanted.applies_exif = true;
    assert_true(image_open(&turned, &wanted, NULL));
    assert_int_equal(plain.width_px, 24);
    assert_int_equal(turned.width_px, 16);
    assert_true(orientation_apply(&plain, 6, "it", NULL));
    assert_memory_equal(plain.pixels, turned.pixels, 24 * 16 * image_pixel_bytes(plain.mode));
    image_close(&plain);
    image_close(&turned);
    picture_free(&picture);
}

static void i05_jpeg_and_png_are_turned_when_asked(void **state)
{
    (void)state;
    uint8_t noise[24 * 16 * 3], exif[EXIF_BYTES], segment[6 + EXIF_BYTES] = "Exif\0";
    picture_noise(noise, sizeof noise, 4);
    make_exif(exif, false, 3, 6);
    memcpy(segment + 6, exif, sizeof exif);
    struct jpeg_kind kind = {.channels = 3, .exif = segment, .exif_bytes = sizeof segment};
    expect_turned(jpeg_of(24, 16, kind, noise));

    // Before and behind the pixels.
    for (int is_behind = 0; is_behind < 2; is_behind++) {
        struct picture png = {0};
        png_begin(&png, 24, 16, 8, 0);
        if (!is_behind)
            png_chunk(&png, "eXIf", exif, sizeof exif);
        png_pixels(&png, noise, 24, 16, 1);
        if (is_behind)
            png_chunk(&png, "eXIf", exif, sizeof exif);
        png_end(&png);
        expect_turned(png);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exif_is_read_in_either_byte_order),
        cmocka_unit_test(i05_hostile_exif_is_upright),
        cmocka_unit_test(each_orientation_turns_as_pillow_does),
        cmocka_unit_test(i05_jpeg_and_png_are_turned_when_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
