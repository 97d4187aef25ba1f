// plan.c: steps and tensors -> lifetimes -> one arena -> one recording.
#include "model/plan.h"

#include <stdlib.h>
#include <string.h>

#include "host/little_endian.h"

// BiomedCLIP's towers have 88 steps and 92 tensors; a ViT of 40 layers has 281.
#define MAX_STEPS   1024
#define MAX_TENSORS 1024

// std140 rounds the block of counts up to 16 bytes; a binding of its 8 would be too small.
#define COUNTS_BYTES 16

// Bytes that a step must move at least through a binding.
struct traffic {
    double fixed;               // whatever the run
    double a_token, a_sequence; // of it
};

// Of tables of what to do, too little to count; of what is bound and not read.
static const struct traffic no_traffic = {0};

// A binding is a tensor of the plan or a range that exists already.
#define NO_TENSOR UINT32_MAX
struct binding {
    uint32_t tensor;
    struct gpu_range range;
    struct traffic traffic;
};

enum group_count { GROUPS_BY_SEQUENCES, GROUPS_BY_TOKENS, GROUPS_BY_TILES };

struct step {
    enum kernel kernel;
    struct binding bindings[GPU_MAX_STORAGE_BINDINGS];
    unsigned char args[GPU_MAX_ARGS_BYTES];
    enum group_count counted; // what the workgroups along x divide among them
    uint32_t per_group;       // and how many of it one takes
    uint32_t groups_y;
    double row_flop;  // a row
    double pair_flop; // a query and key
};

struct plan_tensor {
    uint64_t row_bytes;
    uint64_t size_bytes; // at the plan's limits
    uint64_t offset_bytes;
    uint32_t first_step, last_step; // that use it
};

struct plan {
    const struct kernels *kernels;
    struct plan_limits limits;
    double submit_gflop;
    vkclip_error error;
    struct step steps[MAX_STEPS];
    uint32_t step_count;
    struct plan_tensor tensors[MAX_TENSORS];
    uint32_t tensor_count;
    struct gpu_buffer *counts, *groups;
    struct gpu_recording *recording;
    struct plan_run last_run;
};

struct plan *plan_create(const struct kernels *kernels, const struct plan_limits *limits,
                         double submit_gflop)
{
    struct plan *plan = calloc(1, sizeof *plan);
    if (!plan)
        return NULL;
    plan->kernels = kernels;
    plan->limits = *limits;
    plan->submit_gflop = submit_gflop;
    return plan;
}

void plan_destroy(struct plan *plan)
{
    if (!plan)
        return;
    struct gpu *gpu = plan->kernels->gpu;
    gpu_recording_destroy(gpu, plan->recording);
    gpu_buffer_destroy(gpu, plan->counts);
    gpu_buffer_destroy(gpu, plan->groups);
    free(plan);
}

// The first error of the steps wins.
#define plan_fail(plan, ...) \
    ((plan)->error.status ? false : fail(&(plan)->error, VKCLIP_ERROR_MODEL, __VA_ARGS__))

// ---- tensors ---------------------------------------------------------------------------------

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

// ---- layout ----------------------------------------------------------------------------------

static bool live_together(const struct plan_tensor *a, const struct plan_tensor *b)
{
    return a->first_step <= b->last_step && b->first_step <= a->last_step;
}

// The lowest place where the tensor meets no tensor placed before that lives at the same time.
static uint64_t find_place(const struct plan *plan, uint32_t index, uint64_t alignment)
{
    const struct plan_tensor *tensor = &plan->tensors[index];
    uint64_t offset = 0;
    for (uint32_t i = 0; i < index; i++) {
        const struct plan_tensor *other = &plan->tensors[i];
        bool is_apart = offset + tensor->size_bytes <= other->offset_bytes ||
                        other->offset_bytes + other->size_bytes <= offset;
        if (is_apart || !live_together(tensor, other))
            continue;
        offset = other->offset_bytes + other->size_bytes;
        offset = (offset + alignment - 1) / alignment * alignment;
        i = UINT32_MAX; // look at all of them again from the new place
    }
    return offset;
}

