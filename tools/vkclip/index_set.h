// index_set.h: writes the files of an INDEX so that a moment at which the program is killed, the
// disk is full or the power fails costs at most what was not committed.
//
// Rows, items and failures are only ever added at the end of their files. A commit
//   1. adds what waits to embeddings.npy, items.jsonl and failed.jsonl, and has it reach the disk;
//   2. has the header of embeddings.npy say so, and that reach the disk;
//   3. writes index.json anew beside the old one, has it reach the disk, renames it, and has the
//      folder reach the disk.
// So index.json, which is replaced whole, never tells of a byte that a power cut can take away, and
// embeddings.npy is a sound file at every moment: its header of 128 bytes lies in one sector, and
// tells as many rows as index.json, or one commit more. Whoever opens the set again cuts off what
// index.json does not tell of, and goes on as if nothing had been there.
#ifndef VKCLIP_INDEX_SET_H
#define VKCLIP_INDEX_SET_H

#include "collection.h"

struct index_set {
    char *folder;
    struct collection_facts facts; // as of the last commit
    int embeddings, items, failed; // files
    // What waits for a commit.
    struct text rows_text, items_text, failed_text;
    size_t row_count, failed_count;
};

// Opens the set in a folder, or begins one where it has none, and cuts off what was not committed.
//
//   wanted  how rows are made: all but the counts
//
// Fails with VKCLIP_ERROR_ARGUMENT where the rows that are there were made otherwise, with
// VKCLIP_ERROR_FILE or VKCLIP_ERROR_MEMORY.
bool index_set_open(struct index_set *set, const char *folder,
                    const struct collection_facts *wanted, vkclip_error *err);

// Cuts the set back to its first rows and failures, in these bytes, which it must have committed.
bool index_set_cut(struct index_set *set, size_t row_count, uint64_t items_bytes,
                   size_t failed_count, uint64_t failed_bytes, vkclip_error *err);

// Adds a row with the line of its item, or the line of a failure; lines end in a newline. Nothing
// is written before the next commit, which tells whether memory sufficed.
void index_set_add_row(struct index_set *set, const float *row, const char *line,
                       size_t byte_count);
void index_set_add_failure(struct index_set *set, const char *line, size_t byte_count);

// Commits what was added, as described above; is_complete says that nothing is left to add.
bool index_set_commit(struct index_set *set, bool is_complete, vkclip_error *err);

// Drops what was not committed. Accepts a zeroed or half-open set.
void index_set_close(struct index_set *set);

#endif
