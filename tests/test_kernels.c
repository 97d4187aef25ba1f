// Defends the numbers of every kernel: each against the double-precision oracle of reference.c,
// on sizes around every tile, in both precisions where the device has them, and with the tiles
// of both kinds of device.
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "base/half.h"
#include "kernel_rig.h"
#include "reference.h"

// ---- linear ----------------------------------------------------------------------------------

enum linear_kind { LINEAR_PLAIN, LINEAR_SCALED, LINEAR_GELU, LINEAR_ADD, LINEAR_F32 };

// Panels of 32 outputs as the loader packs them.
static float *pack(const float *w, uint32_t in_cols, uint32_t out_cols, size_t *count)
{
    *count = (size_t)(out_cols + PANEL_COLS - 1) / PANEL_COLS * PANEL_COLS * in_cols;
    float *panels = calloc(*count, sizeof *panels);
    for (uint32_t o = 0; o < out_cols; o++)
        for (uint32_t k = 0; k < in_cols; k++)
            panels[((size_t)(o / PANEL_COLS) * in_cols + k) * PANEL_COLS + o % PANEL_COLS] =
                w[(size_t)o * in_cols + k];
    return panels;
}

// limit_rows, at least rows, decides between the wide and the narrow tile.
static void check_linear(struct rig *rig, enum linear_kind kind, uint32_t rows, uint32_t in_cols,
                         uint32_t out_cols, uint32_t limit_rows)
{
    float *x = random_values((size_t)rows * in_cols), *bias = random_values(out_cols);
    float *w = random_values((size_t)out_cols * in_cols);
    size_t panel_count, out_count = (size_t)rows * out_cols;
    float *panels = pack(w, in_cols, out_cols, &panel_count);
    float *before = random_values(out_count), *got = malloc(out_count * sizeof *got);
    double *want = malloc(out_count * sizeof *want);
    for (size_t i = 0; i < out_count; i++)
        want[i] = (double)before[i];

    rig_plan(rig, 1, limit_rows);
    struct linear_weights weights = {
        .in_cols = in_cols,
        .out_cols = out_cols,
        .panels = rig_elements(rig, panels, panel_count),
        .bias = kind == LINEAR_F32 ? (struct gpu_range){0} : rig_floats(rig, bias, out_cols),
    };
    struct tensor input = plan_input(rig->plan, ROWS_TOKENS, in_cols, true), y;
    struct linear_args args = {
        .in_cols = in_cols,
        .out_cols = out_cols,
        .has_bias = kind != LINEAR_F32,
        .has_gelu = kind == LINEAR_GELU,
        .scaled_cols = kind == LINEAR_SCALED ? out_cols / 3 : 0,
        .scale = 0.125f,
        .adds = kind == LINEAR_ADD,
    };
    if (kind == LINEAR_ADD) {
        y = plan_input(rig->plan, ROWS_TOKENS, out_cols, false);
        plan_linear_add(rig->plan, input, &weights, y);
    } else if (kind == LINEAR_F32) {
        y = plan_linear_f32(rig->plan, input, &weights);
    } else {
        y = plan_linear(rig->plan, input, &weights,
                        &(struct plan_linear_options){args.has_gelu, args.scaled_cols, 0.125f});
    }
    rig_lay_out(rig);
    put_elements(rig, tensor_address(rig, input), x, (size_t)rows * in_cols);
    if (kind == LINEAR_ADD)
        memcpy(tensor_address(rig, y), before, out_count * sizeof *before);
    rig_run(rig, 1, rows, 0);

    bool is_f32 = kind == LINEAR_ADD || kind == LINEAR_F32;
    // The row after the last belongs to nobody.
    size_t element_bytes = is_f32 || !rig_is_half(rig) ? 4 : 2;
    const unsigned char *after =
        (unsigned char *)tensor_address(rig, y) + out_count * element_bytes;
    for (size_t i = 0; rows < limit_rows && i < out_cols * element_bytes; i++)
        assert_int_equal(after[i], 0xff);
    if (is_f32)
        memcpy(got, tensor_address(rig, y), out_count * sizeof *got);
    else
        get_elements(rig, y, got, out_count);
    ref_linear(x, w, bias, rows, &args, want);
    char what[64];
    snprintf(what, sizeof what, "linear %d %ux%ux%u of %u", (int)kind, rows, in_cols, out_cols,
             limit_rows);
    // A sum of in_cols products is off by at most that many roundings of 2^-24, each relative to
    // partial sums of the result's size.
    double of_sums = in_cols * 0x1p-24 + 1e-6;
    check(what, rig, got, want, out_count, is_f32 ? of_sums : rig_rounding(rig, of_sums));
    rig_end_plan(rig);
    free(x), free(w), free(bias), free(panels), free(before), free(got), free(want);
}

