// cases_linear.c: what linear is tried on, with everything it may end with.
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/half.h"
#include "verify/cases_parts.h"
#include "verify/reference.h"

enum linear_kind {
    LINEAR_PLAIN,
    LINEAR_SCALED,
    LINEAR_GELU,
    LINEAR_QUICK_GELU,
    LINEAR_ADD,
    LINEAR_GAIN, // added too, as LayerScale is
    LINEAR_F32,
    LINEAR_LARGE, // the same, of numbers near 1
    LINEAR_KINDS,
};

static const char *const linear_kinds[LINEAR_KINDS] = {
    [LINEAR_PLAIN] = "",       [LINEAR_SCALED] = ", scaled",
    [LINEAR_GELU] = ", GELU",  [LINEAR_QUICK_GELU] = ", QuickGELU",
    [LINEAR_ADD] = ", added",  [LINEAR_GAIN] = ", times gain, added",
    [LINEAR_F32] = ", to f32", [LINEAR_LARGE] = ", large, to f32",
};

static bool is_added(enum linear_kind kind)
{
    return kind == LINEAR_ADD || kind == LINEAR_GAIN;
}

// Nothing but the product.
static bool is_bare(enum linear_kind kind)
{
    return kind == LINEAR_F32 || kind == LINEAR_LARGE;
}

static uint32_t activation_of(enum linear_kind kind)
{
    return kind == LINEAR_GELU         ? ACTIVATION_GELU
           : kind == LINEAR_QUICK_GELU ? ACTIVATION_QUICK_GELU
                                       : ACTIVATION_NONE;
}

struct linear_case {
    enum linear_kind kind;
    uint32_t rows, in_cols, out_cols;
    uint32_t limit_rows; // at least rows; decides the class
};

// Panels of 32 outputs as the loader packs them.
static size_t panel_count(uint32_t in_cols, uint32_t out_cols)
{
    return (size_t)(out_cols + PANEL_COLS - 1) / PANEL_COLS * PANEL_COLS * in_cols;
}

static struct gpu_range pack(struct rig *rig, const float *w, uint32_t in_cols, uint32_t out_cols)
{
    if (rig_is_int8(rig))
        return int8_panels(rig, w, in_cols, out_cols);
    float *panels = rig_array(rig, panel_count(in_cols, out_cols), sizeof *panels);
    if (!panels)
        return (struct gpu_range){0};
    for (uint32_t o = 0; o < out_cols; o++)
        for (uint32_t k = 0; k < in_cols; k++)
            panels[((size_t)(o / PANEL_COLS) * in_cols + k) * PANEL_COLS + o % PANEL_COLS] =
                w[(size_t)o * in_cols + k];
    return rig_elements(rig, panels, panel_count(in_cols, out_cols));
}

// Values of one operand.
static float *make_operand(struct rig *rig, const struct linear_case *c, uint32_t rows)
{
    const size_t count = (size_t)rows * c->in_cols;
    float *values = rig_values(rig, count);
    for (size_t i = 0; values && c->kind == LINEAR_LARGE && i < count; i++)
        values[i] = half_to_float(half_from_float(0.9375f + values[i] * 0.0625f));
    if (values && rig_is_int8(rig))
        int8_avoid_halves(values, rows, c->in_cols);
    return values;
}

// Appends the step and returns its output.
static struct tensor plan_linear_case(struct rig *rig, const struct linear_case *c,
                                      const struct linear_args *args,
                                      const struct linear_weights *weights, struct tensor x)
{
    struct tensor y;
    switch (c->kind) {
    case LINEAR_ADD:
    case LINEAR_GAIN:
        y = plan_input(rig->plan, ROWS_TOKENS, c->out_cols, false);
        plan_linear_add(rig->plan, x, weights, y);
        return y;
    case LINEAR_F32:
    case LINEAR_LARGE:
        return plan_linear_f32(rig->plan, x, weights);
    default:
        return plan_linear(rig->plan, x, weights,
                           &(struct plan_linear_options){
                               .activation = args->activation,
                               .scaled_cols = args->scaled_cols,
                               .scale = args->scale,
                           });
    }
}

// A sum of in_cols products is off by at most that many roundings of 2^-24, each relative to
// partial sums of the result's size. Of integers it is exact, and what follows is a few roundings,
// of which the oracle of int8 makes those that are no addition or GELU.
static double allowed_of(const struct rig *rig, const struct linear_case *c, bool is_f32)
{
    if (rig_is_int8(rig))
        return is_bare(c->kind) ? 0.0 : 1e-6;
    const double of_sums = c->in_cols * 0x1p-24 + 1e-6;
    return is_f32 ? of_sums : rig_rounding(rig, of_sums);
}

