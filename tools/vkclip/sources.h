// sources.h: the pictures that a command line names, one after the other: files, those in folders,
// those in tables with a column of paths, and a list on standard input.
#ifndef VKCLIP_SOURCES_H
#define VKCLIP_SOURCES_H

#include "table.h"
#include "walk.h"

// What is taken of them.
struct source_rules {
    struct walk_rules walk;
    const char *path_column; // of tables
    bool list_has_zeros;     // names on standard input end in zero bytes, not newlines
    uint32_t shard,
        shards; // those whose CRC-32 (as zlib's) leaves shard - 1 when divided by shards
};

// A picture, or a folder that cannot be read. What it points to lasts until the next.
struct source {
    const char *path;
    const char *reason; // why it is none that could be read, or NULL
    uint64_t size_bytes;
    char modified[40];         // "2026-11-25T15:00:00.000000000Z"
    const struct table *table; // whose row it comes from, or NULL
    const char *path_column;   // of that table
};

struct sources {
    const struct source_rules *rules;
    char *const *operands; // [operand_count]
    size_t operand_count, next_operand;
    bool only_counts; // nothing but path is asked for
    enum source_kind { SOURCE_NONE, SOURCE_LIST, SOURCE_TABLE, SOURCE_FOLDER } kind;
    struct walk walk;
    struct table table;
    struct text line; // of the list
    size_t line_number, skipped_count;
};

// Counts the pictures; *count is 0 where that cannot be known, as of standard input, before they
// are read. Fails as sources_next does, and for an operand that is not there.
bool sources_count(const struct source_rules *rules, char *const *operands, size_t operand_count,
                   size_t *count, vkclip_error *err);

void sources_begin(struct sources *sources, const struct source_rules *rules, char *const *operands,
                   size_t operand_count);

// Finds the next picture. *is_there is false at the end. Fails for a wrong row of a table, naming
// its line, with VKCLIP_ERROR_FILE; with VKCLIP_ERROR_MEMORY.
bool sources_next(struct sources *sources, struct source *source, bool *is_there,
                  vkclip_error *err);

// Accepts zeroed sources.
void sources_end(struct sources *sources);

#endif
