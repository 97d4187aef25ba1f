// Defends the floor everybody stands on: half precision conversion and error text.
#include "test.h"

#include <string.h>

#include "base/checked.h"
#include "base/error.h"
#include "base/half.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_half_survives_the_way_to_float_and_back),
        cmocka_unit_test(float_to_half_rounds_to_nearest_even),
        cmocka_unit_test(bf16_is_the_upper_half_of_a_float),
        cmocka_unit_test(an_error_stays_one_valid_line),
        cmocka_unit_test(sizes_that_overflow_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
