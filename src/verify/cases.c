#include "verify/cases.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/half.h"
#include "verify/reference.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

// ---- linear ----------------------------------------------------------------------------------

enum linear_kind { LINEAR_PLAIN, LINEAR_SCALED, LINEAR_GELU, LINEAR_ADD, LINEAR_F32, LINEAR_KINDS };

static const char *const linear_kinds[LINEAR_KINDS] = {
    [LINEAR_PLAIN] = "",      [LINEAR_SCALED] = ", scaled", [LINEAR_GELU] = ", GELU",
    [LINEAR_ADD] = ", added", [LINEAR_F32] = ", to f32",
};

struct linear_case {
    enum linear_kind kind;
    uint32_t rows, in_cols, out_cols;
    uint32_t limit_rows; // at least rows; decides between the wide and the narrow tile
};

// Panels of 32 outputs as the loader packs them.
static size_t panel_count(uint32_t in_cols, uint32_t out_cols)
{
    return (size_t)(out_cols + PANEL_COLS - 1) / PANEL_COLS * PANEL_COLS * in_cols;
}

static void pack(const float *w, uint32_t in_cols, uint32_t out_cols, float *panels)
{
    for (uint32_t o = 0; o < out_cols; o++)
        for (uint32_t k = 0; k < in_cols; k++)
            panels[((size_t)(o / PANEL_COLS) * in_cols + k) * PANEL_COLS + o % PANEL_COLS] =
                w[(size_t)o * in_cols + k];
}

// Appends the step and returns its output; *input receives the tensor to fill.
static struct tensor plan_linear_case(struct rig *rig, const struct linear_case *c,
                                      const struct linear_args *args,
                                      const struct linear_weights *weights, struct tensor *input)
{
    struct tensor y;
    *input = plan_input(rig->plan, ROWS_TOKENS, c->in_cols, true);
    switch (c->kind) {
    case LINEAR_ADD:
        y = plan_input(rig->plan, ROWS_TOKENS, c->out_cols, false);
        plan_linear_add(rig->plan, *input, weights, y);
        return y;
    case LINEAR_F32:
        return plan_linear_f32(rig->plan, *input, weights);
    default:
        return plan_linear(rig->plan, *input, weights,
                           &(struct plan_linear_options){
                               .has_gelu = args->has_gelu,
                               .scaled_cols = args->scaled_cols,
                               .scale = args->scale,
                           });
    }
}

static void linear_case(struct rig *rig, const void *data)
{
    const struct linear_case *c = data;
    const struct linear_args args = {
        .in_cols = c->in_cols,
        .out_cols = c->out_cols,
        .has_bias = c->kind != LINEAR_F32,
        .has_gelu = c->kind == LINEAR_GELU,
        .scaled_cols = c->kind == LINEAR_SCALED ? c->out_cols / 3 : 0,
        .scale = 0.125f,
        .adds = c->kind == LINEAR_ADD,
    };
    const size_t in_count = (size_t)c->rows * c->in_cols, out_count = (size_t)c->rows * c->out_cols;
    rig_begin(rig, 1, c->limit_rows);
    float *x = rig_values(rig, in_count), *bias = rig_values(rig, c->out_cols);
    float *w = rig_values(rig, (size_t)c->out_cols * c->in_cols);
    float *panels = rig_array(rig, panel_count(c->in_cols, c->out_cols), sizeof *panels);
    float *before = rig_values(rig, out_count);
    float *got = rig_array(rig, out_count, sizeof *got);
    double *want = rig_array(rig, out_count, sizeof *want);
    if (!rig_is_sound(rig))
        return;

    pack(w, c->in_cols, c->out_cols, panels);
    const struct linear_weights weights = {
        .in_cols = c->in_cols,
        .out_cols = c->out_cols,
        .panels = rig_elements(rig, panels, panel_count(c->in_cols, c->out_cols)),
        .bias = args.has_bias ? rig_floats(rig, bias, c->out_cols) : (struct gpu_range){0},
    };
    struct tensor input, y = plan_linear_case(rig, c, &args, &weights, &input);
    if (!rig_lay_out(rig))
        return;
    const bool is_f32 = c->kind == LINEAR_ADD || c->kind == LINEAR_F32;
    rig_put_elements(rig, input, x, in_count);
    if (args.adds)
        memcpy(rig_address(rig, y), before, out_count * sizeof *before);
    rig_expect_output(rig, y, out_count * (is_f32 ? sizeof(float) : rig->kernels.element_bytes));
    if (!rig_run(rig, 1, c->rows, 0))
        return;

    if (is_f32)
        memcpy(got, rig_address(rig, y), out_count * sizeof *got);
    else
        rig_get_elements(rig, y, got, out_count);
    for (size_t i = 0; i < out_count; i++)
        want[i] = (double)before[i];
    ref_linear(x, w, bias, c->rows, &args, want);
    char what[64];
    snprintf(what, sizeof what, "%u x %u by %u, of %u rows%s", c->rows, c->in_cols, c->out_cols,
             c->limit_rows, linear_kinds[c->kind]);
    // A sum of in_cols products is off by at most that many roundings of 2^-24, each relative to
    // partial sums of the result's size.
    double of_sums = c->in_cols * 0x1p-24 + 1e-6;
    rig_check(rig, what, got, want, out_count, is_f32 ? of_sums : rig_rounding(rig, of_sums));
}

