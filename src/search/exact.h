// exact.h: scores as they are defined, on the host, in double precision.
#ifndef VKCLIP_SEARCH_EXACT_H
#define VKCLIP_SEARCH_EXACT_H

#include "search/scan.h"

// Rows are of unit length; those of 16-bit numbers are off by some thousandths.
#define EXACT_LONGEST_ROW 1.01

// Rows that are read at once where a piece is searched on the host.
#define EXACT_ROWS 256

// What is the same for every row.
struct exact {
    const vkclip_search_params *params;
    uint32_t width;
    double *errors; // [query_count] how far the device may be off
    float *row;     // [EXACT_ROWS, width] read last
};

// Checks the queries as well.
bool exact_init(struct exact *exact, const vkclip_search_params *params, uint32_t width,
                vkclip_error *err);
void exact_finish(struct exact *exact);

// Reads count rows, at most EXACT_ROWS, to exact->row.
bool exact_read(struct exact *exact, uint64_t first, uint32_t count, vkclip_error *err);

// The score of a query with a row that was read: the index-th of them, which is row number of all.
//
//   score    0 for a row of zeros, NaN for one that is not finite
//   is_zero  whether it is a row of zeros
//
// Fails with VKCLIP_ERROR_ARGUMENT when the row is longer than EXACT_LONGEST_ROW.
bool exact_score(const struct exact *exact, size_t query, uint32_t index, uint64_t row,
                 double *score, bool *is_zero, vkclip_error *err);

// Reads a row that the device names of a piece, and computes its score. Fails as well with
// VKCLIP_ERROR_NUMBERS when there is no such row, or the device's score is off by more than it may
// be.
bool exact_check(struct exact *exact, const struct scan_found *found, uint32_t index,
                 vkclip_hit *hit, bool *is_zero, vkclip_error *err);

// The least and the greatest float that is not greater, or not less, than a number.
float exact_below(double value);
float exact_above(double value);

#endif
