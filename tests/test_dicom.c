// Defends what becomes of DICOM files: that their frames have the pixels which pydicom and the
// standard's formulas give (tests/golden/dicom.txt), that what is not read is named, and that
// damaged files are refused. test_dicom FOLDER writes the files for
// tools/reference/dicom_pixels.py.
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "dicom_file.h"
#include "host/image.h"
#include "sha256.h"

#define MOST_BYTES 32768

// Files by name, and what is wanted of them. Sizes are odd where the standard allows it.
static const struct dicom_case {
    const char *name;
    struct dicom_kind kind;
    vkclip_window window;
    double center, width;
    uint32_t frame;
} cases[] = {
    {.name = "ct",
     .kind = {.width = 65,
              .height = 33,
              .is_signed = true,
              .slope = "1",
              .intercept = "-1024",
              .center = "40\\-600",
              .window_width = "400\\1500"}},
    {.name = "ct_linear",
     .kind = {.width = 65,
              .height = 33,
              .is_signed = true,
              .slope = "1",
              .intercept = "-1024",
              .center = "40",
              .window_width = "400"},
     .window = VKCLIP_WINDOW_LINEAR,
     .center = -600,
     .width = 1500},
    {.name = "ct_auto",
     .kind = {.width = 65,
              .height = 33,
              .is_signed = true,
              .slope = "0.5",
              .intercept = "-1024",
              .padding = "-2000"},
     .window = VKCLIP_WINDOW_AUTO},
    {.name = "ct_full",
     .kind = {.width = 33, .height = 65, .is_signed = true, .slope = "2.25", .intercept = "7.5"}},
    {.name = "ct_padded",
     .kind = {.width = 9,
              .height = 9,
              .allocated = 16,
              .stored = 12,
              .slope = "1",
              .intercept = "-1024",
              .padding = "0",
              .padding_limit = "3900"}},
    {.name = "ct_signed_12", .kind = {.width = 17, .height = 5, .stored = 12, .is_signed = true}},
    {.name = "ct_falling",
     .kind = {.width = 17, .height = 5, .stored = 12, .slope = "-0.125", .intercept = "100"},
     .window = VKCLIP_WINDOW_AUTO},
    {.name = "mr", .kind = {.width = 31, .height = 8, .stored = 12}},
    {.name = "mr_shifted", .kind = {.width = 31, .height = 8, .stored = 12, .high = 15}},
    {.name = "mr_exact",
     .kind = {.width = 31,
              .height = 8,
              .stored = 12,
              .center = "2000",
              .window_width = "1000",
              .function = "LINEAR_EXACT"}},
    {.name = "mr_sigmoid",
     .kind = {.width = 31,
              .height = 8,
              .stored = 12,
              .center = "2000",
              .window_width = "900",
              .function = "SIGMOID"}},
    {.name = "mr_implicit",
     .kind = {.syntax = DICOM_IMPLICIT,
              .width = 31,
              .height = 8,
              .is_signed = true,
              .slope = "3",
              .intercept = "-5",
              .center = "1000",
              .window_width = "30000",
              .function = "LINEAR"}},
    {.name = "mr_run_length",
     .kind = {.syntax = DICOM_RLE, .width = 31, .height = 9, .stored = 12}},
    {.name = "cr_inverted",
     .kind = {.colours = "MONOCHROME1",
              .width = 40,
              .height = 50,
              .stored = 10,
              .center = "511",
              .window_width = "900"}},
    {.name = "dx_inverted",
     .kind = {.colours = "MONOCHROME1", .width = 40, .height = 50, .stored = 14}},
    {.name = "dx_inverted_auto",
     .kind = {.colours = "MONOCHROME1", .width = 40, .height = 50, .stored = 14},
     .window = VKCLIP_WINDOW_AUTO},
    {.name = "us_8", .kind = {.width = 25, .height = 25, .allocated = 8}},
    {.name = "us_8_signed", .kind = {.width = 25, .height = 25, .allocated = 8, .is_signed = true}},
    {.name = "us_6_of_8", .kind = {.width = 5, .height = 3, .allocated = 8, .stored = 6}},
    {.name = "frame_3_of_5",
     .kind = {.width = 5, .height = 3, .frames = 5, .allocated = 8},
     .frame = 3},
    {.name = "frame_2_of_2",
     .kind =
         {.width = 50, .height = 20, .frames = 2, .stored = 12, .slope = "2", .intercept = "-100"},
     .frame = 2},
    {.name = "frame_2_of_3_run_length",
     .kind = {.syntax = DICOM_RLE, .width = 21, .height = 7, .frames = 3, .stored = 12},
     .frame = 2},
    {.name = "enhanced_1",
     .kind = {.width = 20,
              .height = 10,
              .frames = 3,
              .stored = 12,
              .slope = "2",
              .intercept = "-3000",
              .center = "1000",
              .window_width = "3000",
              .is_enhanced = true}},
    {.name = "enhanced_2",
     .kind = {.width = 20,
              .height = 10,
              .frames = 3,
              .stored = 12,
              .slope = "2",
              .intercept = "-3000",
              .center = "1000",
              .window_width = "3000",
              .is_enhanced = true},
     .frame = 2},
    {.name = "rgb",
     .kind = {.colours = "RGB", .width = 9, .height = 7, .channels = 3, .allocated = 8}},
    {.name = "rgb_planar",
     .kind = {.colours = "RGB",
              .width = 9,
              .height = 7,
              .channels = 3,
              .allocated = 8,
              .is_planar = true}},
    {.name = "rgb_planar_2_of_3",
     .kind = {.colours = "RGB",
              .width = 9,
              .height = 7,
              .frames = 3,
              .channels = 3,
              .allocated = 8,
              .is_planar = true},
     .frame = 2},
    {.name = "rgb_run_length",
     .kind = {.syntax = DICOM_RLE,
              .colours = "RGB",
              .width = 9,
              .height = 7,
              .frames = 2,
              .channels = 3,
              .allocated = 8},
     .frame = 2},
    {.name = "rgb_run_length_planar",
     .kind = {.syntax = DICOM_RLE,
              .colours = "RGB",
              .width = 9,
              .height = 7,
              .channels = 3,
              .allocated = 8,
              .is_planar = true}},
    {.name = "ybr",
     .kind = {.colours = "YBR_FULL", .width = 99, .height = 99, .channels = 3, .allocated = 8}},
    {.name = "ybr_planar",
     .kind = {.colours = "YBR_FULL",
              .width = 9,
              .height = 7,
              .channels = 3,
              .allocated = 8,
              .is_planar = true}},
    {.name = "ybr_422",
     .kind = {.colours = "YBR_FULL_422", .width = 20, .height = 15, .channels = 3, .allocated = 8}},
    {.name = "ybr_422_2_of_3",
     .kind = {.colours = "YBR_FULL_422",
              .width = 6,
              .height = 3,
              .frames = 3,
              .channels = 3,
              .allocated = 8},
     .frame = 2},
};

