#include "pairs.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"
#include "table.h"

static bool fail_without_memory(vkclip_error *err)
{
    return report_fill(err, VKCLIP_ERROR_MEMORY, "no memory for a list of pairs");
}

static bool reserve(struct pairs *pairs)
{
    if (pairs->count < pairs->capacity)
        return true;
    const size_t capacity = pairs->capacity ? pairs->capacity * 2 : 1024;
    char **paths = realloc(pairs->paths, capacity * sizeof *paths);
    pairs->paths = paths ? paths : pairs->paths;
    char **captions = realloc(pairs->captions, capacity * sizeof *captions);
    pairs->captions = captions ? captions : pairs->captions;
    if (!paths || !captions)
        return false;
    pairs->capacity = capacity;
    return true;
}

static bool add(struct pairs *pairs, const char *path, const char *caption, vkclip_error *err)
{
    if (!reserve(pairs))
        return fail_without_memory(err);
    char **own_path = &pairs->paths[pairs->count], **own_caption = &pairs->captions[pairs->count];
    *own_path = strdup(path);
    *own_caption = strdup(caption);
    pairs->count++;
    return (*own_path && *own_caption) || fail_without_memory(err);
}

static bool read_row(struct pairs *pairs, const struct table *table, vkclip_error *err)
{
    static const char *const names[] = {"path", "caption"};
    const char *values[2];
    for (int i = 0; i < 2; i++) {
        values[i] = table_get(table, names[i]);
        if (!values[i] || !*values[i])
            return report_fill(err, VKCLIP_ERROR_FILE, "%.300s: line %zu: has no %s", table->path,
                               table->line, names[i]);
    }
    return add(pairs, values[0], values[1], err);
}

bool pairs_read(struct pairs *pairs, const char *path, vkclip_error *err)
{
    *pairs = (struct pairs){0};
    struct table table = {0};
    bool is_row = true;
    bool is_read = table_open(&table, path, err);
    while (is_read && (is_read = table_next(&table, &is_row, err)) && is_row)
        is_read = read_row(pairs, &table, err);
    table_close(&table);
    if (is_read && pairs->count == 0)
        return report_fill(err, VKCLIP_ERROR_FILE, "%.300s: has no pair", path);
    return is_read;
}

void pairs_keep(struct pairs *pairs, const bool *is_wanted)
{
    size_t kept = 0;
    for (size_t i = 0; i < pairs->count; i++) {
        if (is_wanted[i]) {
            pairs->paths[kept] = pairs->paths[i];
            pairs->captions[kept++] = pairs->captions[i];
        } else {
            free(pairs->paths[i]);
            free(pairs->captions[i]);
        }
    }
    pairs->count = kept;
}

void pairs_finish(struct pairs *pairs)
{
    for (size_t i = 0; i < pairs->count; i++) {
        free(pairs->paths[i]);
        free(pairs->captions[i]);
    }
    free(pairs->paths);
    free(pairs->captions);
    *pairs = (struct pairs){0};
}
