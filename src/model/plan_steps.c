// plan_steps.c: the steps that a plan can have, each what one kernel does.
#include "model/plan_parts.h"

#include <string.h>

#include "host/little_endian.h"

// Of tables of what to do, too little to count; of what is bound and not read.
static const struct traffic no_traffic = {0};

// The first error of the steps wins.
#define plan_fail(plan, ...) \
    ((plan)->error.status ? false : fail(&(plan)->error, VKCLIP_ERROR_MODEL, __VA_ARGS__))

static uint32_t rows_at_limit(const struct plan *plan, uint32_t rows)
{
    return rows == ROWS_TOKENS ? plan->limits.tokens : plan->limits.sequences;
}

static struct tensor new_tensor(struct plan *plan, uint32_t rows, uint32_t cols,
                                uint32_t element_bytes)
{
    if (plan->tensor_count == MAX_TENSORS) {
        plan_fail(plan, "the model needs more than %d tensors", MAX_TENSORS);
        return (struct tensor){0};
    }
    struct plan_tensor *tensor = &plan->tensors[plan->tensor_count];
    tensor->row_bytes = (uint64_t)cols * element_bytes;
    tensor->size_bytes = rows_at_limit(plan, rows) * tensor->row_bytes;
    tensor->first_step = UINT32_MAX;
    return (struct tensor){.index = plan->tensor_count++, .rows = rows, .cols = cols};
}

static struct binding use(struct plan *plan, struct tensor tensor)
{
    struct plan_tensor *used = &plan->tensors[tensor.index];
    if (used->first_step == UINT32_MAX)
        used->first_step = plan->step_count;
    used->last_step = plan->step_count;
    struct binding binding = {.tensor = tensor.index};
    *(tensor.rows == ROWS_TOKENS ? &binding.traffic.a_token : &binding.traffic.a_sequence) =
        (double)used->row_bytes;
    return binding;
}

// A tensor that is read and written.
static struct binding change(struct plan *plan, struct tensor tensor)
{
    struct binding binding = use(plan, tensor);
    binding.traffic.a_token *= 2.0;
    binding.traffic.a_sequence *= 2.0;
    return binding;
}

static struct binding use_range(struct gpu_range range, struct traffic traffic)
{
    return (struct binding){.tensor = NO_TENSOR, .range = range, .traffic = traffic};
}

// All of it is read, once for the run.
static struct binding use_weights(struct gpu_range range)
{
    return use_range(range, (struct traffic){.fixed = (double)range.size_bytes});
}

struct tensor plan_first_rows(struct tensor x)
{
    return (struct tensor){.index = x.index, .rows = ROWS_SEQUENCES, .cols = x.cols};
}

// ---- steps -----------------------------------------------------------------------------------

static void add_step(struct plan *plan, struct step step, const void *args, size_t args_bytes)
{
    if (plan->error.status)
        return;
    if (plan->step_count == MAX_STEPS) {
        plan_fail(plan, "the model needs more than %d steps", MAX_STEPS);
        return;
    }
    memcpy(step.args, args, args_bytes);
    plan->steps[plan->step_count++] = step;
}

static enum group_count group_rows(uint32_t rows)
{
    return rows == ROWS_TOKENS ? GROUPS_BY_TOKENS : GROUPS_BY_SEQUENCES;
}

struct tensor plan_input(struct plan *plan, uint32_t rows, uint32_t cols, bool is_element)
{
    struct tensor x =
        new_tensor(plan, rows, cols, is_element ? plan->kernels->element_bytes : sizeof(float));
    plan->tensors[x.index].first_step = 0; // it is filled before
    return x;
}

