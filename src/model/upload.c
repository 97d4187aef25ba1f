#include "model/upload.h"

#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/half.h"
#include "base/parallel.h"
#include "base/quantize.h"

static float *scratch(struct loader *loader, uint64_t count)
{
    if (loader->scratch_count < count) {
        free(loader->scratch);
        loader->scratch = checked_malloc(count * sizeof *loader->scratch);
        loader->scratch_count = loader->scratch ? (size_t)count : 0;
        if (!loader->scratch)
            fail(&loader->error, VKCLIP_ERROR_MEMORY, "no memory to convert weights");
    }
    return loader->scratch;
}

bool upload_read(struct loader *loader, const struct weight *weight, uint64_t first, uint64_t count,
                 float *out)
{
    const double start = vkclip_clock_seconds();
    bool is_read = weights_read_f32(loader->weights, weight, first, count, out, &loader->error);
    loader->times.read_s += vkclip_clock_seconds() - start;
    return is_read;
}

// ---- units -----------------------------------------------------------------------------------

// What a thread fills one after the other.
struct strip {
    float *values; // [unit_elements]
    double read_s, whole_s;
    vkclip_error error;
};

// A staging piece is filled by several threads. Each reads and converts units of what is uploaded,
// which have nothing to do with one another: a panel, or so many elements of a table.
struct source {
    const struct loader *loader;
    const struct matrix *matrix;
    const struct weight *table; // where there is no matrix
    uint64_t first;             // element of the table
    size_t unit_elements;
    size_t unit_bytes;    // of one on the device
    uint64_t total_bytes; // of all; the last may have fewer
    bool (*fill)(const struct source *source, uint64_t unit, struct strip *strip, void *out);
};

// Units of a piece go to threads in so many strips at most, which decides how many can fail.
#define MOST_STRIPS (2 * PARALLEL_MOST_THREADS)

struct filling {
    const struct source *source;
    unsigned char *piece;
    uint64_t first_unit;
    uint32_t unit_count, strip_count;
    struct strip strips[MOST_STRIPS];
};

static bool read_into_strip(const struct loader *loader, const struct weight *weight,
                            uint64_t first, size_t count, float *out, struct strip *strip)
{
    const double start = vkclip_clock_seconds();
    bool is_read = weights_read_f32(loader->weights, weight, first, count, out, &strip->error);
    strip->read_s += vkclip_clock_seconds() - start;
    return is_read;
}

static void fill_strip(void *context, uint32_t index)
{
    struct filling *filling = context;
    const struct source *source = filling->source;
    struct strip *strip = &filling->strips[index];
    const double start = vkclip_clock_seconds();
    const uint64_t units = filling->unit_count;
    const uint32_t end = (uint32_t)(units * (index + 1) / filling->strip_count);
    uint32_t unit = (uint32_t)(units * index / filling->strip_count);
    while (unit < end && source->fill(source, filling->first_unit + unit, strip,
                                      filling->piece + unit * source->unit_bytes))
        unit++;
    strip->whole_s = vkclip_clock_seconds() - start;
}

// The seconds that filling a piece took are shared out as the threads spent theirs.
static void add_times(struct upload_times *times, const struct filling *filling, double seconds)
{
    double read_s = 0.0, whole_s = 0.0;
    for (uint32_t i = 0; i < filling->strip_count; i++) {
        read_s += filling->strips[i].read_s;
        whole_s += filling->strips[i].whole_s;
    }
    const double reading = whole_s > 0.0 ? seconds * read_s / whole_s : 0.0;
    times->read_s += reading;
    times->convert_s += seconds - reading;
}

static void *begin_piece(struct loader *loader, const struct gpu_range *target,
                         uint64_t offset_bytes)
{
    const double start = vkclip_clock_seconds();
    void *piece = gpu_upload_begin(loader->gpu, target->buffer, target->offset_bytes + offset_bytes,
                                   &loader->error);
    loader->times.upload_s += vkclip_clock_seconds() - start;
    return piece;
}

static bool end_piece(struct loader *loader, const struct gpu_range *target, uint64_t offset_bytes,
                      uint64_t byte_count)
{
    const double start = vkclip_clock_seconds();
    bool is_sent = gpu_upload_end(loader->gpu, target->buffer, target->offset_bytes + offset_bytes,
                                  byte_count, &loader->error);
    loader->times.upload_s += vkclip_clock_seconds() - start;
    return is_sent;
}

