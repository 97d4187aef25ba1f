// Defends that .npy headers are written and read as NumPy has them, that numbers of 16 bits are
// IEEE's, and that what is no matrix of floating-point numbers is refused.
#include "folder.h"

#include <math.h>

#include "base/half.h"
#include "npy.h"

#define PREFIX "\x93NUMPY\1\0"

// As NumPy 1.24.2 wrote them: numpy.save of float32 [2, 3] and of float16 [1, 2].
static const char numpy_f32[] =
    PREFIX "v\0{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }";
static const char numpy_f16[] =
    PREFIX "v\0{'descr': '<f2', 'fortran_order': False, 'shape': (1, 2), }";

// The 128 bytes that a header and its padding take.
static void pad(char header[128], const char *start, size_t byte_count)
{
    memset(header, ' ', 128);
    memcpy(header, start, byte_count);
    header[127] = '\n';
}

static void check_header(const char *numpys, size_t byte_count, enum npy_type type,
                         const size_t shape[2])
{
    char want[128];
    struct text got = {0};
    pad(want, numpys, byte_count);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    want[21] = '>';
#endif
    npy_add_header(&got, type, shape, 2);
    assert_int_equal(got.byte_count, sizeof want);
    assert_memory_equal(got.bytes, want, sizeof want);
    text_finish(&got);
}

static void headers_are_numpys(void **state)
{
    (void)state;
    struct text got = {0};
    check_header(numpy_f32, sizeof numpy_f32 - 1, NPY_F32, (size_t[]){2, 3});
    check_header(numpy_f16, sizeof numpy_f16 - 1, NPY_F16, (size_t[]){1, 2});
    // Rows can be added to any matrix without moving it.
    npy_add_header(&got, NPY_F16, (size_t[]){0, 1}, 2);
    assert_int_equal(got.byte_count, NPY_MATRIX_HEADER_BYTES);
    text_finish(&got);
    npy_add_header(&got, NPY_F16, (size_t[]){SIZE_MAX, 4096}, 2);
    assert_int_equal(got.byte_count, NPY_MATRIX_HEADER_BYTES);
    text_finish(&got);
}

static void headers_are_read_in_any_order_and_format(void **state)
{
    (void)state;
    static const char other[] =
        "\x93NUMPY\2\0\x40\0\0\0{ \"shape\":(7,512,),\"fortran_order\":False,'descr':\">f2\"}"
        "        \n";
    vkclip_error err = {0};
    struct npy_layout layout;
    if (!npy_read_layout(&layout, other, sizeof other - 1, "x", &err))
        fail_msg("%s", err.message);
    assert_true(layout.type == NPY_F16 && layout.is_big_endian && layout.row_count == 7 &&
                layout.width == 512 && layout.row_bytes == 1024);
    assert_int_equal(layout.header_bytes, 12 + 64);
}

static void what_is_no_matrix_is_refused(void **state)
{
    (void)state;
    static const char *const dictionaries[] = {
        "",
        "{",
        "[]",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), } x",
        "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3), }",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 3), }",
        "{'descr': [('x', '<f4')], 'fortran_order': False, 'shape': (2, 3), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (6,), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2, 3), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 0), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, -3), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 99999999999999999999), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 18446744073709551615), }",
        "{'descr': '<f4', 'shape': (2, 3), }",
        "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), 'more': 1}",
        "{'descr': '<f4' 'fortran_order': False, 'shape': (2, 3), }",
        "{'descr': '<f4xxxxxxxxxxxxxxxxxx', 'fortran_order': False, 'shape': (2, 3), }",
    };
    for (size_t i = 0; i < COUNT(dictionaries); i++) {
        char bytes[256] = PREFIX;
        vkclip_error err = {0};
        struct npy_layout layout;
        size_t length = strlen(dictionaries[i]);
        bytes[8] = (char)length;
        memcpy(bytes + 10, dictionaries[i], length);
        if (npy_read_layout(&layout, bytes, 10 + length + 2, "some.npy", &err))
            fail_msg("accepted: %s", dictionaries[i]);
        assert_true(err.status == VKCLIP_ERROR_FILE && strncmp(err.message, "some.npy: ", 10) == 0);
    }
    vkclip_error err = {0};
    struct npy_layout layout;
    for (size_t cut = 0; cut < 128; cut++) {
        char header[128];
        pad(header, numpy_f32, sizeof numpy_f32 - 1);
        assert_false(npy_read_layout(&layout, header, cut, "x", &err));
    }
    assert_false(npy_read_layout(&layout, "\x93NUMPY\4\0\1\0\0\0{}", 14, "x", &err));
    assert_non_null(strstr(err.message, "format 4.0"));
}