// Noise in all bits, those that are not stored included.
static struct picture file_of(const struct dicom_kind *kind)
{
    static uint8_t noise[MOST_BYTES];
    size_t byte_count = dicom_frame_bytes(kind) * (kind->frames ? kind->frames : 1);
    assert_true(byte_count <= sizeof noise);
    picture_noise(noise, byte_count, 5);
    return dicom_of(kind, noise, byte_count);
}

static bool open_case(const struct dicom_case *c, const struct picture *file, struct image *image,
                      vkclip_error *err)
{
    vkclip_image wanted = {.path = "it",
                           .bytes = file->bytes,
                           .byte_count = file->byte_count,
                           .window = c->window,
                           .window_center = c->center,
                           .window_width = c->width,
                           .frame = c->frame};
    return image_open(image, &wanted, err);
}

// Opens a copy of exact size, so that a sanitizer sees a read beyond its end.
static bool open_bytes(const uint8_t *bytes, size_t byte_count, struct image *image,
                       vkclip_error *err)
{
    uint8_t *copy = malloc(byte_count);
    assert_non_null(copy);
    memcpy(copy, bytes, byte_count);
    vkclip_image wanted = {.path = "it", .bytes = copy, .byte_count = byte_count};
    bool is_open = image_open(image, &wanted, err);
    free(copy);
    return is_open;
}

