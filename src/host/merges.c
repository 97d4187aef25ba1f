#include "host/merges.h"

#include <stdlib.h>

#define NO_RANK UINT32_MAX

// ---- hash table -------------------------------------------------------------------------------

void merges_finish(struct merges *merges)
{
    free(merges->at);
    free(merges->slots);
    *merges = (struct merges){0};
}

static uint32_t first_slot(const struct merges *merges, int32_t left, int32_t right)
{
    // Fibonacci hashing: the high half of a product with 2^64 divided by the golden ratio.
    uint64_t pair = (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
    return (uint32_t)(pair * UINT64_C(0x9e3779b97f4a7c15) >> 32) & (merges->slot_count - 1);
}

static uint32_t find_rank(const struct merges *merges, int32_t left, int32_t right)
{
    uint32_t slot = first_slot(merges, left, right);
    for (; merges->slots[slot]; slot = (slot + 1) & (merges->slot_count - 1)) {
        uint32_t rank = merges->slots[slot] - 1;
        if (merges->at[rank].left == left && merges->at[rank].right == right)
            return rank;
    }
    return NO_RANK;
}

bool merges_index(struct merges *merges, const char *path, vkclip_error *err)
{
    merges->slot_count = 16;
    while (merges->slot_count < 2 * merges->count)
        merges->slot_count *= 2;
    merges->slots = calloc(merges->slot_count, sizeof *merges->slots);
    if (!merges->slots)
        return fail(err, VKCLIP_ERROR_MEMORY, "%s: no memory for the merges", path);

    for (uint32_t rank = 0; rank < merges->count; rank++) {
        int32_t left = merges->at[rank].left, right = merges->at[rank].right;
        uint32_t other = find_rank(merges, left, right);
        if (other != NO_RANK)
            return fail(err, VKCLIP_ERROR_FILE,
                        "%s: merges %u and %u (counted from 0) are of the same pair", path, other,
                        rank);
        uint32_t slot = first_slot(merges, left, right);
        while (merges->slots[slot])
            slot = (slot + 1) & (merges->slot_count - 1);
        merges->slots[slot] = rank + 1;
    }
    return true;
}

// ---- memory of a word -------------------------------------------------------------------------

void word_finish(struct word *word)
{
    free(word->symbols);
    free(word->heap);
    free(word->joined);
    *word = (struct word){0};
}

// The heap holds a pair for each symbol at first. A join takes one out at least and puts two in at
// most, and there are fewer joins than symbols.
bool word_reserve(struct word *word, size_t count)
{
    if (count <= word->capacity)
        return true;
    word_finish(word);
    if (count > UINT32_MAX / 4)
        return false;
    word->symbols = malloc(count * sizeof *word->symbols);
    word->heap = malloc(2 * count * sizeof *word->heap);
    word->joined = malloc(count * sizeof *word->joined);
    if (!word->symbols || !word->heap || !word->joined) {
        word_finish(word);
        return false;
    }
    word->capacity = (uint32_t)count;
    return true;
}

// ---- heap -------------------------------------------------------------------------------------

static void heap_push(struct word *word, uint64_t entry)
{
    uint64_t *heap = word->heap;
    uint32_t at = word->heap_count++;
    for (; at > 0 && heap[(at - 1) / 2] > entry; at = (at - 1) / 2)
        heap[at] = heap[(at - 1) / 2];
    heap[at] = entry;
}

static uint64_t heap_pop(struct word *word)
{
    uint64_t *heap = word->heap, least = heap[0], last = heap[--word->heap_count];
    uint32_t at = 0;
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child >= word->heap_count)
            break;
        if (child + 1 < word->heap_count && heap[child + 1] < heap[child])
            child++;
        if (heap[child] >= last)
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = last;
    return least;
}

// ---- joining ----------------------------------------------------------------------------------

// The rank of the merge that joins a symbol and the next.
static uint32_t rank_at(const struct word *word, const struct merges *merges, uint32_t at)
{
    const struct symbol *left = &word->symbols[at];
    if (left->id < 0 || left->next >= word->count)
        return NO_RANK;
    return find_rank(merges, left->id, word->symbols[left->next].id);
}

static void propose(struct word *word, const struct merges *merges, uint32_t at)
{
    uint32_t rank = rank_at(word, merges, at);
    if (rank != NO_RANK)
        heap_push(word, (uint64_t)rank << 32 | at);
}

static void join(struct word *word, uint32_t at, int32_t id)
{
    struct symbol *left = &word->symbols[at], *right = &word->symbols[left->next];
    left->id = id;
    left->next = right->next;
    right->id = -1;
    if (left->next < word->count)
        word->symbols[left->next].previous = at;
}

// Joins all pairs of the least rank. Their neighbours are looked at only then, since a list of
// merges may rank a token's use before its making.
static void merge_least(struct word *word, const struct merges *merges)
{
    uint32_t rank = (uint32_t)(word->heap[0] >> 32), joined_count = 0;
    while (word->heap_count > 0 && (uint32_t)(word->heap[0] >> 32) == rank) {
        uint32_t at = (uint32_t)heap_pop(word);
        if (rank_at(word, merges, at) != rank) // a neighbour was joined to another
            continue;
        join(word, at, merges->at[rank].joined);
        word->joined[joined_count++] = at;
    }
    for (uint32_t i = 0; i < joined_count; i++) {
        uint32_t previous = word->symbols[word->joined[i]].previous;
        if (previous != WORD_NONE)
            propose(word, merges, previous);
        propose(word, merges, word->joined[i]);
    }
}

void word_merge(struct word *word, const struct merges *merges)
{
    word->heap_count = 0;
    for (uint32_t at = 0; at < word->count; at++)
        propose(word, merges, at);
    while (word->heap_count > 0)
        merge_least(word, merges);
}
