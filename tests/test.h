// test.h: cmocka with the headers it wants, and the comparison every numeric test uses.
#ifndef VKCLIP_TEST_H
#define VKCLIP_TEST_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

// cmocka's macro `fail` would hide base/error.h's function, and fail_msg uses it.
#undef fail
#undef fail_msg
#define fail_msg(...)              \
    do {                           \
        print_error(__VA_ARGS__);  \
        print_error("\n");         \
        _fail(__FILE__, __LINE__); \
    } while (0)

#define COUNT(array) (sizeof(array) / sizeof *(array))

// Prints the worst element, whether or not it passes, so drift is visible. Differences are
// relative to max(1, |want|); a NaN never compares, so it counts as the worst.
static inline void check_near(const char *what, const float *got, const float *want, size_t count,
                              double tolerance)
{
    size_t worst = 0;
    double worst_error = 0.0;
    for (size_t i = 0; i < count; i++) {
        double error = fabs((double)got[i] - (double)want[i]) / fmax(1.0, fabs((double)want[i]));
        if (isnan(error))
            error = INFINITY;
        if (error > worst_error)
            worst = i, worst_error = error;
    }
    printf("%-52s worst %.2e at %zu, allowed %.2e\n", what, worst_error, worst, tolerance);
    assert_true(worst_error <= tolerance);
}

#endif
