// scan.h: all rows against all queries on the device, piece by piece: products by linear, and of
// each query the rows that score best within bounds by top_k.
//
// Owns device memory and the order of the work; search.c and rank.c own what scores mean. Scores
// of the device are sums in f32: scan_error() bounds how far they are off.
#ifndef VKCLIP_SEARCH_SCAN_H
#define VKCLIP_SEARCH_SCAN_H

#include "model/kernels.h"
#include "shared/kernel_args.h"

// What was found of a query in a piece of rows.
struct scan_found {
    size_t query;
    uint64_t first_row; // of the piece; rows are counted from there
    uint32_t row_count;
    const struct found_rows *counts;
    const struct found_row *rows; // [min(counts->within, most)] in no order
};

struct scan_params {
    struct gpu *gpu;
    uint32_t width; // of rows and queries, a multiple of 4
    const vkclip_rows *rows;
    const float *queries; // [query_count, width]
    size_t query_count;
    uint32_t most;       // rows that are found of a query in a piece
    uint32_t piece_rows; // 0: chosen for the device
    // Asked before each piece, and told after it; one query after the other. collect returns false
    // to stop, with why in err.
    struct score_bounds (*bound)(void *user, size_t query);
    bool (*collect)(void *user, const struct scan_found *found, vkclip_error *err);
    void *user;
    void (*progress)(void *user, uint64_t done, uint64_t total); // rows; may be NULL
    void *progress_user;
};

// Reads rows into memory of the caller's, [count, width].
bool scan_read(const vkclip_rows *rows, uint32_t width, uint64_t first, uint32_t count,
               float *values, vkclip_error *err);

// Scans all rows. While the device works on a piece the next one is read.
bool scan_run(const struct scan_params *params, vkclip_error *err);

// How far a score of the device may be from the exact one, of a row and a query of these lengths:
// gamma(n) = n u / (1 - n u) of their product, for n roundings of width products and sums in any
// order. u is 2^-23, since Vulkan lets a device round to either neighbour, and each product may be
// rounded before it is added. What is below 2^-126 may become zero.
// Source: Higham, Accuracy and Stability of Numerical Algorithms, 2nd edition, section 3.1; Vulkan
// specification, Precision and Operation of SPIR-V Instructions.
double scan_error(uint32_t width, double row_length, double query_length);

#endif
