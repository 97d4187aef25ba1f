// Defends that a picture becomes the same square of pixels as with Pillow and torchvision.
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "host/bicubic.h"
#include "host/resize.h"
#include "host/square.h"
#include "picture.h"
#include "sha256.h"

static void the_square_lies_where_torchvision_puts_it(void **state)
{
    (void)state;
    static const struct {
        uint32_t width, height, resized_width, resized_height, top, left;
    } cases[] = {
        {275, 183, 336, 224, 0, 56},          {1200, 800, 336, 224, 0, 56},
        {170, 228, 224, 300, 38, 0},          {220, 166, 296, 224, 0, 36},
        {298, 169, 394, 224, 0, 85},          {640, 427, 335, 224, 0, 56},  // 55.5 to even
        {1929, 2207, 224, 256, 16, 0},        {1200, 1285, 224, 239, 8, 0}, // 7.5 to even
        {2817, 2556, 246, 224, 0, 11},        {224, 224, 224, 224, 0, 0},
        {1, 16384, 224, 3670016, 1834896, 0},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct square square =
            square_of(cases[i].width, cases[i].height,
                      &(struct resize_target){.side_px = 224, .resized_px = 224});
        assert_int_equal(square.resized_width_px, cases[i].resized_width);
        assert_int_equal(square.resized_height_px, cases[i].resized_height);
        assert_int_equal(square.top, cases[i].top);
        assert_int_equal(square.left, cases[i].left);
    }
    static const uint32_t excess[][2] = {{15, 8}, {85, 42}, {111, 56}, {1, 0}, {3, 2}, {4, 2}};
    for (size_t i = 0; i < COUNT(excess); i++)
        assert_int_equal(square_offset(excess[i][0]), excess[i][1]);
}

static void bicubic_weights_are_pillows(void **state)
{
    (void)state;
    static const struct {
        uint32_t source, resized, output, start, count;
        int32_t weights[5];
    } cases[] = {
        {183, 224, 0, 0, 2, {4362383, -168079}},
        {183, 224, 100, 80, 4, {-198021, 1749982, 2945528, -303185}},
        {427, 224, 0, 0, 5, {2069322, 1953415, 365638, -174397, -19673}},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct bicubic bicubic;
        assert_true(bicubic_init(&bicubic, cases[i].source, cases[i].resized, cases[i].output, 1,
                                 false, NULL));
        assert_int_equal(bicubic.spans[0].start, cases[i].start);
        assert_int_equal(bicubic.spans[0].count, cases[i].count);
        assert_memory_equal(bicubic.fixed_weights, cases[i].weights,
                            cases[i].count * sizeof(int32_t));
        bicubic_finish(&bicubic);
    }
}

static void i08_weights_of_freak_sizes_are_finite_and_stay_inside(void **state)
{
    (void)state;
    static const uint32_t sizes[][2] = {{1, 224},     {20000, 224},   {2, 224},    {1, 3670016},
                                        {16384, 224}, {5000, 224000}, {223, 224},  {16384, 1},
                                        {3, 3670000}, {224, 223},     {16384, 225}};
    for (size_t i = 0; i < COUNT(sizes); i++) {
        uint32_t wanted = sizes[i][1] < 224 ? sizes[i][1] : 224;
        uint32_t firsts[] = {0, (sizes[i][1] - wanted) / 2, sizes[i][1] - wanted};
        for (size_t k = 0; k < COUNT(firsts); k++) {
            struct bicubic bicubic;
            assert_true(
                bicubic_init(&bicubic, sizes[i][0], sizes[i][1], firsts[k], wanted, false, NULL));
            for (uint32_t output = 0; output < wanted; output++) {
                struct bicubic_span span = bicubic.spans[output];
                assert_true(span.count >= 1 && span.count <= bicubic.tap_count);
                assert_true(span.start + span.count <= sizes[i][0]);
                double sum = 0.0;
                for (uint32_t tap = 0; tap < span.count; tap++)
                    sum += bicubic.weights[(size_t)output * bicubic.tap_count + tap];
                assert_true(fabs(sum - 1.0) < 1e-12);
            }
            bicubic_finish(&bicubic);
        }
    }
}

