// Defends the greys that a window makes of more than 8 bits, that only such pictures have one, and
// that a picture which turns white for want of one is spoken of.
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "host/image.h"
#include "host/window.h"
#include "picture.h"

// The examples in the note of DICOM PS3.3, C.11.2.1.2.1.
static void greys_are_those_of_the_standard(void **state)
{
    (void)state;
    static const struct {
        double center, width, value;
        uint8_t grey;
    } cases[] = {
        {2048, 4096, -1, 0},     {2048, 4096, 0, 0},      {2048, 4096, 4095, 255},
        {2048, 4096, 4096, 255}, {2048, 4096, 2048, 128}, // 127.53
        {2048, 1, 2047, 0},      {2048, 1, 2047.5, 0},    {2048, 1, 2048, 255},
        {0, 100, -50, 0},        {0, 100, 49, 255},       {0, 100, 50, 255},
        {0, 100, 0, 129}, // 128.79
        {0, 100, -1, 126},       {0, 1, -0.5, 0},         {0, 1, 0, 255},
        {40, 400, -160, 0},      {40, 400, 239, 255},     {40, 400, 40, 128},
        {-600, 1500, -1351, 0},  {-600, 1500, -600, 128}, {-600, 1500, 149, 255},
        {0, 1e300, 5, 128},      {1e300, 2, 5, 0},        {-1e300, 2, 5, 255},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct window window = {cases[i].center, cases[i].width};
        assert_int_equal(window_grey(&window, cases[i].value), cases[i].grey);
    }
}

static void a_window_between_two_values_ends_at_them(void **state)
{
    (void)state;
    static const uint32_t ends[][2] = {{0, 255}, {0, 65535}, {7, 8}, {300, 4095}, {9, 9}};
    for (size_t i = 0; i < COUNT(ends); i++) {
        uint32_t low = ends[i][0], high = ends[i][1];
        struct window window = window_between(low, high);
        assert_int_equal(window_grey(&window, low), 0);
        assert_int_equal(window_grey(&window, high + 1), 255);
        if (low < high)
            assert_int_equal(window_grey(&window, high), 255);
        uint8_t last = 0;
        for (uint32_t value = low; value < high; value++) {
            uint8_t grey = window_grey(&window, value);
            assert_true(grey >= last &&
                        grey == (uint8_t)(255.0 * (value - low) / (high - low) + 0.5));
            last = grey;
        }
    }
}

// By numpy.percentile(values, [0.5, 99.5], method="inverted_cdf").
static void percentiles_are_numpys(void **state)
{
    (void)state;
    static const struct {
        uint32_t first, step, count; // a pixel each of these values
        uint32_t black, white;       // and so many of 0 and of 65535
        uint32_t low, high;
    } cases[] = {
        {0, 1, 1000, 0, 0, 4, 994},     {7, 1, 1, 0, 0, 7, 7},
        {5, 4, 2, 0, 0, 5, 9},          {0, 7, 9363, 0, 0, 322, 65212},
        {100, 0, 1000, 5, 5, 100, 100}, {100, 0, 1000, 6, 6, 0, 65535},
    };
    uint32_t *counts = malloc(WINDOW_VALUES * sizeof *counts);
    assert_non_null(counts);
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint32_t low, high;
        memset(counts, 0, WINDOW_VALUES * sizeof *counts);
        for (uint32_t k = 0; k < cases[i].count; k++)
            counts[cases[i].first + k * cases[i].step]++;
        counts[0] += cases[i].black;
        counts[65535] += cases[i].white;
        window_percentiles(counts, &low, &high);
        assert_int_equal(low, cases[i].low);
        assert_int_equal(high, cases[i].high);
    }
    free(counts);
}

static struct picture png_of_16_bits(uint32_t width, uint32_t height, const uint8_t *rows)
{
    struct picture png = {0};
    png_begin(&png, width, height, 16, 0);
    png_pixels(&png, rows, width * 2, height, 1);
    png_end(&png);
    return png;
}

struct heard {
    uint32_t count;
    char message[256];
};

static void hear(void *user, vkclip_log_level level, const char *message)
{
    struct heard *heard = user;
    assert_true(level == VKCLIP_LOG_WARNING);
    heard->count++;
    snprintf(heard->message, sizeof heard->message, "%s", message);
}

static const uint8_t four_values[8] = {0x00, 0x64, 0x01, 0x2c, 0x01, 0xf4, 0xff, 0xff};

