// cases_int8.c: what quantize is tried on, and what linear's cases need where it takes 8-bit
// integers.
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/quantize.h"
#include "verify/cases_parts.h"
#include "verify/reference.h"

// A quotient may be off by 2.5 ulp, 4e-5 of 127. What lies that near to a half is put out of the
// way, so that there is one right answer.
void int8_avoid_halves(float *values, uint32_t rows, uint32_t cols)
{
    for (uint32_t r = 0; r < rows; r++) {
        float *row = values + (size_t)r * cols;
        double largest = 0.0;
        for (uint32_t c = 0; c < cols; c++)
            largest = fmax(largest, fabs((double)row[c]));
        for (uint32_t c = 0; c < cols && largest > 0.0; c++) {
            const double quotient = (double)row[c] * 127.0 / largest;
            if (fabs(quotient - floor(quotient) - 0.5) < 1e-3)
                row[c] = 0.0f;
        }
    }
}

struct gpu_range int8_panels(struct rig *rig, const float *w, uint32_t in_cols, uint32_t out_cols)
{
    const size_t words = in_cols / 4, panels = (out_cols + PANEL_COLS - 1) / PANEL_COLS;
    const size_t count = panels * (words + 1) * PANEL_COLS;
    uint32_t *packed = rig_array(rig, count, sizeof *packed);
    if (!packed)
        return (struct gpu_range){0};
    for (uint32_t o = 0; o < out_cols; o++) {
        uint32_t *column = packed + o / PANEL_COLS * (words + 1) * PANEL_COLS + o % PANEL_COLS;
        const float scale = quantize_row(w + (size_t)o * in_cols, in_cols, column, PANEL_COLS);
        column[words * PANEL_COLS] = float_to_bits(scale);
    }
    return rig_bytes(rig, packed, count * sizeof *packed);
}

struct ref_int8 int8_reference(struct rig *rig, const float *values, uint32_t rows, uint32_t cols)
{
    float *integers = rig_array(rig, (size_t)rows * cols, sizeof *integers);
    float *scales = rig_array(rig, rows, sizeof *scales);
    for (uint32_t r = 0; scales && r < rows; r++)
        scales[r] = ref_quantize(values + (size_t)r * cols, cols, integers + (size_t)r * cols);
    return (struct ref_int8){integers, scales};
}

// ---- quantize --------------------------------------------------------------------------------

struct quantize_case {
    uint32_t rows, cols;
    float scale;
};

static void check_quantized(struct rig *rig, const struct quantize_case *c, const uint32_t *words,
                            const struct ref_int8 *want)
{
    const uint32_t row_words = c->cols / 4;
    const size_t count = (size_t)c->rows * c->cols;
    float *got = rig_array(rig, count + c->rows, sizeof *got);
    double *wanted = rig_array(rig, count + c->rows, sizeof *wanted);
    if (!rig_is_sound(rig))
        return;
    for (size_t i = 0; i < count; i++) {
        const uint32_t word = words[i / c->cols * (row_words + 1) + i % c->cols / 4];
        const uint32_t byte = word >> 8 * (i % 4) & 0xff;
        got[i] = (float)byte - (byte > 127 ? 256.0f : 0.0f);
        wanted[i] = (double)want->integers[i];
    }
    for (uint32_t r = 0; r < c->rows; r++) { // over the scale of the case, which may be tiny
        got[count + r] = float_from_bits(words[(size_t)r * (row_words + 1) + row_words]) / c->scale;
        wanted[count + r] = (double)(want->scales[r] / c->scale);
    }
    char what[64];
    snprintf(what, sizeof what, "%u x %u, times %g", c->rows, c->cols, (double)c->scale);
    // One product, correctly rounded.
    rig_check(rig, what, got, wanted, count + c->rows, 0.0);
}

static void quantize_case(struct rig *rig, const void *data)
{
    const struct quantize_case *c = data;
    const size_t count = (size_t)c->rows * c->cols;
    rig_begin(rig, 1, c->rows + 1);
    float *x = rig_values(rig, count);
    if (!rig_is_sound(rig))
        return;
    for (size_t i = 0; i < count; i++)
        x[i] = i / c->cols == 2 ? 0.0f : x[i] * c->scale; // a row of zeros among them
    int8_avoid_halves(x, c->rows, c->cols);
    const struct ref_int8 want = int8_reference(rig, x, c->rows, c->cols);
    struct tensor input = plan_input(rig->plan, ROWS_TOKENS, c->cols, false);
    struct tensor y = plan_quantize(rig->plan, input);
    if (!rig_lay_out(rig))
        return;
    memcpy(rig_address(rig, input), x, count * sizeof *x);
    rig_expect_output(rig, y, c->rows * (c->cols / 4 + 1) * sizeof(uint32_t));
    if (rig_run(rig, 1, c->rows, 0))
        check_quantized(rig, c, rig_address(rig, y), &want);
}

// Rows and columns as layernorm's; scales from one whose square is no float to one that is too
// small to be divided by.
void cases_quantize(struct rig *rig)
{
    if (!rig_is_int8(rig))
        return;
    const uint32_t tile = rig->kernels.shapes[KERNEL_QUANTIZE].rows;
    const uint32_t rows[] = {1, 7, 8, 9, 63, 65, 197, 255, tile + 1};
    static const uint32_t cols[] = {4, 60, 256, 260, 768, 3072};
    static const float scales[] = {1e30f, 1e-20f, 1e-32f};
    for (size_t i = 0; i < COUNT(rows); i++)
        cases_run_one(rig, quantize_case, &(struct quantize_case){rows[i], 68, 1.0f});
    for (size_t i = 0; i < COUNT(cols); i++)
        cases_run_one(rig, quantize_case, &(struct quantize_case){5, cols[i], 1.0f});
    for (size_t i = 0; i < COUNT(scales); i++)
        cases_run_one(rig, quantize_case, &(struct quantize_case){5, 64, scales[i]});
}
