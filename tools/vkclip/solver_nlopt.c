#include <math.h>
#include <nlopt.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"
#include "solver.h"

enum { MOST_EVALUATIONS = 1000 };

bool solver_is_built(void)
{
    return true;
}

// A descent, and the best place it has seen.
struct descent {
    const struct solver_function *function;
    nlopt_opt optimizer;
    double tolerance;
    double least; // the value at best
    double *best; // [count]
    bool is_finite;
};

static double evaluate(unsigned count, const double *x, double *gradient, void *user)
{
    struct descent *descent = user;
    double steepest = 0.0;
    const double value = descent->function->value(descent->function->context, x, gradient);
    for (unsigned i = 0; i < count; i++)
        steepest = fmax(steepest, fabs(gradient[i]));
    if (!isfinite(value) || !isfinite(steepest)) {
        descent->is_finite = false;
        nlopt_force_stop(descent->optimizer);
        return value;
    }
    if (value < descent->least) {
        descent->least = value;
        memcpy(descent->best, x, count * sizeof *x);
    }
    if (steepest <= descent->tolerance) {
        memcpy(descent->best, x, count * sizeof *x);
        nlopt_force_stop(descent->optimizer);
    }
    return value;
}

// Whatever NLopt returns, the best place counts: it reports a line search that rounding has ended
// as a failure, and a stop that was asked for as well.
static bool descend(struct descent *descent, double *x, vkclip_error *err)
{
    double value;
    nlopt_result result = nlopt_set_min_objective(descent->optimizer, evaluate, descent);
    if (result == NLOPT_SUCCESS)
        result = nlopt_set_maxeval(descent->optimizer, MOST_EVALUATIONS);
    if (result == NLOPT_SUCCESS)
        result = nlopt_optimize(descent->optimizer, x, &value);
    if (result == NLOPT_OUT_OF_MEMORY)
        return report_fill(err, VKCLIP_ERROR_MEMORY, "NLopt: out of memory");
    if (!descent->is_finite)
        return report_fill(err, VKCLIP_ERROR_NUMBERS, "NLopt: a value is not finite");
    if (result == NLOPT_INVALID_ARGS || isinf(descent->least))
        return report_fill(err, VKCLIP_ERROR_ARGUMENT, "NLopt has no L-BFGS here");
    memcpy(x, descent->best, descent->function->count * sizeof *x);
    return true;
}

bool solver_minimize(const struct solver_function *function, double tolerance, double *x,
                     vkclip_error *err)
{
    struct descent descent = {
        .function = function,
        .optimizer = nlopt_create(NLOPT_LD_LBFGS, (unsigned)function->count),
        .tolerance = tolerance,
        .least = INFINITY,
        .best = malloc(function->count * sizeof(double)),
        .is_finite = true,
    };
    bool is_done =
        descent.optimizer && descent.best
            ? descend(&descent, x, err)
            : report_fill(err, VKCLIP_ERROR_MEMORY, "no memory for %zu weights", function->count);
    nlopt_destroy(descent.optimizer);
    free(descent.best);
    return is_done;
}
