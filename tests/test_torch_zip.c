// The torch.save reader. Cases named m.. are those of the list of faults.
#include <dirent.h>

#include "weights_testing.h"

static void build_tensor(struct archive *archive, const struct pickle_tensor *tensor)
{
    struct bytes pickle = {0};
    pickle_whole(&pickle, "w", tensor);
    archive_whole(archive, &pickle, stored, sizeof stored);
    bytes_finish(&pickle);
}

static void expect_tensor_refused(const struct pickle_tensor *tensor, const char *why)
{
    struct archive archive = {0};
    build_tensor(&archive, tensor);
    expect_archive_refused(&archive, why);
}

// ---- what is accepted ------------------------------------------------------------------------

static void a_saved_state_dict_is_listed_and_read(void **state)
{
    (void)state;
    struct archive archive = {0};
    struct weights weights;
    build_tensor(&archive, &matrix);
    open_bytes(&weights, archive.file.at, archive.file.count);
    assert_int_equal(weights.count, 1);
    expect_values(&weights, "w", storage, 6);
    char text[32];
    weight_describe(weights_find(&weights, "w"), text, sizeof text);
    assert_string_equal(text, "[2, 3] F32");
    weights_close(&weights);
    archive_finish(&archive);
}

static void tied_tensors_and_rows_of_a_storage_are_read(void **state)
{
    (void)state;
    struct bytes pickle = {0};
    struct archive archive = {0};
    struct weights weights;
    struct pickle_tensor row = matrix;
    row.rank = 1;
    row.offset = 3;
    row.shape[0] = 3;
    row.strides[0] = 1;
    put(&pickle, "\x80\x02}(", 4);
    pickle_name(&pickle, "module.a");
    pickle_rebuilt(&pickle, &matrix);
    pickle_name(&pickle, "module.b");
    pickle_rebuilt(&pickle, &row);
    put_text(&pickle, "u.");
    archive_whole(&archive, &pickle, stored, sizeof stored);
    open_bytes(&weights, archive.file.at, archive.file.count);
    assert_int_equal(weights.count, 2);
    expect_values(&weights, "a", storage, 6);
    expect_values(&weights, "b", storage + 3, 3);
    weights_close(&weights);
    archive_finish(&archive);
    bytes_finish(&pickle);
}

// {'epoch': 7, 'optimizer': {'momentum': tensor}, <wrapper>: OrderedDict with _metadata}
static void an_outer_dict_is_taken_off(void **state)
{
    (void)state;
    static const char *const wrappers[] = {"state_dict", "model", "model_state_dict"};
    for (size_t i = 0; i < COUNT(wrappers); i++) {
        struct bytes pickle = {0};
        struct archive archive = {0};
        struct weights weights;
        put(&pickle, "\x80\x02}(", 4);
        pickle_name(&pickle, "epoch");
        put_text(&pickle, "K\x07");
        pickle_name(&pickle, "optimizer");
        put_text(&pickle, "}");
        pickle_name(&pickle, "momentum");
        pickle_rebuilt(&pickle, &matrix);
        put_text(&pickle, "s");
        pickle_name(&pickle, wrappers[i]);
        put_text(&pickle, "ccollections\nOrderedDict\n)R");
        pickle_name(&pickle, "w");
        put_text(&pickle, "ctorch._utils\n_rebuild_parameter\n");
        pickle_rebuilt(&pickle, &matrix);
        put_text(&pickle, "\x88"
                          "ccollections\nOrderedDict\n)R\x87Rs}");
        pickle_name(&pickle, "_metadata");
        put_text(&pickle, "]NasbU\x01xNu.");
        archive_whole(&archive, &pickle, stored, sizeof stored);
        open_bytes(&weights, archive.file.at, archive.file.count);
        assert_int_equal(weights.count, 1);
        expect_values(&weights, "w", storage, 6);
        weights_close(&weights);
        archive_finish(&archive);
        bytes_finish(&pickle);
    }
}

