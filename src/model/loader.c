// loader.c: checking, packing and uploading weights.
#include "model/loader.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "model/upload.h"

// One allocation holds many tensors, since drivers limit their number; blocks this large still
// fit the fragmented memory of small devices.
#define BLOCK_BYTES (UINT64_C(256) << 20)

// The coarsest alignment of bindings Vulkan allows, so that the checking pass knows the size
// without knowing the device.
#define ALIGNMENT 256

#define MAX_NAME 160

// What every device can bind (maxStorageBufferRange). BiomedCLIP's words have 94 MB in f32, those
// of CLIP's ViT-L/14 152.
#define WORDS_PART_BYTES (UINT64_C(128) << 20)

// ---- passes ----------------------------------------------------------------------------------

bool loader_init(struct loader *loader, const struct weights *weights, vkclip_precision precision,
                 const vkclip_log *log, vkclip_error *err)
{
    *loader = (struct loader){
        .weights = weights,
        .log = log,
        .element_bytes = precision == VKCLIP_PRECISION_FP16 ? 2 : 4,
        .is_int8 = precision == VKCLIP_PRECISION_INT8,
    };
    loader->is_expected = calloc(weights->count + 1, sizeof *loader->is_expected);
    if (!loader->is_expected)
        return fail(err, VKCLIP_ERROR_MEMORY, "no memory for %u tensor names", weights->count);
    return true;
}

__attribute__((format(printf, 2, 3))) static void note_problem(struct loader *loader,
                                                               const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);

    log_line(loader->log, VKCLIP_LOG_ERROR, "%s", text);
    loader->problem_count++;
    if (!loader->error.status)
        fail(&loader->error, VKCLIP_ERROR_MODEL, "%s", text);
}

bool loader_check(struct loader *loader, vkclip_error *err)
{
    for (uint32_t i = 0; i < loader->weights->count; i++)
        if (!loader->is_expected[i]) {
            char found[128];
            weight_describe(&loader->weights->items[i], found, sizeof found);
            note_problem(loader, "surplus tensor '%s' %s", loader->weights->items[i].name, found);
        }
    if (loader->error.status == VKCLIP_ERROR_MODEL && loader->problem_count > 1)
        return fail(err, VKCLIP_ERROR_MODEL,
                    "%s: %u tensors are not as this architecture has them, the first: %s",
                    loader->weights->path, loader->problem_count, loader->error.message);
    if (loader->error.status)
        return fail(err, loader->error.status, "%s: %s", loader->weights->path,
                    loader->error.message);
    return true;
}

void loader_begin_upload(struct loader *loader, struct gpu *gpu, struct weight_memory *memory)
{
    loader->gpu = gpu;
    loader->memory = memory;
}

bool loader_end_upload(struct loader *loader, vkclip_error *err)
{
    // Waits in any case: copies may be under way to memory that the caller is about to free.
    vkclip_error first = loader->error;
    const double start = vkclip_clock_seconds();
    bool is_done = gpu_upload_wait(loader->gpu, first.status ? NULL : &first);
    loader->times.upload_s += vkclip_clock_seconds() - start;
    if (first.status && err)
        *err = first;
    return is_done && !first.status;
}

void loader_finish(struct loader *loader)
{
    free(loader->is_expected);
    free(loader->scratch);
    *loader = (struct loader){0};
}

void weight_memory_finish(struct weight_memory *memory, struct gpu *gpu)
{
    for (uint32_t i = 0; i < memory->block_count; i++)
        gpu_buffer_destroy(gpu, memory->blocks[i]);
    *memory = (struct weight_memory){0};
}

// ---- checking --------------------------------------------------------------------------------

static bool is_float_type(enum weight_type type)
{
    return type == WEIGHT_F32 || type == WEIGHT_F16 || type == WEIGHT_BF16 || type == WEIGHT_F64;
}

// The shape of a tensor without its leading 1s, of which `keep` dimensions stay.
static const uint64_t *inner_shape(const struct weight *weight, uint32_t keep)
{
    uint32_t first = 0;
    while (weight->rank - first > keep && weight->shape[first] == 1)
        first++;
    return weight->rank - first == keep ? weight->shape + first : NULL;
}