// The limits and the shape of one tile of linear: what decides which sizes are ragged.
struct linear_tile_sizes {
    uint32_t limit_rows, rows, cols;
};

static struct linear_tile_sizes tile_sizes(const struct rig *rig, bool is_f32, bool is_narrow)
{
    const bool is_mixed = is_f32 && rig_is_half(rig);
    const enum kernel wide = is_mixed ? KERNEL_LINEAR_F32 : KERNEL_LINEAR;
    const enum kernel narrow = is_mixed ? KERNEL_LINEAR_F32_NARROW : KERNEL_LINEAR_NARROW;
    const uint32_t wide_rows = rig->kernels.shapes[wide].rows;
    const struct kernel_shape *shape = &rig->kernels.shapes[is_narrow ? narrow : wide];
    const uint32_t above = wide_rows < 256 ? 256 : wide_rows + 1;
    return (struct linear_tile_sizes){is_narrow ? wide_rows : above, shape->rows, shape->cols};
}

// After an error the rest is left out.
static void run_case(struct rig *rig, void (*one)(struct rig *, const void *), const void *data)
{
    if (!rig_is_sound(rig))
        return;
    one(rig, data);
    rig_end(rig);
}

static void linear_sizes_of(struct rig *rig, enum linear_kind kind, bool is_narrow)
{
    const struct linear_tile_sizes tile = tile_sizes(rig, kind == LINEAR_ADD, is_narrow);
    const uint32_t rows[] = {1, 11, 13, 65, 197, 255, tile.rows - 1, tile.rows, tile.rows + 1};
    const uint32_t cols[] = {1, 31, 32, 33, 100, tile.cols - 1, tile.cols, tile.cols + 1};
    const uint32_t few = tile.limit_rows < 49 ? tile.limit_rows : 49;
    for (size_t i = 0; i < COUNT(rows); i++)
        if (rows[i] > 0 && rows[i] <= tile.limit_rows)
            run_case(rig, linear_case,
                     &(struct linear_case){kind, rows[i], 64, 64, tile.limit_rows});
    for (size_t i = 0; i < COUNT(cols); i++)
        if (cols[i] > 0)
            run_case(rig, linear_case,
                     &(struct linear_case){kind, few, 68, cols[i], tile.limit_rows});
    // Inputs around the slab of 16, and one quad.
    for (uint32_t in_cols = 4; in_cols <= 20; in_cols += 8)
        run_case(rig, linear_case,
                 &(struct linear_case){kind, few / 2, in_cols, 33, tile.limit_rows});
}

