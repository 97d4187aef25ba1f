// index_known.h: the pictures that an index has already, by path, size and time of modification.
#ifndef VKCLIP_INDEX_KNOWN_H
#define VKCLIP_INDEX_KNOWN_H

#include "collection.h"
#include "index_lines.h"

struct index_known {
    struct collection old;
    struct index_lines failed;
    struct known *entries; // [entry_count] by hash; 16 bytes a picture
    size_t entry_count;
};

enum known_kind { KNOWN_NOT, KNOWN_ROW, KNOWN_FAILED };

// Reads the lines of an index. Fails as collection_open does.
bool index_known_open(struct index_known *known, const char *folder, vkclip_error *err);

// Looks for the picture whose line begins with an identity.
//
//   row   receives its row, where it has one
//   line  receives its line in failed.jsonl, where that is where it is; until the next call
bool index_known_find(struct index_known *known, const char *identity, size_t byte_count,
                      enum known_kind *kind, size_t *row, const struct text **line,
                      vkclip_error *err);

// Accepts a zeroed or half-open struct.
void index_known_close(struct index_known *known);

#endif
