#include "model/upload.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/half.h"

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

// Element i of a staging piece, in the storage type of weights.
static void store(void *piece, size_t i, float value, bool is_half)
{
    if (is_half)
        ((uint16_t *)piece)[i] = half_from_float(value);
    else
        ((float *)piece)[i] = value;
}

// Half precision ends at 65504. A weight beyond it would become infinite without a word.
static bool check_half_range(struct loader *loader, const struct weight *weight,
                             const float *values, size_t count)
{
    if (loader->element_bytes == 4)
        return true;
    float largest = 0.0f;
    for (size_t i = 0; i < count; i++)
        largest = fmaxf(largest, isfinite(values[i]) ? fabsf(values[i]) : 0.0f);
    if (largest < 65520.0f)
        return true;
    return fail(&loader->error, VKCLIP_ERROR_MODEL, "%s: '%s' holds %g, beyond fp16: use fp32",
                loader->weights->path, weight->name, (double)largest);
}

// Sends values as f32, a piece at a time.
void upload_f32(struct loader *loader, const float *values, size_t count, struct gpu_range target,
                uint64_t offset_bytes)
{
    const size_t piece_count = GPU_UPLOAD_PIECE_BYTES / sizeof *values;
    for (size_t done = 0; done < count;) {
        size_t now = count - done < piece_count ? count - done : piece_count;
        void *piece = gpu_upload_begin(loader->gpu, &loader->error);
        if (!piece)
            return;
        memcpy(piece, values + done, now * sizeof *values);
        if (!gpu_upload_end(loader->gpu, target.buffer,
                            target.offset_bytes + offset_bytes + done * sizeof *values,
                            now * sizeof *values, &loader->error))
            return;
        done += now;
    }
}

// Rows [first_row, first_row + rows) of a matrix -> one panel: input by input, 32 outputs each,
// zeros where the matrix has fewer rows.
static void pack_panel(const float *source, uint32_t rows, uint32_t in_cols, void *panel,
                       bool is_half)
{
    for (uint32_t k = 0; k < in_cols; k++)
        for (uint32_t c = 0; c < PANEL_COLS; c++) {
            float value = c < rows ? source[(size_t)c * in_cols + k] : 0.0f;
            store(panel, (size_t)k * PANEL_COLS + c, value, is_half);
        }
}

static bool read_rows(struct loader *loader, const struct matrix *matrix, uint32_t first,
                      uint32_t rows, float *out)
{
    const uint32_t in_cols = matrix->in_cols, each = matrix->part_rows;
    while (rows > 0) {
        const struct weight *part = matrix->parts[first / each];
        uint32_t row = first % each, now = each - row < rows ? each - row : rows;
        size_t count = (size_t)now * in_cols;
        if (matrix->turned)
            memcpy(out, matrix->turned + (size_t)row * in_cols, count * sizeof *out);
        else if (!weights_read_f32(loader->weights, part, (uint64_t)row * in_cols, count, out,
                                   &loader->error))
            return false;
        if (!check_half_range(loader, part, out, count))
            return false;
        out += count;
        first += now;
        rows -= now;
    }
    return true;
}

void upload_panels(struct loader *loader, const struct matrix *matrix, struct gpu_range target)
{
    const uint32_t in_cols = matrix->in_cols, out_cols = matrix->out_cols;
    const uint64_t panel_bytes = (uint64_t)PANEL_COLS * in_cols * loader->element_bytes;
    const uint32_t panel_count = (out_cols + PANEL_COLS - 1) / PANEL_COLS;
    if (panel_bytes > GPU_UPLOAD_PIECE_BYTES) {
        fail(&loader->error, VKCLIP_ERROR_MODEL, "'%s' has %u columns, too many to load",
             matrix->parts[0]->name, in_cols);
        return;
    }
    const uint32_t at_once = (uint32_t)(GPU_UPLOAD_PIECE_BYTES / panel_bytes);
    float *rows = scratch(loader, (size_t)PANEL_COLS * in_cols);
    if (!rows)
        return;

    for (uint32_t first = 0; first < panel_count; first += at_once) {
        uint32_t end = first + at_once < panel_count ? first + at_once : panel_count;
        unsigned char *piece = gpu_upload_begin(loader->gpu, &loader->error);
        if (!piece)
            return;
        for (uint32_t panel = first; panel < end; panel++) {
            uint32_t row = panel * PANEL_COLS;
            uint32_t count = out_cols - row < PANEL_COLS ? out_cols - row : PANEL_COLS;
            if (!read_rows(loader, matrix, row, count, rows))
                return;
            pack_panel(rows, count, in_cols, piece + (panel - first) * panel_bytes,
                       loader->element_bytes == 2);
        }
        if (!gpu_upload_end(loader->gpu, target.buffer, target.offset_bytes + first * panel_bytes,
                            (end - first) * panel_bytes, &loader->error))
            return;
    }
}

// Whole vectors, one after the other, as f32.
void upload_vectors(struct loader *loader, const struct weight *const *vectors, uint32_t count,
                    uint32_t cols, uint64_t offset_bytes, struct gpu_range target)
{
    float *values = scratch(loader, cols);
    for (uint32_t i = 0; values && !loader->error.status && i < count; i++) {
        if (!weights_read_f32(loader->weights, vectors[i], 0, cols, values, &loader->error))
            return;
        upload_f32(loader, values, cols, target,
                   offset_bytes + (uint64_t)i * cols * sizeof *values);
    }
}

void upload_words(struct loader *loader, const struct weight *table, uint32_t first_row,
                  size_t count, uint32_t cols, struct gpu_range target)
{
    const size_t row_bytes = (size_t)cols * loader->element_bytes;
    const uint64_t first = (uint64_t)first_row * cols;
    const size_t at_once = GPU_UPLOAD_PIECE_BYTES / row_bytes * cols;
    float *values = scratch(loader, at_once);
    for (size_t done = 0; values && done < count;) {
        size_t now = count - done < at_once ? count - done : at_once;
        void *piece = gpu_upload_begin(loader->gpu, &loader->error);
        if (!piece ||
            !weights_read_f32(loader->weights, table, first + done, now, values, &loader->error) ||
            !check_half_range(loader, table, values, now))
            return;
        for (size_t i = 0; i < now; i++)
            store(piece, i, values[i], loader->element_bytes == 2);
        if (!gpu_upload_end(loader->gpu, target.buffer,
                            target.offset_bytes + done * loader->element_bytes,
                            now * loader->element_bytes, &loader->error))
            return;
        done += now;
    }
}
