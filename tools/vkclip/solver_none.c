// solver_none.c: in place of solver_nlopt.c in a build without NLopt.
#include "report.h"
#include "solver.h"

bool solver_is_built(void)
{
    return false;
}

bool solver_minimize(const struct solver_function *function, double tolerance, double *x,
                     vkclip_error *err)
{
    (void)function;
    (void)tolerance;
    (void)x;
    return report_fill(err, VKCLIP_ERROR_ARGUMENT, "this build was made without NLopt");
}
