// index_lines.h: the lines of items.jsonl and failed.jsonl, as collection.h describes them.
#ifndef VKCLIP_INDEX_LINES_H
#define VKCLIP_INDEX_LINES_H

#include <stdio.h>

#include "sources.h"

// Adds the line of a picture, with a newline.
void index_lines_add_item(struct text *text, const struct source *source);

// Adds the line of a failure. Its reason is in the picture, or given.
void index_lines_add_failure(struct text *text, const struct source *source, const char *reason);

// The bytes that a line of either kind begins with: path, size and time of modification. A picture
// whose line begins with the same is the same, and has not changed.
size_t index_lines_identity_bytes(const char *line);

// The lines of a file up to a number of bytes.
struct index_lines {
    FILE *file;
    uint64_t bytes_left;
    struct text line; // that was read last, with its newline; empty at the end
};

// Opens a file in a folder, and reads its first line. Fails with VKCLIP_ERROR_FILE or
// VKCLIP_ERROR_MEMORY.
bool index_lines_open(struct index_lines *lines, const char *folder, const char *name,
                      uint64_t byte_count, vkclip_error *err);
bool index_lines_next(struct index_lines *lines, vkclip_error *err);

// Accepts zeroed lines.
void index_lines_close(struct index_lines *lines);

#endif
