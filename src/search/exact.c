#include "search/exact.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "base/error.h"

bool exact_init(struct exact *exact, const vkclip_search_params *params, uint32_t width,
                vkclip_error *err)
{
    *exact = (struct exact){
        .params = params,
        .width = width,
        .errors = calloc(params->query_count, sizeof *exact->errors),
        .row = calloc(EXACT_ROWS * (size_t)width, sizeof *exact->row),
    };
    if (!exact->errors || !exact->row)
        return fail(err, VKCLIP_ERROR_MEMORY, "no memory for a search");
    for (size_t i = 0; i < params->query_count; i++) {
        double squares = 0.0;
        for (uint32_t c = 0; c < width; c++) {
            const double value = (double)params->queries[i * width + c];
            squares += value * value;
        }
        if (!isfinite(squares) || squares == 0.0)
            return fail(err, VKCLIP_ERROR_ARGUMENT, "query %zu is %s", i,
                        squares == 0.0 ? "zero" : "not finite");
        exact->errors[i] = scan_error(width, EXACT_LONGEST_ROW, sqrt(squares));
    }
    return true;
}

void exact_finish(struct exact *exact)
{
    free(exact->errors);
    free(exact->row);
    *exact = (struct exact){0};
}

bool exact_read(struct exact *exact, uint64_t first, uint32_t count, vkclip_error *err)
{
    return scan_read(&exact->params->rows, exact->width, first, count, exact->row, err);
}

bool exact_score(const struct exact *exact, size_t query, uint32_t index, uint64_t row,
                 double *score, bool *is_zero, vkclip_error *err)
{
    const float *x = exact->row + index * (size_t)exact->width;
    const float *y = exact->params->queries + query * exact->width;
    double sum = 0.0, squares = 0.0;
    for (uint32_t c = 0; c < exact->width; c++) {
        sum += (double)x[c] * (double)y[c];
        squares += (double)x[c] * (double)x[c];
    }
    *is_zero = squares == 0.0;
    *score = isfinite(squares) ? sum : (double)NAN;
    if (isfinite(squares) && squares > EXACT_LONGEST_ROW * EXACT_LONGEST_ROW)
        return fail(err, VKCLIP_ERROR_ARGUMENT, "row %" PRIu64 " has length %g, not 1", row,
                    sqrt(squares));
    return true;
}

bool exact_check(struct exact *exact, const struct scan_found *found, uint32_t index,
                 vkclip_hit *hit, bool *is_zero, vkclip_error *err)
{
    const struct found_row *named = &found->rows[index];
    if (named->row >= found->row_count)
        return fail(err, VKCLIP_ERROR_NUMBERS,
                    "the device computes wrongly: it names row %" PRIu32 " of %" PRIu32, named->row,
                    found->row_count);
    hit->row = found->first_row + named->row;
    if (!exact_read(exact, hit->row, 1, err) ||
        !exact_score(exact, found->query, 0, hit->row, &hit->score, is_zero, err))
        return false;
    if (fabs(hit->score - (double)named->score) > exact->errors[found->query])
        return fail(err, VKCLIP_ERROR_NUMBERS,
                    "the device computes wrongly: it scores row %" PRIu64 " %.9g, not %.9g",
                    hit->row, (double)named->score, hit->score);
    return true;
}

float exact_below(double value)
{
    const float rounded = (float)value;
    return (double)rounded <= value ? rounded : nextafterf(rounded, -INFINITY);
}

float exact_above(double value)
{
    return -exact_below(-value);
}