static void require_dicom(void)
{
    if (!vkclip_reads_dicom()) {
        print_message("this build reads no DICOM\n");
        skip();
    }
}

// The recorded digest of a case's pixels, or NULL.
static const char *listed(const char *name, const char *file_digest)
{
    static char digest[33], file[17], other[64];
    FILE *list = fopen("tests/golden/dicom.txt", "r");
    assert_non_null(list);
    char line[200];
    const char *found = NULL;
    while (!found && fgets(line, sizeof line, list))
        if (sscanf(line, "%32s %16s %63s", digest, file, other) == 3 && strcmp(other, name) == 0 &&
            strncmp(file, file_digest, 16) == 0)
            found = digest;
    fclose(list);
    return found;
}

static void frames_have_pydicoms_pixels(void **state)
{
    (void)state;
    require_dicom();
    size_t wrong_count = 0;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct picture file = file_of(&cases[i].kind);
        struct image image;
        vkclip_error err = {0};
        char digest[65] = "", file_digest[65];
        sha256_hex(file.bytes, file.byte_count, file_digest);
        const char *want = listed(cases[i].name, file_digest);
        if (open_case(&cases[i], &file, &image, &err)) {
            size_t channels = image.mode == IMAGE_RGB ? 3 : 1;
            assert_true(image.mode == IMAGE_RGB || image.mode == IMAGE_L);
            sha256_hex(image.pixels, (size_t)image.width_px * image.height_px * channels, digest);
        }
        if (!want || strncmp(want, digest, 32) != 0) {
            wrong_count++;
            print_message("%s: pixels %.32s, listed %s; %s\n", cases[i].name, digest,
                          want ? want : "for no such file", err.message);
        }
        image_close(&image);
        picture_free(&file);
    }
    print_message("%zu files, %zu of them wrong\n", COUNT(cases), wrong_count);
    assert_int_equal(wrong_count, 0);
}

// Both decoders are IJG's, with the same slow integer transform.
static void a_jpeg_inside_is_decoded(void **state)
{
    (void)state;
    require_dicom();
    uint8_t grey[48 * 40];
    picture_noise(grey, sizeof grey, 9);
    struct picture jpeg = jpeg_of(48, 40, (struct jpeg_kind){.channels = 1}, grey);
    struct dicom_kind kind = {.syntax = DICOM_JPEG, .width = 48, .height = 40, .allocated = 8};
    struct picture dicom = dicom_of(&kind, jpeg.bytes, jpeg.byte_count);
    struct image plain, inside;
    assert_true(open_bytes(jpeg.bytes, jpeg.byte_count, &plain, NULL));
    assert_true(open_bytes(dicom.bytes, dicom.byte_count, &inside, NULL));
    assert_int_equal(inside.mode, IMAGE_L);
    assert_memory_equal(inside.pixels, plain.pixels, sizeof grey);
    image_close(&plain);
    image_close(&inside);
    picture_free(&jpeg);
    picture_free(&dicom);
}