static void linear_on_ragged_sizes(struct rig *rig)
{
    static const uint32_t rows[] = {1, 11, 12, 13, 47, 48, 49, 63, 65, 197, 255};
    static const uint32_t cols[] = {1, 31, 32, 33, 65, 100};
    for (size_t i = 0; i < COUNT(rows); i++)
        check_linear(rig, LINEAR_PLAIN, rows[i], 64, 64, 256);
    for (size_t i = 0; i < COUNT(cols); i++)
        check_linear(rig, LINEAR_GELU, 49, 68, cols[i], 256);
    // Inputs around the slab of 16, and one quad.
    check_linear(rig, LINEAR_PLAIN, 17, 4, 33, 256);
    check_linear(rig, LINEAR_PLAIN, 17, 12, 33, 256);
    check_linear(rig, LINEAR_PLAIN, 17, 20, 33, 256);
}

static void linear_with_every_epilogue(struct rig *rig)
{
    for (enum linear_kind kind = LINEAR_PLAIN; kind <= LINEAR_F32; kind++) {
        check_linear(rig, kind, 197, 128, 192, 197); // wide
        check_linear(rig, kind, 11, 128, 192, 16);   // narrow
        check_linear(rig, kind, 1, 640, 100, 1);
    }
}

static void linear_of_the_model(struct rig *rig)
{
    check_linear(rig, LINEAR_PLAIN, 50, 768, 768, 197);
    check_linear(rig, LINEAR_ADD, 20, 3072, 96, 197);
}

static void linear_matches_reference_on_ragged_sizes(void **state)
{
    (void)state;
    for_each_variant(linear_on_ragged_sizes);
}

static void linear_matches_reference_with_every_epilogue(void **state)
{
    (void)state;
    for_each_variant(linear_with_every_epilogue);
}

static void linear_matches_reference_at_the_models_depth(void **state)
{
    (void)state;
    for_each_variant(linear_of_the_model);
}

// One input, one weight of 1: the output is GELU itself, over the whole range where it bends.
static void gelu_of_a_ramp(struct rig *rig)
{
    enum { POINTS = 241 };
    float x[POINTS * 4] = {0}, one[4] = {1}, got[POINTS];
    double want[POINTS];
    size_t panel_count;
    float *panels = pack(one, 4, 1, &panel_count);
    for (int i = 0; i < POINTS; i++) {
        x[4 * i] = half_to_float(half_from_float((float)(i - 120) / 20.0f)); // -6 .. 6
        want[i] = ref_gelu((double)x[4 * i]);
    }
    rig_plan(rig, 1, POINTS);
    struct linear_weights weights = {4, 1, rig_elements(rig, panels, panel_count), {0}};
    struct tensor input = plan_input(rig->plan, ROWS_TOKENS, 4, true);
    struct tensor y =
        plan_linear(rig->plan, input, &weights, &(struct plan_linear_options){.has_gelu = true});
    rig_lay_out(rig);
    put_elements(rig, tensor_address(rig, input), x, POINTS * 4);
    rig_run(rig, 1, POINTS, 0);
    get_elements(rig, y, got, POINTS);
    // The exact form, not the tanh one, which is off by up to 4e-4: 1.2e-7 of erfc, a few ulp of
    // exp.
    check("gelu", rig, got, want, POINTS, rig_rounding(rig, 6e-7));
    rig_end_plan(rig);
    free(panels);
}

static void gelu_is_the_exact_one(void **state)
{
    (void)state;
    for_each_variant(gelu_of_a_ramp);
}

// ---- layernorm, normalize --------------------------------------------------------------------