static void rows_are_read_in_pieces(void **state)
{
    (void)state;
    static const unsigned char numbers[] = {0, 0,    0x80, 0x3f, 0, 0,    0,    0xc0, 0,
                                            0, 0x40, 0x40, 0,    0, 0x80, 0x40, 0,    0,
                                            0, 0x3f, 0,    0,    0, 0x80, 9};
    char bytes[128 + sizeof numbers];
    vkclip_error err = {0};
    struct npy_matrix matrix;
    float values[6];
    pad(bytes, numpy_f32, sizeof numpy_f32 - 1);
    memcpy(bytes + 128, numbers, sizeof numbers); // and a byte of a row that is being added
    write_file("a.npy", bytes, sizeof bytes);
    if (!npy_matrix_open(&matrix, path, &err) || !npy_matrix_read(&matrix, 1, 1, values, &err))
        fail_msg("%s", err.message);
    assert_true(values[0] == 4.0f && values[1] == 0.5f && values[2] == 0.0f && signbit(values[2]));
    assert_true(npy_matrix_read(&matrix, 0, 2, values, &err));
    assert_true(values[0] == 1.0f && values[1] == -2.0f && values[2] == 3.0f && values[3] == 4.0f);
    npy_matrix_close(&matrix);

    write_file("a.npy", bytes, sizeof bytes - 2);
    assert_false(npy_matrix_open(&matrix, path, &err));
    assert_non_null(strstr(err.message, "ends in row 2 of 2"));
    assert_int_equal(unlink(path), 0);
    assert_false(npy_matrix_open(&matrix, path, &err));
    assert_non_null(strstr(err.message, "No such file"));
    assert_false(npy_matrix_open(&matrix, folder, &err));
    assert_non_null(strstr(err.message, "is not a regular file"));
}

// Against the library's own, which is held to all of its values elsewhere.
static void halves_are_ieees(void **state)
{
    (void)state;
    enum { HALVES = 0x10000 };
    static const char start[] =
        PREFIX "v\0{'descr': '<f2', 'fortran_order': False, 'shape': (32768, 2), }";
    static char bytes[128 + 2 * HALVES];
    static float values[HALVES];
    pad(bytes, start, sizeof start - 1);
    for (uint32_t half = 0; half < HALVES; half++) {
        bytes[128 + 2 * half] = (char)(half & 0xff);
        bytes[129 + 2 * half] = (char)(half >> 8);
    }
    write_file("h.npy", bytes, sizeof bytes);
    vkclip_error err = {0};
    struct npy_matrix matrix;
    if (!npy_matrix_open(&matrix, path, &err) ||
        !npy_matrix_read(&matrix, 0, HALVES / 2, values, &err))
        fail_msg("%s", err.message);
    npy_matrix_close(&matrix);
    assert_int_equal(unlink(path), 0);
    uint32_t wrong = 0;
    for (uint32_t half = 0; half < HALVES; half++) {
        float want = half_to_float((uint16_t)half);
        wrong += memcmp(&values[half], &want, sizeof want) != 0;
        wrong += !isnan(want) && npy_half(want) != half;
    }
    // Between halves, around each tie.
    for (uint32_t i = 0; i < 1u << 20; i++) {
        float value = float_from_bits(i * 4096u + (i % 3 == 0 ? 0 : i % 3 == 1 ? 1 : 4095));
        wrong += !isnan(value) && npy_half(value) != half_from_float(value);
    }
    printf("halves that differ: %u, allowed 0\n", wrong);
    assert_int_equal(wrong, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_are_numpys),
        cmocka_unit_test(headers_are_read_in_any_order_and_format),
        cmocka_unit_test(what_is_no_matrix_is_refused),
        cmocka_unit_test(rows_are_read_in_pieces),
        cmocka_unit_test(halves_are_ieees),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