static struct linear_args args_of(const struct linear_case *c)
{
    return (struct linear_args){
        .in_cols = c->in_cols,
        .out_cols = c->out_cols,
        .has_bias = !is_bare(c->kind),
        .activation = activation_of(c->kind),
        .has_gain = c->kind == LINEAR_GAIN,
        .scaled_cols = c->kind == LINEAR_SCALED ? c->out_cols / 3 : 0,
        .scale = 0.125f,
        .adds = is_added(c->kind),
    };
}

// y holds what is added to.
static void ref_linear_case(struct rig *rig, const struct linear_case *c, const float *x,
                            const float *w, const float *bias, double *y)
{
    const struct linear_args args = args_of(c);
    if (!rig_is_int8(rig)) {
        ref_linear(x, w, bias, c->rows, &args, y);
        return;
    }
    const struct ref_int8 x8 = int8_reference(rig, x, c->rows, c->in_cols);
    const struct ref_int8 w8 = int8_reference(rig, w, c->out_cols, c->in_cols);
    if (rig_is_sound(rig))
        ref_linear_int8(&x8, &w8, bias, c->rows, &args, y);
}

static void linear_case(struct rig *rig, const void *data)
{
    const struct linear_case *c = data;
    const struct linear_args args = args_of(c);
    const size_t in_count = (size_t)c->rows * c->in_cols, out_count = (size_t)c->rows * c->out_cols;
    rig_begin(rig, 1, c->limit_rows);
    float *x = make_operand(rig, c, c->rows), *bias = rig_values(rig, 2 * (size_t)c->out_cols);
    float *w = make_operand(rig, c, c->out_cols);
    float *before = rig_values(rig, out_count);
    float *got = rig_array(rig, out_count, sizeof *got);
    double *want = rig_array(rig, out_count, sizeof *want);
    if (!rig_is_sound(rig))
        return;

    const struct linear_weights weights = {
        .in_cols = c->in_cols,
        .out_cols = c->out_cols,
        .panels = pack(rig, w, c->in_cols, c->out_cols),
        .bias = args.has_bias ? rig_floats(rig, bias, (1 + args.has_gain) * (size_t)c->out_cols)
                              : (struct gpu_range){0},
        .has_gain = args.has_gain,
    };
    const struct tensor input = plan_input(rig->plan, ROWS_TOKENS, c->in_cols, true);
    const struct tensor read = plan_quantize(rig->plan, input);
    const struct tensor y = plan_linear_case(rig, c, &args, &weights, read);
    if (!rig_lay_out(rig))
        return;
    const bool is_f32 = is_added(c->kind) || is_bare(c->kind);
    rig_put_elements(rig, input, x, in_count);
    if (args.adds)
        memcpy(rig_address(rig, y), before, out_count * sizeof *before);
    if (rig_is_int8(rig))
        rig_expect_output(rig, read, (uint64_t)c->rows * (c->in_cols + 4));
    rig_expect_output(rig, y, out_count * (is_f32 ? sizeof(float) : rig->kernels.element_bytes));
    if (!rig_run(rig, 1, c->rows, 0))
        return;

    if (is_f32)
        memcpy(got, rig_address(rig, y), out_count * sizeof *got);
    else
        rig_get_elements(rig, y, got, out_count);
    for (size_t i = 0; i < out_count; i++)
        want[i] = (double)before[i];
    ref_linear_case(rig, c, x, w, bias, want);
    char what[64];
    snprintf(what, sizeof what, "%u x %u by %u, of %u rows%s", c->rows, c->in_cols, c->out_cols,
             c->limit_rows, linear_kinds[c->kind]);
    rig_check(rig, what, got, want, out_count, allowed_of(rig, c, is_f32));
}

// What decides which sizes are ragged: the most rows of a class, and the shape of its tile.
struct linear_tile_sizes {
    uint32_t limit_rows, rows, cols;
};

static struct linear_tile_sizes tile_sizes(const struct rig *rig, bool is_f32,
                                           enum linear_class of_rows)
{
    static const uint32_t limits[LINEAR_CLASSES] = {64, 256, 300};
    const bool is_mixed = is_f32 && rig_is_half(rig);
    const enum kernel kernel = (is_mixed ? KERNEL_LINEAR_F32 : KERNEL_LINEAR) + of_rows;
    const struct kernel_shape *shape = &rig->kernels.shapes[kernel];
    return (struct linear_tile_sizes){limits[of_rows], shape->rows, shape->cols};
}

