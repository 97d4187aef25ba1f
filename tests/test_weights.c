// Weights files as such: what is told apart by the first bytes, safetensors, and reading.
// Cases named m.. and f.. are those of the list of faults.
#include <errno.h>
#include <time.h>

#include "weights_testing.h"

// ---- system calls that misbehave -------------------------------------------------------------

// The linker puts this in front of the library's calls (--wrap).
static enum { READ_WELL, READ_SHORT, READ_INTERRUPTED, READ_BROKEN } read_mode;
static int reads_before_failure, interruptions;

ptrdiff_t __real_disk_read(int file, void *out, size_t count, uint64_t at);
ptrdiff_t __wrap_disk_read(int file, void *out, size_t count, uint64_t at);

ptrdiff_t __wrap_disk_read(int file, void *out, size_t count, uint64_t at)
{
    if (read_mode == READ_SHORT && count > 1)
        count = 1 + count / 3;
    if (read_mode == READ_INTERRUPTED && interruptions++ % 2 == 0) {
        errno = EINTR;
        return -1;
    }
    if (read_mode == READ_BROKEN && reads_before_failure-- <= 0) {
        errno = EIO;
        return -1;
    }
    return __real_disk_read(file, out, count, at);
}

// ---- safetensors files -----------------------------------------------------------------------

// The storage follows the header, padded as writers do.
static void build(struct bytes *file, const char *header)
{
    put_number(file, strlen(header), 8);
    put_text(file, header);
    put(file, stored, sizeof stored);
}

static void expect_header_refused(const char *header, const char *why)
{
    struct bytes file = {0};
    build(&file, header);
    expect_refused(file.at, file.count, why);
    bytes_finish(&file);
}

static void open_header(struct weights *weights, const char *header)
{
    struct bytes file = {0};
    build(&file, header);
    open_bytes(weights, file.at, file.count);
    bytes_finish(&file);
}

#define SOUND "{\"w\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]}}"

// A header of one tensor that fills the file, its three fields as given.
static void expect_fields_refused(const char *type, const char *shape, const char *offsets,
                                  const char *why)
{
    char header[400];
    snprintf(header, sizeof header, "{\"w\":{\"dtype\":%s,\"shape\":%s,\"data_offsets\":%s}}", type,
             shape, offsets);
    expect_header_refused(header, why);
}

static void a_safetensors_file_is_listed_and_read(void **state)
{
    (void)state;
    struct weights weights;
    open_header(&weights,
                "{ \"module.b\" : {\"data_offsets\":[8,24], \"shape\" : [ 4 , 1 ],\n\"dtype\":"
                "\"F32\"}, \"__metadata__\":{\"format\":\"pt\",\"\\u00e9\":\"\\ud83d\\ude00\"},"
                "\"module.\\u0061\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}   ");
    assert_int_equal(weights.count, 2);
    expect_values(&weights, "a", storage, 2);
    expect_values(&weights, "b", storage + 2, 4);
    assert_null(weights_find(&weights, "module.a"));
    assert_null(weights_find(&weights, "c"));
    weights_close(&weights);
}

// Wrappers of several kinds, one in another.
static void all_prefixes_that_training_leaves_are_taken_off(void **state)
{
    (void)state;
    static const char *const prefixes[] = {"model.", "module.model.", "model._orig_mod.module."};
    for (size_t i = 0; i < COUNT(prefixes); i++) {
        char header[256];
        struct weights weights;
        snprintf(header, sizeof header,
                 "{\"%sa\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
                 "\"%smodel.b\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[8,24]}}",
                 prefixes[i], prefixes[i]);
        open_header(&weights, header);
        assert_non_null(weights_find(&weights, "a"));
        assert_non_null(weights_find(&weights, "model.b"));
        weights_close(&weights);
    }
}

static void a_prefix_that_not_all_names_share_stays(void **state)
{
    (void)state;
    struct weights weights;
    open_header(&weights, "{\"module.a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
                          "\"b\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[8,24]}}");
    assert_non_null(weights_find(&weights, "module.a"));
    weights_close(&weights);
}

static void escaped_names_come_out_as_utf8(void **state)
{
    (void)state;
    struct weights weights;
    open_header(&weights, "{\"\\u0041\\u00e9\\u20ac\\ud83d\\ude00\\/\\\"\":{\"dtype\":\"F32\","
                          "\"shape\":[6],\"data_offsets\":[0,24]}}");
    assert_string_equal(weights.items[0].name, "A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80/\"");
    weights_close(&weights);
}

