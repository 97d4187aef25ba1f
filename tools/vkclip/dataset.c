#include "dataset.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "collection.h"
#include "report.h"
#include "table.h"
#include "walk.h"

static bool fail_without_memory(vkclip_error *err)
{
    return report_fill(err, VKCLIP_ERROR_MEMORY, "no memory for a list of pictures");
}

// ---- pictures and labels, in the order in which they are found ------------------------------

static bool add_name(struct dataset *dataset, const char *name, vkclip_error *err)
{
    if (dataset->name_count == DATASET_MOST_LABELS)
        return report_fill(err, VKCLIP_ERROR_FILE, "more than %d different labels",
                           DATASET_MOST_LABELS);
    if (dataset->name_count == dataset->name_capacity) {
        uint32_t capacity = dataset->name_capacity ? dataset->name_capacity * 2 : 16;
        char **names = realloc(dataset->names, capacity * sizeof *names);
        if (!names)
            return fail_without_memory(err);
        dataset->names = names;
        dataset->name_capacity = capacity;
    }
    char *copy = strdup(name);
    if (!copy)
        return fail_without_memory(err);
    dataset->names[dataset->name_count++] = copy;
    return true;
}

static bool find_label(struct dataset *dataset, const char *name, uint32_t *label,
                       vkclip_error *err)
{
    // Neighbours in a table often share theirs.
    if (dataset->count > 0) {
        *label = dataset->labels[dataset->count - 1];
        if (strcmp(dataset->names[*label], name) == 0)
            return true;
    }
    for (*label = 0; *label < dataset->name_count; ++*label)
        if (strcmp(dataset->names[*label], name) == 0)
            return true;
    return add_name(dataset, name, err);
}

static bool reserve(struct dataset *dataset, vkclip_error *err)
{
    if (dataset->count < dataset->capacity)
        return true;
    const size_t capacity = dataset->capacity ? dataset->capacity * 2 : 1024;
    char **paths = realloc(dataset->paths, capacity * sizeof *paths);
    dataset->paths = paths ? paths : dataset->paths;
    uint32_t *labels = realloc(dataset->labels, capacity * sizeof *labels);
    dataset->labels = labels ? labels : dataset->labels;
    uint8_t *splits = realloc(dataset->splits, capacity);
    dataset->splits = splits ? splits : dataset->splits;
    if (!paths || !labels || !splits || capacity >= UINT32_MAX)
        return fail_without_memory(err);
    dataset->capacity = capacity;
    return true;
}

// Takes the path, which is malloc'ed; NULL is for want of memory.
static bool add_picture(struct dataset *dataset, char *path, const char *name,
                        enum dataset_split split, vkclip_error *err)
{
    uint32_t label;
    if (!path)
        return fail_without_memory(err);
    if (!find_label(dataset, name, &label, err) || !reserve(dataset, err)) {
        free(path);
        return false;
    }
    dataset->paths[dataset->count] = path;
    dataset->labels[dataset->count] = label;
    dataset->splits[dataset->count++] = (uint8_t)split;
    return true;
}

// ---- a folder a class -----------------------------------------------------------------------

static bool is_folder(const char *path)
{
    struct stat facts;
    return stat(path, &facts) == 0 && S_ISDIR(facts.st_mode);
}

// Adds a file that was found below a folder of classes; one that lies in none of them is passed
// over.
static bool add_file(struct dataset *dataset, const char *path, size_t root_bytes,
                     enum dataset_split split, vkclip_error *err)
{
    const char *slash = strchr(path + root_bytes, '/');
    if (!slash)
        return true;
    struct text name = {0};
    text_add_bytes(&name, path + root_bytes, (size_t)(slash - path) - root_bytes);
    const bool is_added = name.is_out_of_memory
                              ? fail_without_memory(err)
                              : add_picture(dataset, strdup(path), name.bytes, split, err);
    text_finish(&name);
    return is_added;
}

static bool read_folder(struct dataset *dataset, const char *path, enum dataset_split split,
                        vkclip_error *err)
{
    static const struct walk_rules rules; // pictures, by their names
    struct walk walk = {0};
    walk_begin(&walk, path, &rules);
    bool is_read = true;
    for (enum walk_step step; is_read && (step = walk_next(&walk)) != WALK_END;) {
        if (step == WALK_NO_MEMORY)
            is_read = fail_without_memory(err);
        else if (step == WALK_UNREADABLE)
            is_read =
                report_fill(err, VKCLIP_ERROR_FILE, "%.300s: %s", walk.path.bytes, strerror(errno));
        else
            is_read = add_file(dataset, walk.path.bytes, walk.root_bytes, split, err);
    }
    walk_end(&walk);
    return is_read;
}

static const char *const split_names[] = {
    [SPLIT_TRAIN] = "train", [SPLIT_VALIDATION] = "val", [SPLIT_TEST] = "test"};

static bool read_split_folders(struct dataset *dataset, const char *path, vkclip_error *err)
{
    for (uint32_t split = SPLIT_TRAIN; split <= SPLIT_TEST; split++) {
        char *inner = collection_path(path, split_names[split]);
        if (!inner)
            return fail_without_memory(err);
        bool is_read = (split == SPLIT_VALIDATION && !is_folder(inner)) ||
                       read_folder(dataset, inner, (enum dataset_split)split, err);
        free(inner);
        if (!is_read)
            return false;
    }
    return true;
}

// ---- a table --------------------------------------------------------------------------------

// A picture as a line tells of it; NULL is what the line does not have.
struct described {
    const char *file;
    size_t line;
    char *path; // malloc'ed
    const char *label, *split;
};

static bool refuse(const struct described *picture, const char *reason, vkclip_error *err)
{
    return report_fill(err, VKCLIP_ERROR_FILE, "%.300s: line %zu: %s", picture->file, picture->line,
                       reason);
}