static void linear_sizes_of(struct rig *rig, enum linear_kind kind, enum linear_class of_rows)
{
    const struct linear_tile_sizes tile = tile_sizes(rig, kind == LINEAR_ADD, of_rows);
    const uint32_t rows[] = {1, 11, 13, 65, 197, 255, tile.rows - 1, tile.rows, tile.rows + 1};
    const uint32_t cols[] = {1, 31, 32, 33, 100, tile.cols - 1, tile.cols, tile.cols + 1};
    const uint32_t few = 49;
    for (size_t i = 0; i < COUNT(rows); i++)
        if (rows[i] > 0 && rows[i] <= tile.limit_rows)
            cases_run_one(rig, linear_case,
                          &(struct linear_case){kind, rows[i], 64, 64, tile.limit_rows});
    for (size_t i = 0; i < COUNT(cols); i++)
        if (cols[i] > 0)
            cases_run_one(rig, linear_case,
                          &(struct linear_case){kind, few, 68, cols[i], tile.limit_rows});
    // Inputs around the slab of 16, and one quad.
    for (uint32_t in_cols = 4; in_cols <= 20; in_cols += 8)
        cases_run_one(rig, linear_case,
                      &(struct linear_case){kind, few / 2, in_cols, 33, tile.limit_rows});
}

// Every variant in use: outputs in the storage type and in f32, each class of rows.
void cases_linear_sizes(struct rig *rig)
{
    for (enum linear_class of_rows = 0; of_rows < LINEAR_CLASSES; of_rows++) {
        linear_sizes_of(rig, LINEAR_GELU, of_rows);
        linear_sizes_of(rig, LINEAR_ADD, of_rows);
    }
}

void cases_linear_endings(struct rig *rig)
{
    for (enum linear_kind kind = LINEAR_PLAIN; kind < LINEAR_KINDS; kind++) {
        cases_run_one(rig, linear_case, &(struct linear_case){kind, 197, 128, 192, 300});
        cases_run_one(rig, linear_case, &(struct linear_case){kind, 197, 128, 192, 197});
        cases_run_one(rig, linear_case, &(struct linear_case){kind, 11, 128, 192, 16});
        cases_run_one(rig, linear_case, &(struct linear_case){kind, 1, 640, 100, 1});
    }
}

// BiomedCLIP's longest sums.
void cases_linear_depth(struct rig *rig)
{
    cases_run_one(rig, linear_case, &(struct linear_case){LINEAR_PLAIN, 50, 768, 768, 197});
    cases_run_one(rig, linear_case, &(struct linear_case){LINEAR_ADD, 20, 3072, 96, 197});
    // In int8, 3072 products of some 119 x 119: beyond what floats count by one.
    cases_run_one(rig, linear_case, &(struct linear_case){LINEAR_LARGE, 5, 3072, 33, 197});
}

// One input, one weight of 1: the output is GELU itself, over the whole range where it bends.
static void gelu_case(struct rig *rig, const void *data)
{
    const uint32_t activation = *(const uint32_t *)data;
    const bool is_quick = activation == ACTIVATION_QUICK_GELU;
    enum { POINTS = 241 };
    rig_begin(rig, 1, POINTS);
    float *x = rig_array(rig, POINTS, 4 * sizeof *x);
    float *got = rig_array(rig, POINTS, sizeof *got);
    double *want = rig_array(rig, POINTS, sizeof *want);
    if (!rig_is_sound(rig))
        return;
    for (int i = 0; i < POINTS; i++) {
        x[4 * i] = half_to_float(half_from_float((float)(i - 120) / 20.0f)); // -6 .. 6
        want[i] = is_quick ? ref_quick_gelu((double)x[4 * i]) : ref_gelu((double)x[4 * i]);
    }
    const struct linear_weights weights = {
        .in_cols = 4, .out_cols = 1, .panels = pack(rig, (const float[4]){1.0f}, 4, 1)};
    struct tensor input = plan_input(rig->plan, ROWS_TOKENS, 4, true);
    struct tensor read = plan_quantize(rig->plan, input);
    struct tensor y = plan_linear(rig->plan, read, &weights,
                                  &(struct plan_linear_options){.activation = activation});
    if (!rig_lay_out(rig))
        return;
    rig_put_elements(rig, input, x, (size_t)POINTS * 4);
    if (rig_is_int8(rig))
        rig_expect_output(rig, read, POINTS * 2 * sizeof(uint32_t));
    rig_expect_output(rig, y, (uint64_t)POINTS * rig->kernels.element_bytes);
    if (!rig_run(rig, 1, POINTS, 0))
        return;
    rig_get_elements(rig, y, got, POINTS);
    // The exact form, not the tanh one, which is off by up to 4e-4: 1.2e-7 of erfc, a few ulp of
    // exp.
    rig_check(rig, is_quick ? "QuickGELU of -6 to 6" : "GELU of -6 to 6", got, want, POINTS,
              rig_rounding(rig, 6e-7));
}

void cases_gelu(struct rig *rig)
{
    cases_run_one(rig, gelu_case, &(uint32_t){ACTIVATION_GELU});
    cases_run_one(rig, gelu_case, &(uint32_t){ACTIVATION_QUICK_GELU});
}
