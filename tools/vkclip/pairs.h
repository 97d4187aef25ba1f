// pairs.h: pictures and their captions, from a table with path and caption.
#ifndef VKCLIP_PAIRS_H
#define VKCLIP_PAIRS_H

#include <stdbool.h>
#include <stddef.h>

#include "vkclip.h"

struct pairs {
    char **paths, **captions; // [count]
    size_t count, capacity;
};

// Fails with VKCLIP_ERROR_FILE, naming the file and the line, also where there is no pair, or with
// VKCLIP_ERROR_MEMORY.
bool pairs_read(struct pairs *pairs, const char *path, vkclip_error *err);

// Leaves out the pairs that are not wanted.
//
//   is_wanted  [count]
void pairs_keep(struct pairs *pairs, const bool *is_wanted);

// Accepts zeroed or half-read pairs.
void pairs_finish(struct pairs *pairs);

#endif
