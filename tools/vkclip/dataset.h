// dataset.h: pictures whose class is known. Three forms are read:
//
//   a folder    a folder a class within it, named as the class; pictures lie in it or deeper
//   a table     CSV or JSON Lines (table.h) with path and label, and split where splits are wanted
//   an INDEX    of vkclip index (collection.h), with the same columns as metadata; its rows are
//               the dataset's
//
// Where splits are wanted, the folders of classes lie in train, test and, if there is one, val.
// Files are found as vkclip index finds them (walk.h): those whose names end as those of pictures
// do.
#ifndef VKCLIP_DATASET_H
#define VKCLIP_DATASET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vkclip.h"

enum dataset_split { SPLIT_TRAIN, SPLIT_VALIDATION, SPLIT_TEST };

struct dataset {
    char **paths;     // [count]
    uint32_t *labels; // [count] into names
    uint8_t *splits;  // [count] each a dataset_split; SPLIT_TEST where none are wanted
    size_t count;

    // Of an INDEX.
    bool is_index;
    size_t width;        // of its rows
    size_t failed_count; // pictures it could not take

    char **names; // [name_count] labels that occur, in the order of their bytes
    uint32_t name_count;

    size_t capacity;
    uint32_t name_capacity;
};

// More have no use here and are rather a column that is not a label.
#define DATASET_MOST_LABELS 10000

// Fails with VKCLIP_ERROR_FILE, naming the file and in a table the line, also where there is no
// picture, or with VKCLIP_ERROR_MEMORY.
bool dataset_read(struct dataset *dataset, const char *path, bool wants_splits, vkclip_error *err);

// Accepts a zeroed or half-read dataset.
void dataset_finish(struct dataset *dataset);

#endif