static bool parse_split(const struct described *picture, enum dataset_split *split,
                        vkclip_error *err)
{
    for (uint32_t i = SPLIT_TRAIN; i <= SPLIT_TEST; i++) {
        *split = (enum dataset_split)i;
        if (picture->split && strcmp(picture->split, split_names[i]) == 0)
            return true;
    }
    return refuse(picture, picture->split ? "the split is not train, val or test" : "has no split",
                  err);
}

static bool add_described(struct dataset *dataset, const struct described *picture,
                          bool wants_splits, vkclip_error *err)
{
    enum dataset_split split = SPLIT_TEST;
    const bool has_label = picture->label && picture->label[0];
    if (!has_label)
        refuse(picture, "has no label", err);
    if (!has_label || (wants_splits && !parse_split(picture, &split, err))) {
        free(picture->path);
        return false;
    }
    return add_picture(dataset, picture->path, picture->label, split, err);
}

static bool read_table(struct dataset *dataset, const char *path, bool wants_splits,
                       vkclip_error *err)
{
    struct table table = {0};
    bool is_row = true;
    bool is_read = table_open(&table, path, err);
    while (is_read && (is_read = table_next(&table, &is_row, err)) && is_row) {
        const char *place = table_get(&table, "path");
        struct described picture = {
            .file = path,
            .line = table.line,
            .label = table_get(&table, "label"),
            .split = table_get(&table, "split"),
        };
        if (!place || !*place) {
            is_read = refuse(&picture, "has no path", err);
        } else {
            picture.path = strdup(place);
            is_read = add_described(dataset, &picture, wants_splits, err);
        }
    }
    table_close(&table);
    return is_read;
}

// ---- an INDEX -------------------------------------------------------------------------------

static bool is_index(const char *folder)
{
    struct stat facts;
    char *path = collection_path(folder, COLLECTION_FACTS);
    const bool is_there = path && stat(path, &facts) == 0 && S_ISREG(facts.st_mode);
    free(path);
    return is_there;
}

// A value lasts until the next is asked for, so the label is copied.
static bool add_item(struct dataset *dataset, struct collection *collection, size_t index,
                     const char *file, bool wants_splits, vkclip_error *err)
{
    struct collection_item item;
    if (!collection_get(collection, index, &item, err))
        return false;
    const char *label = collection_get_metadata(collection, "label");
    char *copy = label ? strdup(label) : NULL;
    const struct described picture = {
        .file = file,
        .line = index + 1,
        .path = strdup(item.path),
        .label = copy,
        .split = collection_get_metadata(collection, "split"),
    };
    const bool is_added = add_described(dataset, &picture, wants_splits, err);
    free(copy);
    return is_added;
}

static bool read_index(struct dataset *dataset, const char *folder, bool wants_splits,
                       vkclip_error *err)
{
    struct collection collection = {0};
    char *file = collection_path(folder, COLLECTION_ITEMS);
    bool is_read = file ? collection_open(&collection, folder, err) : fail_without_memory(err);
    for (size_t i = 0; is_read && i < collection.facts.row_count; i++)
        is_read = add_item(dataset, &collection, i, file, wants_splits, err);
    dataset->is_index = true;
    dataset->width = collection.facts.width;
    dataset->failed_count = collection.facts.failed_count;
    collection_close(&collection);
    free(file);
    return is_read;
}

// ---- all three ------------------------------------------------------------------------------

static int compare_strings(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

// Puts the names in the order of their bytes.
static bool sort_names(struct dataset *dataset, vkclip_error *err)
{
    char **sorted = malloc(dataset->name_count * sizeof *sorted);
    uint32_t *places = malloc(dataset->name_count * sizeof *places);
    const bool is_sorted = sorted && places;
    if (is_sorted) {
        memcpy(sorted, dataset->names, dataset->name_count * sizeof *sorted);
        qsort(sorted, dataset->name_count, sizeof *sorted, compare_strings);
        for (uint32_t i = 0; i < dataset->name_count; i++) {
            char **found = bsearch(&dataset->names[i], sorted, dataset->name_count, sizeof *sorted,
                                   compare_strings);
            places[i] = (uint32_t)(found - sorted);
        }
        for (size_t i = 0; i < dataset->count; i++)
            dataset->labels[i] = places[dataset->labels[i]];
        memcpy(dataset->names, sorted, dataset->name_count * sizeof *sorted);
    }
    free(places);
    free(sorted);
    return is_sorted || fail_without_memory(err);
}

bool dataset_read(struct dataset *dataset, const char *path, bool wants_splits, vkclip_error *err)
{
    *dataset = (struct dataset){0};
    bool is_read;
    if (!is_folder(path))
        is_read = read_table(dataset, path, wants_splits, err);
    else if (is_index(path))
        is_read = read_index(dataset, path, wants_splits, err);
    else if (wants_splits)
        is_read = read_split_folders(dataset, path, err);
    else
        is_read = read_folder(dataset, path, SPLIT_TEST, err);
    if (!is_read)
        return false;
    if (dataset->count == 0)
        return report_fill(err, VKCLIP_ERROR_FILE, "%.300s: has no picture%s", path,
                           is_folder(path) ? " in a folder of its class" : "");
    return sort_names(dataset, err);
}

void dataset_finish(struct dataset *dataset)
{
    for (size_t i = 0; i < dataset->count; i++)
        free(dataset->paths[i]);
    for (uint32_t i = 0; i < dataset->name_count; i++)
        free(dataset->names[i]);
    free(dataset->paths);
    free(dataset->labels);
    free(dataset->splits);
    free(dataset->names);
    *dataset = (struct dataset){0};
}