static void m07_unaligned_data_is_read(void **state)
{
    (void)state;
    struct archive archive = {0};
    struct weights weights;
    build_tensor(&archive, &matrix);
    open_bytes(&weights, archive.file.at, archive.file.count);
    assert_int_not_equal(weights.items[0].offset_bytes % 4, 0);
    expect_values(&weights, "w", storage, 6);
    weights_close(&weights);
    archive_finish(&archive);
}

static void m17_every_float_type_is_widened(void **state)
{
    (void)state;
    static const float half_values[4] = {1.0f, -2.0f, 0x1p-24f, INFINITY};
    static const float brain_values[4] = {1.0f, -2.0f, 0x1p-133f, INFINITY};
    static const float double_values[4] = {1.0f, -2.0f, 0.1f, INFINITY};
    const struct {
        const char *type;
        size_t bytes;
        uint64_t numbers[4];
        const float *values;
    } cases[] = {
        {"HalfStorage", 2, {0x3c00, 0xc000, 0x0001, 0x7c00}, half_values},
        {"BFloat16Storage", 2, {0x3f80, 0xc000, 0x0001, 0x7f80}, brain_values},
        {"DoubleStorage",
         8,
         {0x3ff0000000000000, 0xc000000000000000, 0x3fb999999999999a, 0x7e37e43c8800759c},
         double_values},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct pickle_tensor tensor = {
            .type = cases[i].type,
            .key = "0",
            .stored_count = 4,
            .rank = 1,
            .shape = {4},
            .strides = {1},
        };
        struct bytes pickle = {0}, numbers = {0};
        struct archive archive = {0};
        struct weights weights;
        for (size_t k = 0; k < 4; k++)
            put_number(&numbers, cases[i].numbers[k], cases[i].bytes);
        pickle_whole(&pickle, "w", &tensor);
        archive_whole(&archive, &pickle, numbers.at, numbers.count);
        open_bytes(&weights, archive.file.at, archive.file.count);
        expect_values(&weights, "w", cases[i].values, 4);
        weights_close(&weights);
        archive_finish(&archive);
        bytes_finish(&pickle);
        bytes_finish(&numbers);
    }
}

static void m17_integers_are_listed_but_not_read_as_floats(void **state)
{
    (void)state;
    struct pickle_tensor tensor = matrix;
    struct archive archive = {0};
    struct weights weights;
    vkclip_error error = {0};
    float values[6];
    tensor.type = "LongStorage"; // 3 of 8 bytes
    tensor.stored_count = 3;
    tensor.shape[0] = 1;
    build_tensor(&archive, &tensor);
    open_bytes(&weights, archive.file.at, archive.file.count);
    assert_false(weights_read_f32(&weights, &weights.items[0], 0, 3, values, &error));
    assert_non_null(strstr(error.message, "'w' holds I64, not floats"));
    weights_close(&weights);
    archive_finish(&archive);
}

static void m17_other_types_and_byte_orders_are_refused(void **state)
{
    (void)state;
    struct pickle_tensor tensor = matrix;
    tensor.type = "ComplexFloatStorage";
    expect_tensor_refused(&tensor, "'torch ComplexFloatStorage'");

    static const char *const orders[] = {"big", "middle"};
    for (size_t i = 0; i < COUNT(orders); i++) {
        struct bytes pickle = {0};
        struct archive archive = {0};
        pickle_whole(&pickle, "w", &matrix);
        archive_add(&archive, "x/data.pkl", pickle.at, pickle.count);
        archive_add(&archive, "x/byteorder", orders[i], strlen(orders[i]));
        archive_add(&archive, "x/data/0", stored, sizeof stored);
        archive_end(&archive);
        bytes_finish(&pickle);
        expect_archive_refused(&archive, "big-endian");
    }
}

// ---- archives --------------------------------------------------------------------------------

static void m01_no_archive_at_all_is_refused(void **state)
{
    (void)state;
    static const uint8_t empty_archive[22] = {'P', 'K', 5, 6};
    expect_refused("", 0, "is empty, not a model file");
    expect_refused("P", 1, "is not a model file");
    expect_refused("PK\3\4", 4, "zip, byte 0: too short");
    expect_refused(empty_archive, sizeof empty_archive, "is an empty zip archive");
}

