// upload.h: what of a weights file goes to the device: read, converted, packed and sent on its way,
// a staging piece at a time. Errors go to the loader; after one nothing more needs to be uploaded.
#ifndef VKCLIP_MODEL_UPLOAD_H
#define VKCLIP_MODEL_UPLOAD_H

#include "model/loader.h"

// Several matrices one under the other, or one that was turned on the host.
struct matrix {
    const struct weight *parts[LOADER_MOST_STACKED];
    const float *turned; // [out, in] of parts[0]; NULL: it is stored so
    uint32_t part_rows;  // of each
    uint32_t in_cols, out_cols;
};

// Elements to the host, by the calling thread.
bool upload_read(struct loader *loader, const struct weight *weight, uint64_t first, uint64_t count,
                 float *out);

// Of one panel of a matrix with so many columns.
uint64_t upload_panel_bytes(const struct loader *loader, uint32_t in_cols);

// The matrix in panels of PANEL_COLS outputs, in the storage type of weights.
void upload_panels(struct loader *loader, const struct matrix *matrix, struct gpu_range target);

// Elements of a table, from a row on, in the storage type of weights.
void upload_words(struct loader *loader, const struct weight *table, uint32_t first_row,
                  size_t count, uint32_t cols, struct gpu_range target);

// Whole vectors, one after the other, as f32.
void upload_vectors(struct loader *loader, const struct weight *const *vectors, uint32_t count,
                    uint32_t cols, uint64_t offset_bytes, struct gpu_range target);

// Values of the host as f32.
void upload_f32(struct loader *loader, const float *values, size_t count, struct gpu_range target,
                uint64_t offset_bytes);

#endif
