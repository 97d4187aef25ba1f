#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"
#include "report.h"

// Far beyond any list of labels; keeps `--labels /dev/zero` from eating the machine.
static const size_t MOST_BYTES = (size_t)64 << 20;

bool string_list_add(struct string_list *list, const char *item)
{
    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? list->capacity * 2 : 16;
        const char **items = realloc(list->items, capacity * sizeof *items);
        if (!items)
            return false;
        list->items = items;
        list->capacity = capacity;
    }
    list->items[list->count++] = item;
    return true;
}

void string_list_finish(struct string_list *list)
{
    free(list->items);
    free(list->storage);
    *list = (struct string_list){0};
}

// Reads a whole file into a zero-terminated block, or returns NULL with the reason reported.
static char *read_all(FILE *file, const char *name, size_t *byte_count)
{
    char *bytes = NULL;
    size_t capacity = 0;
    *byte_count = 0;
    do {
        capacity = capacity ? capacity * 2 : 65536;
        char *larger = realloc(bytes, capacity + 1);
        if (!larger) {
            free(bytes);
            report_out_of_memory();
            return NULL;
        }
        bytes = larger;
        errno = 0;
        *byte_count += fread(bytes + *byte_count, 1, capacity - *byte_count, file);
    } while (*byte_count == capacity && capacity < MOST_BYTES);

    const char *reason = ferror(file)                       ? strerror(errno)
                         : *byte_count == capacity          ? "is larger than 64 MiB"
                         : memchr(bytes, '\0', *byte_count) ? "is not text: it has a zero byte"
                                                            : NULL;
    if (reason) {
        report_error("%s: %s", name, reason);
        free(bytes);
        return NULL;
    }
    bytes[*byte_count] = '\0';
    return bytes;
}

bool string_list_read(struct string_list *list, const char *path)
{
    bool is_input = strcmp(path, "-") == 0;
    const char *name = is_input ? "standard input" : path;
    FILE *file = is_input ? stdin : fopen(path, "rb");
    if (!file) {
        report_error("%s: %s", name, strerror(errno));
        return false;
    }
    size_t byte_count;
    list->storage = read_all(file, name, &byte_count);
    if (!is_input)
        fclose(file);
    if (!list->storage)
        return false;

    char *line = list->storage;
    if (strncmp(line, "\xef\xbb\xbf", 3) == 0)
        line += 3;
    while (*line) {
        size_t length = strcspn(line, "\n");
        char *next = line + length + (line[length] == '\n');
        line[length] = '\0';
        if (length > 0 && line[length - 1] == '\r')
            line[length - 1] = '\0';
        if (line[strspn(line, " \t")] != '\0' && !string_list_add(list, line)) {
            report_out_of_memory();
            return false;
        }
        line = next;
    }
    if (list->count == 0) {
        report_error("%s: has no lines", name);
        return false;
    }
    return true;
}
