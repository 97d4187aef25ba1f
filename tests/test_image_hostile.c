// Defends that a damaged, truncated or lying picture is refused with a reason, in bounded memory,
// and that whatever is accepted is whole.
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "host/image.h"
#include "host/image_formats.h"
#include "host/resize.h"
#include "picture.h"

#define NOISE_BYTES 20000

static uint8_t noise[NOISE_BYTES];

static int make_noise(void **state)
{
    (void)state;
    picture_noise(noise, sizeof noise, 2);
    return 0;
}

// Decodes a copy of exact size, so that a sanitizer sees a read beyond its end. An accepted image
// is resized, which reads all its pixels; a refusal has to give a reason.
static bool try_reading(vkclip_image wanted, struct image *image, vkclip_error *err)
{
    uint8_t *copy = malloc(wanted.byte_count ? wanted.byte_count : 1);
    assert_non_null(copy);
    memcpy(copy, wanted.bytes, wanted.byte_count);
    *err = (vkclip_error){0};
    wanted.path = "it";
    wanted.bytes = copy;
    bool is_decoded = image_open(image, &wanted, err);
    free(copy);
    if (is_decoded) {
        uint8_t square[16 * 16 * 3];
        assert_true(resize_to_square(
            image, &(struct resize_target){.side_px = 16, .resized_px = 16}, square, NULL));
    } else {
        assert_null(image->pixels);
        assert_true(err->status == VKCLIP_ERROR_FILE);
        assert_true(strncmp(err->message, "it: ", 4) == 0 && strlen(err->message) > 6);
    }
    return is_decoded;
}

static bool try_decode(const uint8_t *bytes, size_t byte_count, struct image *image,
                       vkclip_error *err)
{
    return try_reading((vkclip_image){.bytes = bytes, .byte_count = byte_count}, image, err);
}

static void expect_refusal(struct picture picture, const char *reason)
{
    struct image image;
    vkclip_error err;
    bool is_decoded = try_decode(picture.bytes, picture.byte_count, &image, &err);
    picture_free(&picture);
    image_close(&image);
    if (is_decoded || !strstr(err.message, reason))
        printf("'%s' does not say '%s'\n", is_decoded ? "accepted" : err.message, reason);
    assert_false(is_decoded);
    assert_non_null(strstr(err.message, reason));
}

// Cuts the file at every byte. Only what lacks nothing but its last `spare` bytes may be
// accepted, and then with every pixel of the whole file.
static void expect_truncation_refused(struct picture picture, size_t spare)
{
    struct image whole, image;
    vkclip_error err;
    assert_true(try_decode(picture.bytes, picture.byte_count, &whole, &err));
    size_t pixel_count = (size_t)whole.width_px * whole.height_px;
    for (size_t end = 0; end < picture.byte_count; end++) {
        bool is_decoded = try_decode(picture.bytes, end, &image, &err);
        if (is_decoded && end + spare < picture.byte_count)
            printf("accepted with %zu of %zu bytes\n", end, picture.byte_count);
        assert_true(!is_decoded || end + spare >= picture.byte_count);
        if (is_decoded)
            assert_memory_equal(image.pixels, whole.pixels, pixel_count);
        image_close(&image);
    }
    image_close(&whole);
    picture_free(&picture);
}

// Inverts all, the highest and the lowest bit of each byte in turn. Anything goes but a crash or
// silence.
static void expect_damage_survived(struct picture picture)
{
    static const uint8_t masks[] = {0xff, 0x80, 0x01};
    struct image image;
    vkclip_error err;
    for (size_t at = 0; at < picture.byte_count; at++)
        for (size_t i = 0; i < COUNT(masks); i++) {
            picture.bytes[at] ^= masks[i];
            bool is_sound = try_decode(picture.bytes, picture.byte_count, &image, &err);
            image_close(&image);
            vkclip_image lenient = {
                .bytes = picture.bytes, .byte_count = picture.byte_count, .allows_truncated = true};
            assert_true(try_reading(lenient, &image, &err) || !is_sound);
            image_close(&image);
            picture.bytes[at] ^= masks[i];
        }
    picture_free(&picture);
}

