#include "search/scan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "model/plan.h"

// Queries at once, and bytes of rows: a product of 16384 rows of 512 with 128 queries is 2 GFLOP,
// a tenth of a second on the slowest GPUs.
#define MOST_QUERIES     128
#define PIECE_BYTES      (32u << 20)
#define MOST_FOUND_BYTES (8u << 20)
#define LEAST_PIECE_ROWS 256
#define MOST_PIECE_ROWS  65535 // what top_k's loops are good for

// What a piece of rows lies in: one is read while the other is searched.
struct piece {
    struct plan *plan;
    struct gpu_buffer *arena;
    struct tensor rows;
    uint64_t first_row;
    uint32_t row_count;
};

struct scan {
    const struct scan_params *params;
    struct kernels kernels;
    uint32_t block;      // queries at once
    uint32_t piece_rows; // at most
    struct piece pieces[2];
    struct gpu_buffer *panels, *bounds, *found;
    size_t block_in_panels; // whose first query lies there; SIZE_MAX: none's
};

double scan_error(uint32_t width, double row_length, double query_length)
{
    const double u = 0x1p-23, n = (double)width + 1.0;
    return n * u / (1.0 - n * u) * row_length * query_length + n * 0x1p-125;
}

bool scan_read(const vkclip_rows *rows, uint32_t width, uint64_t first, uint32_t count,
               float *values, vkclip_error *err)
{
    vkclip_error reason = {.status = VKCLIP_ERROR_FILE, .message = "the rows cannot be read"};
    if (rows->values)
        memcpy(values, rows->values + first * width, (size_t)count * width * sizeof *values);
    else if (!rows->read(rows->user, first, count, values, &reason))
        return fail(err, reason.status, "%s", reason.message);
    return true;
}

// ---- memory ----------------------------------------------------------------------------------

static size_t row_bytes(const struct scan *scan)
{
    return scan->params->width * sizeof(float);
}

static uint64_t found_bytes(const struct scan *scan)
{
    return scan->block * (uint64_t)(1 + scan->params->most) * sizeof(struct found_row);
}

static uint64_t panel_bytes(const struct scan *scan)
{
    return (scan->block + PANEL_COLS - 1) / PANEL_COLS * PANEL_COLS * (uint64_t)row_bytes(scan);
}

static uint32_t least_of(uint64_t a, uint64_t b)
{
    return (uint32_t)(a < b ? a : b);
}

// Both pieces take at most a quarter of what is free, or an eighth of all where that is not known.
static void choose_sizes(struct scan *scan)
{
    const struct scan_params *params = scan->params;
    const struct gpu_room room = gpu_get_room(params->gpu);
    const uint64_t range = gpu_get_facts(params->gpu)->storage_range_bytes;
    const uint64_t most_bytes =
        room.free_bytes == UINT64_MAX ? room.heap_bytes / 16 : room.free_bytes / 8;
    scan->block = least_of(params->query_count, MOST_QUERIES);
    while (scan->block > 1 && found_bytes(scan) > MOST_FOUND_BYTES)
        scan->block /= 2;
    const uint64_t score_bytes = scan->block * sizeof(float);
    uint64_t rows = params->piece_rows ? params->piece_rows : PIECE_BYTES / row_bytes(scan);
    rows = least_of(rows, most_bytes / (row_bytes(scan) + score_bytes));
    rows = least_of(rows, range / row_bytes(scan));
    rows = least_of(rows, range / score_bytes);
    rows = least_of(rows, params->rows->count);
    rows = least_of(rows, MOST_PIECE_ROWS);
    scan->piece_rows = rows ? (uint32_t)rows : 1;
}

static bool create_buffers(struct scan *scan, vkclip_error *err)
{
    struct gpu *gpu = scan->params->gpu;
    const struct {
        struct gpu_buffer **buffer;
        uint64_t size_bytes;
        enum gpu_memory memory;
    } buffers[] = {
        {&scan->panels, panel_bytes(scan), GPU_MEMORY_DEVICE},
        {&scan->bounds, scan->block * sizeof(struct score_bounds), GPU_MEMORY_UPLOAD},
        {&scan->found, found_bytes(scan), GPU_MEMORY_READBACK},
    };
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++) {
        *buffers[i].buffer = gpu_buffer_create(gpu, buffers[i].size_bytes, buffers[i].memory, err);
        if (!*buffers[i].buffer)
            return false;
    }
    return true;
}

