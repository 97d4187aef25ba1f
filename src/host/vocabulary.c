#include "host/vocabulary.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#define LONGEST_LINE 1000 // bytes; the longest published token has 64

void vocabulary_finish(struct vocabulary *vocabulary)
{
    free(vocabulary->storage);
    free(vocabulary->tokens);
    free(vocabulary->slots);
    *vocabulary = (struct vocabulary){0};
}

bool vocabulary_equal(const struct vocabulary *a, const struct vocabulary *b)
{
    if (a->count != b->count)
        return false;
    for (uint32_t i = 0; i < a->count; i++) {
        const struct token *x = &a->tokens[i], *y = &b->tokens[i];
        if (x->byte_count != y->byte_count || memcmp(x->text, y->text, x->byte_count) != 0)
            return false;
    }
    return true;
}

// ---- hash table -------------------------------------------------------------------------------

// FNV-1a.
uint64_t vocabulary_hash(uint64_t hash, const char *bytes, size_t byte_count)
{
    for (size_t i = 0; i < byte_count; i++)
        hash = (hash ^ (unsigned char)bytes[i]) * UINT64_C(0x100000001b3);
    return hash;
}

static uint32_t first_slot(const struct vocabulary *vocabulary, uint64_t hash)
{
    return (uint32_t)(hash ^ hash >> 32) & (vocabulary->slot_count - 1);
}

int32_t vocabulary_find(const struct vocabulary *vocabulary, uint64_t hash, const char *prefix,
                        const char *text, size_t byte_count)
{
    size_t prefix_bytes = strlen(prefix);
    uint32_t slot = first_slot(vocabulary, hash);
    for (; vocabulary->slots[slot]; slot = (slot + 1) & (vocabulary->slot_count - 1)) {
        uint32_t id = vocabulary->slots[slot] - 1;
        const struct token *token = &vocabulary->tokens[id];
        if (token->byte_count == prefix_bytes + byte_count &&
            memcmp(token->text, prefix, prefix_bytes) == 0 &&
            memcmp(token->text + prefix_bytes, text, byte_count) == 0)
            return (int32_t)id;
    }
    return -1;
}

int32_t vocabulary_find_text(const struct vocabulary *vocabulary, const char *prefix,
                             const char *text)
{
    size_t byte_count = strlen(text);
    uint64_t hash = vocabulary_hash(VOCABULARY_HASH_START, prefix, strlen(prefix));
    hash = vocabulary_hash(hash, text, byte_count);
    return vocabulary_find(vocabulary, hash, prefix, text, byte_count);
}

bool vocabulary_index(struct vocabulary *vocabulary, const char *path, vkclip_error *err)
{
    vocabulary->slot_count = 16;
    while (vocabulary->slot_count < 2 * vocabulary->count)
        vocabulary->slot_count *= 2;
    vocabulary->slots = calloc(vocabulary->slot_count, sizeof *vocabulary->slots);
    if (!vocabulary->slots)
        return fail(err, VKCLIP_ERROR_MEMORY, "%s: no memory for the vocabulary", path);

    for (uint32_t id = 0; id < vocabulary->count; id++) {
        const struct token *token = &vocabulary->tokens[id];
        uint64_t hash = vocabulary_hash(VOCABULARY_HASH_START, token->text, token->byte_count);
        int32_t other = vocabulary_find(vocabulary, hash, "", token->text, token->byte_count);
        if (other >= 0)
            return fail(err, VKCLIP_ERROR_FILE,
                        "%s: tokens %d and %u (counted from 0) are both '%s'", path, other, id,
                        token->text);
        uint32_t slot = first_slot(vocabulary, hash);
        while (vocabulary->slots[slot])
            slot = (slot + 1) & (vocabulary->slot_count - 1);
        vocabulary->slots[slot] = id + 1;
        if (token->byte_count > vocabulary->longest_bytes)
            vocabulary->longest_bytes = token->byte_count;
    }
    return true;
}

// ---- text files -------------------------------------------------------------------------------

bool vocabulary_is_utf8(const char *bytes, size_t byte_count)
{
    const utf8proc_uint8_t *next = (const utf8proc_uint8_t *)bytes;
    while (byte_count > 0) {
        utf8proc_int32_t point;
        utf8proc_ssize_t used = utf8proc_iterate(next, (utf8proc_ssize_t)byte_count, &point);
        if (used <= 0)
            return false;
        next += used;
        byte_count -= (size_t)used;
    }
    return true;
}

uint32_t vocabulary_lines_begin(struct vocabulary_lines *lines, const char *path, char *bytes,
                                size_t byte_count)
{
    while (byte_count > 0 && (bytes[byte_count - 1] == '\n' || bytes[byte_count - 1] == '\r'))
        byte_count--;
    *lines = (struct vocabulary_lines){.path = path, .next = bytes, .end = bytes + byte_count};
    size_t count = byte_count > 0;
    for (size_t i = 0; i < byte_count; i++)
        count += bytes[i] == '\n';
    // vocabulary_lines_next() refuses the one after.
    return count < VOCABULARY_MOST_TOKENS ? (uint32_t)count : VOCABULARY_MOST_TOKENS;
}

static bool check_line(const struct vocabulary_lines *lines, const char *line, size_t byte_count,
                       vkclip_error *err)
{
    const char *path = lines->path;
    uint32_t number = lines->number;
    if (byte_count == 0)
        return fail(err, VKCLIP_ERROR_FILE, "%s: line %u is empty", path, number);
    if (byte_count > LONGEST_LINE)
        return fail(err, VKCLIP_ERROR_FILE, "%s: line %u has %zu bytes, at most %d are accepted",
                    path, number, byte_count, LONGEST_LINE);
    if (memchr(line, 0, byte_count))
        return fail(err, VKCLIP_ERROR_FILE, "%s: line %u has a zero byte", path, number);
    if (!vocabulary_is_utf8(line, byte_count))
        return fail(err, VKCLIP_ERROR_FILE, "%s: line %u is not valid UTF-8", path, number);
    if (number > VOCABULARY_MOST_TOKENS)
        return fail(err, VKCLIP_ERROR_FILE, "%s: line %u is beyond the %u accepted", path, number,
                    VOCABULARY_MOST_TOKENS);
    return true;
}

bool vocabulary_lines_next(struct vocabulary_lines *lines, char **line, size_t *byte_count,
                           vkclip_error *err)
{
    *line = NULL;
    if (lines->next >= lines->end)
        return true;
    char *start = lines->next, *end = memchr(start, '\n', (size_t)(lines->end - start));
    lines->next = end ? end + 1 : lines->end;
    if (!end)
        end = lines->end;
    if (end > start && end[-1] == '\r')
        end--;
    lines->number++;
    if (!check_line(lines, start, (size_t)(end - start), err))
        return false;
    *end = 0;
    *line = start;
    *byte_count = (size_t)(end - start);
    return true;
}
