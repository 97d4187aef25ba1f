// Any merges, in any order, join any word into the tokens of the plain algorithm: the pair of least
// rank, everywhere it stands, from left to right, until there is none.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/merges.h"

#define MOST_MERGES 40
#define LETTERS     3 // ids 0 to 2; a merge of rank r makes one of a few tokens after them

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t merge_plainly(int32_t *ids, size_t count, const struct merges *merges)
{
    for (;;) {
        uint32_t least = merges->count;
        for (size_t i = 0; i + 1 < count; i++)
            for (uint32_t rank = 0; rank < least; rank++)
                if (merges->at[rank].left == ids[i] && merges->at[rank].right == ids[i + 1])
                    least = rank;
        if (least == merges->count)
            return count;
        const struct merge *merge = &merges->at[least];
        size_t kept = 0;
        for (size_t i = 0; i < count; kept++) {
            bool is_pair = i + 1 < count && ids[i] == merge->left && ids[i + 1] == merge->right;
            ids[kept] = is_pair ? merge->joined : ids[i];
            i += is_pair ? 2 : 1;
        }
        count = kept;
    }
}

static void check_word(const struct merges *merges, const uint8_t *letters, size_t count)
{
    struct word word = {0};
    int32_t *ids = malloc((count + 1) * sizeof *ids);
    if (!ids || !word_reserve(&word, count))
        abort();
    for (size_t i = 0; i < count; i++) {
        ids[i] = letters[i] % LETTERS;
        word.symbols[word.count++] = (struct symbol){
            .id = ids[i], .previous = i ? (uint32_t)i - 1 : WORD_NONE, .next = (uint32_t)i + 1};
    }
    word_merge(&word, merges);
    size_t want = merge_plainly(ids, count, merges), got = 0;
    for (uint32_t at = 0; at < word.count; at = word.symbols[at].next)
        if (got >= want || word.symbols[at].id != ids[got++])
            abort();
    if (got != want)
        abort();
    free(ids);
    word_finish(&word);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > 1000)
        return 0;
    uint32_t count = data[0] % MOST_MERGES;
    if (size < 1 + 3 * (size_t)count)
        return 0;
    struct merges merges = {.at = calloc(count + 1, sizeof *merges.at), .count = count};
    if (!merges.at)
        abort();
    for (uint32_t i = 0; i < count; i++) {
        // A longer token is never a part of itself: the id made is above both parts.
        const uint8_t *triple = data + 1 + 3 * i;
        int32_t left = triple[0] % 32, right = triple[1] % 32;
        merges.at[i] =
            (struct merge){left, right, (left > right ? left : right) + 1 + triple[2] % 4};
    }
    vkclip_error err = {0};
    if (merges_index(&merges, "merges", &err))
        check_word(&merges, data + 1 + 3 * count, size - 1 - 3 * count);
    else if (err.status != VKCLIP_ERROR_FILE || !err.message[0])
        abort();
    merges_finish(&merges);
    return 0;
}