static void i03_png_of_a_gigapixel_is_refused(void **state)
{
    (void)state;
    static const struct {
        uint32_t width, height;
        const char *reason;
    } cases[] = {
        {0x7fffffff, 0x7fffffff, "at most 16384 a side"},
        {1, 1000000000, "at most 16384 a side"},
        {16385, 1, "16385 x 1 pixels"},
        {10001, 10000, "100 megapixels"},
        {0, 5, "without pixels"},
        {5, 0, "without pixels"},
        {0xffffffff, 1, "at most 16384 a side"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct picture png = {0};
        png_begin(&png, cases[i].width, cases[i].height, 8, 2);
        png_pixels(&png, noise, 30, 1, 1);
        png_end(&png);
        expect_refusal(png, cases[i].reason);
    }
}

static void i03_png_with_a_wrong_checksum_is_refused(void **state)
{
    (void)state;
    struct picture png = {0};
    png_begin(&png, 8, 8, 8, 2);
    png_chunk(&png, "tEXt", "Title\0x", 7);
    png_pixels(&png, noise, 24, 8, 1);
    png_end(&png);
    // The last checksum byte of IHDR, tEXt and IDAT.
    const size_t ends[] = {8 + 24, 8 + 25 + 18, png.byte_count - 13};
    for (size_t i = 0; i < COUNT(ends); i++) {
        struct picture copy = {0};
        picture_add(&copy, png.bytes, png.byte_count);
        copy.bytes[ends[i]] ^= 1;
        expect_refusal(copy, "checksum");
    }
    picture_free(&png);
}

static void i03_png_without_its_palette_or_pixels_is_refused(void **state)
{
    (void)state;
    struct picture png = {0};
    png_begin(&png, 8, 8, 8, 3);
    png_pixels(&png, noise, 8, 8, 1);
    png_end(&png);
    expect_refusal(png, "PNG");

    png = (struct picture){0};
    png_begin(&png, 8, 8, 8, 0);
    png_end(&png);
    expect_refusal(png, "PNG");

    png = (struct picture){0};
    png_begin(&png, 8, 8, 8, 0);
    png_pixels(&png, noise, 8, 7, 1); // a row short
    png_end(&png);
    expect_refusal(png, "PNG");
}

// A stored IDAT of far more rows than the header says: they are not read.
static void i03_png_with_surplus_pixels_stays_within_its_size(void **state)
{
    (void)state;
    struct picture png = {0};
    struct image image;
    vkclip_error err;
    png_begin(&png, 8, 2, 8, 0);
    png_pixels(&png, noise, 8, 2000, 2);
    png_end(&png);
    if (try_decode(png.bytes, png.byte_count, &image, &err))
        assert_memory_equal(image.pixels, noise, 16);
    image_close(&image);
    picture_free(&png);
}

// Appends bits to a deflate stream, first bit lowest.
static void add_bits(struct picture *stream, const char *bits, size_t *bit_count)
{
    for (; *bits; bits++, ++*bit_count) {
        if (*bit_count % 8 == 0)
            picture_add(stream, "", 1);
        stream->bytes[stream->byte_count - 1] |= (uint8_t)((*bits - '0') << *bit_count % 8);
    }
}

// 40 MB of 'a' in 260 KB of compressed text: a literal, then copies of 258 bytes at distance 1.
static void i03_png_with_a_compressed_text_bomb_is_refused(void **state)
{
    (void)state;
    struct picture text = {0}, png = {0};
    size_t bit_count = 0;
    picture_add(&text, "Comment\0\0\x78\x01", 11);
    add_bits(&text,
             "110"
             "10010001",
             &bit_count);
    for (int i = 0; i < 160000; i++)
        add_bits(&text,
                 "11000101"
                 "00000",
                 &bit_count);
    add_bits(&text, "0000000", &bit_count);
    png_begin(&png, 8, 8, 8, 2);
    png_chunk(&png, "zTXt", text.bytes, text.byte_count);
    png_pixels(&png, noise, 24, 8, 1);
    png_end(&png);
    picture_free(&text);
    expect_refusal(png, "limits");
}

static void i03_damaged_png_never_crashes(void **state)
{
    (void)state;
    struct picture png = png_of(9, 7, 2, noise);
    struct picture copy = {0};
    picture_add(&copy, png.bytes, png.byte_count);
    expect_truncation_refused(png, 4); // libspng leaves the checksum of IEND unread
    expect_damage_survived(copy);
}

// The offset of the nth marker of a kind, or 0.
static size_t find_marker(const struct picture *jpeg, uint8_t marker, int nth)
{
    for (size_t i = 2; i + 1 < jpeg->byte_count; i++)
        if (jpeg->bytes[i] == 0xff && jpeg->bytes[i + 1] == marker && nth-- == 0)
            return i;
    return 0;
}

static void i04_truncated_jpeg_is_refused_at_every_byte(void **state)
{
    (void)state;
    static const struct jpeg_kind kinds[] = {
        {.channels = 3},
        {.channels = 1, .restart_interval = 2},
        {.channels = 3, .is_progressive = true},
        {.channels = 3, .is_arithmetic = true},
        {.channels = 3, .is_split = true},
        {.channels = 4, .is_ycck = true},
    };
    for (size_t i = 0; i < COUNT(kinds); i++)
        expect_truncation_refused(jpeg_of(40, 30, kinds[i], noise), 2); // the end marker
}

// Rows that begin alike in both.
static uint32_t same_rows(const struct image *a, const struct image *b)
{
    size_t row_bytes = (size_t)a->width_px * image_pixel_bytes(a->mode);
    uint32_t row = 0;
    while (row < a->height_px &&
           memcmp(a->pixels + row * row_bytes, b->pixels + row * row_bytes, row_bytes) == 0)
        row++;
    return row;
}

// That the pixels are Pillow's is for compare_pixels.py to show. Here: every cut behind the header
// of a file with one scan is accepted when allowed, the rows before it are those of the whole
// file, and a refusal says how to allow it.
static void i04_truncated_jpeg_is_taken_as_far_as_it_goes_when_allowed(void **state)
{
    (void)state;
    struct picture jpeg = jpeg_of(40, 90, (struct jpeg_kind){.channels = 3}, noise);
    struct image whole, image;
    vkclip_error err;
    vkclip_image wanted = {
        .bytes = jpeg.bytes, .byte_count = jpeg.byte_count, .allows_truncated = true};
    assert_true(try_decode(jpeg.bytes, jpeg.byte_count, &whole, &err));
    assert_true(try_reading(wanted, &image, &err));
    assert_int_equal(same_rows(&whole, &image), 90);
    image_close(&image);

    size_t scan = 0;
    while (jpeg.bytes[scan] != 0xff || jpeg.bytes[scan + 1] != 0xda)
        scan++;
    uint32_t rows = 0;
    for (size_t end = scan + 14; end + 2 < jpeg.byte_count; end++) {
        assert_false(try_decode(jpeg.bytes, end, &image, &err));
        assert_non_null(strstr(err.message, "--allow-truncated"));
        wanted.byte_count = end;
        assert_true(try_reading(wanted, &image, &err));
        uint32_t more_rows = same_rows(&whole, &image);
        assert_true(more_rows >= rows && image.height_px == 90);
        rows = more_rows;
        image_close(&image);
    }
    assert_true(rows >= 79); // all but the last blocks and the row their colour is blended into

    wanted.byte_count = scan - 2;
    assert_false(try_reading(wanted, &image, &err));
    assert_null(strstr(err.message, "--allow-truncated"));
    image_close(&whole);
    picture_free(&jpeg);
}

// Between two scans there is nothing that libjpeg would show.
static void i04_jpeg_truncated_between_scans_has_no_row(void **state)
{
    (void)state;
    struct jpeg_kind kind = {.channels = 3, .is_progressive = true};
    struct picture jpeg = jpeg_of(40, 30, kind, noise);
    size_t table = find_marker(&jpeg, 0xc4, 4);
    assert_true(table > 0);
    struct image image;
    vkclip_error err;
    vkclip_image wanted = {.bytes = jpeg.bytes, .byte_count = table + 5, .allows_truncated = true};
    assert_false(try_reading(wanted, &image, &err));
    assert_non_null(strstr(err.message, "no row can be read"));
    wanted.byte_count = table;
    assert_true(try_reading(wanted, &image, &err));
    image_close(&image);
    picture_free(&jpeg);
}

static void i04_damaged_jpeg_never_crashes(void **state)
{
    (void)state;
    static const uint8_t rotated[] = "Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06"
                                     "\0\0\0\0\0";
    struct jpeg_kind turned = {.channels = 3, .exif = rotated, .exif_bytes = sizeof rotated - 1};
    expect_damage_survived(jpeg_of(17, 9, turned, noise));
    expect_damage_survived(
        jpeg_of(17, 9, (struct jpeg_kind){.channels = 3, .is_progressive = true}, noise));
    expect_damage_survived(
        jpeg_of(17, 9, (struct jpeg_kind){.channels = 1, .is_arithmetic = true}, noise));
}

static void i04_jpeg_of_80000_scans_is_refused(void **state)
{
    (void)state;
    struct picture jpeg =
        jpeg_of(16, 16, (struct jpeg_kind){.channels = 3, .is_split = true}, noise);
    size_t scan = find_marker(&jpeg, 0xda, 2), end = jpeg.byte_count - 2;
    assert_true(scan > 0);
    size_t scan_bytes = end - scan;
    uint8_t *scans = malloc(80000 * scan_bytes);
    assert_non_null(scans);
    for (size_t i = 0; i < 80000; i++)
        memcpy(scans + i * scan_bytes, jpeg.bytes + scan, scan_bytes);
    struct picture bomb = {0};
    picture_add(&bomb, jpeg.bytes, end);
    picture_add(&bomb, scans, 80000 * scan_bytes);
    free(scans);
    picture_add(&bomb, "\xff\xd9", 2);
    picture_free(&jpeg);
    expect_refusal(bomb, "more than 200 scans");
}

static void i04_jpeg_with_entropy_data_missing_is_refused(void **state)
{
    (void)state;
    struct picture jpeg = jpeg_of(64, 64, (struct jpeg_kind){.channels = 3}, noise);
    struct picture cut = {0};
    picture_add(&cut, jpeg.bytes, jpeg.byte_count / 2);
    picture_add(&cut, "\xff\xd9", 2);
    expect_refusal(cut, "premature end");
    picture_free(&jpeg);
}

static void i04_jpeg_with_restart_markers_out_of_order_is_refused(void **state)
{
    (void)state;
    struct jpeg_kind kind = {.channels = 1, .restart_interval = 2};
    struct picture jpeg = jpeg_of(64, 64, kind, noise);
    size_t second = find_marker(&jpeg, 0xd1, 0);
    assert_true(second > 0);
    jpeg.bytes[second + 1] = 0xd4;
    expect_refusal(jpeg, "JPEG");
}

static void i04_jpeg_of_another_precision_or_component_count_is_refused(void **state)
{
    (void)state;
    struct picture jpeg = jpeg_of(16, 16, (struct jpeg_kind){.channels = 1}, noise);
    size_t frame = find_marker(&jpeg, 0xc0, 0);
    assert_true(frame > 0);
    jpeg.bytes[frame + 4] = 12;
    expect_refusal(jpeg, "JPEG");

    struct picture two_frames = {0};
    jpeg = jpeg_of(16, 16, (struct jpeg_kind){.channels = 1}, noise);
    picture_add(&two_frames, jpeg.bytes, frame + 13);
    picture_add(&two_frames, jpeg.bytes + frame, jpeg.byte_count - frame);
    picture_free(&jpeg);
    expect_refusal(two_frames, "JPEG");

    // A frame of two components, which no colour space has.
    struct picture odd = {0};
    picture_add(&odd, "\xff\xd8\xff\xc0\0\x0e\x08\0\x10\0\x10\x02\x01\x11\0\x02\x11\0", 18);
    picture_add(&odd, "\xff\xda\0\x0a\x02\x01\0\x02\0\0\x3f\0", 12);
    expect_refusal(odd, "2 components");
}

static void i04_jpeg_above_the_size_limits_is_refused(void **state)
{
    (void)state;
    struct picture jpeg = jpeg_of(16, 16, (struct jpeg_kind){.channels = 1}, noise);
    size_t frame = find_marker(&jpeg, 0xc0, 0);
    memcpy(jpeg.bytes + frame + 5, "\xff\xdc\0\x01", 4); // 65500 rows of 1
    expect_refusal(jpeg, "1 x 65500 pixels");
}

static void i01_truncated_bmp_gif_tga_pnm_are_refused_at_every_byte(void **state)
{
    (void)state;
    uint8_t palette[768];
    picture_noise(palette, sizeof palette, 3);
    expect_truncation_refused(bmp_of(21, 9, noise), 0);
    expect_truncation_refused(gif_of(21, 19, 2, 1, noise, palette), 1); // the trailer
    expect_truncation_refused(tga_of(21, 9, noise), 0);
    expect_truncation_refused(pnm_of(21, 9, 3, 255, noise), 0);
    expect_truncation_refused(pnm_of(21, 9, 1, 1000, noise), 0);
}

// stb_image would unpack 62 megapixels of nothing.
static void i01_tga_of_30_bytes_and_62_megapixels_is_refused(void **state)
{
    (void)state;
    struct picture tga = tga_of(3, 3, noise);
    memcpy(tga.bytes + 12, "\x88\x13\x01\x31", 4);
    tga.byte_count = 30;
    expect_refusal(tga, "truncated");
}

static void i01_damaged_bmp_gif_tga_pnm_never_crash(void **state)
{
    (void)state;
    uint8_t palette[768] = {0};
    expect_damage_survived(bmp_of(9, 5, noise));
    expect_damage_survived(gif_of(9, 5, 2, 1, noise, palette));
    expect_damage_survived(tga_of(9, 5, noise));
    expect_damage_survived(pnm_of(9, 5, 3, 1000, noise));
}

// Headers alone; the pixels that they promise are never allocated.
static void i06_sizes_above_the_limits_are_refused_in_every_format(void **state)
{
    (void)state;
    struct picture bmp = bmp_of(4, 4, noise);
    memcpy(bmp.bytes + 18, "\xff\xff\xff\x7f\0\0\0\x80", 8); // INT_MAX x INT_MIN
    expect_refusal(bmp, "2147483647 x 2147483648 pixels");

    uint8_t palette[768] = {0};
    struct picture gif = gif_of(4, 4, 0, 0, noise, palette);
    memcpy(gif.bytes + 6, "\xff\xff\xff\xff", 4);
    expect_refusal(gif, "65535 x 65535 pixels");

    struct picture tga = tga_of(4, 4, noise);
    memcpy(tga.bytes + 12, "\x01\0\x01\x40", 4);
    expect_refusal(tga, "1 x 16385 pixels");

    struct picture pnm = {0};
    picture_add_text(&pnm, "P6 16384 16384 255\n");
    expect_refusal(pnm, "100 megapixels");
    pnm = (struct picture){0};
    picture_add_text(&pnm, "P5 99999999999 1 255\n");
    expect_refusal(pnm, "damaged header");
    pnm = (struct picture){0};
    picture_add_text(&pnm, "P5 1 1 65536\n");
    expect_refusal(pnm, "damaged header");
}

static void i01_bmp_kinds_that_are_not_read_are_refused(void **state)
{
    (void)state;
    struct picture bmp = bmp_of(4, 4, noise);
    bmp.bytes[30] = 1;
    expect_refusal(bmp, "compressed");
    bmp = bmp_of(4, 4, noise);
    bmp.bytes[28] = 2;
    expect_refusal(bmp, "bits a pixel");
    bmp = bmp_of(4, 4, noise);
    bmp.bytes[14] = 39;
    expect_refusal(bmp, "unknown header");
    bmp = bmp_of(4, 4, noise);
    bmp.bytes[28] = 16;
    bmp.bytes[30] = 3; // masks are pixels here
    expect_refusal(bmp, "bit fields");
    bmp = bmp_of(4, 4, noise);
    bmp.bytes[10] = 10; // raster inside the header
    expect_refusal(bmp, "truncated");
}

static void i01_gif_without_whole_first_picture_is_refused(void **state)
{
    (void)state;
    uint8_t palette[768] = {0};
    struct picture gif = gif_of(8, 8, 0, 0, noise, palette);
    size_t frame = 13 + 768 + 8;
    struct picture empty = {0};
    picture_add(&empty, gif.bytes, frame);
    picture_add_text(&empty, ";");
    expect_refusal(empty, "no picture");

    struct picture early = {0};
    picture_add(&early, gif.bytes, frame + 10);
    picture_add(&early, "\x08\x03\0\x03\x02\0;", 7); // clear, one pixel, end
    expect_refusal(early, "ends too early");

    gif.bytes[10] = 0x77; // no palette: its bytes are now blocks
    expect_refusal(gif, "GIF");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(i03_png_of_a_gigapixel_is_refused),
        cmocka_unit_test(i03_png_with_a_wrong_checksum_is_refused),
        cmocka_unit_test(i03_png_without_its_palette_or_pixels_is_refused),
        cmocka_unit_test(i03_png_with_surplus_pixels_stays_within_its_size),
        cmocka_unit_test(i03_png_with_a_compressed_text_bomb_is_refused),
        cmocka_unit_test(i03_damaged_png_never_crashes),
        cmocka_unit_test(i04_truncated_jpeg_is_refused_at_every_byte),
        cmocka_unit_test(i04_truncated_jpeg_is_taken_as_far_as_it_goes_when_allowed),
        cmocka_unit_test(i04_jpeg_truncated_between_scans_has_no_row),
        cmocka_unit_test(i04_damaged_jpeg_never_crashes),
        cmocka_unit_test(i04_jpeg_of_80000_scans_is_refused),
        cmocka_unit_test(i04_jpeg_with_entropy_data_missing_is_refused),
        cmocka_unit_test(i04_jpeg_with_restart_markers_out_of_order_is_refused),
        cmocka_unit_test(i04_jpeg_of_another_precision_or_component_count_is_refused),
        cmocka_unit_test(i04_jpeg_above_the_size_limits_is_refused),
        cmocka_unit_test(i01_truncated_bmp_gif_tga_pnm_are_refused_at_every_byte),
        cmocka_unit_test(i01_tga_of_30_bytes_and_62_megapixels_is_refused),
        cmocka_unit_test(i01_damaged_bmp_gif_tga_pnm_never_crash),
        cmocka_unit_test(i06_sizes_above_the_limits_are_refused_in_every_format),
        cmocka_unit_test(i01_bmp_kinds_that_are_not_read_are_refused),
        cmocka_unit_test(i01_gif_without_whole_first_picture_is_refused),
    };
    return cmocka_run_group_tests(tests, make_noise, NULL);
}