static void m02_only_an_end_record_at_the_end_counts(void **state)
{
    (void)state;
    struct archive archive = {0};
    build_tensor(&archive, &matrix);
    set_number(archive.file.at + archive.end_at + 20, 5, 2); // a comment that is not there
    expect_archive_refused(&archive, "does not end as a zip archive");

    build_tensor(&archive, &matrix);
    put(&archive.file, "x", 1);
    expect_archive_refused(&archive, "does not end as a zip archive");

    build_tensor(&archive, &matrix); // a second archive's end behind the first
    put(&archive.file, archive.file.at + archive.end_at, 22);
    expect_archive_refused(&archive, "the directory does not lie before its end record");

    build_tensor(&archive, &matrix);
    for (int i = 0; i < 70000; i++)
        put(&archive.file, "", 1);
    expect_archive_refused(&archive, "does not end as a zip archive");
}

static void m03_zip64_fields_are_bounded_and_agree(void **state)
{
    (void)state;
    const struct {
        size_t at; // in the zip64 end record
        uint64_t value;
    } cases[] = {
        {24, UINT64_C(1) << 63},
        {32, UINT64_C(1) << 63},
        {40, UINT64_C(1) << 63},
        {48, UINT64_C(1) << 63},
        {48, 1},
        {4, 1000},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct archive archive = {0};
        build_tensor(&archive, &matrix);
        set_number(archive.file.at + archive.end64_at + cases[i].at, cases[i].value, 8);
        expect_archive_refused(&archive, "zip, byte");
    }
    // Huge numbers in the zip64 record alone, where the old record says it cannot tell.
    struct archive archive = {0};
    build_tensor(&archive, &matrix);
    memset(archive.file.at + archive.end_at + 8, 0xff, 12);
    for (size_t at = 24; at < 56; at += 8)
        set_number(archive.file.at + archive.end64_at + at, UINT64_C(1) << 63, 8);
    expect_archive_refused(&archive, "the directory does not lie before its end record");

    build_tensor(&archive, &matrix);
    set_number(archive.file.at + archive.central_at[2] + 24, 0xffffffff, 4);
    expect_archive_refused(&archive, "a zip64 size is missing");
}

static void m04_local_headers_must_agree_with_the_directory(void **state)
{
    (void)state;
    static const size_t fields[] = {6, 8, 18, 22, 26, 30}; // flags, method, sizes, name
    for (size_t i = 0; i < COUNT(fields); i++) {
        struct archive archive = {0};
        build_tensor(&archive, &matrix);
        archive.file.at[archive.local_at[2] + fields[i]] ^= 0x04;
        expect_archive_refused(&archive, "a local header and the directory disagree");
    }
    struct archive archive = {0};
    build_tensor(&archive, &matrix);
    archive.file.at[archive.local_at[2]] = 'Q';
    expect_archive_refused(&archive, "no local header where the directory says");
}

static void m05_overlap_and_compression_are_refused(void **state)
{
    (void)state;
    struct archive archive = {0};
    build_tensor(&archive, &matrix);
    set_number(archive.file.at + archive.central_at[0] + 10, 8, 2);
    expect_archive_refused(&archive, "an entry is compressed");

    // data/0 grows over the entry behind it, in both headers.
    build_tensor(&archive, &matrix);
    for (int i = 0; i < 2; i++) {
        set_number(archive.file.at + archive.central_at[2] + 20 + 4 * (size_t)i, 60, 4);
        set_number(archive.file.at + archive.local_at[2] + 18 + 4 * (size_t)i, 60, 4);
    }
    expect_archive_refused(&archive, "two entries overlap");

    build_tensor(&archive, &matrix);
    set_number(archive.file.at + archive.central_at[2] + 24, 1 << 30, 4);
    expect_archive_refused(&archive, "a stored entry has two sizes");
}