struct tensor plan_patchify(struct plan *plan, struct gpu_range pixels, struct gpu_range places,
                            const struct patchify_args *args, struct tensor *x)
{
    uint32_t cols = 3 * args->patch_size_px * args->patch_size_px;
    const struct traffic picture = {.a_sequence = 3.0 * args->image_size_px * args->image_size_px};
    struct tensor patches = new_tensor(plan, ROWS_TOKENS, cols, plan->kernels->element_bytes);
    *x = new_tensor(plan, ROWS_TOKENS, args->width, sizeof(float));
    add_step(plan,
             (struct step){
                 .kernel = KERNEL_PATCHIFY,
                 .bindings = {use_range(pixels, picture), use_weights(places), use(plan, patches),
                              use(plan, *x)},
                 .counted = GROUPS_BY_TOKENS,
                 .per_group = 1,
                 .groups_y = 1,
             },
             args, sizeof *args);
    return patches;
}

void plan_pack_pixels(uint32_t *words, const uint8_t *pixels, size_t count)
{
    for (; count >= 4; count -= 4, pixels += 4)
        *words++ = get_u32(pixels);
    uint8_t rest[4] = {0};
    for (size_t i = 0; i < count; i++)
        rest[i] = pixels[i];
    if (count > 0)
        *words = get_u32(rest);
}

struct tensor plan_embed_tokens(struct plan *plan, struct gpu_range tokens,
                                const struct word_weights *words, struct gpu_range places)
{
    struct tensor x = new_tensor(plan, ROWS_TOKENS, words->cols, sizeof(float));
    const struct traffic a_token = {.a_token = sizeof(struct token)};
    const struct traffic a_word = {.a_token = (double)words->cols * plan->kernels->element_bytes};
    const struct traffic a_place = {.a_token = (double)words->cols * sizeof(float)};
    for (uint32_t first = 0, part = 0; first < words->rows; first += words->part_rows, part++) {
        const uint32_t left = words->rows - first;
        const struct embed_tokens_args args = {
            .width = words->cols,
            .first_id = first,
            .id_count = left < words->part_rows ? left : words->part_rows,
        };
        struct step step = {
            .kernel = KERNEL_EMBED_TOKENS,
            .bindings = {use_range(tokens, a_token), use_range(words->parts[part], a_word),
                         use_range(places, a_place), use(plan, x)},
            .counted = GROUPS_BY_TOKENS,
            .per_group = 1,
            .groups_y = 1,
        };
        for (uint32_t i = 1; part > 0 && i < GPU_MAX_STORAGE_BINDINGS; i++)
            step.bindings[i].traffic = no_traffic; // each row is written by one part
        add_step(plan, step, &args, sizeof args);
    }
    return x;
}

// Of results, f32 and a row a sequence.
static struct traffic row_traffic(uint32_t cols)
{
    return (struct traffic){.a_sequence = (double)cols * sizeof(float)};
}

static struct tensor add_layernorm(struct plan *plan, struct tensor x, const struct norm_weights *w,
                                   float epsilon, bool replaces)
{
    if (w->cols != x.cols)
        plan_fail(plan, "layernorm: %u columns, %u gains", x.cols, w->cols);
    struct tensor y = new_tensor(plan, x.rows, x.cols, plan->kernels->element_bytes);
    add_step(plan,
             (struct step){
                 .kernel = KERNEL_LAYERNORM,
                 .bindings = {replaces ? change(plan, x) : use(plan, x),
                              use_weights(w->gain_bias),
                              use(plan, y),
                              {.tensor = NO_TENSOR}},
                 .counted = group_rows(x.rows),
                 .per_group = plan->kernels->shapes[KERNEL_LAYERNORM].rows,
                 .groups_y = 1,
             },
             &(struct layernorm_args){
                 .rows = x.rows, .cols = x.cols, .epsilon = epsilon, .replaces = replaces},
             sizeof(struct layernorm_args));
    return y;
}

struct tensor plan_layernorm(struct plan *plan, struct tensor x, const struct norm_weights *w,
                             float epsilon)
{
    return add_layernorm(plan, x, w, epsilon, false);
}

struct tensor plan_layernorm_replace(struct plan *plan, struct tensor x,
                                     const struct norm_weights *w, float epsilon)
{
    return add_layernorm(plan, x, w, epsilon, true);
}