static void what_is_not_read_is_named(void **state)
{
    (void)state;
    require_dicom();
    static const struct {
        struct dicom_kind kind;
        const char *reason;
        uint32_t frame;
    } refused[] = {
        {.kind = {.width = 4, .height = 4, .frames = 3},
         .reason = "DICOM of 3 frames has no frame 4",
         .frame = 4},
        {.kind = {.width = 4, .height = 4},
         .reason = "DICOM of 1 frames has no frame 2",
         .frame = 2},
        {.kind = {.colours = "PALETTE COLOR", .width = 4, .height = 4, .allocated = 8},
         .reason = "'PALETTE COLOR'"},
        {.kind =
             {.colours = "YBR_PARTIAL_420", .width = 4, .height = 4, .channels = 3, .allocated = 8},
         .reason = "'YBR_PARTIAL_420'"},
        {.kind = {.colours = "RGB", .width = 4, .height = 4, .channels = 3},
         .reason = "16 bits a sample"},
        {.kind = {.colours = "RGB", .width = 4, .height = 4, .channels = 1, .allocated = 8},
         .reason = "samples a pixel"},
        {.kind =
             {.colours = "YBR_FULL_422", .width = 5, .height = 4, .channels = 3, .allocated = 8},
         .reason = "YBR_FULL_422"},
        {.kind = {.width = 4, .height = 4, .allocated = 32}, .reason = "32 bits a sample"},
        {.kind = {.width = 4, .height = 4, .stored = 12, .high = 3}, .reason = "damaged"},
        {.kind = {.width = 4, .height = 4, .stored = 12, .high = 16}, .reason = "16 bits a sample"},
        {.kind = {.width = 0, .height = 4}, .reason = "without pixels"},
        {.kind = {.syntax = DICOM_DEFLATED, .width = 4, .height = 4},
         .reason = "1.2.840.10008.1.2.1.99"},
        {.kind = {.syntax = DICOM_JPEG2000, .width = 4, .height = 4}, .reason = "JPEG 2000"},
        {.kind = {.syntax = "1.2.3.4", .width = 4, .height = 4}, .reason = "'1.2.3.4'"},
        {.kind = {.width = 4, .height = 4, .has_modality_table = true},
         .reason = "Modality LUT Sequence"},
        {.kind = {.width = 4, .height = 4, .has_voi_table = true}, .reason = "VOI LUT Sequence"},
        {.kind = {.width = 4, .height = 4, .slope = "0", .intercept = "0"},
         .reason = "rescale slope 0"},
        {.kind = {.width = 4, .height = 4, .slope = "one", .intercept = "0"},
         .reason = "rescale slope nan"},
        {.kind = {.width = 4, .height = 4, .center = "4", .window_width = "0.5"},
         .reason = "width 0.5"},
        {.kind = {.width = 4, .height = 4, .center = "4"}, .reason = "--window"},
        {.kind = {.width = 4, .height = 4, .center = "4", .window_width = "8", .function = "CURVE"},
         .reason = "'CURVE'"},
    };
    for (size_t i = 0; i < COUNT(refused); i++) {
        struct dicom_case c = {.kind = refused[i].kind, .frame = refused[i].frame};
        struct picture file = file_of(&c.kind);
        struct image image;
        vkclip_error err = {0};
        bool is_open = open_case(&c, &file, &image, &err);
        if (is_open || !strstr(err.message, refused[i].reason))
            fail_msg("wanted '%s', got '%s'", refused[i].reason, err.message);
        assert_true(err.status == VKCLIP_ERROR_FILE && strncmp(err.message, "it: ", 4) == 0);
        picture_free(&file);
    }
}

// A window on the command line stands in for a table in the file, not for that of its values.
static void a_window_stands_in_for_a_table(void **state)
{
    (void)state;
    require_dicom();
    struct dicom_case c = {.kind = {.width = 4, .height = 4, .has_voi_table = true},
                           .window = VKCLIP_WINDOW_AUTO};
    struct picture file = file_of(&c.kind);
    struct image image;
    assert_true(open_case(&c, &file, &image, NULL));
    image_close(&image);
    picture_free(&file);
}

static void a_file_that_begins_as_a_tiff_is_dicom(void **state)
{
    (void)state;
    require_dicom();
    struct dicom_case c = {.kind = {.width = 4, .height = 4, .allocated = 8}};
    struct picture file = file_of(&c.kind);
    memcpy(file.bytes, "II*\0", 4);
    struct image image;
    assert_true(open_case(&c, &file, &image, NULL));
    image_close(&image);
    picture_free(&file);
}