bool plan_layout(struct plan *plan, uint64_t *arena_bytes, vkclip_error *err)
{
    if (plan->error.status)
        return fail(err, plan->error.status, "%s", plan->error.message);

    const struct gpu *gpu = plan->kernels->gpu;
    const uint64_t range_limit = gpu_get_facts(gpu)->storage_range_bytes;
    *arena_bytes = 0;
    for (uint32_t i = 0; i < plan->tensor_count; i++) {
        struct plan_tensor *tensor = &plan->tensors[i];
        if (tensor->size_bytes > range_limit)
            return fail(err, VKCLIP_ERROR_MEMORY,
                        "%s binds at most %llu bytes, an activation of the model needs %llu",
                        gpu_get_facts(gpu)->name, (unsigned long long)range_limit,
                        (unsigned long long)tensor->size_bytes);
        tensor->offset_bytes = find_place(plan, i, gpu_offset_alignment(gpu));
        if (*arena_bytes < tensor->offset_bytes + tensor->size_bytes)
            *arena_bytes = tensor->offset_bytes + tensor->size_bytes;
    }
    return true;
}

enum kernel plan_last_kernel(const struct plan *plan)
{
    return plan->steps[plan->step_count - 1].kernel;
}

struct gpu_range plan_tensor_range(const struct plan *plan, struct tensor tensor,
                                   struct gpu_buffer *arena)
{
    return (struct gpu_range){
        .buffer = arena,
        .offset_bytes = plan->tensors[tensor.index].offset_bytes,
        .size_bytes = plan->tensors[tensor.index].size_bytes,
    };
}

// ---- recording and running -------------------------------------------------------------------

// Queries times keys when every sequence is as long as it may be.
static double pairs_at_limit(const struct plan *plan)
{
    return (double)plan->limits.tokens * plan->limits.longest;
}

static double gflop_at_limit(const struct plan *plan, const struct step *step)
{
    bool is_tokens = step->counted == GROUPS_BY_TOKENS;
    double rows = is_tokens ? plan->limits.tokens : plan->limits.sequences;
    return (rows * step->row_flop + pairs_at_limit(plan) * step->pair_flop) * 1e-9;
}

// A submit ends where the next step would carry it over the limit.
static void cut_into_submits(const struct plan *plan, struct gpu_dispatch *dispatches)
{
    double gflop = 0.0;
    for (uint32_t i = 0; i < plan->step_count; i++) {
        double next = gflop_at_limit(plan, &plan->steps[i]);
        if (i > 0 && gflop + next > plan->submit_gflop) {
            dispatches[i - 1].ends_submit = true;
            gflop = 0.0;
        }
        gflop += next;
    }
}

static struct gpu_dispatch *make_dispatches(const struct plan *plan, struct gpu_buffer *arena)
{
    struct gpu_dispatch *dispatches = calloc(plan->step_count, sizeof *dispatches);
    if (!dispatches)
        return NULL;
    for (uint32_t i = 0; i < plan->step_count; i++) {
        const struct step *step = &plan->steps[i];
        dispatches[i].pipeline = plan->kernels->pipelines[step->kernel];
        memcpy(dispatches[i].args, step->args, sizeof step->args);
        for (uint32_t j = 0; j < GPU_MAX_STORAGE_BINDINGS; j++) {
            const struct binding *binding = &step->bindings[j];
            dispatches[i].bindings[j] =
                binding->tensor == NO_TENSOR
                    ? binding->range
                    : plan_tensor_range(plan, (struct tensor){.index = binding->tensor}, arena);
        }
    }
    cut_into_submits(plan, dispatches);
    return dispatches;
}