static void pictures_of_16_bits_become_8(void **state)
{
    (void)state;
    struct heard heard = {0};
    struct picture pictures[] = {png_of_16_bits(4, 1, four_values),
                                 pnm_of(4, 1, 1, 65535, four_values)};
    for (size_t i = 0; i < COUNT(pictures); i++) {
        struct image image;
        vkclip_image wanted = {.path = "it",
                               .bytes = pictures[i].bytes,
                               .byte_count = pictures[i].byte_count,
                               .window = VKCLIP_WINDOW_LINEAR,
                               .window_center = 300.5,
                               .window_width = 401,
                               .log = {hear, &heard}};
        assert_true(image_open(&image, &wanted, NULL)); // 100 to 500
        assert_int_equal(image.mode, IMAGE_L);
        assert_memory_equal(image.pixels, ((uint8_t[]){0, 128, 255, 255}), 4);
        image_close(&image);

        wanted.window = VKCLIP_WINDOW_AUTO; // 100 to 65535
        assert_true(image_open(&image, &wanted, NULL));
        assert_int_equal(image.mode, IMAGE_L);
        assert_memory_equal(image.pixels, ((uint8_t[]){0, 1, 2, 255}), 4);
        image_close(&image);
        picture_free(&pictures[i]);
    }
    assert_int_equal(heard.count, 0);
}

static void pictures_of_8_bits_have_no_window(void **state)
{
    (void)state;
    uint8_t noise[64];
    picture_noise(noise, sizeof noise, 3);
    struct picture png = png_of(8, 8, 0, noise);
    struct image image;
    vkclip_image wanted = {.path = "it",
                           .bytes = png.bytes,
                           .byte_count = png.byte_count,
                           .window = VKCLIP_WINDOW_AUTO};
    assert_true(image_open(&image, &wanted, NULL));
    assert_memory_equal(image.pixels, noise, sizeof noise);
    image_close(&image);
    picture_free(&png);
}

static void a_picture_that_turns_white_is_spoken_of(void **state)
{
    (void)state;
    static const uint8_t dark[4] = {0, 0, 0, 255};
    struct picture white = png_of_16_bits(4, 1, four_values), black = png_of_16_bits(2, 1, dark);
    struct heard heard = {0};
    struct image image;
    vkclip_image wanted = {
        .path = "it", .bytes = white.bytes, .byte_count = white.byte_count, .log = {hear, &heard}};
    assert_true(image_open(&image, &wanted, NULL));
    assert_int_equal(image.mode, IMAGE_I16);
    image_close(&image);
    assert_int_equal(heard.count, 1);
    assert_non_null(strstr(heard.message, "it: 75 %"));
    assert_non_null(strstr(heard.message, "--window"));

    wanted.bytes = black.bytes;
    wanted.byte_count = black.byte_count;
    assert_true(image_open(&image, &wanted, NULL));
    image_close(&image);
    assert_int_equal(heard.count, 1);
    picture_free(&white);
    picture_free(&black);
}

static void a_window_of_no_width_is_refused(void **state)
{
    (void)state;
    static const double windows[][2] = {{0, 0},   {0, 0.5},      {0, -1},       {0, NAN},
                                        {NAN, 5}, {0, INFINITY}, {-INFINITY, 5}};
    struct picture png = png_of_16_bits(4, 1, four_values);
    for (size_t i = 0; i < COUNT(windows); i++) {
        struct image image;
        vkclip_error err = {0};
        vkclip_image wanted = {.path = "it",
                               .bytes = png.bytes,
                               .byte_count = png.byte_count,
                               .window = VKCLIP_WINDOW_LINEAR,
                               .window_center = windows[i][0],
                               .window_width = windows[i][1]};
        assert_false(image_open(&image, &wanted, &err));
        assert_true(err.status == VKCLIP_ERROR_ARGUMENT);
    }
    picture_free(&png);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(greys_are_those_of_the_standard),
        cmocka_unit_test(a_window_between_two_values_ends_at_them),
        cmocka_unit_test(percentiles_are_numpys),
        cmocka_unit_test(pictures_of_16_bits_become_8),
        cmocka_unit_test(pictures_of_8_bits_have_no_window),
        cmocka_unit_test(a_picture_that_turns_white_is_spoken_of),
        cmocka_unit_test(a_window_of_no_width_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