static void note_shape(struct loader *loader, const char *name, const struct weight *found,
                       uint32_t rank, const uint64_t *shape)
{
    struct weight wanted = {.name = name, .type = WEIGHT_F32, .rank = rank};
    memcpy(wanted.shape, shape, rank * sizeof *shape);
    char want_text[128], found_text[128];
    weight_describe(&wanted, want_text, sizeof want_text);
    if (!found) {
        note_problem(loader, "missing tensor '%s', expected %s", name, want_text);
        return;
    }
    weight_describe(found, found_text, sizeof found_text);
    note_problem(loader, "tensor '%s' is %s, expected %s", name, found_text, want_text);
}

// The tensor of that name and shape, which may have leading 1s more where is_loose; a problem is
// noted and NULL returned when there is none.
static const struct weight *expect_shape(struct loader *loader, const char *name, uint32_t rank,
                                         const uint64_t *shape, bool is_loose)
{
    const struct weight *found = weights_find(loader->weights, name);
    if (found)
        loader->is_expected[found - loader->weights->items] = true;
    const uint64_t *inner = NULL;
    if (found && (is_loose || found->rank == rank))
        inner = is_loose ? inner_shape(found, rank) : found->shape;
    bool is_shape = inner && memcmp(inner, shape, rank * sizeof *shape) == 0;
    if (!is_shape || !is_float_type(found->type)) {
        note_shape(loader, name, found, rank, shape);
        return NULL;
    }
    if (!loader->gpu)
        loader->parameter_count += found->element_count;
    return found;
}

static const struct weight *expect(struct loader *loader, const char *name, uint32_t rank,
                                   const uint64_t *shape)
{
    return expect_shape(loader, name, rank, shape, false);
}

void loader_ignore(struct loader *loader, const char *name)
{
    const size_t length = strlen(name);
    const bool is_prefix = length > 0 && name[length - 1] == '.';
    for (uint32_t i = 0; i < loader->weights->count; i++) {
        const char *found = loader->weights->items[i].name;
        if (is_prefix ? strncmp(found, name, length) == 0 : strcmp(found, name) == 0)
            loader->is_expected[i] = true;
    }
}

uint32_t loader_measure(const struct weights *weights, const char *name, uint32_t rank,
                        uint32_t dimension, uint32_t otherwise)
{
    const struct weight *found = weights_find(weights, name);
    if (!found || found->rank != rank)
        return otherwise;
    return found->shape[dimension] < UINT32_MAX ? (uint32_t)found->shape[dimension] : UINT32_MAX;
}

uint32_t loader_count_layers(const struct weights *weights, const char *prefix, const char *suffix,
                             uint32_t most)
{
    char name[MAX_NAME];
    for (uint32_t i = 0; i < most; i++) {
        snprintf(name, sizeof name, "%s%u%s", prefix, i, suffix);
        if (!weights_find(weights, name))
            return i;
    }
    return most;
}

// ---- memory ----------------------------------------------------------------------------------

static uint64_t align_up(uint64_t bytes, uint64_t alignment)
{
    return (bytes + alignment - 1) / alignment * alignment;
}

static bool add_block(struct loader *loader, uint64_t at_least_bytes)
{
    struct weight_memory *memory = loader->memory;
    uint64_t rest = loader->need_bytes - memory->size_bytes;
    loader->block_bytes = rest < BLOCK_BYTES ? rest : BLOCK_BYTES;
    if (loader->block_bytes < at_least_bytes)
        loader->block_bytes = at_least_bytes;
    if (memory->block_count == LOADER_MAX_BLOCKS)
        return fail(&loader->error, VKCLIP_ERROR_MEMORY, "the weights need more than %d blocks",
                    LOADER_MAX_BLOCKS);
    // What is left may lie in pieces: half as much is tried once.
    vkclip_error reason;
    struct gpu_buffer *block =
        gpu_buffer_create(loader->gpu, loader->block_bytes, GPU_MEMORY_DEVICE, &reason);
    if (!block && reason.status == VKCLIP_ERROR_MEMORY &&
        loader->block_bytes / 2 > at_least_bytes) {
        loader->block_bytes = align_up(loader->block_bytes / 2, ALIGNMENT);
        block = gpu_buffer_create(loader->gpu, loader->block_bytes, GPU_MEMORY_DEVICE, &reason);
    }
    if (!block)
        return fail(&loader->error, reason.status, "%s", reason.message);
    memory->blocks[memory->block_count++] = block;
    loader->block_used = 0;
    return true;
}