// A 16-bit sample as it lies in memory.
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define BYTES_OF(sample) (sample) & 255, (sample) >> 8
#else
#define BYTES_OF(sample) (sample) >> 8, (sample) % 256
#endif

// A picture of one colour stays so in every mode, at sizes above, below and at the square's.
static void i08_a_flat_picture_stays_flat(void **state)
{
    (void)state;
    static const struct {
        enum image_mode mode;
        size_t pixel_bytes;
        uint8_t pixel[4], rgb[3];
    } cases[] = {
        {IMAGE_BILEVEL, 1, {255}, {255, 255, 255}},
        {IMAGE_L, 1, {77}, {77, 77, 77}},
        {IMAGE_LA, 2, {77, 255}, {77, 77, 77}},
        {IMAGE_PALETTE, 1, {2}, {10, 20, 30}},
        {IMAGE_RGB, 3, {1, 128, 254}, {1, 128, 254}},
        {IMAGE_RGBA, 4, {1, 128, 254, 255}, {1, 128, 254}},
        {IMAGE_CMYK, 4, {0, 255, 100, 0}, {255, 0, 155}},
        {IMAGE_I16, 2, {BYTES_OF(200)}, {200, 200, 200}},
        {IMAGE_I16, 2, {BYTES_OF(256)}, {255, 255, 255}},
        {IMAGE_I, 2, {BYTES_OF(200)}, {200, 200, 200}},
    };
    static const uint32_t sizes[][2] = {{1, 1},   {1, 5000}, {5000, 1}, {32, 32},
                                        {31, 33}, {32, 900}, {301, 7}};
    for (size_t i = 0; i < COUNT(cases); i++)
        for (size_t k = 0; k < COUNT(sizes); k++) {
            struct image image = {.width_px = sizes[k][0],
                                  .height_px = sizes[k][1],
                                  .mode = cases[i].mode,
                                  .palette = {[6] = 10, 20, 30}};
            size_t pixel_count = (size_t)image.width_px * image.height_px;
            image.pixels = malloc(pixel_count * cases[i].pixel_bytes);
            assert_non_null(image.pixels);
            for (size_t at = 0; at < pixel_count; at++)
                memcpy(image.pixels + at * cases[i].pixel_bytes, cases[i].pixel,
                       cases[i].pixel_bytes);
            uint8_t square[32 * 32 * 3];
            assert_true(resize_to_square(
                &image, &(struct resize_target){.side_px = 32, .resized_px = 32}, square, NULL));
            for (size_t at = 0; at < sizeof square; at++)
                assert_int_equal(square[at], cases[i].rgb[at % 3]);
            image_close(&image);
        }
}

static void a_picture_of_the_right_size_is_copied(void **state)
{
    (void)state;
    uint8_t pixels[8 * 12 * 4], square[8 * 8 * 3];
    picture_noise(pixels, sizeof pixels, 5);
    struct image image = {.width_px = 12, .height_px = 8, .mode = IMAGE_RGBA, .pixels = pixels};
    assert_true(resize_to_square(&image, &(struct resize_target){.side_px = 8, .resized_px = 8},
                                 square, NULL));
    for (size_t y = 0; y < 8; y++)
        for (size_t x = 0; x < 8; x++) // from column 2 on; alpha is dropped, not applied
            assert_memory_equal(square + (y * 8 + x) * 3, pixels + (y * 12 + x + 2) * 4, 3);
}