// Fills a piece and sends it; the error is that of the first unit that failed.
static bool upload_piece(struct loader *loader, struct filling *filling, struct gpu_range target)
{
    const struct source *source = filling->source;
    const uint64_t first = filling->first_unit * source->unit_bytes;
    uint64_t count = (uint64_t)filling->unit_count * source->unit_bytes;
    if (count > source->total_bytes - first)
        count = source->total_bytes - first;
    filling->piece = begin_piece(loader, &target, first);
    if (!filling->piece)
        return false;
    const double start = vkclip_clock_seconds();
    parallel_run(filling->strip_count, fill_strip, filling);
    add_times(&loader->times, filling, vkclip_clock_seconds() - start);
    for (uint32_t i = 0; i < filling->strip_count; i++)
        if (filling->strips[i].error.status) {
            loader->error = filling->strips[i].error;
            return false;
        }
    return end_piece(loader, &target, first, count);
}

static void upload_units(struct loader *loader, const struct source *source,
                         struct gpu_range target)
{
    const uint64_t units = (source->total_bytes + source->unit_bytes - 1) / source->unit_bytes;
    const uint64_t at_once = GPU_UPLOAD_PIECE_BYTES / source->unit_bytes;
    const uint64_t strips = at_once < MOST_STRIPS ? at_once : MOST_STRIPS;
    float *values = scratch(loader, (units < strips ? units : strips) * source->unit_elements);
    for (uint64_t first = 0; values && first < units; first += at_once) {
        const uint32_t now = (uint32_t)(units - first < at_once ? units - first : at_once);
        struct filling filling = {
            .source = source,
            .first_unit = first,
            .unit_count = now,
            .strip_count = now < strips ? now : (uint32_t)strips,
        };
        for (uint32_t i = 0; i < filling.strip_count; i++)
            filling.strips[i].values = values + i * source->unit_elements;
        if (!upload_piece(loader, &filling, target))
            return;
    }
}

// ---- elements --------------------------------------------------------------------------------

// Half precision ends at 65504. A weight beyond it would become infinite without a word.
static bool check_half_range(const struct loader *loader, const struct weight *weight,
                             const float *values, size_t count, vkclip_error *err)
{
    if (loader->element_bytes == 4)
        return true;
    // Finite floats, without their sign, are in the order of their bits.
    const uint32_t infinite = 0x7f800000;
    uint32_t largest = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t bits = float_to_bits(values[i]) & 0x7fffffff;
        largest = bits < infinite && bits > largest ? bits : largest;
    }
    if (float_from_bits(largest) < 65520.0f)
        return true;
    return fail(err, VKCLIP_ERROR_MODEL, "%s: '%s' holds %g, beyond fp16: use fp32",
                loader->weights->path, weight->name, (double)float_from_bits(largest));
}

void upload_f32(struct loader *loader, const float *values, size_t count, struct gpu_range target,
                uint64_t offset_bytes)
{
    const size_t piece_count = GPU_UPLOAD_PIECE_BYTES / sizeof *values;
    for (size_t done = 0; done < count;) {
        size_t now = count - done < piece_count ? count - done : piece_count;
        void *piece = begin_piece(loader, &target, offset_bytes + done * sizeof *values);
        if (!piece)
            return;
        memcpy(piece, values + done, now * sizeof *values);
        if (!end_piece(loader, &target, offset_bytes + done * sizeof *values, now * sizeof *values))
            return;
        done += now;
    }
}

// ---- matrices --------------------------------------------------------------------------------

// Rows of a matrix -> one panel: input by input, 32 outputs each, zeros where the matrix has fewer
// rows.
static void pack_f32(const float *source, uint32_t rows, uint32_t in_cols, float *panel)
{
    for (uint32_t k = 0; k < in_cols; k++)
        for (uint32_t c = 0; c < PANEL_COLS; c++)
            panel[(size_t)k * PANEL_COLS + c] = c < rows ? source[(size_t)c * in_cols + k] : 0.0f;
}

static void pack_f16(const float *source, uint32_t rows, uint32_t in_cols, uint16_t *panel)
{
    for (uint32_t k = 0; k < in_cols; k++)
        for (uint32_t c = 0; c < PANEL_COLS; c++)
            panel[(size_t)k * PANEL_COLS + c] =
                c < rows ? half_from_float(source[(size_t)c * in_cols + k]) : 0;
}

// Words of four inputs, and the scale of each output behind them; see PANEL_COLS.
static void pack_int8(const float *source, uint32_t rows, uint32_t in_cols, uint32_t *panel)
{
    const uint32_t words = (in_cols + 3) / 4;
    memset(panel, 0, (size_t)(words + 1) * PANEL_COLS * sizeof *panel);
    for (uint32_t c = 0; c < rows; c++) {
        const float scale =
            quantize_row(source + (size_t)c * in_cols, in_cols, panel + c, PANEL_COLS);
        panel[(size_t)words * PANEL_COLS + c] = float_to_bits(scale);
    }
}