static void parts_of_a_tensor_are_read(void **state)
{
    (void)state;
    static const char *const types[] = {"F32", "F16", "BF16", "F64"};
    static const size_t type_bytes[] = {4, 2, 2, 8};
    static uint8_t content[4096 * 8];
    for (size_t i = 0; i < sizeof content; i++)
        content[i] = (uint8_t)(i % 61);
    for (size_t t = 0; t < COUNT(types); t++) {
        struct bytes file = {0};
        struct weights weights;
        char header[200];
        size_t count = sizeof content / type_bytes[t];
        int header_bytes = snprintf(header, sizeof header,
                                    "{\"w\":{\"dtype\":\"%s\",\"shape\":[%llu],"
                                    "\"data_offsets\":[0,%zu]}}",
                                    types[t], (unsigned long long)count, sizeof content);
        put_number(&file, (uint64_t)header_bytes, 8);
        put_text(&file, header);
        put(&file, content, sizeof content);
        open_bytes(&weights, file.at, file.count);

        float *whole = malloc(count * sizeof *whole), *parts = malloc(count * sizeof *parts);
        assert_true(whole && parts);
        assert_true(weights_read_f32(&weights, &weights.items[0], 0, count, whole, NULL));
        for (uint64_t first = 0, step = 1; first < count; first += step, step = 2 * step + 1) {
            step = step < count - first ? step : count - first;
            assert_true(
                weights_read_f32(&weights, &weights.items[0], first, step, parts + first, NULL));
        }
        assert_memory_equal(whole, parts, count * sizeof *whole);
        assert_true(weights_read_f32(&weights, &weights.items[0], count, 0, parts, NULL));
        free(whole);
        free(parts);
        weights_close(&weights);
        bytes_finish(&file);
    }
}

static void m09_truncated_tensor_is_refused(void **state)
{
    (void)state;
    struct bytes file = {0};
    char why[80];
    build(&file, SOUND);
    snprintf(why, sizeof why, "file is %zu bytes, needs %zu", file.count - 7, file.count);
    expect_refused(file.at, file.count - 7, why);
    for (size_t count = 0; count < file.count; count++)
        expect_refused(file.at, count, ": ");
    bytes_finish(&file);
}