static void check_layernorm(struct rig *rig, uint32_t rows, uint32_t cols, float mean,
                            bool replaces)
{
    size_t count = (size_t)rows * cols;
    float *x = random_values(count), *gain_bias = random_values(2 * (size_t)cols);
    float *got = malloc(count * sizeof *got);
    double *want = malloc(count * sizeof *want);
    for (size_t i = 0; i < count; i++)
        x[i] += mean;

    rig_plan(rig, 1, rows);
    struct norm_weights weights = {cols, rig_floats(rig, gain_bias, 2 * (size_t)cols)};
    struct tensor input = plan_input(rig->plan, ROWS_TOKENS, cols, false);
    struct tensor y = replaces ? plan_layernorm_replace(rig->plan, input, &weights, 1e-6f)
                               : plan_layernorm(rig->plan, input, &weights, 1e-6f);
    rig_lay_out(rig);
    memcpy(tensor_address(rig, input), x, count * sizeof *x);
    rig_run(rig, 1, rows, 0);

    ref_layernorm(x, gain_bias, rows, cols, 1e-6, want);
    get_elements(rig, y, got, count);
    char what[64];
    snprintf(what, sizeof what, "layernorm %ux%u, mean %g", rows, cols, (double)mean);
    // x - mean loses log2(mean) bits of x; the rest are roundings of sums of cols terms.
    double of_sums = 2e-6 + 2.0 * (double)fabsf(mean) * 0x1p-24 + cols * 0x1p-24;
    check(what, rig, got, want, count, rig_rounding(rig, of_sums));
    memcpy(got, tensor_address(rig, input), count * sizeof *got);
    if (replaces)
        check("  replaced", rig, got, want, count, of_sums);
    else
        assert_memory_equal(got, x, count * sizeof *x);
    rig_end_plan(rig);
    free(x), free(gain_bias), free(got), free(want);
}

// 768 is the model; 7, 8, 9, 63, 64, 65 sit around the workgroups; a mean of 1000 is what breaks
// a one-pass variance.
static void layernorm_on_ragged_sizes(struct rig *rig)
{
    static const uint32_t rows[] = {1, 7, 8, 9, 63, 65, 197, 255};
    for (size_t i = 0; i < COUNT(rows); i++)
        check_layernorm(rig, rows[i], 68, 0.0f, false);
    static const uint32_t cols[] = {2, 63, 64, 65, 768};
    for (size_t i = 0; i < COUNT(cols); i++)
        check_layernorm(rig, 5, cols[i], 0.0f, true);
    check_layernorm(rig, 5, 768, 1000.0f, false);
}

static void layernorm_matches_reference(void **state)
{
    (void)state;
    for_each_variant(layernorm_on_ragged_sizes);
}

static void check_normalize(struct rig *rig, uint32_t rows, uint32_t cols, float scale)
{
    size_t count = (size_t)rows * cols;
    float *x = random_values(count);
    double *want = malloc(count * sizeof *want);
    for (size_t i = 0; i < count; i++)
        x[i] *= scale;
    rig_plan(rig, rows, rows);
    struct tensor input = plan_input(rig->plan, ROWS_SEQUENCES, cols, false);
    struct gpu_range out = rig_readback(rig, count);
    plan_normalize(rig->plan, input, out);
    rig_lay_out(rig);
    memcpy(tensor_address(rig, input), x, count * sizeof *x);
    rig_run(rig, rows, rows, 0);
    ref_normalize(x, rows, cols, want);
    char what[64];
    snprintf(what, sizeof what, "normalize %ux%u by %g", rows, cols, (double)scale);
    check(what, rig, gpu_buffer_address(out.buffer), want, count, cols * 0x1p-24 + 5e-7);
    rig_end_plan(rig);
    free(x), free(want);
}

static void normalize_on_ragged_sizes(struct rig *rig)
{
    static const uint32_t sizes[] = {1, 7, 8, 9, 63, 65, 255};
    for (size_t i = 0; i < COUNT(sizes); i++) {
        check_normalize(rig, sizes[i], 65, 3.0f);
        check_normalize(rig, 3, sizes[i], 3.0f);
    }
    check_normalize(rig, 2, 512, 0.0f); // zeros stay zeros, as in torch
}

static void normalize_matches_reference(void **state)
{
    (void)state;
    for_each_variant(normalize_on_ragged_sizes);
}

// ---- attention -------------------------------------------------------------------------------

// Tiles of one sequence: row 0 of the run is [CLS] of sequence 0, and so on.
static uint32_t cut(struct attention_tile *tiles, const uint32_t *lengths, uint32_t count,
                    uint32_t width)
{
    uint32_t body = count, tile_count = count;
    for (uint32_t i = 0; i < count; i++) {
        tiles[i] = (struct attention_tile){i, 1, i, body, lengths[i]};
        for (uint32_t first = 0; first + 1 < lengths[i]; first += width) {
            uint32_t left = lengths[i] - 1 - first;
            tiles[tile_count++] = (struct attention_tile){body + first, left < width ? left : width,
                                                          i, body, lengths[i]};
        }
        body += lengths[i] - 1;
    }
    return tile_count;
}

