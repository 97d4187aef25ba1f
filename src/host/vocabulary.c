#include "host/vocabulary.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "host/file.h"

#define LONGEST_TOKEN 1000 // bytes; the longest published one has 24

static bool fail_memory(const char *path, vkclip_error *err)
{
    return fail(err, VKCLIP_ERROR_MEMORY, "%s: no memory for the vocabulary", path);
}

void vocabulary_finish(struct vocabulary *vocabulary)
{
    free(vocabulary->storage);
    free(vocabulary->tokens);
    free(vocabulary->slots);
    *vocabulary = (struct vocabulary){0};
}

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

static int32_t find_token(const struct vocabulary *vocabulary, const struct token *token)
{
    uint64_t hash = vocabulary_hash(VOCABULARY_HASH_START, token->text, token->byte_count);
    return vocabulary_find(vocabulary, hash, "", token->text, token->byte_count);
}

static bool build_table(struct vocabulary *vocabulary, const char *path, vkclip_error *err)
{
    vocabulary->slot_count = 16;
    while (vocabulary->slot_count < 2 * vocabulary->count)
        vocabulary->slot_count *= 2;
    vocabulary->slots = calloc(vocabulary->slot_count, sizeof *vocabulary->slots);
    if (!vocabulary->slots)
        return fail_memory(path, err);

    for (uint32_t id = 0; id < vocabulary->count; id++) {
        const struct token *token = &vocabulary->tokens[id];
        int32_t other = find_token(vocabulary, token);
        if (other >= 0)
            return fail(err, VKCLIP_ERROR_FILE,
                        "%s: tokens %d and %u (counted from 0) are both '%s'", path, other, id,
                        token->text);
        uint64_t hash = vocabulary_hash(VOCABULARY_HASH_START, token->text, token->byte_count);
        uint32_t slot = first_slot(vocabulary, hash);
        while (vocabulary->slots[slot])
            slot = (slot + 1) & (vocabulary->slot_count - 1);
        vocabulary->slots[slot] = id + 1;
        if (token->byte_count > vocabulary->longest_bytes)
            vocabulary->longest_bytes = token->byte_count;
    }
    return true;
}

// ---- vocab.txt --------------------------------------------------------------------------------

static bool check_line(const char *path, uint32_t number, const char *line, size_t byte_count,
                       vkclip_error *err)
{
    if (byte_count == 0)
        return fail(err, VKCLIP_ERROR_FILE, "%s: line %u is empty", path, number);
    if (byte_count > LONGEST_TOKEN)
        return fail(err, VKCLIP_ERROR_FILE, "%s: line %u has %zu bytes, at most %d are accepted",
                    path, number, byte_count, LONGEST_TOKEN);
    if (memchr(line, 0, byte_count))
        return fail(err, VKCLIP_ERROR_FILE, "%s: line %u has a zero byte", path, number);
    if (!vocabulary_is_utf8(line, byte_count))
        return fail(err, VKCLIP_ERROR_FILE, "%s: line %u is not valid UTF-8", path, number);
    if (number > VOCABULARY_MOST_TOKENS)
        return fail(err, VKCLIP_ERROR_FILE, "%s: line %u is beyond the %u tokens accepted", path,
                    number, VOCABULARY_MOST_TOKENS);
    return true;
}

// One token a line, the first is id 0. Carriage returns before line ends and empty lines at the
// end of the file, as editors leave them, are accepted. The tokens stay in *bytes.
static bool read_lines(struct vocabulary *vocabulary, const char *path, char *bytes,
                       size_t byte_count, vkclip_error *err)
{
    while (byte_count > 0 && (bytes[byte_count - 1] == '\n' || bytes[byte_count - 1] == '\r'))
        byte_count--;
    if (byte_count == 0)
        return fail(err, VKCLIP_ERROR_FILE, "%s: is empty", path);

    size_t line_count = 1;
    for (size_t i = 0; i < byte_count; i++)
        line_count += bytes[i] == '\n';
    if (line_count > VOCABULARY_MOST_TOKENS)
        line_count = VOCABULARY_MOST_TOKENS; // check_line() refuses the one after
    vocabulary->tokens = calloc(line_count, sizeof *vocabulary->tokens);
    if (!vocabulary->tokens)
        return fail_memory(path, err);

    char *next = bytes, *end = bytes + byte_count;
    for (uint32_t number = 1; next < end; number++) {
        char *line = next, *line_end = memchr(line, '\n', (size_t)(end - line));
        next = line_end ? line_end + 1 : end;
        if (!line_end)
            line_end = end;
        if (line_end > line && line_end[-1] == '\r')
            line_end--;
        if (!check_line(path, number, line, (size_t)(line_end - line), err))
            return false;
        *line_end = 0;
        vocabulary->tokens[vocabulary->count++] =
            (struct token){.text = line, .byte_count = (uint32_t)(line_end - line)};
    }
    return true;
}

// ---- either kind ------------------------------------------------------------------------------

static bool starts_like_json(const char *bytes)
{
    bytes += strspn(bytes, " \t\r\n");
    return *bytes == '{' && bytes[1 + strspn(bytes + 1, " \t\r\n")] == '"';
}

static bool find_special(struct vocabulary *vocabulary, const char *path, const char *name,
                         bool is_needed, int32_t *id, vkclip_error *err)
{
    const struct token token = {name, (uint32_t)strlen(name)};
    *id = find_token(vocabulary, &token);
    if (*id < 0 && is_needed)
        return fail(err, VKCLIP_ERROR_FILE, "%s: no token %s; is this a BERT vocabulary?", path,
                    name);
    for (uint32_t i = 0; i < vocabulary->added_count; i++)
        if (vocabulary->added[i] == *id)
            return true;
    if (*id >= 0 && vocabulary->added_count < VOCABULARY_MOST_ADDED)
        vocabulary->added[vocabulary->added_count++] = *id;
    return true;
}

bool vocabulary_init(struct vocabulary *vocabulary, const char *path, vkclip_error *err)
{
    *vocabulary = (struct vocabulary){0};
    uint8_t *file;
    size_t byte_count;
    if (!file_load(path, VOCABULARY_MOST_BYTES, &file, &byte_count, err))
        return false;

    char *bytes = (char *)file;
    if (byte_count >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0) { // byte order mark
        bytes += 3;
        byte_count -= 3;
    }
    bool is_read;
    if (starts_like_json(bytes)) {
        is_read = vocabulary_read_json(vocabulary, path, bytes, byte_count, err);
        free(file);
    } else {
        vocabulary->storage = file;
        is_read = read_lines(vocabulary, path, bytes, byte_count, err);
    }

    if (is_read && build_table(vocabulary, path, err) &&
        find_special(vocabulary, path, "[PAD]", true, &vocabulary->pad, err) &&
        find_special(vocabulary, path, "[UNK]", true, &vocabulary->unk, err) &&
        find_special(vocabulary, path, "[CLS]", true, &vocabulary->cls, err) &&
        find_special(vocabulary, path, "[SEP]", true, &vocabulary->sep, err) &&
        find_special(vocabulary, path, "[MASK]", false, &vocabulary->mask, err))
        return true;
    vocabulary_finish(vocabulary);
    return false;
}