// Every variant: outputs in the storage type and in f32, wide and narrow tiles.
static void linear_sizes(struct rig *rig)
{
    for (int is_narrow = 0; is_narrow < 2; is_narrow++) {
        linear_sizes_of(rig, LINEAR_GELU, is_narrow);
        linear_sizes_of(rig, LINEAR_ADD, is_narrow);
    }
}

static void linear_endings(struct rig *rig)
{
    for (enum linear_kind kind = LINEAR_PLAIN; kind < LINEAR_KINDS; kind++) {
        run_case(rig, linear_case, &(struct linear_case){kind, 197, 128, 192, 197}); // wide
        run_case(rig, linear_case, &(struct linear_case){kind, 11, 128, 192, 16});   // narrow
        run_case(rig, linear_case, &(struct linear_case){kind, 1, 640, 100, 1});
    }
}

// BiomedCLIP's longest sums.
static void linear_depth(struct rig *rig)
{
    run_case(rig, linear_case, &(struct linear_case){LINEAR_PLAIN, 50, 768, 768, 197});
    run_case(rig, linear_case, &(struct linear_case){LINEAR_ADD, 20, 3072, 96, 197});
}

// One input, one weight of 1: the output is GELU itself, over the whole range where it bends.
static void gelu_case(struct rig *rig, const void *data)
{
    (void)data;
    enum { POINTS = 241 };
    rig_begin(rig, 1, POINTS);
    float *x = rig_array(rig, POINTS, 4 * sizeof *x);
    float *got = rig_array(rig, POINTS, sizeof *got);
    double *want = rig_array(rig, POINTS, sizeof *want);
    float panels[4 * PANEL_COLS];
    if (!rig_is_sound(rig))
        return;
    memset(panels, 0, sizeof panels);
    pack((const float[4]){1.0f}, 4, 1, panels);
    for (int i = 0; i < POINTS; i++) {
        x[4 * i] = half_to_float(half_from_float((float)(i - 120) / 20.0f)); // -6 .. 6
        want[i] = ref_gelu((double)x[4 * i]);
    }
    const struct linear_weights weights = {4, 1, rig_elements(rig, panels, COUNT(panels)), {0}};
    struct tensor input = plan_input(rig->plan, ROWS_TOKENS, 4, true);
    struct tensor y =
        plan_linear(rig->plan, input, &weights, &(struct plan_linear_options){.has_gelu = true});
    if (!rig_lay_out(rig))
        return;
    rig_put_elements(rig, input, x, (size_t)POINTS * 4);
    rig_expect_output(rig, y, (uint64_t)POINTS * rig->kernels.element_bytes);
    if (!rig_run(rig, 1, POINTS, 0))
        return;
    rig_get_elements(rig, y, got, POINTS);
    // The exact form, not the tanh one, which is off by up to 4e-4: 1.2e-7 of erfc, a few ulp of
    // exp.
    rig_check(rig, "GELU of -6 to 6", got, want, POINTS, rig_rounding(rig, 6e-7));
}

static void gelu(struct rig *rig)
{
    run_case(rig, gelu_case, NULL);
}

// ---- layernorm, normalize --------------------------------------------------------------------

struct layernorm_case {
    uint32_t rows, cols;
    float mean;
    bool replaces;
};