static void check_attention(struct rig *rig, const uint32_t *lengths, uint32_t count,
                            uint32_t heads, uint32_t head_dim, float scale)
{
    uint32_t tokens = 0, width = heads * head_dim;
    for (uint32_t i = 0; i < count; i++)
        tokens += lengths[i];
    float *qkv = random_values((size_t)tokens * 3 * width);
    for (size_t i = 0; i < (size_t)tokens * 3 * width; i++)
        qkv[i] = half_to_float(half_from_float(qkv[i] * scale));
    struct attention_tile tiles[300];
    uint32_t tile_count = cut(tiles, lengths, count, rig->kernels.shapes[KERNEL_ATTENTION].rows);

    rig_plan(rig, count, tokens);
    struct gpu_range table = rig_bytes(rig, tiles, tile_count * sizeof *tiles);
    struct tensor input = plan_input(rig->plan, ROWS_TOKENS, 3 * width, true);
    struct tensor y = plan_attention(rig->plan, input, table, heads);
    struct tensor cls = plan_attention_cls(rig->plan, input, table, heads);
    rig_lay_out(rig);
    put_elements(rig, tensor_address(rig, input), qkv, (size_t)tokens * 3 * width);
    rig_run(rig, count, tokens, tile_count);

    size_t out_count = (size_t)tokens * width;
    double *want = malloc(out_count * sizeof *want);
    float *got = malloc(out_count * sizeof *got);
    uint32_t body = count, rows[300];
    for (uint32_t i = 0; i < count; i++) {
        rows[0] = i;
        for (uint32_t j = 1; j < lengths[i]; j++)
            rows[j] = body++;
        for (uint32_t j = 0; j < lengths[i]; j++)
            for (uint32_t head = 0; head < heads; head++)
                ref_attention(qkv, width, head, head_dim, rows[j], rows, lengths[i],
                              want + (size_t)rows[j] * width + head * head_dim);
    }
    char what[64];
    snprintf(what, sizeof what, "attention %u texts, %u tokens, %ux%u, scale %g", count, tokens,
             heads, head_dim, (double)scale);
    // Scores up to 64 scale^2 carry that many ulp into exp.
    double of_sums = 3e-6 + head_dim * (double)(scale * scale) * 0x1p-22;
    get_elements(rig, y, got, out_count);
    check(what, rig, got, want, out_count, rig_rounding(rig, of_sums));
    get_elements(rig, cls, got, (size_t)count * width);
    check("  [CLS] alone", rig, got, want, (size_t)count * width, rig_rounding(rig, of_sums));
    rig_end_plan(rig);
    free(qkv), free(want), free(got);
}

static void attention_on_ragged_lengths(struct rig *rig)
{
    static const uint32_t lengths[] = {1, 2, 7, 8, 9, 10, 63, 64, 65, 66};
    check_attention(rig, lengths, COUNT(lengths), 2, 64, 1.0f);
    check_attention(rig, (uint32_t[]){197}, 1, 1, 64, 1.0f);
    check_attention(rig, (uint32_t[]){255}, 1, 1, 64, 0.5f);
    // Scores in the hundreds: without the maximum taken off, exp overflows.
    check_attention(rig, (uint32_t[]){40, 3}, 2, 1, 64, 8.0f);
}

static void attention_matches_reference_on_ragged_lengths(void **state)
{
    (void)state;
    for_each_variant(attention_on_ragged_lengths);
}

static void attention_matches_reference_for_other_heads(void **state)
{
    (void)state;
    static const uint32_t head_dims[] = {4, 32, 80};
    for (size_t i = 0; i < COUNT(head_dims); i++) {
        struct rig rig;
        rig_start(&rig, &variants[i % 2], head_dims[i]);
        check_attention(&rig, (uint32_t[]){20, 5}, 2, 3, head_dims[i], 1.0f);
        rig_finish(&rig);
    }
}

// ---- inputs of the towers --------------------------------------------------------------------