static void other_formats_have_one_frame(void **state)
{
    (void)state;
    static const uint8_t grey[4] = {1, 2, 3, 4};
    struct picture png = png_of(2, 2, 0, grey);
    struct dicom_case c = {.frame = 1};
    struct image image;
    vkclip_error err = {0};
    assert_true(open_case(&c, &png, &image, &err));
    image_close(&image);
    c.frame = 2;
    assert_false(open_case(&c, &png, &image, &err));
    assert_non_null(strstr(err.message, "frame 2"));
    picture_free(&png);
}

static void a_build_without_dcmtk_says_so(void **state)
{
    (void)state;
    if (vkclip_reads_dicom())
        skip();
    struct dicom_case c = {.kind = {.width = 4, .height = 4}};
    struct picture file = file_of(&c.kind);
    struct image image;
    vkclip_error err = {0};
    assert_false(open_case(&c, &file, &image, &err));
    assert_non_null(strstr(err.message, "DICOM"));
    assert_non_null(strstr(err.message, "without DCMTK"));
    picture_free(&file);
}

// Cut behind any byte, a file is refused: pixels are the last of it. What ends a sequence of
// fragments may be missing.
static void truncated_files_are_refused(void **state)
{
    (void)state;
    require_dicom();
    static const struct dicom_kind kinds[] = {
        {.width = 6,
         .height = 5,
         .slope = "1",
         .intercept = "2",
         .center = "4",
         .window_width = "9"},
        {.syntax = DICOM_IMPLICIT, .width = 6, .height = 4, .allocated = 8, .frames = 2},
        {.syntax = DICOM_RLE, .width = 6, .height = 5, .frames = 2},
        {.width = 6, .height = 5, .frames = 2, .slope = "1", .intercept = "2", .is_enhanced = true},
    };
    for (size_t i = 0; i < COUNT(kinds); i++) {
        struct picture file = file_of(&kinds[i]);
        for (size_t kept = 1; kept < file.byte_count; kept++) {
            struct image image;
            vkclip_error err = {0};
            if (open_bytes(file.bytes, kept, &image, &err))
                fail_msg("file %zu is taken with %zu of %zu bytes", i, kept, file.byte_count);
            assert_true(err.status == VKCLIP_ERROR_FILE);
        }
        picture_free(&file);
    }
}

// Fewer samples than frames, in a file that is whole.
static void missing_frames_are_refused(void **state)
{
    (void)state;
    require_dicom();
    uint8_t samples[64] = {0};
    static const struct dicom_kind kinds[] = {
        {.width = 8, .height = 8, .allocated = 8, .frames = 2},
        {.syntax = DICOM_RLE, .width = 8, .height = 8, .allocated = 8, .frames = 2},
    };
    for (size_t i = 0; i < COUNT(kinds); i++) {
        struct picture file = dicom_of(&kinds[i], samples, sizeof samples);
        struct dicom_case first = {.frame = 1}, second = {.frame = 2};
        struct image image;
        vkclip_error err = {0};
        if (!kinds[i].syntax)
            assert_true(open_case(&first, &file, &image, &err));
        image_close(&image);
        assert_false(open_case(&second, &file, &image, &err));
        assert_true(err.status == VKCLIP_ERROR_FILE);
        picture_free(&file);
    }
}

static void pictures_too_large_are_refused_before_they_are_decoded(void **state)
{
    (void)state;
    require_dicom();
    uint8_t samples[64] = {0};
    static const struct dicom_kind kinds[] = {
        {.width = 16385, .height = 1, .allocated = 8},
        {.syntax = DICOM_RLE, .width = 16384, .height = 16384, .allocated = 8},
    };
    for (size_t i = 0; i < COUNT(kinds); i++) {
        struct dicom_kind small = kinds[i];
        small.syntax = NULL; // samples as they are
        struct picture file = dicom_of(&small, samples, sizeof samples);
        struct image image;
        vkclip_error err = {0};
        assert_false(open_bytes(file.bytes, file.byte_count, &image, &err));
        assert_non_null(strstr(err.message, "at most 16384 a side and 100 megapixels"));
        picture_free(&file);
    }
}