static void layernorm_case(struct rig *rig, const void *data)
{
    const struct layernorm_case *c = data;
    const size_t count = (size_t)c->rows * c->cols;
    rig_begin(rig, 1, c->rows + 1);
    float *x = rig_values(rig, count), *gain_bias = rig_values(rig, 2 * (size_t)c->cols);
    float *got = rig_array(rig, count, sizeof *got);
    double *want = rig_array(rig, count, sizeof *want);
    if (!rig_is_sound(rig))
        return;

    for (size_t i = 0; i < count; i++)
        x[i] += c->mean;
    const struct norm_weights weights = {c->cols, rig_floats(rig, gain_bias, 2 * (size_t)c->cols)};
    struct tensor input = plan_input(rig->plan, ROWS_TOKENS, c->cols, false);
    struct tensor y = c->replaces ? plan_layernorm_replace(rig->plan, input, &weights, 1e-6f)
                                  : plan_layernorm(rig->plan, input, &weights, 1e-6f);
    if (!rig_lay_out(rig))
        return;
    memcpy(rig_address(rig, input), x, count * sizeof *x);
    rig_expect_output(rig, y, count * rig->kernels.element_bytes);
    if (c->replaces)
        rig_expect_output(rig, input, count * sizeof *x);
    if (!rig_run(rig, 1, c->rows, 0))
        return;

    ref_layernorm(x, gain_bias, c->rows, c->cols, 1e-6, want);
    rig_get_elements(rig, y, got, count);
    char what[64];
    snprintf(what, sizeof what, "%u x %u, mean %g", c->rows, c->cols, (double)c->mean);
    // x - mean loses log2(mean) bits of x; the rest are roundings of sums of cols terms.
    double of_sums = 2e-6 + 2.0 * (double)fabsf(c->mean) * 0x1p-24 + c->cols * 0x1p-24;
    rig_check(rig, what, got, want, count, rig_rounding(rig, of_sums));
    memcpy(got, rig_address(rig, input), count * sizeof *got);
    if (c->replaces)
        rig_check(rig, "  put back in its place", got, want, count, of_sums);
}

// 768 is the model; 7, 8, 9, 63, 64, 65 sit around the workgroups; a mean of 1000 is what breaks
// a one-pass variance.
static void layernorm(struct rig *rig)
{
    const uint32_t tile = rig->kernels.shapes[KERNEL_LAYERNORM].rows;
    const uint32_t rows[] = {1, 7, 8, 9, 63, 65, 197, 255, tile + 1};
    static const uint32_t cols[] = {2, 63, 64, 65, 768};
    for (size_t i = 0; i < COUNT(rows); i++)
        run_case(rig, layernorm_case, &(struct layernorm_case){rows[i], 68, 0.0f, false});
    for (size_t i = 0; i < COUNT(cols); i++)
        run_case(rig, layernorm_case, &(struct layernorm_case){5, cols[i], 0.0f, true});
    run_case(rig, layernorm_case, &(struct layernorm_case){5, 768, 1000.0f, false});
}

struct normalize_case {
    uint32_t rows, cols;
    float scale;
};

static void normalize_case(struct rig *rig, const void *data)
{
    const struct normalize_case *c = data;
    const size_t count = (size_t)c->rows * c->cols;
    rig_begin(rig, c->rows, c->rows);
    float *x = rig_values(rig, count);
    double *want = rig_array(rig, count, sizeof *want);
    struct gpu_range out = rig_output_buffer(rig, count);
    if (!rig_is_sound(rig))
        return;

    for (size_t i = 0; i < count; i++)
        x[i] *= c->scale;
    struct tensor input = plan_input(rig->plan, ROWS_SEQUENCES, c->cols, false);
    plan_normalize(rig->plan, input, out);
    if (!rig_lay_out(rig))
        return;
    memcpy(rig_address(rig, input), x, count * sizeof *x);
    if (!rig_run(rig, c->rows, c->rows, 0))
        return;
    ref_normalize(x, c->rows, c->cols, want);
    char what[64];
    snprintf(what, sizeof what, "%u x %u, times %g", c->rows, c->cols, (double)c->scale);
    rig_check(rig, what, gpu_buffer_address(out.buffer), want, count, c->cols * 0x1p-24 + 5e-7);
}