static void check_patchify(struct rig *rig, uint32_t images, uint32_t size, uint32_t patch,
                           uint32_t width)
{
    const uint32_t patches = size / patch * (size / patch), cols = 3 * patch * patch;
    const uint32_t tokens = images * (1 + patches);
    const size_t picture = (size_t)size * size * 3;
    uint8_t *pixels = malloc(images * picture);
    for (size_t i = 0; i < images * picture; i++)
        pixels[i] = (uint8_t)(random_float() * 127.9f + 128.0f);
    float *places = random_values((size_t)(1 + patches) * width);
    const struct patchify_args args = {
        size, patch, width, {0.0146f, 0.015f, 0.0142f}, {-1.79f, -1.75f, -1.48f}};
    rig_plan(rig, images, tokens);
    struct gpu_range pixel_range = rig_bytes(rig, pixels, images * picture);
    struct gpu_range place_range = rig_floats(rig, places, (size_t)(1 + patches) * width);
    struct tensor x;
    struct tensor out = plan_patchify(rig->plan, pixel_range, place_range, &args, &x);
    rig_lay_out(rig);
    rig_run(rig, images, tokens, 0);

    double *want = calloc((size_t)tokens * cols, sizeof *want);
    double *want_x = calloc((size_t)tokens * width, sizeof *want_x);
    float *got = malloc((size_t)tokens * cols * sizeof *got);
    for (uint32_t row = 0; row < tokens; row++) {
        uint32_t body = row - images, index = body % patches;
        if (row >= images)
            ref_patchify(pixels + body / patches * picture, &args, index,
                         want + (size_t)row * cols);
        for (uint32_t c = 0; c < width; c++)
            want_x[(size_t)row * width + c] =
                (double)places[(row < images ? 0 : 1 + index) * width + c];
    }
    char what[64];
    snprintf(what, sizeof what, "patchify %u of %u px in %u", images, size, patch);
    get_elements(rig, out, got, (size_t)tokens * cols);
    check(what, rig, got, want, (size_t)tokens * cols, rig_rounding(rig, 1e-6));
    check("  places", rig, tensor_address(rig, x), want_x, (size_t)tokens * width, 0.0);
    rig_end_plan(rig);
    free(pixels), free(places), free(want), free(want_x), free(got);
}

static void patchify_on_sizes(struct rig *rig)
{
    check_patchify(rig, 3, 32, 16, 68);
    check_patchify(rig, 1, 28, 14, 32);
    check_patchify(rig, 2, 6, 2, 4);
}

static void patchify_matches_reference(void **state)
{
    (void)state;
    for_each_variant(patchify_on_sizes);
}

static void embed_tokens_on_rows(struct rig *rig)
{
    enum { ROWS = 65, WORDS = 50, PLACES = 70, WIDTH = 68 };
    struct token tokens[ROWS];
    float *words = random_values(WORDS * WIDTH), *places = random_values(PLACES * WIDTH);
    double want[ROWS * WIDTH];
    for (uint32_t i = 0; i < ROWS; i++) {
        tokens[i] = (struct token){i * 7 % WORDS, i * 11 % PLACES};
        ref_embed_tokens(words, places, tokens[i], WIDTH, want + i * WIDTH);
    }
    rig_plan(rig, 1, ROWS);
    struct gpu_range token_range = rig_bytes(rig, tokens, sizeof tokens);
    struct gpu_range word_range = rig_elements(rig, words, WORDS * WIDTH);
    struct gpu_range place_range = rig_floats(rig, places, PLACES * WIDTH);
    struct tensor x = plan_embed_tokens(rig->plan, token_range, word_range, place_range, WIDTH);
    rig_lay_out(rig);
    rig_run(rig, 1, ROWS, 0);
    check("embed_tokens", rig, tensor_address(rig, x), want, ROWS * WIDTH, 1e-7);
    rig_end_plan(rig);
    free(words), free(places);
}

static void embed_tokens_matches_reference(void **state)
{
    (void)state;
    for_each_variant(embed_tokens_on_rows);
}

// ---- the plan --------------------------------------------------------------------------------

// A column count the kernels cannot read must be refused before it reaches a device.
static void linear_of_mismatched_columns_is_refused(void **state)
{
    (void)state;
    struct rig rig;
    vkclip_error err;
    uint64_t arena_bytes;
    rig_start(&rig, &variants[0], 64);
    rig_plan(&rig, 1, 8);
    struct linear_weights weights = {.in_cols = 32, .out_cols = 8};
    struct tensor x = plan_input(rig.plan, ROWS_TOKENS, 64, true);
    plan_linear_f32(rig.plan, x, &weights);
    assert_false(plan_layout(rig.plan, &arena_bytes, &err));
    assert_int_equal(err.status, VKCLIP_ERROR_MODEL);
    rig_end_plan(&rig);
    rig_finish(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(linear_matches_reference_on_ragged_sizes),
        cmocka_unit_test(linear_matches_reference_with_every_epilogue),
        cmocka_unit_test(linear_matches_reference_at_the_models_depth),
        cmocka_unit_test(gelu_is_the_exact_one),
        cmocka_unit_test(layernorm_matches_reference),
        cmocka_unit_test(normalize_matches_reference),
        cmocka_unit_test(attention_matches_reference_on_ragged_lengths),
        cmocka_unit_test(attention_matches_reference_for_other_heads),
        cmocka_unit_test(patchify_matches_reference),
        cmocka_unit_test(embed_tokens_matches_reference),
        cmocka_unit_test(linear_of_mismatched_columns_is_refused),
    };
    return cmocka_run_group_tests(tests, open_gpu, close_gpu);
}