// Finds room for a tensor on the device. In the checking pass it only counts.
static bool place(struct loader *loader, uint64_t size_bytes, struct gpu_range *range)
{
    uint64_t aligned = align_up(size_bytes, ALIGNMENT);
    if (!loader->gpu) {
        loader->need_bytes += aligned;
        return false;
    }
    if (loader->error.status)
        return false;
    uint64_t limit = gpu_get_facts(loader->gpu)->storage_range_bytes;
    if (size_bytes > limit)
        return fail(&loader->error, VKCLIP_ERROR_MEMORY,
                    "%s binds at most %" PRIu64 " bytes, a tensor of the model needs %" PRIu64,
                    gpu_get_facts(loader->gpu)->name, limit, size_bytes);
    bool is_full =
        loader->memory->block_count == 0 || loader->block_used + aligned > loader->block_bytes;
    if (is_full && !add_block(loader, aligned))
        return false;
    *range = (struct gpu_range){
        .buffer = loader->memory->blocks[loader->memory->block_count - 1],
        .offset_bytes = loader->block_used,
        .size_bytes = size_bytes,
    };
    loader->block_used += aligned;
    loader->memory->size_bytes += aligned;
    return true;
}

// ---- what towers ask for ---------------------------------------------------------------------

struct full_name {
    char text[MAX_NAME];
};

static struct full_name join(const char *name, const char *end)
{
    struct full_name full;
    snprintf(full.text, sizeof full.text, "%s%s", name, end);
    return full;
}

static bool is_pair(const char *name)
{
    const char last = name[0] ? name[strlen(name) - 1] : '\0';
    return last == '.' || last == '_';
}

static void load_matrix(struct loader *loader, const struct matrix *matrix,
                        struct linear_weights *out)
{
    const uint64_t panels = align_up(matrix->out_cols, PANEL_COLS) / PANEL_COLS;
    out->in_cols = matrix->in_cols;
    out->out_cols = matrix->out_cols;
    if (place(loader, panels * upload_panel_bytes(loader, matrix->in_cols), &out->panels))
        upload_panels(loader, matrix, out->panels);
}

static void turn(struct loader *loader, const float *stored, size_t rows, size_t cols,
                 float *turned)
{
    const double start = vkclip_clock_seconds();
    for (size_t i = 0; i < rows * cols; i++)
        turned[i % cols * rows + i / cols] = stored[i];
    loader->times.convert_s += vkclip_clock_seconds() - start;
}

// A matrix stored [in, out]; nothing else is larger than a projection.
static void load_turned(struct loader *loader, struct matrix *matrix, struct linear_weights *out)
{
    const size_t rows = matrix->in_cols, cols = matrix->out_cols;
    float *stored = NULL, *turned = NULL;
    if (loader->gpu) {
        stored = checked_malloc((uint64_t)rows * cols * sizeof *stored);
        turned = checked_malloc((uint64_t)rows * cols * sizeof *turned);
        if (!stored || !turned)
            fail(&loader->error, VKCLIP_ERROR_MEMORY, "no memory to turn '%s'",
                 matrix->parts[0]->name);
        else if (upload_read(loader, matrix->parts[0], 0, rows * cols, stored))
            turn(loader, stored, rows, cols, turned);
    }
    matrix->turned = turned;
    load_matrix(loader, matrix, out);
    free(stored);
    free(turned);
}

void loader_linear(struct loader *loader, const struct linear_source *source,
                   struct linear_weights *out)
{
    uint32_t count = 0;
    while (count < LOADER_MOST_STACKED && source->names[count])
        count++;
    const uint64_t in_cols = source->in_cols, each = source->out_cols / count;
    const bool is_turned = !is_pair(source->names[0]);
    struct matrix matrix = {
        .part_rows = (uint32_t)each, .in_cols = source->in_cols, .out_cols = source->out_cols};
    const struct weight *vectors[LOADER_MOST_STACKED] = {0}, *gain = NULL;
    bool is_complete = true;
    *out = (struct linear_weights){.has_gain = source->gain != NULL};
    for (uint32_t i = 0; i < count; i++) {
        const char *name = source->names[i];
        matrix.parts[i] =
            is_turned ? expect(loader, name, 2, (uint64_t[]){in_cols, each})
                      : expect(loader, join(name, "weight").text, 2, (uint64_t[]){each, in_cols});
        if (source->has_bias)
            vectors[i] = expect(loader, join(name, "bias").text, 1, &each);
        is_complete = is_complete && matrix.parts[i] && (vectors[i] || !source->has_bias);
    }
    if (source->gain)
        gain = expect(loader, source->gain, 1, (uint64_t[]){source->out_cols});
    if (!is_complete || (source->gain && !gain))
        return;