static void m06_strange_and_repeated_names_are_refused(void **state)
{
    (void)state;
    static const char *const names[] = {"../../x", "x/../y", "/etc/passwd",
                                        "x\\y",    "x/a\nb", "x/.."};
    for (size_t i = 0; i < COUNT(names); i++) {
        struct archive archive = {0};
        archive_add(&archive, names[i], "", 0);
        archive_end(&archive);
        expect_archive_refused(&archive, "an entry's name is not a plain path");
    }
    struct archive archive = {0};
    archive_add(&archive, "x/data/0", "", 0);
    archive_add(&archive, "x/data/0", "", 0);
    archive_end(&archive);
    expect_archive_refused(&archive, "an entry is there twice");

    archive_add(&archive, "x/data.pkl", "", 0);
    archive_add(&archive, "y/data/0", "", 0);
    archive_end(&archive);
    expect_archive_refused(&archive, "do not share one folder");

    build_tensor(&archive, &matrix); // a zero byte inside a name, in both headers
    archive.file.at[archive.local_at[2] + 30 + 6] = 0;
    archive.file.at[archive.central_at[2] + 46 + 6] = 0;
    expect_archive_refused(&archive, "an entry's name is not a plain path");
}

static void m08_a_damaged_pickle_is_refused(void **state)
{
    (void)state;
    struct archive archive = {0};
    build_tensor(&archive, &matrix);
    archive.file.at[archive.local_at[0] + 30 + 10 + 5] ^= 1;
    expect_archive_refused(&archive, "the checksum of data.pkl is wrong");
}

// Tensors' checksums are not looked at: torch can leave them out.
static void m08_checksums_of_tensors_are_not_read(void **state)
{
    (void)state;
    struct archive archive = {0};
    struct weights weights;
    build_tensor(&archive, &matrix);
    archive.file.at[archive.central_at[2] + 16] ^= 1;
    open_bytes(&weights, archive.file.at, archive.file.count);
    weights_close(&weights);
    archive_finish(&archive);
}

static void m09_truncated_archive_is_refused_wherever_it_is_cut(void **state)
{
    (void)state;
    struct archive archive = {0};
    build_tensor(&archive, &matrix);
    for (size_t count = 4; count < archive.file.count; count++)
        expect_refused(archive.file.at, count, ": ");
    expect_refused(archive.file.at, archive.file.count - 1, "it is cut short");
    archive_finish(&archive);
}

static void archives_of_other_programs_are_named(void **state)
{
    (void)state;
    struct archive archive = {0};
    archive_add(&archive, "x/constants.pkl", "", 0);
    archive_end(&archive);
    expect_archive_refused(&archive, "is a TorchScript program");

    archive_add(&archive, "word/document.xml", "", 0);
    archive_end(&archive);
    expect_archive_refused(&archive, "without data.pkl, not a torch.save file");
}

// ---- tensors -----------------------------------------------------------------------------------

