#include "verify/cases.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/half.h"
#include "verify/cases_parts.h"
#include "verify/reference.h"

void cases_run_one(struct rig *rig, void (*one)(struct rig *, const void *), const void *data)
{
    if (!rig_is_sound(rig))
        return;
    one(rig, data);
    rig_end(rig);
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
        cases_run_one(rig, layernorm_case, &(struct layernorm_case){rows[i], 68, 0.0f, false});
    for (size_t i = 0; i < COUNT(cols); i++)
        cases_run_one(rig, layernorm_case, &(struct layernorm_case){5, cols[i], 0.0f, true});
    cases_run_one(rig, layernorm_case, &(struct layernorm_case){5, 768, 1000.0f, false});
}

struct normalize_case {
    uint32_t rows, cols;
    float scale;
    bool is_raw;
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
    plan_normalize(rig->plan, input, !c->is_raw, out);
    if (!rig_lay_out(rig))
        return;
    memcpy(rig_address(rig, input), x, count * sizeof *x);
    if (!rig_run(rig, c->rows, c->rows, 0))
        return;
    ref_normalize(x, c->rows, &(struct normalize_args){c->cols, !c->is_raw}, want);
    char what[64];
    snprintf(what, sizeof what, "%u x %u, times %g%s", c->rows, c->cols, (double)c->scale,
             c->is_raw ? ", as it is" : "");
    rig_check(rig, what, gpu_buffer_address(out.buffer), want, count,
              c->is_raw ? 0.0 : c->cols * 0x1p-24 + 5e-7);
}

static void normalize(struct rig *rig)
{
    static const uint32_t sizes[] = {1, 7, 8, 9, 63, 65, 255};
    for (size_t i = 0; i < COUNT(sizes); i++) {
        cases_run_one(rig, normalize_case, &(struct normalize_case){sizes[i], 65, 3.0f, false});
        cases_run_one(rig, normalize_case, &(struct normalize_case){3, sizes[i], 3.0f, false});
    }
    // Zeros stay zeros, as in torch.
    cases_run_one(rig, normalize_case, &(struct normalize_case){2, 512, 0.0f, false});
    cases_run_one(rig, normalize_case, &(struct normalize_case){9, 65, 3.0f, true});
}

// ---- attention -------------------------------------------------------------------------------

#define MOST_SEQUENCES 10
#define MOST_TILES     300

struct attention_case {
    uint32_t lengths[MOST_SEQUENCES];
    uint32_t count, heads;
    float scale;
    bool is_causal;
};

// The rows of a sequence in its own order: the one among the first is the first, or the last.
static void order_rows(uint32_t *rows, const struct attention_case *c, uint32_t sequence,
                       uint32_t *body)
{
    const uint32_t length = c->lengths[sequence];
    const uint32_t head = c->is_causal ? length - 1 : 0;
    for (uint32_t j = 0; j < length; j++)
        rows[j] = j == head ? sequence : (*body)++;
}