// DCMTK reads what is nested by recursion: a process ended here at 10,000 sequences.
static void deeply_nested_sequences_are_refused(void **state)
{
    (void)state;
    require_dicom();
    static const uint8_t level[20] = {8,   0,   0x40, 0x11, 'S', 'Q',  0,   0,   255, 255,
                                      255, 255, 0xfe, 0xff, 0,   0xe0, 255, 255, 255, 255};
    struct picture file = {0};
    dicom_begin(&file, DICOM_EXPLICIT);
    for (int i = 0; i < 100000; i++)
        picture_add(&file, level, sizeof level);
    struct image image;
    vkclip_error err = {0};
    assert_false(open_bytes(file.bytes, file.byte_count, &image, &err));
    assert_non_null(strstr(err.message, "too deeply"));
    picture_free(&file);
}

// Whatever one byte becomes: a picture, or a refusal with a reason. Each file takes its turn with
// every eleventh byte, since a wrong length may make DCMTK ask for gigabytes, which takes time
// under AddressSanitizer.
static void damaged_files_do_no_harm(void **state)
{
    (void)state;
    require_dicom();
    size_t taken_count = 0, refused_count = 0;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct picture file = file_of(&cases[i].kind);
        size_t end = file.byte_count < 900 ? file.byte_count : 900;
        for (size_t at = 128 + i % 11; at < end; at += 11) {
            static const uint8_t changes[] = {0x01, 0x80, 0xff};
            uint8_t was = file.bytes[at];
            file.bytes[at] ^= changes[(at + i / 11) % sizeof changes];
            struct image image;
            vkclip_error err = {0};
            if (open_bytes(file.bytes, file.byte_count, &image, &err))
                taken_count++;
            else
                refused_count++;
            assert_true((image.pixels != NULL) == (err.status == VKCLIP_OK));
            image_close(&image);
            file.bytes[at] = was;
        }
        picture_free(&file);
    }
    print_message("%zu taken, %zu refused\n", taken_count, refused_count);
}

static int write_files(const char *folder)
{
    for (size_t i = 0; i < COUNT(cases); i++) {
        char path[4096];
        static const char *const windows[] = {"-", "linear", "auto"};
        snprintf(path, sizeof path, "%s/%s.dcm", folder, cases[i].name);
        struct picture file = file_of(&cases[i].kind);
        FILE *out = fopen(path, "wb");
        if (!out || fwrite(file.bytes, 1, file.byte_count, out) != file.byte_count ||
            fclose(out) != 0) {
            perror(path);
            return 1;
        }
        printf("%s %u %s %g %g\n", cases[i].name, cases[i].frame ? cases[i].frame : 1,
               windows[cases[i].window], cases[i].center, cases[i].width);
        picture_free(&file);
    }
    return 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_have_pydicoms_pixels),
        cmocka_unit_test(a_jpeg_inside_is_decoded),
        cmocka_unit_test(what_is_not_read_is_named),
        cmocka_unit_test(a_window_stands_in_for_a_table),
        cmocka_unit_test(a_file_that_begins_as_a_tiff_is_dicom),
        cmocka_unit_test(other_formats_have_one_frame),
        cmocka_unit_test(a_build_without_dcmtk_says_so),
        cmocka_unit_test(truncated_files_are_refused),
        cmocka_unit_test(missing_frames_are_refused),
        cmocka_unit_test(pictures_too_large_are_refused_before_they_are_decoded),
        cmocka_unit_test(deeply_nested_sequences_are_refused),
        cmocka_unit_test(damaged_files_do_no_harm),
    };
    return argc > 1 ? write_files(argv[1]) : cmocka_run_group_tests(tests, NULL, NULL);
}
