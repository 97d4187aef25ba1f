// solver.h: minimises a smooth function of many numbers: L-BFGS of NLopt, where the build found it.
#ifndef VKCLIP_SOLVER_H
#define VKCLIP_SOLVER_H

#include <stdbool.h>
#include <stddef.h>

#include "vkclip.h"

bool solver_is_built(void);

struct solver_function {
    // The value at x, and its derivatives.
    double (*value)(void *context, const double *x, double *gradient);
    void *context;
    size_t count; // of numbers in x
};

// Goes down from x to where no derivative is larger than the tolerance, or, where rounding allows
// that no more or after 1,000 evaluations, to the lowest place that was found.
//
//   x  [count]
//
// Fails with VKCLIP_ERROR_NUMBERS when the function is not finite, or with VKCLIP_ERROR_MEMORY.
bool solver_minimize(const struct solver_function *function, double tolerance, double *x,
                     vkclip_error *err);

#endif