static void ref_attention_of_all(const struct attention_case *c, uint32_t head_dim,
                                 const float *qkv, double *want)
{
    const uint32_t width = c->heads * head_dim;
    uint32_t body = c->count, rows[MOST_TILES];
    for (uint32_t i = 0; i < c->count; i++) {
        order_rows(rows, c, i, &body);
        for (uint32_t j = 0; j < c->lengths[i]; j++)
            for (uint32_t head = 0; head < c->heads; head++)
                ref_attention(qkv, width, head, head_dim, rows[j], rows,
                              c->is_causal ? j + 1 : c->lengths[i],
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
    const size_t first_count = (size_t)c->count * width;
    rig_begin(rig, c->count, tokens);
    float *qkv = rig_values(rig, in_count), *got = rig_array(rig, out_count, sizeof *got);
    double *want = rig_array(rig, out_count, sizeof *want);
    if (!rig_is_sound(rig))
        return;

    for (size_t i = 0; i < in_count; i++)
        qkv[i] = half_to_float(half_from_float(qkv[i] * c->scale));
    struct attention_tile tiles[MOST_TILES];
    const uint32_t tile_count =
        plan_cut_tiles(tiles, c->lengths, c->count, rig->kernels.shapes[KERNEL_ATTENTION].rows);
    assert(tile_count <= MOST_TILES);
    struct gpu_range table = rig_bytes(rig, tiles, tile_count * sizeof *tiles);
    struct tensor input = plan_input(rig->plan, ROWS_TOKENS, 3 * width, true);
    struct plan_attention_options options = {c->heads, c->is_causal, ROWS_TOKENS};
    struct tensor y = plan_attention(rig->plan, input, table, &options);
    options.rows = ROWS_SEQUENCES;
    struct tensor first = plan_attention(rig->plan, input, table, &options);
    if (!rig_lay_out(rig))
        return;
    rig_put_elements(rig, input, qkv, in_count);
    rig_expect_output(rig, y, out_count * rig->kernels.element_bytes);
    rig_expect_output(rig, first, first_count * rig->kernels.element_bytes);
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
    rig_get_elements(rig, first, got, first_count);
    rig_check(rig, "  first rows alone", got, want, first_count, rig_rounding(rig, of_sums));
}

// Lengths around the queries of a tile, 16 or 32, and the keys of a block, 16 or 32 too; one query
// is in a tile of its own.
static void attention(struct rig *rig)
{
    static const struct attention_case cases[] = {
        {{1, 2, 7, 8, 9, 10, 63, 64, 65, 66}, 10, 2, 1.0f, false},
        {{15, 16, 17, 18, 31, 32, 33, 34, 48, 49}, 10, 1, 1.0f, false},
        {{197}, 1, 1, 1.0f, false},
        {{255}, 1, 1, 0.5f, false},
        // Scores in the hundreds: without the maximum taken off, exp overflows.
        {{40, 3}, 2, 1, 8.0f, false},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        cases_run_one(rig, attention_case, &cases[i]);
}

// 77 tokens is the longest text of CLIP.
static void attention_causal(struct rig *rig)
{
    static const struct attention_case cases[] = {
        {{1, 2, 7, 8, 9, 10, 63, 64, 65, 66}, 10, 2, 1.0f, true},
        {{15, 16, 17, 18, 31, 32, 33, 34, 48, 49}, 10, 1, 1.0f, true},
        {{77, 5, 77}, 3, 2, 1.0f, true},
        {{40, 3}, 2, 1, 8.0f, true},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        cases_run_one(rig, attention_case, &cases[i]);
}

static void attention_small(struct rig *rig)
{
    cases_run_one(rig, attention_case, &(struct attention_case){{20, 5}, 2, 3, 1.0f, false});
    cases_run_one(rig, attention_case, &(struct attention_case){{20, 5}, 2, 3, 1.0f, true});
}

// ---- mean ------------------------------------------------------------------------------------

struct mean_case {
    uint32_t lengths[MOST_SEQUENCES];
    uint32_t count, cols, first_key;
};

static void mean_case(struct rig *rig, const void *data)
{
    const struct mean_case *c = data;
    uint32_t tokens = 0, body = c->count, rows[MOST_TILES];
    for (uint32_t i = 0; i < c->count; i++)
        tokens += c->lengths[i];
    const size_t in_count = (size_t)tokens * c->cols, out_count = (size_t)c->count * c->cols;
    rig_begin(rig, c->count, tokens);
    float *x = rig_values(rig, in_count);
    double *want = rig_array(rig, out_count, sizeof *want);
    if (!rig_is_sound(rig))
        return;

    struct attention_tile tiles[MOST_TILES];
    const uint32_t tile_count = plan_cut_tiles(tiles, c->lengths, c->count, tokens);
    struct gpu_range table = rig_bytes(rig, tiles, tile_count * sizeof *tiles);
    struct tensor input = plan_input(rig->plan, ROWS_TOKENS, c->cols, false);
    struct tensor y = plan_mean(rig->plan, input, table, c->first_key);
    if (!rig_lay_out(rig))
        return;
    memcpy(rig_address(rig, input), x, in_count * sizeof *x);
    rig_expect_output(rig, y, out_count * sizeof(float));
    if (!rig_run(rig, c->count, tokens, tile_count))
        return;

    for (uint32_t i = 0; i < c->count; i++) {
        for (uint32_t j = 0; j < c->lengths[i]; j++)
            rows[j] = j == 0 ? i : body++;
        ref_mean(x, &(struct mean_args){c->cols, c->first_key}, rows, c->lengths[i],
                 want + (size_t)i * c->cols);
    }
    char what[64];
    snprintf(what, sizeof what, "%u tokens, sequences %u, from %u on", tokens, c->count,
             c->first_key);
    // A sum of up to 197 numbers below 1, each addition off by half of its last bit.
    rig_check(rig, what, rig_address(rig, y), want, out_count, 197 * 0x1p-24);
}

static void mean(struct rig *rig)
{
    cases_run_one(rig, mean_case, &(struct mean_case){{1, 2, 63, 64, 65, 197}, 6, 65, 0});
    cases_run_one(rig, mean_case, &(struct mean_case){{6, 7, 197}, 3, 768, 5});
}

// ---- inputs of the towers --------------------------------------------------------------------

struct patchify_case {
    uint32_t images, size_px, patch_px, width, registers;
};

static void ref_patchify_of_all(const struct patchify_case *c, const struct patchify_args *args,
                                const uint8_t *pixels, const float *places, double *want,
                                double *want_x)
{
    const uint32_t patches = c->size_px / c->patch_px * (c->size_px / c->patch_px);
    const uint32_t cols = 3 * c->patch_px * c->patch_px, bodies = c->registers + patches;
    for (uint32_t row = 0; row < c->images * (1 + bodies); row++) {
        uint32_t body = row - c->images, index = body % bodies;
        if (row >= c->images && index >= c->registers)
            ref_patchify(pixels + (size_t)(body / bodies) * 3 * c->size_px * c->size_px, args,
                         index - c->registers, want + (size_t)row * cols);
        for (uint32_t i = 0; i < c->width; i++)
            want_x[(size_t)row * c->width + i] =
                (double)places[(row < c->images ? 0 : 1 + index) * c->width + i];
    }
}

static void patchify_case(struct rig *rig, const void *data)
{
    const struct patchify_case *c = data;
    const uint32_t patches = c->size_px / c->patch_px * (c->size_px / c->patch_px);
    const uint32_t cols = 3 * c->patch_px * c->patch_px, places_count = 1 + c->registers + patches;
    const uint32_t tokens = c->images * places_count;
    const size_t pixel_count = (size_t)c->images * 3 * c->size_px * c->size_px;
    const size_t count = (size_t)tokens * cols, x_count = (size_t)tokens * c->width;
    rig_begin(rig, c->images, tokens);
    const size_t word_count = (pixel_count + 3) / 4;
    uint8_t *pixels = rig_array(rig, pixel_count, 1);
    float *places = rig_values(rig, (size_t)places_count * c->width);
    uint32_t *words = rig_array(rig, word_count, sizeof *words);
    float *got = rig_array(rig, count, sizeof *got);
    double *want = rig_array(rig, count, sizeof *want); // rows of no patch are zeros
    double *want_x = rig_array(rig, x_count, sizeof *want_x);
    if (!rig_is_sound(rig))
        return;

    for (size_t i = 0; i < pixel_count; i++)
        pixels[i] = (uint8_t)(rig_random(rig) * 127.9f + 128.0f);
    const struct patchify_args args = {
        .image_size_px = c->size_px,
        .patch_size_px = c->patch_px,
        .width = c->width,
        .register_count = c->registers,
        .scale = {0.0146f, 0.015f, 0.0142f},
        .shift = {-1.79f, -1.75f, -1.48f},
    };
    plan_pack_pixels(words, pixels, pixel_count);
    struct gpu_range pixel_range = rig_bytes(rig, words, word_count * sizeof *words);
    struct gpu_range place_range = rig_floats(rig, places, (size_t)places_count * c->width);
    struct tensor x, out = plan_patchify(rig->plan, pixel_range, place_range, &args, &x);
    if (!rig_lay_out(rig))
        return;
    rig_expect_output(rig, out, count * rig->kernels.element_bytes);
    rig_expect_output(rig, x, x_count * sizeof(float));
    if (!rig_run(rig, c->images, tokens, 0))
        return;

    ref_patchify_of_all(c, &args, pixels, places, want, want_x);
    char what[64];
    snprintf(what, sizeof what, "%u of %u px in %u, registers %u", c->images, c->size_px,
             c->patch_px, c->registers);
    rig_get_elements(rig, out, got, count);
    rig_check(rig, what, got, want, count, rig_rounding(rig, 1e-6));
    rig_check(rig, "  places", rig_address(rig, x), want_x, x_count, 0.0);
}

static void patchify(struct rig *rig)
{
    cases_run_one(rig, patchify_case, &(struct patchify_case){3, 32, 16, 68, 0});
    cases_run_one(rig, patchify_case, &(struct patchify_case){1, 28, 14, 32, 0});
    cases_run_one(rig, patchify_case, &(struct patchify_case){2, 6, 2, 4, 0});
    cases_run_one(rig, patchify_case, &(struct patchify_case){3, 28, 14, 32, 4});
    // Pixels that end within a word.
    cases_run_one(rig, patchify_case, &(struct patchify_case){3, 5, 5, 4, 0});
}

// data: how many words a part has.
static void embed_tokens_case(struct rig *rig, const void *data)
{
    const uint32_t part_rows = *(const uint32_t *)data;
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
    struct word_weights table = {.rows = WORDS, .cols = WIDTH, .part_rows = part_rows};
    for (uint32_t first = 0, part = 0; first < WORDS; first += part_rows, part++)
        table.parts[part] =
            rig_elements(rig, words + first * WIDTH,
                         (WORDS - first < part_rows ? WORDS - first : part_rows) * (size_t)WIDTH);
    struct gpu_range place_range = rig_floats(rig, places, PLACES * WIDTH);
    struct tensor x = plan_embed_tokens(rig->plan, token_range, &table, place_range);
    if (!rig_lay_out(rig))
        return;
    rig_expect_output(rig, x, ROWS * WIDTH * sizeof(float));
    if (!rig_run(rig, 1, ROWS, 0))
        return;
    char what[64];
    snprintf(what, sizeof what, "%d rows of %d, words by %u", ROWS, WIDTH, part_rows);
    rig_check(rig, what, rig_address(rig, x), want, ROWS * WIDTH, 1e-7);
}

static void embed_tokens(struct rig *rig)
{
    cases_run_one(rig, embed_tokens_case, &(uint32_t){50});
    cases_run_one(rig, embed_tokens_case, &(uint32_t){21});
}

// ---- all of them -----------------------------------------------------------------------------

bool cases_run(struct rig *rig, enum case_group group, vkclip_error *err)
{
    static void (*const groups[CASES_COUNT])(struct rig *) = {
        [CASES_LINEAR_SIZES] = cases_linear_sizes,
        [CASES_LINEAR_ENDINGS] = cases_linear_endings,
        [CASES_LINEAR_DEPTH] = cases_linear_depth,
        [CASES_GELU] = cases_gelu,
        [CASES_QUANTIZE] = cases_quantize,
        [CASES_LAYERNORM] = layernorm,
        [CASES_NORMALIZE] = normalize,
        [CASES_ATTENTION] = attention,
        [CASES_ATTENTION_CAUSAL] = attention_causal,
        [CASES_MEAN] = mean,
        [CASES_ATTENTION_SMALL] = attention_small,
        [CASES_PATCHIFY] = patchify,
        [CASES_EMBED_TOKENS] = embed_tokens,
        [CASES_TOP_K] = cases_top_k,
    };
    rig->error = (vkclip_error){0};
    groups[group](rig);
    if (!rig_is_sound(rig) && err)
        *err = rig->error;
    return rig_is_sound(rig);
}