static void m16_tensors_outside_their_storage_are_refused(void **state)
{
    (void)state;
    static const int64_t most = INT64_MAX;
    const struct {
        int64_t stored_count, offset, rows, cols, row_stride, col_stride;
        const char *why;
    } cases[] = {
        {6, -1, 2, 3, 3, 1, "reaches beyond its storage"},
        {6, 1, 2, 3, 3, 1, "reaches beyond its storage"},
        {6, most, 2, 3, 3, 1, "reaches beyond its storage"},
        {6, 0, -2, -3, -3, 1, "reaches beyond its storage"},
        {6, 0, most, 4, 4, 1, "reaches beyond its storage"},
        {6, 0, 1000000, 1000000, 0, 0, "reaches beyond its storage"},
        {6, 0, 3, 2, 1, 3, "is not contiguous"},
        {6, 0, 2, 3, 0, 1, "is not contiguous"},
        {6, 0, 2, 3, 2, 1, "is not contiguous"},
        {6, 0, 2, 2, 3, 1, "is not contiguous"},
        {5, 0, 1, 3, 3, 1, "has no storage of the size it says"},
        {7, 0, 2, 3, 3, 1, "has no storage of the size it says"},
        {-6, 0, 2, 3, 3, 1, "has no storage of the size it says"},
        {most, 0, 2, 3, 3, 1, "has no storage of the size it says"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct pickle_tensor tensor = {
            .type = "FloatStorage",
            .key = "0",
            .rank = 2,
            .stored_count = cases[i].stored_count,
            .offset = cases[i].offset,
            .shape = {cases[i].rows, cases[i].cols},
            .strides = {cases[i].row_stride, cases[i].col_stride},
        };
        expect_tensor_refused(&tensor, cases[i].why);
    }
    struct pickle_tensor tensor = matrix;
    tensor.key = "1";
    expect_tensor_refused(&tensor, "has no storage");
    tensor.key = "../../../../etc/passwd";
    expect_tensor_refused(&tensor, "has no storage");
    tensor = matrix;
    tensor.rank = 9;
    expect_tensor_refused(&tensor, "a tensor is rebuilt from strange arguments");
}

// {'w': tensor, 'w': tensor}, and {'w': tensor, <number>: tensor}
static void m18_two_tensors_of_one_name_are_refused(void **state)
{
    (void)state;
    struct bytes pickle = {0};
    put(&pickle, "\x80\x02}(", 4);
    for (int i = 0; i < 2; i++) {
        pickle_name(&pickle, "w");
        pickle_rebuilt(&pickle, &matrix);
    }
    put_text(&pickle, "u.");
    expect_pickle_refused(&pickle, "'w' is there twice");

    put(&pickle, "\x80\x02}K\x01", 5);
    pickle_rebuilt(&pickle, &matrix);
    put_text(&pickle, "s.");
    expect_pickle_refused(&pickle, "has a key that is not a text");
}

static void strange_tensor_names_are_refused(void **state)
{
    (void)state;
    char long_name[600] = {0};
    memset(long_name, 'a', 513);
    const char *const names[] = {"",
                                 long_name,
                                 "a\nb",
                                 "a\x1b[2Jb",
                                 "a\xff"
                                 "b",
                                 "a\xc2\x9b"
                                 "b"};
    for (size_t i = 0; i < COUNT(names); i++) {
        struct bytes pickle = {0};
        pickle_whole(&pickle, names[i], &matrix);
        expect_pickle_refused(&pickle, "name");
    }
}

// ---- files from elsewhere --------------------------------------------------------------------

static void files_found_in_the_wild_are_listed(void **state)
{
    (void)state;
    static const char folder[] = "../shared/data/weights/vit-mnist";
    DIR *directory = opendir(folder);
    if (!directory) {
        printf("skipped: %s is not there\n", folder);
        skip();
    }
    int count = 0;
    for (const struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        if (!strstr(entry->d_name, ".pt"))
            continue;
        char path[512];
        struct weights weights;
        vkclip_error error = {0};
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (!weights_open(&weights, path, &error))
            print_error("%s\n", error.message);
        assert_true(weights.count >= 13);
        weights_close(&weights);
        count++;
    }
    closedir(directory);
    assert_int_equal(count, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_saved_state_dict_is_listed_and_read),
        cmocka_unit_test(tied_tensors_and_rows_of_a_storage_are_read),
        cmocka_unit_test(an_outer_dict_is_taken_off),
        cmocka_unit_test(m01_no_archive_at_all_is_refused),
        cmocka_unit_test(m02_only_an_end_record_at_the_end_counts),
        cmocka_unit_test(m03_zip64_fields_are_bounded_and_agree),
        cmocka_unit_test(m04_local_headers_must_agree_with_the_directory),
        cmocka_unit_test(m05_overlap_and_compression_are_refused),
        cmocka_unit_test(m06_strange_and_repeated_names_are_refused),
        cmocka_unit_test(m07_unaligned_data_is_read),
        cmocka_unit_test(m08_a_damaged_pickle_is_refused),
        cmocka_unit_test(m08_checksums_of_tensors_are_not_read),
        cmocka_unit_test(m09_truncated_archive_is_refused_wherever_it_is_cut),
        cmocka_unit_test(archives_of_other_programs_are_named),
        cmocka_unit_test(m16_tensors_outside_their_storage_are_refused),
        cmocka_unit_test(m17_every_float_type_is_widened),
        cmocka_unit_test(m17_integers_are_listed_but_not_read_as_floats),
        cmocka_unit_test(m17_other_types_and_byte_orders_are_refused),
        cmocka_unit_test(m18_two_tensors_of_one_name_are_refused),
        cmocka_unit_test(strange_tensor_names_are_refused),
        cmocka_unit_test(files_found_in_the_wild_are_listed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