bool plan_record(struct plan *plan, struct gpu_buffer *arena, bool is_timed, vkclip_error *err)
{
    struct gpu *gpu = plan->kernels->gpu;
    if (!plan->counts)
        plan->counts = gpu_buffer_create(gpu, COUNTS_BYTES, GPU_MEMORY_UPLOAD, err);
    if (!plan->groups)
        plan->groups =
            gpu_buffer_create(gpu, plan->step_count * 3 * sizeof(uint32_t), GPU_MEMORY_UPLOAD, err);
    if (!plan->counts || !plan->groups)
        return false;

    struct gpu_dispatch *dispatches = make_dispatches(plan, arena);
    if (!dispatches)
        return fail(err, VKCLIP_ERROR_MEMORY, "no memory for a plan");
    struct gpu_recording *recording =
        gpu_recording_create(gpu,
                             &(struct gpu_recording_params){
                                 .dispatches = dispatches,
                                 .dispatch_count = plan->step_count,
                                 .counts = {.buffer = plan->counts, .size_bytes = COUNTS_BYTES},
                                 .groups = plan->groups,
                                 .is_timed = is_timed,
                             },
                             err);
    free(dispatches);
    if (!recording)
        return false; // the one before stays in use
    gpu_recording_destroy(gpu, plan->recording);
    plan->recording = recording;
    return true;
}

static uint32_t group_count(const struct step *step, const struct plan_run *run)
{
    uint32_t count = step->counted == GROUPS_BY_TOKENS  ? run->counts.tokens
                     : step->counted == GROUPS_BY_TILES ? run->tile_count
                                                        : run->counts.sequences;
    return (count + step->per_group - 1) / step->per_group;
}

bool plan_begin(struct plan *plan, const struct plan_run *run, vkclip_error *err)
{
    uint32_t *groups = gpu_buffer_address(plan->groups);
    for (uint32_t i = 0; i < plan->step_count; i++) {
        groups[3 * i] = group_count(&plan->steps[i], run);
        groups[3 * i + 1] = plan->steps[i].groups_y;
        groups[3 * i + 2] = 1;
    }
    memcpy(gpu_buffer_address(plan->counts), &run->counts, sizeof run->counts);
    plan->last_run = *run;
    return gpu_recording_begin(plan->kernels->gpu, plan->recording, err);
}

bool plan_end(struct plan *plan, vkclip_error *err)
{
    return gpu_recording_end(plan->kernels->gpu, plan->recording, err);
}

bool plan_run(struct plan *plan, const struct plan_run *run, vkclip_error *err)
{
    return plan_begin(plan, run, err) && plan_end(plan, err);
}

static double least_bytes(const struct step *step, const struct run_counts *counts)
{
    double sum = 0.0;
    for (uint32_t i = 0; i < GPU_MAX_STORAGE_BINDINGS; i++) {
        const struct traffic *traffic = &step->bindings[i].traffic;
        sum += traffic->fixed + counts->tokens * traffic->a_token +
               counts->sequences * traffic->a_sequence;
    }
    return sum;
}

void plan_add_times(const struct plan *plan, vkclip_kernel_time rows[KERNEL_COUNT])
{
    const struct plan_run *run = &plan->last_run;
    for (uint32_t i = 0; i < plan->step_count; i++) {
        const struct step *step = &plan->steps[i];
        bool is_tokens = step->counted == GROUPS_BY_TOKENS;
        double row_count = is_tokens ? run->counts.tokens : run->counts.sequences;
        double pairs = step->counted == GROUPS_BY_TILES ? run->attention_pairs : run->first_pairs;
        rows[step->kernel].calls++;
        rows[step->kernel].arithmetic = plan->kernels->shapes[step->kernel].arithmetic;
        rows[step->kernel].milliseconds += gpu_recording_time_ns(plan->recording, i) * 1e-6;
        rows[step->kernel].gflop += (row_count * step->row_flop + pairs * step->pair_flop) * 1e-9;
        rows[step->kernel].gigabytes += least_bytes(step, &run->counts) * 1e-9;
    }
}