    if (is_turned)
        load_turned(loader, &matrix, out);
    else
        load_matrix(loader, &matrix, out);
    const uint64_t vector_bytes = (uint64_t)source->out_cols * sizeof(float);
    if (source->has_bias && place(loader, (gain ? 2 : 1) * vector_bytes, &out->bias)) {
        upload_vectors(loader, vectors, count, (uint32_t)each, 0, out->bias);
        if (gain)
            upload_vectors(loader, &gain, 1, source->out_cols, vector_bytes, out->bias);
    }
}

void loader_patch_linear(struct loader *loader, const char *name, uint32_t size_px,
                         uint32_t out_cols, struct linear_weights *out)
{
    *out = (struct linear_weights){0};
    const struct matrix matrix = {
        .parts = {expect(loader, join(name, "weight").text, 4,
                         (uint64_t[]){out_cols, 3, size_px, size_px})},
        .part_rows = out_cols,
        .in_cols = 3 * size_px * size_px,
        .out_cols = out_cols,
    };
    if (matrix.parts[0])
        load_matrix(loader, &matrix, out);
}

// The name in use: the older one only where the newer is not there.
static struct full_name either(const struct loader *loader, const char *name, const char *newer,
                               const char *older)
{
    const struct full_name full = join(name, older);
    bool is_older = weights_find(loader->weights, full.text) &&
                    !weights_find(loader->weights, join(name, newer).text);
    return is_older ? full : join(name, newer);
}

void loader_norm(struct loader *loader, const char *name, uint32_t cols, struct norm_weights *out)
{
    *out = (struct norm_weights){.cols = cols};
    const struct weight *gain =
        expect(loader, either(loader, name, "weight", "gamma").text, 1, (uint64_t[]){cols});
    const struct weight *bias =
        expect(loader, either(loader, name, "bias", "beta").text, 1, (uint64_t[]){cols});
    if (gain && bias && place(loader, 2 * (uint64_t)cols * sizeof(float), &out->gain_bias))
        upload_vectors(loader, (const struct weight *[]){gain, bias}, 2, cols, 0, out->gain_bias);
}

void loader_words(struct loader *loader, const char *name, uint32_t rows, uint32_t cols,
                  struct word_weights *out)
{
    const uint64_t row_bytes = (uint64_t)cols * loader->element_bytes;
    const struct weight *table = expect(loader, name, 2, (uint64_t[]){rows, cols});
    *out = (struct word_weights){
        .rows = rows, .cols = cols, .part_rows = (uint32_t)(WORDS_PART_BYTES / row_bytes)};
    if (table && rows > (uint64_t)WORDS_MOST_PARTS * out->part_rows) {
        note_problem(loader, "tensor '%s' has %u rows, too many", name, rows);
        return;
    }
    for (uint32_t first = 0, part = 0; table && first < rows; first += out->part_rows, part++) {
        const uint32_t left = rows - first, count = left < out->part_rows ? left : out->part_rows;
        if (place(loader, count * row_bytes, &out->parts[part]))
            upload_words(loader, table, first, (size_t)count * cols, cols, out->parts[part]);
    }
}

void loader_rows(struct loader *loader, const char *name, uint32_t rows, uint32_t cols, float *out)
{
    const uint64_t shape[] = {rows, cols};
    const struct weight *found = weights_find(loader->weights, name);
    bool is_vector = rows == 1 && found && found->rank == 1;
    found =
        is_vector ? expect(loader, name, 1, &shape[1]) : expect_shape(loader, name, 2, shape, true);
    if (found && out && !loader->error.status)
        upload_read(loader, found, 0, (uint64_t)rows * cols, out);
}

void loader_floats(struct loader *loader, const float *values, uint64_t count,
                   struct gpu_range *out)
{
    if (place(loader, count * sizeof *values, out))
        upload_f32(loader, values, (size_t)count, *out, 0);
}

void loader_scalar(struct loader *loader, const char *name, float *out)
{
    const struct weight *found = weights_find(loader->weights, name);
    uint32_t rank = found && found->rank == 1 ? 1 : 0; // open_clip accepts [1] as well
    const struct weight *scalar = expect(loader, name, rank, (uint64_t[]){1});
    if (scalar)
        upload_read(loader, scalar, 0, 1, out);
}
