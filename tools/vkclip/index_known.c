#include "index_known.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"

struct known {
    uint64_t hash;  // of the identity
    uint64_t place; // twice the row, or twice the offset of the line in failed.jsonl and one more
};

// FNV-1a. Equal hashes are told apart by their lines.
static uint64_t hash_of(const char *bytes, size_t byte_count)
{
    uint64_t hash = 0xcbf29ce484222325;
    for (size_t i = 0; i < byte_count; i++)
        hash = (hash ^ (unsigned char)bytes[i]) * 0x100000001b3;
    return hash;
}

static void add(struct index_known *known, const char *line, uint64_t place)
{
    known->entries[known->entry_count++] =
        (struct known){hash_of(line, index_lines_identity_bytes(line)), place};
}

static int compare(const void *a, const void *b)
{
    const struct known *x = a, *y = b;
    if (x->hash != y->hash)
        return x->hash < y->hash ? -1 : 1;
    return x->place < y->place ? -1 : x->place > y->place;
}

static bool add_all(struct index_known *known, vkclip_error *err)
{
    const struct collection_facts *facts = &known->old.facts;
    for (size_t row = 0; row < facts->row_count; row++) {
        struct collection_item item;
        if (!collection_get(&known->old, row, &item, err))
            return false;
        add(known, item.json, 2 * (uint64_t)row);
    }
    uint64_t offset = 0;
    for (size_t i = 0; i < facts->failed_count && known->failed.line.byte_count > 0; i++) {
        add(known, known->failed.line.bytes, 2 * offset + 1);
        offset += known->failed.line.byte_count;
        if (!index_lines_next(&known->failed, err))
            return false;
    }
    qsort(known->entries, known->entry_count, sizeof *known->entries, compare);
    return true;
}

bool index_known_open(struct index_known *known, const char *folder, vkclip_error *err)
{
    *known = (struct index_known){0};
    if (!collection_open(&known->old, folder, err))
        return false;
    const struct collection_facts *facts = &known->old.facts;
    known->entries = calloc(facts->row_count + facts->failed_count + 1, sizeof *known->entries);
    if (!known->entries)
        report_fill(err, VKCLIP_ERROR_MEMORY, "%s: no memory for what is in it", folder);
    if (known->entries &&
        index_lines_open(&known->failed, folder, COLLECTION_FAILED, facts->failed_bytes, err) &&
        add_all(known, err))
        return true;
    index_known_close(known);
    return false;
}

// The first entry whose hash is not less.
static size_t find_first(const struct index_known *known, uint64_t hash)
{
    size_t first = 0, end = known->entry_count;
    while (first < end) {
        size_t middle = first + (end - first) / 2;
        if (known->entries[middle].hash < hash)
            first = middle + 1;
        else
            end = middle;
    }
    return first;
}

// Reads the line of an entry.
static bool read_line(struct index_known *known, const struct known *entry, const char **line,
                      vkclip_error *err)
{
    struct collection_item item;
    if (entry->place % 2 == 0) {
        if (!collection_get(&known->old, (size_t)(entry->place / 2), &item, err))
            return false;
        *line = item.json;
        return true;
    }
    const uint64_t offset = entry->place / 2;
    if (fseeko(known->failed.file, (off_t)offset, SEEK_SET) != 0)
        return report_fill(err, VKCLIP_ERROR_FILE, "%s: %s", COLLECTION_FAILED, strerror(errno));
    known->failed.bytes_left = known->old.facts.failed_bytes - offset;
    if (!index_lines_next(&known->failed, err))
        return false;
    *line = known->failed.line.bytes;
    return true;
}

bool index_known_find(struct index_known *known, const char *identity, size_t byte_count,
                      enum known_kind *kind, size_t *row, const struct text **line,
                      vkclip_error *err)
{
    const uint64_t hash = hash_of(identity, byte_count);
    *kind = KNOWN_NOT;
    for (size_t i = find_first(known, hash);
         i < known->entry_count && known->entries[i].hash == hash; i++) {
        const struct known *entry = &known->entries[i];
        const char *old = NULL;
        if (!read_line(known, entry, &old, err))
            return false;
        if (index_lines_identity_bytes(old) != byte_count || memcmp(old, identity, byte_count) != 0)
            continue;
        *kind = entry->place % 2 == 0 ? KNOWN_ROW : KNOWN_FAILED;
        *row = (size_t)(entry->place / 2);
        *line = &known->failed.line;
        return true;
    }
    return true;
}

void index_known_close(struct index_known *known)
{
    collection_close(&known->old);
    index_lines_close(&known->failed);
    free(known->entries);
    *known = (struct index_known){0};
}