static struct gpu_range whole(struct gpu_buffer *buffer, uint64_t size_bytes)
{
    return (struct gpu_range){.buffer = buffer, .size_bytes = size_bytes};
}

static bool plan_piece(struct scan *scan, struct piece *piece, vkclip_error *err)
{
    const struct scan_params *params = scan->params;
    const struct plan_limits limits = {1, scan->piece_rows, scan->piece_rows};
    const struct linear_weights queries = {
        .in_cols = params->width,
        .out_cols = scan->block,
        .panels = whole(scan->panels, panel_bytes(scan)),
    };
    piece->plan = plan_create(&scan->kernels, &limits, INFINITY);
    if (!piece->plan)
        return fail(err, VKCLIP_ERROR_MEMORY, "no memory for a plan");
    piece->rows = plan_input(piece->plan, ROWS_TOKENS, params->width, true);
    const struct tensor scores = plan_linear_f32(piece->plan, piece->rows, &queries);
    plan_top_k(piece->plan, scores, whole(scan->bounds, scan->block * sizeof(struct score_bounds)),
               params->most, whole(scan->found, found_bytes(scan)));
    uint64_t arena_bytes;
    if (!plan_layout(piece->plan, &arena_bytes, err))
        return false;
    piece->arena = gpu_buffer_create(params->gpu, arena_bytes, GPU_MEMORY_DEVICE, err);
    return piece->arena && plan_record(piece->plan, piece->arena, false, err);
}

static void drop_memory(struct scan *scan)
{
    struct gpu *gpu = scan->params->gpu;
    gpu_wait_idle(gpu); // copies may be under way
    for (int i = 0; i < 2; i++) {
        plan_destroy(scan->pieces[i].plan);
        gpu_buffer_destroy(gpu, scan->pieces[i].arena);
        scan->pieces[i] = (struct piece){0};
    }
    gpu_buffer_destroy(gpu, scan->panels);
    gpu_buffer_destroy(gpu, scan->bounds);
    gpu_buffer_destroy(gpu, scan->found);
    scan->panels = scan->bounds = scan->found = NULL;
}

// Where memory is short, smaller pieces.
static bool create_memory(struct scan *scan, vkclip_error *err)
{
    for (;;) {
        vkclip_error reason = {0};
        if (create_buffers(scan, &reason) && plan_piece(scan, &scan->pieces[0], &reason) &&
            plan_piece(scan, &scan->pieces[1], &reason))
            return true;
        drop_memory(scan);
        if (reason.status != VKCLIP_ERROR_MEMORY || scan->piece_rows / 2 < LEAST_PIECE_ROWS)
            return fail(err, reason.status, "%s", reason.message);
        scan->piece_rows /= 2;
    }
}

// ---- work ------------------------------------------------------------------------------------

// Reads the rows from first_row on, as many as a piece holds, to the device.
static bool read_piece(struct scan *scan, struct piece *piece, uint64_t first_row,
                       vkclip_error *err)
{
    const struct scan_params *params = scan->params;
    const uint64_t start = plan_tensor_range(piece->plan, piece->rows, piece->arena).offset_bytes;
    const uint32_t step = (uint32_t)(GPU_UPLOAD_PIECE_BYTES / row_bytes(scan));
    piece->first_row = first_row;
    piece->row_count = least_of(params->rows->count - first_row, scan->piece_rows);
    for (uint32_t done = 0; done < piece->row_count;) {
        const uint32_t now = least_of(piece->row_count - done, step);
        const uint64_t offset = start + done * (uint64_t)row_bytes(scan);
        float *room = gpu_upload_begin(params->gpu, piece->arena, offset, err);
        if (!room || !scan_read(params->rows, params->width, first_row + done, now, room, err) ||
            !gpu_upload_end(params->gpu, piece->arena, offset, now * (uint64_t)row_bytes(scan),
                            err))
            return false;
        done += now;
    }
    return true;
}

// Queries as linear's weights: panel, input, query. Those beyond the last are zeros.
static bool place_queries(struct scan *scan, size_t first, vkclip_error *err)
{
    const struct scan_params *params = scan->params;
    const uint32_t width = params->width, padded = (uint32_t)(panel_bytes(scan) / row_bytes(scan));
    if (scan->block_in_panels == first)
        return true;
    float *panels = gpu_upload_begin(params->gpu, scan->panels, 0, err);
    if (!panels)
        return false;
    for (uint32_t panel = 0; panel < padded; panel += PANEL_COLS)
        for (uint32_t i = 0; i < width; i++)
            for (uint32_t j = 0; j < PANEL_COLS; j++) {
                const size_t query = first + panel + j;
                const bool is_there = panel + j < scan->block && query < params->query_count;
                *panels++ = is_there ? params->queries[query * width + i] : 0.0f;
            }
    scan->block_in_panels = first;
    return gpu_upload_end(params->gpu, scan->panels, 0, panel_bytes(scan), err);
}

