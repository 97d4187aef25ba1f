// cases_parts.h: what the files of cases share.
#ifndef VKCLIP_VERIFY_CASES_PARTS_H
#define VKCLIP_VERIFY_CASES_PARTS_H

#include "verify/reference.h"
#include "verify/rig.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

// Runs one case and frees what it was given. After an error the rest is left out.
void cases_run_one(struct rig *rig, void (*one)(struct rig *, const void *), const void *data);

// In int8, of rows [rows, cols]: values that every device quantizes alike; the panels of weights
// [out_cols, in_cols]; what the oracle makes of them.
void int8_avoid_halves(float *values, uint32_t rows, uint32_t cols);
struct gpu_range int8_panels(struct rig *rig, const float *w, uint32_t in_cols, uint32_t out_cols);
struct ref_int8 int8_reference(struct rig *rig, const float *values, uint32_t rows, uint32_t cols);

// Groups of cases.
void cases_linear_sizes(struct rig *rig);
void cases_linear_endings(struct rig *rig);
void cases_linear_depth(struct rig *rig);
void cases_gelu(struct rig *rig);
void cases_quantize(struct rig *rig);
void cases_top_k(struct rig *rig);

#endif
