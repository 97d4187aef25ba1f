// cases_search.c: what top_k is tried on.
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "verify/cases_parts.h"
#include "verify/reference.h"

enum scores {
    SCORES_SPREAD,     // hardly two alike
    SCORES_TIED,       // of five values, below zero, -0 and 0 among them
    SCORES_NOT_FINITE, // every third is NaN or infinite
};

struct top_k_case {
    uint32_t rows, cols, most;
    float least, highest; // of the bounds; each query's are shifted by a hundredth
    enum scores scores;
};

static void fill_scores(struct rig *rig, const struct top_k_case *c, float *x)
{
    for (size_t i = 0; i < (size_t)c->rows * c->cols; i++) {
        const float random = rig_random(rig);
        x[i] = random;
        if (c->scores == SCORES_TIED)
            x[i] = roundf(2.0f * random) / 4.0f;
        if (c->scores == SCORES_NOT_FINITE && i % 3 == 0)
            x[i] = i % 2 ? NAN : copysignf(INFINITY, random);
    }
}

static int compare_down(const void *a, const void *b)
{
    const double left = *(const double *)a, right = *(const double *)b;
    return left > right ? -1 : left < right;
}

// What is compared of a query: counts, and the scores that were found, sorted. A row that is found
// twice, or with another row's score, is a NaN among them.
static void read_found(const struct top_k_case *c, uint32_t col, const float *x,
                       const struct found_rows *found, bool *is_seen, float *got)
{
    const struct found_row *rows = (const struct found_row *)(found + 1);
    const uint32_t count = found->within < c->most ? found->within : c->most;
    double scores[1024];
    memset(is_seen, 0, c->rows * sizeof *is_seen);
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t row = rows[i].row;
        const bool is_right = row < c->rows && !is_seen[row] &&
                              memcmp(&x[(size_t)row * c->cols + col], &rows[i].score, 4) == 0;
        scores[i] = is_right ? (double)rows[i].score : NAN;
        if (is_right)
            is_seen[row] = true;
    }
    qsort(scores, count, sizeof *scores, compare_down);
    *got++ = (float)found->above;
    *got++ = (float)found->within;
    for (uint32_t i = 0; i < count; i++)
        got[i] = (float)scores[i];
}

static void run_top_k(struct rig *rig, const struct top_k_case *c, const float *x,
                      const struct score_bounds *bounds)
{
    const size_t stride = 2 + c->most, found_floats = 2 * (1 + (size_t)c->most) * c->cols;
    const struct top_k_args args = {.cols = c->cols, .most = c->most};
    float *got = rig_array(rig, stride * c->cols, sizeof *got);
    float *want_floats = rig_array(rig, c->most, sizeof *want_floats);
    double *want = rig_array(rig, stride * c->cols, sizeof *want);
    bool *is_seen = rig_array(rig, c->rows, sizeof *is_seen);
    struct gpu_range bound_range = rig_bytes(rig, bounds, c->cols * sizeof *bounds);
    struct gpu_range found = rig_output_buffer(rig, found_floats);
    struct tensor input = plan_input(rig->plan, ROWS_TOKENS, c->cols, false);
    plan_top_k(rig->plan, input, bound_range, c->most, found);
    if (!rig_lay_out(rig))
        return;
    memcpy(rig_address(rig, input), x, (size_t)c->rows * c->cols * sizeof *x);
    if (!rig_run(rig, 1, c->rows, 0))
        return;

    for (uint32_t col = 0; col < c->cols; col++) {
        const struct found_rows *of_query =
            (const struct found_rows *)gpu_buffer_address(found.buffer) + col * (1 + c->most);
        memset(want_floats, 0, c->most * sizeof *want_floats);
        const struct found_rows count =
            ref_top_k(x, c->rows, &args, col, &bounds[col], want_floats);
        want[col * stride] = count.above;
        want[col * stride + 1] = count.within;
        for (uint32_t i = 0; i < c->most; i++)
            want[col * stride + 2 + i] = (double)want_floats[i];
        read_found(c, col, x, of_query, is_seen, got + col * stride);
    }
    char what[64];
    snprintf(what, sizeof what, "%u of %u rows, %u queries%s", c->most, c->rows, c->cols,
             c->scores == SCORES_TIED         ? ", tied"
             : c->scores == SCORES_NOT_FINITE ? ", not all finite"
                                              : "");
    // Nothing is rounded.
    rig_check(rig, what, got, want, stride * c->cols, 0.0);
}

static void top_k_case(struct rig *rig, const void *data)
{
    const struct top_k_case *c = data;
    rig_begin(rig, 1, c->rows);
    float *x = rig_array(rig, (size_t)c->rows * c->cols, sizeof *x);
    struct score_bounds *bounds = rig_array(rig, c->cols, sizeof *bounds);
    if (!rig_is_sound(rig))
        return;
    fill_scores(rig, c, x);
    for (uint32_t i = 0; i < c->cols; i++)
        bounds[i] =
            (struct score_bounds){c->least + 0.01f * (float)i,
                                  c->highest < 1.0f ? c->highest - 0.01f * (float)i : FLT_MAX};
    run_top_k(rig, c, x, bounds);
}

void cases_top_k(struct rig *rig)
{
    static const struct top_k_case cases[] = {
        // Without bounds: one row, workgroups of 8 and 128 lanes around their width, the ranks that
        // are sought, and all rows.
        {1, 1, 1, -FLT_MAX, 1.0f, SCORES_SPREAD},
        {7, 1, 3, -FLT_MAX, 1.0f, SCORES_SPREAD},
        {9, 9, 1, -FLT_MAX, 1.0f, SCORES_SPREAD},
        {127, 2, 10, -FLT_MAX, 1.0f, SCORES_SPREAD},
        {129, 5, 128, -FLT_MAX, 1.0f, SCORES_SPREAD},
        {197, 16, 197, -FLT_MAX, 1.0f, SCORES_SPREAD},
        {255, 33, 300, -FLT_MAX, 1.0f, SCORES_SPREAD},
        {4099, 3, 42, -FLT_MAX, 1.0f, SCORES_SPREAD},
        {32768, 9, 11, -FLT_MAX, 1.0f, SCORES_SPREAD},
        // Within bounds, as later pieces of a search and ranks are sought.
        {1000, 9, 42, 0.9f, 1.0f, SCORES_SPREAD},
        {1000, 9, 42, 0.5f, 0.8f, SCORES_SPREAD},
        {1000, 4, 10, -0.1f, 0.3f, SCORES_SPREAD},
        {1000, 1, 42, 2.0f, 1.0f, SCORES_SPREAD},
        {255, 5, 100, -FLT_MAX, 1.0f, SCORES_TIED},
        {255, 8, 10, -0.2f, 0.3f, SCORES_TIED},
        {255, 7, 100, -FLT_MAX, 1.0f, SCORES_NOT_FINITE},
        {255, 7, 200, -FLT_MAX, 1.0f, SCORES_NOT_FINITE},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        cases_run_one(rig, top_k_case, &cases[i]);
}
