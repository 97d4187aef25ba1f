// scratch.h: rows of floats in a file of no name, for what does not fit in memory.
#ifndef VKCLIP_SCRATCH_H
#define VKCLIP_SCRATCH_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "vkclip.h"

struct scratch {
    FILE *file;
    size_t width;
    uint64_t count; // rows
};

// Each fails with VKCLIP_ERROR_FILE.
bool scratch_open(struct scratch *scratch, size_t width, vkclip_error *err);
bool scratch_add(struct scratch *scratch, const float *rows, size_t count, vkclip_error *err);

// Reads rows; a vkclip_rows' read, whose user is the scratch.
bool scratch_read(void *scratch, uint64_t first, uint32_t count, float *values, vkclip_error *err);

// Accepts a zeroed scratch.
void scratch_close(struct scratch *scratch);

#endif
