#include "whole_file.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"

// A thousand embeddings of 1,024 numbers as text are 12 MB.
#define MOST_BYTES ((size_t)64 << 20)

char *whole_file_read(const char *path, size_t *byte_count, vkclip_error *err)
{
    FILE *file = fopen(path, "rb");
    if (!file) {
        report_fill(err, VKCLIP_ERROR_FILE, "%s: %s", path, strerror(errno));
        return NULL;
    }
    size_t capacity = 65536;
    char *bytes = malloc(capacity);
    *byte_count = 0;
    while (bytes) {
        *byte_count += fread(bytes + *byte_count, 1, capacity - *byte_count, file);
        if (*byte_count < capacity || capacity >= MOST_BYTES)
            break;
        capacity *= 2;
        char *larger = realloc(bytes, capacity);
        if (!larger)
            free(bytes);
        bytes = larger;
    }
    bool is_whole = bytes && *byte_count < capacity && !ferror(file);
    if (!bytes)
        report_fill(err, VKCLIP_ERROR_MEMORY, "%s: no memory to read it", path);
    else if (!is_whole)
        report_fill(err, VKCLIP_ERROR_FILE, "%s: %s", path,
                    ferror(file) ? "cannot be read" : "is larger than 64 MiB");
    fclose(file);
    if (!is_whole)
        free(bytes);
    return is_whole ? bytes : NULL;
}
