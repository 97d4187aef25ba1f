// Defends the floor everybody stands on: half precision conversion and error text.
#include "test.h"

#include <string.h>

#include "base/checked.h"
#include "base/error.h"
#include "base/half.h"
#include "base/sha256.h"

static void every_half_survives_the_way_to_float_and_back(void **state)
{
    (void)state;
    for (uint32_t half = 0; half < 0x10000; half++) {
        float value = half_to_float((uint16_t)half);
        if (isnan(value))
            assert_true(isnan(half_to_float(half_from_float(value))));
        else
            assert_int_equal(half_from_float(value), half);
    }
}

// Values halfway between two halves, and just beside, at every exponent.
static void float_to_half_rounds_to_nearest_even(void **state)
{
    (void)state;
    for (uint32_t half = 0; half < 0x7bff; half++) {
        float low = half_to_float((uint16_t)half), high = half_to_float((uint16_t)(half + 1));
        float middle = low + (high - low) / 2; // exact
        assert_int_equal(half_from_float(middle), half & 1 ? half + 1 : half);
        assert_int_equal(half_from_float(nextafterf(middle, 0.0f)), half);
        assert_int_equal(half_from_float(nextafterf(middle, INFINITY)), half + 1);
    }
    assert_int_equal(half_from_float(65519.0f), 0x7bff);
    assert_int_equal(half_from_float(65520.0f), 0x7c00);
    assert_int_equal(half_from_float(-1e30f), 0xfc00);
}

static void bf16_is_the_upper_half_of_a_float(void **state)
{
    (void)state;
    assert_true(bf16_to_float(0x3fc0) == 1.5f);
    assert_true(bf16_to_float(0xc000) == -2.0f);
}

static void an_error_stays_one_valid_line(void **state)
{
    (void)state;
    vkclip_error err;
    assert_false(fail(&err, VKCLIP_ERROR_FILE, "a\nb\x1b[31m"));
    assert_string_equal(err.message, "a?b?[31m");

    char name[800];
    memset(name, 'x', sizeof name);
    for (size_t i = 0; i + 1 < sizeof name; i += 2)
        memcpy(name + i, "\xc3\xa9", 2); // two bytes a character
    name[sizeof name - 1] = '\0';
    fail(&err, VKCLIP_ERROR_FILE, "%s", name);
    size_t length = strlen(err.message);
    assert_true(length > 490 && length % 2 == 0);
    fail(&err, VKCLIP_ERROR_FILE, ".%s", name);
    assert_true(strlen(err.message) % 2 == 1);

    assert_false(fail(NULL, VKCLIP_ERROR_FILE, "nobody listens"));
}

static void sizes_that_overflow_are_refused(void **state)
{
    (void)state;
    uint64_t result;
    assert_false(checked_mul(UINT64_C(1) << 32, UINT64_C(1) << 32, &result));
    assert_false(checked_add(UINT64_MAX, 1, &result));
    assert_true(checked_mul(30522, 768, &result));
    assert_int_equal(result, 23440896);
}

// As sha256sum prints it for so many letters a, around the ends of blocks and of their padding; in
// pieces of every kind.
static void sha256_is_that_of_the_standard(void **state)
{
    (void)state;
    static const struct {
        size_t byte_count;
        const char *hex;
    } cases[] = {
        {0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {1, "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"},
        {55, "9f4390f8d30c2dd92ec9f095b65e2b9ae9b0a925a5258e241c9f1e910f734318"},
        {56, "b35439a4ac6f0948b6d6f9e3c6af0f5f590ce20f1bde7090ef7970686ec6738a"},
        {63, "7d3e74a05d7db15bce4ad9ec0658ea98e3f06eeecf16b4c6fff2da457ddc2f34"},
        {64, "ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb"},
        {65, "635361c48bb9eab14198e76ea8ab7f1a41685d6ad62aa9146d301d4f17eb0ae0"},
        {1000, "41edece42d63e8d9bf515a9ba6932e1c20cbc9f5a5d134645adb5db1b9737ea3"},
    };
    char letters[1000], hex[SHA256_HEX_BYTES];
    memset(letters, 'a', sizeof letters);
    for (size_t i = 0; i < COUNT(cases); i++)
        for (size_t piece = 1; piece <= 130; piece += 43) {
            struct sha256 sha;
            sha256_init(&sha);
            for (size_t at = 0; at < cases[i].byte_count; at += piece) {
                size_t left = cases[i].byte_count - at;
                sha256_add(&sha, letters + at, left < piece ? left : piece);
            }
            sha256_finish(&sha, hex);
            assert_string_equal(hex, cases[i].hex);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_half_survives_the_way_to_float_and_back),
        cmocka_unit_test(float_to_half_rounds_to_nearest_even),
        cmocka_unit_test(bf16_is_the_upper_half_of_a_float),
        cmocka_unit_test(an_error_stays_one_valid_line),
        cmocka_unit_test(sizes_that_overflow_are_refused),
        cmocka_unit_test(sha256_is_that_of_the_standard),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