static void normalize(struct rig *rig)
{
    static const uint32_t sizes[] = {1, 7, 8, 9, 63, 65, 255};
    for (size_t i = 0; i < COUNT(sizes); i++) {
        run_case(rig, normalize_case, &(struct normalize_case){sizes[i], 65, 3.0f});
        run_case(rig, normalize_case, &(struct normalize_case){3, sizes[i], 3.0f});
    }
    // Zeros stay zeros, as in torch.
    run_case(rig, normalize_case, &(struct normalize_case){2, 512, 0.0f});
}

// ---- attention -------------------------------------------------------------------------------

#define MOST_SEQUENCES 10
#define MOST_TILES     300

struct attention_case {
    uint32_t lengths[MOST_SEQUENCES];
    uint32_t count, heads;
    float scale;
};

// Tiles of each sequence: row 0 of the run is [CLS] of sequence 0, and so on.
static uint32_t cut(struct attention_tile *tiles, const uint32_t *lengths, uint32_t count,
                    uint32_t width)
{
    uint32_t body = count, tile_count = count;
    for (uint32_t i = 0; i < count; i++) {
        tiles[i] = (struct attention_tile){i, 1, i, body, lengths[i]};
        for (uint32_t first = 0; first + 1 < lengths[i]; first += width) {
            uint32_t left = lengths[i] - 1 - first;
            assert(tile_count < MOST_TILES);
            tiles[tile_count++] = (struct attention_tile){body + first, left < width ? left : width,
                                                          i, body, lengths[i]};
        }
        body += lengths[i] - 1;
    }
    return tile_count;
}

static void ref_attention_of_all(const struct attention_case *c, uint32_t head_dim,
                                 const float *qkv, double *want)
{
    const uint32_t width = c->heads * head_dim;
    uint32_t body = c->count, rows[MOST_TILES];
    for (uint32_t i = 0; i < c->count; i++) {
        rows[0] = i;
        for (uint32_t j = 1; j < c->lengths[i]; j++)
            rows[j] = body++;
        for (uint32_t j = 0; j < c->lengths[i]; j++)
            for (uint32_t head = 0; head < c->heads; head++)
                ref_attention(qkv, width, head, head_dim, rows[j], rows, c->lengths[i],
                              want + (size_t)rows[j] * width + head * head_dim);
    }
}

static void attention_case(struct rig *rig, const void *data)
{
    const struct attention_case *c = data;
    const uint32_t head_dim = rig->head_dim, width = c->heads * head_dim;
    uint32_t tokens = 0;
    for (uint32_t i = 0; i < c->count; i++)
        tokens += c->lengths[i];
    const size_t in_count = (size_t)tokens * 3 * width, out_count = (size_t)tokens * width;
    const size_t cls_count = (size_t)c->count * width;
    rig_begin(rig, c->count, tokens);
    float *qkv = rig_values(rig, in_count), *got = rig_array(rig, out_count, sizeof *got);
    double *want = rig_array(rig, out_count, sizeof *want);
    if (!rig_is_sound(rig))
        return;

    for (size_t i = 0; i < in_count; i++)
        qkv[i] = half_to_float(half_from_float(qkv[i] * c->scale));
    struct attention_tile tiles[MOST_TILES];
    const uint32_t tile_count =
        cut(tiles, c->lengths, c->count, rig->kernels.shapes[KERNEL_ATTENTION].rows);
    struct gpu_range table = rig_bytes(rig, tiles, tile_count * sizeof *tiles);
    struct tensor input = plan_input(rig->plan, ROWS_TOKENS, 3 * width, true);
    struct tensor y = plan_attention(rig->plan, input, table, c->heads);
    struct tensor cls = plan_attention_cls(rig->plan, input, table, c->heads);
    if (!rig_lay_out(rig))
        return;
    rig_put_elements(rig, input, qkv, in_count);
    rig_expect_output(rig, y, out_count * rig->kernels.element_bytes);
    rig_expect_output(rig, cls, cls_count * rig->kernels.element_bytes);
    if (!rig_run(rig, c->count, tokens, tile_count))
        return;

    ref_attention_of_all(c, head_dim, qkv, want);
    char what[64];
    snprintf(what, sizeof what, "%u tokens, sequences %u, heads %u x %u, times %g", tokens,
             c->count, c->heads, head_dim, (double)c->scale);
    // Scores up to head_dim scale^2 carry that many ulp into exp.
    double of_sums = 3e-6 + head_dim * (double)(c->scale * c->scale) * 0x1p-22;
    rig_get_elements(rig, y, got, out_count);
    rig_check(rig, what, got, want, out_count, rig_rounding(rig, of_sums));
    rig_get_elements(rig, cls, got, cls_count);
    rig_check(rig, "  [CLS] alone", got, want, cls_count, rig_rounding(rig, of_sums));
}