struct tensor plan_quantize(struct plan *plan, struct tensor x)
{
    if (plan->kernels->precision != VKCLIP_PRECISION_INT8 || x.is_quantized)
        return x;
    struct tensor y = new_tensor(plan, x.rows, x.cols / 4 + 1, sizeof(uint32_t));
    add_step(
        plan,
        (struct step){
            .kernel = KERNEL_QUANTIZE,
            .bindings = {use(plan, x), {.tensor = NO_TENSOR}, {.tensor = NO_TENSOR}, use(plan, y)},
            .counted = group_rows(x.rows),
            .per_group = plan->kernels->shapes[KERNEL_QUANTIZE].rows,
            .groups_y = 1,
        },
        &(struct quantize_args){.rows = x.rows, .cols = x.cols}, sizeof(struct quantize_args));
    y.cols = x.cols;
    y.is_quantized = true;
    return y;
}

// Where matmul inputs are f32, so is every output, and one kernel serves both.
static void add_linear(struct plan *plan, bool is_f32_output, struct tensor x,
                       const struct linear_weights *w, struct binding y, struct linear_args args)
{
    const bool is_mixed = is_f32_output && plan->kernels->element_bytes != sizeof(float);
    const enum linear_class of_rows = linear_class_of(rows_at_limit(plan, x.rows));
    const enum kernel kernel = (is_mixed ? KERNEL_LINEAR_F32 : KERNEL_LINEAR) + of_rows;
    const struct kernel_shape *shape = &plan->kernels->shapes[kernel];
    if (w->in_cols != x.cols || x.cols % 4 != 0)
        plan_fail(plan,
                  "linear: %u columns for %u weights a row; both must be equal multiples of 4",
                  x.cols, w->in_cols);

    args.rows = x.rows;
    args.in_cols = w->in_cols;
    args.out_cols = w->out_cols;
    args.has_bias = w->bias.buffer != NULL;
    args.has_gain = w->has_gain;
    add_step(
        plan,
        (struct step){
            .kernel = kernel,
            // The kernel names its bias even where it does not read it.
            .bindings = {use(plan, x), use_weights(w->panels),
                         w->bias.buffer ? use_weights(w->bias) : use_range(w->panels, no_traffic),
                         y},
            .counted = group_rows(x.rows),
            .per_group = shape->rows,
            .groups_y = (w->out_cols + shape->cols - 1) / shape->cols,
            .row_flop = 2.0 * w->in_cols * w->out_cols,
        },
        &args, sizeof args);
}

struct tensor plan_linear(struct plan *plan, struct tensor x, const struct linear_weights *w,
                          const struct plan_linear_options *options)
{
    x = plan_quantize(plan, x);
    struct tensor y = new_tensor(plan, x.rows, w->out_cols, plan->kernels->element_bytes);
    add_linear(plan, false, x, w, use(plan, y),
               (struct linear_args){.scaled_cols = options->scaled_cols,
                                    .scale = options->scale,
                                    .activation = options->activation});
    return y;
}

void plan_linear_add(struct plan *plan, struct tensor x, const struct linear_weights *w,
                     struct tensor y)
{
    if (y.cols != w->out_cols || y.rows != x.rows)
        plan_fail(plan, "linear: %u outputs added to %u columns", w->out_cols, y.cols);
    x = plan_quantize(plan, x);
    add_linear(plan, true, x, w, change(plan, y), (struct linear_args){.adds = 1});
}

struct tensor plan_linear_f32(struct plan *plan, struct tensor x, const struct linear_weights *w)
{
    x = plan_quantize(plan, x);
    struct tensor y = new_tensor(plan, x.rows, w->out_cols, sizeof(float));
    add_linear(plan, true, x, w, use(plan, y), (struct linear_args){0});
    return y;
}

void plan_linear_out(struct plan *plan, struct tensor x, const struct linear_weights *w,
                     struct gpu_range out)
{
    x = plan_quantize(plan, x);
    add_linear(plan, true, x, w, use_range(out, row_traffic(w->out_cols)), (struct linear_args){0});
}