// Where alpha is 0 a colour must not bleed into its neighbours; it does when RGBA is resized
// without premultiplying.
static void transparent_colours_do_not_bleed(void **state)
{
    (void)state;
    uint8_t pixels[8 * 8 * 4], square[3 * 3 * 3];
    for (size_t i = 0; i < 64; i++) {
        const uint8_t clear[4] = {255, 0, 0, 0}, solid[4] = {0, 90, 40, 255};
        memcpy(pixels + 4 * i, i % 3 == 0 ? clear : solid, 4);
    }
    struct image image = {.width_px = 8, .height_px = 8, .mode = IMAGE_RGBA, .pixels = pixels};
    assert_true(resize_to_square(&image, &(struct resize_target){.side_px = 3, .resized_px = 3},
                                 square, NULL));
    for (size_t i = 0; i < 9; i++) {
        assert_int_equal(square[3 * i], 0);
        assert_true(square[3 * i + 1] >= 88 && square[3 * i + 1] <= 91);
    }
}

static void palettes_are_sampled_not_blended(void **state)
{
    (void)state;
    uint8_t pixels[9] = {0, 1, 2, 1, 2, 0, 2, 0, 1}, square[5 * 5 * 3];
    struct image image = {.width_px = 3,
                          .height_px = 3,
                          .mode = IMAGE_PALETTE,
                          .pixels = pixels,
                          .palette = {255, 0, 0, 0, 255, 0, 0, 0, 255}};
    assert_true(resize_to_square(&image, &(struct resize_target){.side_px = 5, .resized_px = 5},
                                 square, NULL));
    // Pixel centres 0.3 0.9 1.5 2.1 2.7
    static const uint8_t from[5] = {0, 0, 1, 2, 2};
    for (size_t y = 0; y < 5; y++)
        for (size_t x = 0; x < 5; x++)
            assert_memory_equal(square + (y * 5 + x) * 3,
                                image.palette + 3 * pixels[from[y] * 3 + from[x]], 3);
}

// What overshoots horizontally is cut in "I;16" and comes back vertically in "I".
static void sixteen_bit_grey_overshoots_only_in_mode_i(void **state)
{
    (void)state;
    uint16_t pixels[6 * 6];
    for (size_t i = 0; i < 36; i++)
        pixels[i] = i % 6 < 3 ? 0 : 65535;
    uint8_t clamped[13 * 13 * 3], free_running[13 * 13 * 3];
    struct image image = {
        .width_px = 6, .height_px = 6, .mode = IMAGE_I16, .pixels = (uint8_t *)pixels};
    assert_true(resize_to_square(&image, &(struct resize_target){.side_px = 13, .resized_px = 13},
                                 clamped, NULL));
    image.mode = IMAGE_I;
    assert_true(resize_to_square(&image, &(struct resize_target){.side_px = 13, .resized_px = 13},
                                 free_running, NULL));
    assert_memory_equal(clamped, free_running, sizeof clamped); // columns are all alike

    for (size_t i = 0; i < 36; i++)
        pixels[i] = (i % 6 < 3) == (i / 6 < 3) ? 0 : 65535;
    assert_true(resize_to_square(&image, &(struct resize_target){.side_px = 13, .resized_px = 13},
                                 free_running, NULL));
    image.mode = IMAGE_I16;
    assert_true(resize_to_square(&image, &(struct resize_target){.side_px = 13, .resized_px = 13},
                                 clamped, NULL));
    assert_memory_not_equal(clamped, free_running, sizeof clamped);
}

static void pixels_are_normalised_as_torch_does_it(void **state)
{
    (void)state;
    static const float mean[3] = {0.48145466f, 0.4578275f, 0.40821073f};
    static const float std[3] = {0.26862954f, 0.26130258f, 0.27577711f};
    static const uint8_t pixels[4 * 3] = {0, 0, 0, 128, 128, 128, 255, 255, 255, 0, 128, 255};
    static const float want[12] = {-1.7922626f, 0.0763361f, 1.9303361f, -1.7922626f,
                                   -1.7520971f, 0.1688973f, 2.0748837f, 0.1688973f,
                                   -1.4802198f, 0.3399488f, 2.1458969f, 2.1458969f};
    float tensor[12];
    normalize_pixels(pixels, 2, mean, std, tensor);
    check_near("normalised pixels", tensor, want, 12, 6e-8); // the printed digits
}