static void attention(struct rig *rig)
{
    static const struct attention_case cases[] = {
        {{1, 2, 7, 8, 9, 10, 63, 64, 65, 66}, 10, 2, 1.0f},
        {{197}, 1, 1, 1.0f},
        {{255}, 1, 1, 0.5f},
        // Scores in the hundreds: without the maximum taken off, exp overflows.
        {{40, 3}, 2, 1, 8.0f},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        run_case(rig, attention_case, &cases[i]);
}

static void attention_small(struct rig *rig)
{
    run_case(rig, attention_case, &(struct attention_case){{20, 5}, 2, 3, 1.0f});
}

// ---- inputs of the towers --------------------------------------------------------------------

struct patchify_case {
    uint32_t images, size_px, patch_px, width;
};

static void ref_patchify_of_all(const struct patchify_case *c, const struct patchify_args *args,
                                const uint8_t *pixels, const float *places, double *want,
                                double *want_x)
{
    const uint32_t patches = c->size_px / c->patch_px * (c->size_px / c->patch_px);
    const uint32_t cols = 3 * c->patch_px * c->patch_px, tokens = c->images * (1 + patches);
    for (uint32_t row = 0; row < tokens; row++) {
        uint32_t body = row - c->images, index = body % patches;
        if (row >= c->images)
            ref_patchify(pixels + (size_t)(body / patches) * 3 * c->size_px * c->size_px, args,
                         index, want + (size_t)row * cols);
        for (uint32_t i = 0; i < c->width; i++)
            want_x[(size_t)row * c->width + i] =
                (double)places[(row < c->images ? 0 : 1 + index) * c->width + i];
    }
}

static void patchify_case(struct rig *rig, const void *data)
{
    const struct patchify_case *c = data;
    const uint32_t patches = c->size_px / c->patch_px * (c->size_px / c->patch_px);
    const uint32_t cols = 3 * c->patch_px * c->patch_px, tokens = c->images * (1 + patches);
    const size_t pixel_count = (size_t)c->images * 3 * c->size_px * c->size_px;
    const size_t count = (size_t)tokens * cols, x_count = (size_t)tokens * c->width;
    rig_begin(rig, c->images, tokens);
    const size_t word_count = (pixel_count + 3) / 4;
    uint8_t *pixels = rig_array(rig, pixel_count, 1);
    uint32_t *words = rig_array(rig, word_count, sizeof *words);
    float *places = rig_values(rig, (size_t)(1 + patches) * c->width);
    float *got = rig_array(rig, count, sizeof *got);
    double *want = rig_array(rig, count, sizeof *want); // [CLS] rows are zeros
    double *want_x = rig_array(rig, x_count, sizeof *want_x);
    if (!rig_is_sound(rig))
        return;

    for (size_t i = 0; i < pixel_count; i++)
        pixels[i] = (uint8_t)(rig_random(rig) * 127.9f + 128.0f);
    const struct patchify_args args = {
        c->size_px, c->patch_px, c->width, {0.0146f, 0.015f, 0.0142f}, {-1.79f, -1.75f, -1.48f}};
    plan_pack_pixels(words, pixels, pixel_count);
    struct gpu_range pixel_range = rig_bytes(rig, words, word_count * sizeof *words);
    struct gpu_range place_range = rig_floats(rig, places, (size_t)(1 + patches) * c->width);
    struct tensor x, out = plan_patchify(rig->plan, pixel_range, place_range, &args, &x);
    if (!rig_lay_out(rig))
        return;
    rig_expect_output(rig, out, count * rig->kernels.element_bytes);
    rig_expect_output(rig, x, x_count * sizeof(float));
    if (!rig_run(rig, c->images, tokens, 0))
        return;

    ref_patchify_of_all(c, &args, pixels, places, want, want_x);
    char what[64];
    snprintf(what, sizeof what, "%u of %u px in %u", c->images, c->size_px, c->patch_px);
    rig_get_elements(rig, out, got, count);
    rig_check(rig, what, got, want, count, rig_rounding(rig, 1e-6));
    rig_check(rig, "  places", rig_address(rig, x), want_x, x_count, 0.0);
}

static void patchify(struct rig *rig)
{
    run_case(rig, patchify_case, &(struct patchify_case){3, 32, 16, 68});
    run_case(rig, patchify_case, &(struct patchify_case){1, 28, 14, 32});
    run_case(rig, patchify_case, &(struct patchify_case){2, 6, 2, 4});
    // Pixels that end within a word.
    run_case(rig, patchify_case, &(struct patchify_case){3, 5, 5, 4});
}

static void embed_tokens_case(struct rig *rig, const void *data)
{
    (void)data;
    enum { ROWS = 65, WORDS = 50, PLACES = 70, WIDTH = 68 };
    struct token tokens[ROWS];
    rig_begin(rig, 1, ROWS + 1);
    float *words = rig_values(rig, WORDS * WIDTH), *places = rig_values(rig, PLACES * WIDTH);
    double *want = rig_array(rig, ROWS * WIDTH, sizeof *want);
    if (!rig_is_sound(rig))
        return;

    for (uint32_t i = 0; i < ROWS; i++) {
        tokens[i] = (struct token){i * 7 % WORDS, i * 11 % PLACES};
        ref_embed_tokens(words, places, tokens[i], WIDTH, want + i * WIDTH);
    }
    struct gpu_range token_range = rig_bytes(rig, tokens, sizeof tokens);
    struct gpu_range word_range = rig_elements(rig, words, WORDS * WIDTH);
    struct gpu_range place_range = rig_floats(rig, places, PLACES * WIDTH);
    struct tensor x = plan_embed_tokens(rig->plan, token_range, word_range, place_range, WIDTH);
    if (!rig_lay_out(rig))
        return;
    rig_expect_output(rig, x, ROWS * WIDTH * sizeof(float));
    if (!rig_run(rig, 1, ROWS, 0))
        return;
    char what[64];
    snprintf(what, sizeof what, "%d rows of %d", ROWS, WIDTH);
    rig_check(rig, what, rig_address(rig, x), want, ROWS * WIDTH, 1e-7);
}

static void embed_tokens(struct rig *rig)
{
    run_case(rig, embed_tokens_case, NULL);
}

// ---- all of them -----------------------------------------------------------------------------

bool cases_run(struct rig *rig, enum case_group group, vkclip_error *err)
{
    static void (*const groups[CASES_COUNT])(struct rig *) = {
        [CASES_LINEAR_SIZES] = linear_sizes, [CASES_LINEAR_ENDINGS] = linear_endings,
        [CASES_LINEAR_DEPTH] = linear_depth, [CASES_GELU] = gelu,
        [CASES_LAYERNORM] = layernorm,       [CASES_NORMALIZE] = normalize,
        [CASES_ATTENTION] = attention,       [CASES_ATTENTION_SMALL] = attention_small,
        [CASES_PATCHIFY] = patchify,         [CASES_EMBED_TOKENS] = embed_tokens,
    };
    rig->error = (vkclip_error){0};
    groups[group](rig);
    if (!rig_is_sound(rig) && err)
        *err = rig->error;
    return rig_is_sound(rig);
}