struct tensor plan_attention(struct plan *plan, struct tensor qkv, struct gpu_range tiles,
                             const struct plan_attention_options *options)
{
    uint32_t width = qkv.cols / 3;
    struct tensor y = new_tensor(plan, options->rows, width, plan->kernels->element_bytes);
    struct binding input = use(plan, qkv);
    if (options->rows != ROWS_TOKENS) { // one query a sequence
        input.traffic.a_sequence = input.traffic.a_token / 3.0;
        input.traffic.a_token -= input.traffic.a_sequence;
    }
    add_step(
        plan,
        (struct step){
            .kernel = options->is_causal ? KERNEL_ATTENTION_CAUSAL : KERNEL_ATTENTION,
            .bindings = {input, use_range(tiles, no_traffic), use(plan, y), {.tensor = NO_TENSOR}},
            .counted = options->rows == ROWS_TOKENS ? GROUPS_BY_TILES : GROUPS_BY_SEQUENCES,
            .per_group = 1,
            .groups_y = options->head_count,
            .pair_flop = 4.0 * width,
        },
        &(struct attention_args){.width = width}, sizeof(struct attention_args));
    return y;
}

uint32_t plan_cut_tiles(struct attention_tile *tiles, const uint32_t *lengths, uint32_t count,
                        uint32_t width)
{
    uint32_t body_row = count, tile_count = count;
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t body = lengths[i] - 1;
        struct attention_tile tile = {
            .query_row = i,
            .query_count = 1,
            .head_row = i,
            .body_row = body_row,
            .key_count = lengths[i],
        };
        tiles[i] = tile;
        for (uint32_t first = 0; first < body; first += width) {
            tile.query_row = body_row + first;
            tile.query_count = width < body - first ? width : body - first;
            tiles[tile_count++] = tile;
        }
        body_row += body;
    }
    return tile_count;
}

struct tensor plan_mean(struct plan *plan, struct tensor x, struct gpu_range tiles,
                        uint32_t first_key)
{
    struct tensor y = new_tensor(plan, ROWS_SEQUENCES, x.cols, sizeof(float));
    add_step(plan,
             (struct step){
                 .kernel = KERNEL_MEAN,
                 .bindings = {use(plan, x),
                              use_range(tiles, no_traffic),
                              use(plan, y),
                              {.tensor = NO_TENSOR}},
                 .counted = GROUPS_BY_SEQUENCES,
                 .per_group = 1,
                 .groups_y = 1,
             },
             &(struct mean_args){.cols = x.cols, .first_key = first_key}, sizeof(struct mean_args));
    return y;
}

void plan_normalize(struct plan *plan, struct tensor x, bool is_unit, struct gpu_range out)
{
    add_step(plan,
             (struct step){
                 .kernel = KERNEL_NORMALIZE,
                 .bindings = {use(plan, x),
                              {.tensor = NO_TENSOR},
                              {.tensor = NO_TENSOR},
                              use_range(out, row_traffic(x.cols))},
                 .counted = GROUPS_BY_SEQUENCES,
                 .per_group = plan->kernels->shapes[KERNEL_NORMALIZE].rows,
                 .groups_y = 1,
             },
             &(struct normalize_args){.cols = x.cols, .is_unit = is_unit},
             sizeof(struct normalize_args));
}

void plan_top_k(struct plan *plan, struct tensor scores, struct gpu_range bounds, uint32_t most,
                struct gpu_range found)
{
    const struct kernel_shape *shape = &plan->kernels->shapes[KERNEL_TOP_K];
    const struct top_k_args args = {
        .cols = scores.cols,
        .cols_across = scores.cols < shape->cols ? scores.cols : shape->cols,
        .most = most,
    };
    add_step(plan,
             (struct step){
                 .kernel = KERNEL_TOP_K,
                 .bindings = {use(plan, scores),
                              use_range(bounds, no_traffic),
                              {.tensor = NO_TENSOR},
                              use_range(found, no_traffic)},
                 .counted = GROUPS_BY_SEQUENCES,
                 .per_group = shape->rows,
                 .groups_y = (scores.cols + args.cols_across - 1) / args.cols_across,
             },
             &args, sizeof args);
}