static void the_hash_is_sha256(void **state)
{
    (void)state;
    char hash[65];
    sha256_hex((const uint8_t *)"abc", 3, hash);
    assert_string_equal(hash, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

// The nine published example pictures. Hashes of the 224 x 224 x 3 bytes, by Pillow.
static void published_pictures_become_pillows_pixels(void **state)
{
    (void)state;
    static const struct {
        const char *file, *sha256;
        enum image_mode mode;
        uint8_t middle[3];
    } cases[] = {
        {"squamous_cell_carcinoma_histopathology.jpeg",
         "afceaf0d06a19c92d721b4df4a35038b",
         IMAGE_RGB,
         {222, 127, 203}},
        {"H_and_E_histopathology.jpg",
         "5479600cbefd2b4ffa3973e0b1d622bf",
         IMAGE_RGB,
         {254, 140, 200}},
        {"bone_X-ray.jpg", "df1e43ef55f70f12894f23070dc41109", IMAGE_RGB, {182, 182, 182}},
        {"adenocarcinoma_histopathology.jpg",
         "1c1c793b2e65e2b41837d7686bc643da",
         IMAGE_RGB,
         {163, 112, 211}},
        {"covid_line_chart.png",
         "9d56a96b523d56e9c8035693fcc1a066",
         IMAGE_PALETTE,
         {255, 255, 255}},
        {"IHC_histopathology.jpg", "c4aed22faac354a1f2a8b20287254ceb", IMAGE_RGB, {238, 222, 215}},
        {"chest_X-ray.jpg", "5fd3a27c196ec8f57785a558c08d4eab", IMAGE_RGB, {176, 176, 176}},
        {"brain_MRI.jpg", "6516d6e7575ac4c8f3387643062bb7f2", IMAGE_L, {62, 62, 62}},
        {"pie_chart.png", "2fa383e3b3f642c59f07375fef5d61f2", IMAGE_RGB, {106, 199, 173}},
    };
    uint8_t *square = malloc(224 * 224 * 3);
    assert_non_null(square);
    for (size_t i = 0; i < COUNT(cases); i++) {
        char path[256], hash[65];
        snprintf(path, sizeof path, "../shared/data/biomedclip/examples/%s", cases[i].file);
        FILE *file = fopen(path, "rb");
        if (!file) {
            printf("%s is absent\n", path);
            free(square);
            skip();
            return;
        }
        fclose(file);
        struct image image;
        vkclip_error err = {0};
        if (!image_open(&image, &(vkclip_image){.path = path}, &err))
            printf("%s\n", err.message);
        assert_non_null(image.pixels);
        assert_int_equal(image.mode, cases[i].mode);
        assert_true(resize_to_square(
            &image, &(struct resize_target){.side_px = 224, .resized_px = 224}, square, &err));
        image_close(&image);
        assert_memory_equal(square + (112 * 224 + 112) * 3, cases[i].middle, 3);
        sha256_hex(square, 224 * 224 * 3, hash);
        assert_memory_equal(hash, cases[i].sha256, 32);
    }
    free(square);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_square_lies_where_torchvision_puts_it),
        cmocka_unit_test(bicubic_weights_are_pillows),
        cmocka_unit_test(i08_weights_of_freak_sizes_are_finite_and_stay_inside),
        cmocka_unit_test(i08_a_flat_picture_stays_flat),
        cmocka_unit_test(a_picture_of_the_right_size_is_copied),
        cmocka_unit_test(transparent_colours_do_not_bleed),
        cmocka_unit_test(palettes_are_sampled_not_blended),
        cmocka_unit_test(sixteen_bit_grey_overshoots_only_in_mode_i),
        cmocka_unit_test(pixels_are_normalised_as_torch_does_it),
        cmocka_unit_test(the_hash_is_sha256),
        cmocka_unit_test(published_pictures_become_pillows_pixels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