static bool read_rows(const struct source *source, uint32_t first, uint32_t rows,
                      struct strip *strip)
{
    const struct loader *loader = source->loader;
    const struct matrix *matrix = source->matrix;
    const uint32_t in_cols = matrix->in_cols, each = matrix->part_rows;
    float *out = strip->values;
    while (rows > 0) {
        const struct weight *part = matrix->parts[first / each];
        uint32_t row = first % each, now = each - row < rows ? each - row : rows;
        size_t count = (size_t)now * in_cols;
        if (matrix->turned)
            memcpy(out, matrix->turned + (size_t)row * in_cols, count * sizeof *out);
        else if (!read_into_strip(loader, part, (uint64_t)row * in_cols, count, out, strip))
            return false;
        if (!check_half_range(loader, part, out, count, &strip->error))
            return false;
        out += count;
        first += now;
        rows -= now;
    }
    return true;
}

static bool fill_panel(const struct source *source, uint64_t unit, struct strip *strip, void *out)
{
    const struct matrix *matrix = source->matrix;
    const uint32_t row = (uint32_t)unit * PANEL_COLS, left = matrix->out_cols - row;
    const uint32_t rows = left < PANEL_COLS ? left : PANEL_COLS;
    if (!read_rows(source, row, rows, strip))
        return false;
    if (source->loader->is_int8)
        pack_int8(strip->values, rows, matrix->in_cols, out);
    else if (source->loader->element_bytes == 2)
        pack_f16(strip->values, rows, matrix->in_cols, out);
    else
        pack_f32(strip->values, rows, matrix->in_cols, out);
    return true;
}

uint64_t upload_panel_bytes(const struct loader *loader, uint32_t in_cols)
{
    if (loader->is_int8)
        return ((uint64_t)(in_cols + 3) / 4 + 1) * PANEL_COLS * sizeof(uint32_t);
    return (uint64_t)in_cols * PANEL_COLS * loader->element_bytes;
}

// What int32 holds of products of 127 x 127.
#define INT8_MOST_COLS 133143

void upload_panels(struct loader *loader, const struct matrix *matrix, struct gpu_range target)
{
    const uint64_t panel_bytes = upload_panel_bytes(loader, matrix->in_cols);
    const uint32_t panel_count = (matrix->out_cols + PANEL_COLS - 1) / PANEL_COLS;
    if (panel_bytes > GPU_UPLOAD_PIECE_BYTES ||
        (loader->is_int8 && matrix->in_cols > INT8_MOST_COLS)) {
        fail(&loader->error, VKCLIP_ERROR_MODEL, "'%s' has %u columns, too many to load",
             matrix->parts[0]->name, matrix->in_cols);
        return;
    }
    upload_units(loader,
                 &(struct source){
                     .loader = loader,
                     .matrix = matrix,
                     .unit_elements = (size_t)PANEL_COLS * matrix->in_cols,
                     .unit_bytes = (size_t)panel_bytes,
                     .total_bytes = panel_count * panel_bytes,
                     .fill = fill_panel,
                 },
                 target);
}

// ---- vectors and tables ----------------------------------------------------------------------

void upload_vectors(struct loader *loader, const struct weight *const *vectors, uint32_t count,
                    uint32_t cols, uint64_t offset_bytes, struct gpu_range target)
{
    float *values = scratch(loader, cols);
    for (uint32_t i = 0; values && !loader->error.status && i < count; i++) {
        if (!upload_read(loader, vectors[i], 0, cols, values))
            return;
        upload_f32(loader, values, cols, target,
                   offset_bytes + (uint64_t)i * cols * sizeof *values);
    }
}

// Elements of a table that a thread takes at once.
#define TABLE_UNIT_ELEMENTS (UINT64_C(1) << 15)

static bool fill_elements(const struct source *source, uint64_t unit, struct strip *strip,
                          void *out)
{
    const struct loader *loader = source->loader;
    const uint64_t first = unit * source->unit_elements;
    const uint64_t left = source->total_bytes / loader->element_bytes - first;
    const size_t count = left < source->unit_elements ? (size_t)left : source->unit_elements;
    const float *values = strip->values;
    if (!read_into_strip(loader, source->table, source->first + first, count, strip->values,
                         strip) ||
        !check_half_range(loader, source->table, values, count, &strip->error))
        return false;
    if (loader->element_bytes == 4) {
        memcpy(out, values, count * sizeof *values);
        return true;
    }
    uint16_t *halves = out;
    for (size_t i = 0; i < count; i++)
        halves[i] = half_from_float(values[i]);
    return true;
}

void upload_words(struct loader *loader, const struct weight *table, uint32_t first_row,
                  size_t count, uint32_t cols, struct gpu_range target)
{
    upload_units(loader,
                 &(struct source){
                     .loader = loader,
                     .table = table,
                     .first = (uint64_t)first_row * cols,
                     .unit_elements = TABLE_UNIT_ELEMENTS,
                     .unit_bytes = TABLE_UNIT_ELEMENTS * loader->element_bytes,
                     .total_bytes = (uint64_t)count * loader->element_bytes,
                     .fill = fill_elements,
                 },
                 target);
}