static void m21_header_lengths_are_bounded(void **state)
{
    (void)state;
    const struct {
        uint64_t header_bytes;
        const char *why;
    } cases[] = {
        {0, "safetensors header of 0 bytes"},
        {UINT64_MAX, "header of 18446744073709551615 bytes, at most 100000000 are accepted"},
        {100000001, "header of 100000001 bytes, at most 100000000 are accepted"},
        {100000000, "its header needs 100000008"},
        {1000, "its header needs 1008"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct bytes file = {0};
        build(&file, SOUND);
        set_number(file.at, cases[i].header_bytes, 8);
        expect_refused(file.at, file.count, cases[i].why);
        bytes_finish(&file);
    }
}

static void m22_headers_that_are_not_strict_json_are_refused(void **state)
{
    (void)state;
    expect_header_refused("{\"w\xff\":1}", "is not UTF-8");
    expect_header_refused("{]", "'\"' expected");
    expect_header_refused("{\"w\"", "':' expected");
    expect_header_refused("{\"w\":[]}", "'{' expected");
    expect_header_refused("{\"w\":{}}", "'\"' expected");
    expect_header_refused("{\"w", "a string does not end");
    expect_header_refused("{\"w\n\":1}", "control character in a string");
    expect_header_refused("{\"\\x\":1}", "unknown escape");
    expect_header_refused("{\"\\u12g4\":1}", "four hexadecimal digits");
    expect_header_refused("{\"\\ud800\":1}", "half of a surrogate pair");
    expect_header_refused("{\"\\ud800\\u0041\":1}", "half of a surrogate pair");
    expect_header_refused("{\"\\udc00\":1}", "half of a surrogate pair");
    expect_header_refused(SOUND "x", "bytes after the JSON object");
    expect_header_refused("{\"w\":{\"dtype\":\"F32\",\"shape\":[6],\"data_offsets\":[0,24]},}",
                          "'\"' expected");
    expect_header_refused("{\"w\":{\"dtype\":\"F32\",\"dtype\":\"F32\"}}", "there twice");
    expect_header_refused("{\"w\":{\"type\":\"F32\"}}", "a key is unknown");
    expect_header_refused("{\"w\":{\"dtype\":\"F32\"}}", "a tensor lacks");
    expect_header_refused("{\"\":{\"dtype\":\"F32\",\"shape\":[6],\"data_offsets\":[0,24]}}",
                          "a tensor name has 0 bytes");
    expect_header_refused(
        "{\"a\\u0007\":{\"dtype\":\"F32\",\"shape\":[6],\"data_offsets\":[0,24]}}",
        "has control characters");
    expect_header_refused("{}", "its tensors end at");

    struct bytes deep = {0};
    put_text(&deep, "{\"w\":{\"dtype\":\"F32\",\"shape\":");
    for (int i = 0; i < 100000; i++)
        put_text(&deep, "[");
    put(&deep, "", 1);
    expect_header_refused((const char *)deep.at, "a whole number from 0 expected");
    bytes_finish(&deep);
}

static void m22_numbers_that_are_no_offsets_are_refused(void **state)
{
    (void)state;
    static const char *const numbers[] = {"1e999", "-1",     "1.5",  "2e0", "024",
                                          "0x18",  "\"24\"", "null", "",    "+24"};
    for (size_t i = 0; i < COUNT(numbers); i++) {
        char offsets[64];
        snprintf(offsets, sizeof offsets, "[0,%s]", numbers[i]);
        expect_fields_refused("\"F32\"", "[2,3]", offsets, "safetensors header, byte");
    }
    expect_fields_refused("\"F32\"", "[2,3]", "[0,9007199254740993]", "above 2^53");
    expect_fields_refused("\"F32\"", "[2,3]", "[0,18446744073709551640]", "above 2^53");
    expect_fields_refused("\"F32\"", "[2,3]", "[0,99999999999999999999]", "above 2^53");
    expect_fields_refused("\"F32\"", "[2,3]", "[0]", "a tensor lacks");
    expect_fields_refused("\"F32\"", "[2,3]", "[0,24,24]", "too many numbers");
    expect_fields_refused("\"F32\"", "[1,1,1,1,1,1,1,2,3]", "[0,24]", "too many numbers");
}

static void m22_two_tensors_of_one_name_are_refused(void **state)
{
    (void)state;
    expect_header_refused("{\"w\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
                          "\"\\u0077\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[8,24]}}",
                          "'w' is there twice");
}

static void m23_places_must_follow_one_another(void **state)
{
    (void)state;
    static const struct {
        const char *first, *second; // shape and offsets
        const char *why;
    } cases[] = {
        {"[3],\"data_offsets\":[0,12]", "[4],\"data_offsets\":[8,24]", "begins at byte"},
        {"[1],\"data_offsets\":[0,4]", "[4],\"data_offsets\":[8,24]", "begins at byte"},
        {"[1],\"data_offsets\":[4,8]", "[4],\"data_offsets\":[8,24]", "begins at byte"},
        {"[2],\"data_offsets\":[0,8]", "[2],\"data_offsets\":[0,8]", "begins at byte"},
        {"[2],\"data_offsets\":[0,8]", "[3],\"data_offsets\":[8,20]", "its tensors end at"},
        {"[2],\"data_offsets\":[0,8]", "[5],\"data_offsets\":[8,28]", "it is cut short"},
        {"[2],\"data_offsets\":[8,0]", "[4],\"data_offsets\":[8,24]", "do not fit the shape"},
        {"[2],\"data_offsets\":[0,12]", "[3],\"data_offsets\":[12,24]", "do not fit the shape"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char header[300];
        snprintf(header, sizeof header,
                 "{\"a\":{\"dtype\":\"F32\",\"shape\":%s},\"b\":{\"dtype\":\"F32\",\"shape\":%s}}",
                 cases[i].first, cases[i].second);
        expect_header_refused(header, cases[i].why);
    }
    expect_fields_refused("\"F32\"", "[4294967296,4294967296]", "[0,0]", "do not fit the shape");
    expect_fields_refused("\"F32\"", "[4294967296,4294967296]", "[0,24]", "do not fit the shape");
    expect_fields_refused("\"F64\"", "[2,3]", "[0,24]", "do not fit the shape");
}

static void m24_scalars_and_empty_tensors_are_listed(void **state)
{
    (void)state;
    struct weights weights;
    char text[32];
    open_header(&weights, "{\"scalar\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]},"
                          "\"none\":{\"dtype\":\"F32\",\"shape\":[0,7],\"data_offsets\":[4,4]},"
                          "\"rest\":{\"dtype\":\"F32\",\"shape\":[5],\"data_offsets\":[4,24]}}");
    assert_int_equal(weights.count, 3);
    expect_values(&weights, "scalar", storage, 1);
    expect_values(&weights, "none", storage, 0);
    weight_describe(weights_find(&weights, "scalar"), text, sizeof text);
    assert_string_equal(text, "[] F32");
    weight_describe(weights_find(&weights, "none"), text, sizeof text);
    assert_string_equal(text, "[0, 7] F32");
    weight_describe(weights_find(&weights, "none"), text, 5);
    assert_string_equal(text, "[0, ");
    weights_close(&weights);
}

static void m25_unknown_element_types_are_refused_by_name(void **state)
{
    (void)state;
    expect_fields_refused("\"F8_E4M3\"", "[24]", "[0,24]", "'F8_E4M3' is not supported");
    expect_fields_refused("\"F4\"", "[48]", "[0,24]", "'F4' is not supported");
    expect_fields_refused("\"f32\"", "[6]", "[0,24]", "'f32' is not supported");
    expect_fields_refused("\"\"", "[6]", "[0,24]", "'' is not supported");
}

static void m26_metadata_other_than_texts_is_refused(void **state)
{
    (void)state;
    expect_header_refused("{\"__metadata__\":{\"a\":1}}", "'\"' expected");
    expect_header_refused("{\"__metadata__\":{\"a\":{\"b\":\"c\"}}}", "'\"' expected");
    expect_header_refused("{\"__metadata__\":[]}", "'{' expected");
    expect_header_refused("{\"__metadata__\":{},\"__metadata__\":{}}", "there twice");
}

// 90 MB of metadata are legal; they must cost neither minutes nor gigabytes.
static void m26_much_metadata_is_read_in_bounded_time(void **state)
{
    (void)state;
    const size_t text_bytes = 90000000;
    struct bytes file = {0};
    struct weights weights;
    char *text = malloc(text_bytes);
    assert_non_null(text);
    memset(text, 'x', text_bytes);
    put_number(&file, 0, 8);
    put_text(&file, "{\"__metadata__\":{\"a\":\"");
    put(&file, text, text_bytes);
    put_text(&file, "\"},\"w\":{\"dtype\":\"F32\",\"shape\":[6],\"data_offsets\":[0,24]}}");
    set_number(file.at, file.count - 8, 8);
    put(&file, stored, sizeof stored);
    free(text);

    struct timespec start, end;
    clock_gettime(CLOCK_MONOTONIC, &start);
    open_bytes(&weights, file.at, file.count);
    clock_gettime(CLOCK_MONOTONIC, &end);
    printf("90 MB of metadata: %ld s\n", (long)(end.tv_sec - start.tv_sec));
    assert_true(end.tv_sec - start.tv_sec < 20);
    expect_values(&weights, "w", storage, 6);
    weights_close(&weights);
    bytes_finish(&file);
}

static void m27_bytes_after_the_last_tensor_are_refused(void **state)
{
    (void)state;
    struct bytes file = {0};
    build(&file, SOUND);
    put_text(&file, "PK\5\6");
    expect_refused(file.at, file.count, "its tensors end at");
    bytes_finish(&file);
}

// ---- told apart by the first bytes -----------------------------------------------------------

static void m10_a_git_lfs_pointer_is_named_with_its_size(void **state)
{
    (void)state;
    static const char pointer[] =
        "version https://git-lfs.github.com/spec/v1\n"
        "oid sha256:52cc993c5c5ff962bd0c60931874bc001e7e9b41666a385530f4a036294576be\n"
        "size 783705670\n";
    expect_refused(pointer, sizeof pointer - 1,
                   "this is a Git LFS pointer, size 783705670 expected");
}

static void other_kinds_of_files_are_named(void **state)
{
    (void)state;
    static char tar[512] = "archive/";
    memcpy(tar + 257, "ustar", 5);
    expect_refused("<!DOCTYPE html>\n<html>Entry not found</html>", 43, "is a web page");
    expect_refused("\n <HTML><body>", 14, "is a web page");
    expect_refused("\x80\x02\x8a\nl\xfc\x9c\x46\xf9", 9, "was saved by torch before 1.6");
    expect_refused("GGUF\3\0\0\0\0\0\0\0", 12, "is a GGUF file");
    expect_refused("\x08\x07\x12\x07pytorch", 11, "looks like an ONNX file");
    expect_refused(tar, sizeof tar, "is a tar archive");
    expect_refused("{\"model_cfg\":{}}", 16, "is not a model file (neither");
    expect_refused("\0\0\0\0\0\0\0\0", 8, "is not a model file (neither");
}

// ---- files that cannot be read, or change
// ----------------------------------------------------------

static void f02_interrupted_and_short_reads_are_continued(void **state)
{
    (void)state;
    struct weights weights;
    read_mode = READ_SHORT;
    open_header(&weights, SOUND);
    expect_values(&weights, "w", storage, 6);
    weights_close(&weights);
    read_mode = READ_INTERRUPTED;
    open_header(&weights, SOUND);
    expect_values(&weights, "w", storage, 6);
    weights_close(&weights);
    read_mode = READ_WELL;
}

static void f02_a_broken_disk_is_reported_with_the_byte(void **state)
{
    (void)state;
    struct bytes file = {0};
    struct weights weights;
    vkclip_error error = {0};
    float values[6];
    build(&file, SOUND);
    for (int reads = 0; reads < 3; reads++) {
        read_mode = READ_BROKEN;
        reads_before_failure = reads;
        expect_refused(file.at, file.count, "cannot read byte");
    }
    read_mode = READ_WELL;
    open_bytes(&weights, file.at, file.count);
    read_mode = READ_BROKEN;
    reads_before_failure = 0;
    assert_false(weights_read_f32(&weights, &weights.items[0], 0, 6, values, &error));
    assert_non_null(strstr(error.message, strerror(EIO)));
    assert_non_null(strstr(error.message, ", in 'w'"));
    assert_int_equal(error.status, VKCLIP_ERROR_FILE);
    read_mode = READ_WELL;
    weights_close(&weights);
    bytes_finish(&file);
}

static void m28_a_file_that_shrinks_is_an_error_not_a_signal(void **state)
{
    (void)state;
    struct bytes file = {0};
    build(&file, SOUND);
    for (size_t i = 0; i < 20; i++) {
        struct scratch_file scratch;
        struct weights weights;
        vkclip_error error = {0};
        float values[6];
        scratch_init(&scratch, file.at, file.count);
        assert_true(weights_open(&weights, scratch.path, &error));
        FILE *shorter = fopen(scratch.path, "wb");
        assert_non_null(shorter);
        fwrite(file.at, 1, file.count * i / 20, shorter);
        fclose(shorter);
        bool is_read = weights_read_f32(&weights, &weights.items[0], 0, 6, values, &error);
        scratch_finish(&scratch);
        weights_close(&weights);
        assert_false(is_read);
        assert_non_null(strstr(error.message, "more expected, in 'w'"));
    }
    bytes_finish(&file);
}

static void closing_what_was_never_opened_is_fine(void **state)
{
    (void)state;
    struct weights weights = {0};
    weights_close(&weights);
    weights_close(&weights);
    assert_null(weights_find(&weights, "w"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_safetensors_file_is_listed_and_read),
        cmocka_unit_test(a_prefix_that_not_all_names_share_stays),
        cmocka_unit_test(all_prefixes_that_training_leaves_are_taken_off),
        cmocka_unit_test(escaped_names_come_out_as_utf8),
        cmocka_unit_test(parts_of_a_tensor_are_read),
        cmocka_unit_test(m09_truncated_tensor_is_refused),
        cmocka_unit_test(m10_a_git_lfs_pointer_is_named_with_its_size),
        cmocka_unit_test(m21_header_lengths_are_bounded),
        cmocka_unit_test(m22_headers_that_are_not_strict_json_are_refused),
        cmocka_unit_test(m22_numbers_that_are_no_offsets_are_refused),
        cmocka_unit_test(m22_two_tensors_of_one_name_are_refused),
        cmocka_unit_test(m23_places_must_follow_one_another),
        cmocka_unit_test(m24_scalars_and_empty_tensors_are_listed),
        cmocka_unit_test(m25_unknown_element_types_are_refused_by_name),
        cmocka_unit_test(m26_metadata_other_than_texts_is_refused),
        cmocka_unit_test(m26_much_metadata_is_read_in_bounded_time),
        cmocka_unit_test(m27_bytes_after_the_last_tensor_are_refused),
        cmocka_unit_test(m28_a_file_that_shrinks_is_an_error_not_a_signal),
        cmocka_unit_test(other_kinds_of_files_are_named),
        cmocka_unit_test(f02_interrupted_and_short_reads_are_continued),
        cmocka_unit_test(f02_a_broken_disk_is_reported_with_the_byte),
        cmocka_unit_test(closing_what_was_never_opened_is_fine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