static void place_bounds(struct scan *scan, size_t first)
{
    const struct scan_params *params = scan->params;
    struct score_bounds *bounds = gpu_buffer_address(scan->bounds);
    for (uint32_t i = 0; i < scan->block; i++)
        bounds[i] = first + i < params->query_count ? params->bound(params->user, first + i)
                                                    : (struct score_bounds){1.0f, 0.0f};
}

static bool collect(const struct scan *scan, const struct piece *piece, size_t first,
                    vkclip_error *err)
{
    const struct scan_params *params = scan->params;
    const struct found_rows *found = gpu_buffer_address(scan->found);
    for (uint32_t i = 0; i < scan->block && first + i < params->query_count; i++) {
        const struct found_rows *of_query = found + i * (size_t)(1 + params->most);
        const struct scan_found result = {
            .query = first + i,
            .first_row = piece->first_row,
            .row_count = piece->row_count,
            .counts = of_query,
            .rows = (const struct found_row *)(of_query + 1),
        };
        if (!params->collect(params->user, &result, err))
            return false;
    }
    return true;
}

// A block of queries against a piece. Meanwhile the rows after it are read into another, where one
// is given.
static bool search_block(struct scan *scan, struct piece *piece, size_t first, struct piece *next,
                         vkclip_error *err)
{
    const struct plan_run run = {.counts = {.sequences = 1, .tokens = piece->row_count}};
    if (!place_queries(scan, first, err))
        return false;
    place_bounds(scan, first);
    if (!plan_begin(piece->plan, &run, err))
        return false;
    const bool is_read = !next || read_piece(scan, next, piece->first_row + piece->row_count, err);
    // The run must have ended in any case; if it fails, that is why.
    vkclip_error reason;
    if (!plan_end(piece->plan, &reason))
        return fail(err, reason.status, "%s", reason.message);
    return is_read && collect(scan, piece, first, err);
}

static bool search_pieces(struct scan *scan, vkclip_error *err)
{
    const struct scan_params *params = scan->params;
    const uint64_t total = params->rows->count;
    if (!read_piece(scan, &scan->pieces[0], 0, err))
        return false;
    for (uint32_t index = 0;; index = 1 - index) {
        struct piece *piece = &scan->pieces[index];
        const uint64_t done = piece->first_row + piece->row_count;
        for (size_t first = 0; first < params->query_count; first += scan->block) {
            const bool is_last = params->query_count - first <= scan->block;
            struct piece *next = is_last && done < total ? &scan->pieces[1 - index] : NULL;
            if (!search_block(scan, piece, first, next, err))
                return false;
        }
        if (params->progress)
            params->progress(params->progress_user, done, total);
        if (done == total)
            return true;
    }
}

bool scan_run(const struct scan_params *params, vkclip_error *err)
{
    struct scan scan = {.params = params, .block_in_panels = SIZE_MAX};
    if (params->width == 0 || params->width % 4 != 0 ||
        row_bytes(&scan) * MOST_QUERIES > GPU_UPLOAD_PIECE_BYTES)
        return fail(err, VKCLIP_ERROR_MODEL,
                    "rows of %u columns cannot be searched: a multiple of 4 up to %u can",
                    params->width, GPU_UPLOAD_PIECE_BYTES / MOST_QUERIES / 4);
    choose_sizes(&scan);
    const vkclip_device_facts *device = gpu_get_facts(params->gpu);
    const enum kernels_tiles tiles = kernels_choose_tiles(device);
    const struct kernels_choice choice = kernels_narrow_choice(tiles, device, scan.block);
    const struct kernels_params kernels = {
        .precision = VKCLIP_PRECISION_FP32,
        .tiles = tiles,
        .set = KERNELS_LINEAR,
        .has_top_k = true,
        .choice = &choice,
    };
    const bool is_done = kernels_init(&scan.kernels, params->gpu, &kernels, err) &&
                         create_memory(&scan, err) && search_pieces(&scan, err);
    drop_memory(&scan);
    if (scan.kernels.gpu)
        kernels_finish(&scan.kernels);
    return is_done;
}
