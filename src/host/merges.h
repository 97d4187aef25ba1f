// merges.h: the merges of a byte pair encoding by rank, and their use on a word.
#ifndef VKCLIP_HOST_MERGES_H
#define VKCLIP_HOST_MERGES_H

#include "base/error.h"

struct merge {
    int32_t left, right; // ids of two tokens side by side
    int32_t joined;      // id of the token that replaces them
};

struct merges {
    struct merge *at; // [count], by rank: the first goes before all others
    uint32_t count;
    uint32_t *slots;     // [slot_count] hash table of rank + 1, 0 is empty
    uint32_t slot_count; // a power of two
};

// Makes the merges that a reader has put in place findable. Fails with VKCLIP_ERROR_FILE when two
// have the same left and right, with VKCLIP_ERROR_MEMORY.
bool merges_index(struct merges *merges, const char *path, vkclip_error *err);

// Accepts zeroed or half-built merges.
void merges_finish(struct merges *merges);

struct symbol {
    int32_t id;              // of a token, or -1: part of the symbol before
    uint32_t previous, next; // places of the neighbours; WORD_NONE, count
};

#define WORD_NONE UINT32_MAX

// A word that becomes fewer and longer tokens. Start from zero; the memory is kept for the next
// word.
struct word {
    struct symbol *symbols; // [count] at first single bytes; the first is always there
    uint64_t *heap;         // [heap_count] rank << 32 | place of the left symbol, the least first
    uint32_t *joined;       // places of what was joined last
    uint32_t count, heap_count, capacity;
};

// Makes room for a word of count symbols. Returns false when memory runs out.
bool word_reserve(struct word *word, size_t count);

void word_finish(struct word *word);

// Joins symbols until no merge applies: of those that do, the one of least rank, wherever its pair
// stands, from left to right. Takes n log n time.
// Source: open_clip tokenizer.py, SimpleTokenizer.bpe().
void word_merge(struct word *word, const struct merges *merges);

#endif
