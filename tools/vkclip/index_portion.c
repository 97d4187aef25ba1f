#include "index_portion.h"

#include <stdlib.h>
#include <string.h>

#include "report.h"

// The first pictures of a call are read while the device waits, and the device waits for the disk
// at each commit. So a call has many pictures, until it takes a second or two: what is lost when
// the program is killed is little then, and so is what the device waits. 4,096 rows of 512 numbers,
// with all that belongs to them, take 15 MB.
enum { MOST_IMAGES = 4096, MOST_ENTRIES = 8192, MOST_STRING_BYTES = 32 << 20 };
#define LONG_ENOUGH_S 2.0

enum entry_kind { ENTRY_NEW, ENTRY_KNOWN, ENTRY_FAILED };

struct portion_entry {
    enum entry_kind kind;
    size_t line, line_bytes; // in strings: as an item; as a failure that was known before
    size_t source;           // in strings: what a failure's line is made of
    size_t row;              // of the known ones
    size_t image;            // of the new ones
};

bool index_portion_init(struct index_portion *portion, const struct image_options *options,
                        vkclip_engine *engine, size_t width, vkclip_error *err)
{
    *portion = (struct index_portion){
        .options = options,
        .engine = engine,
        .step = vkclip_engine_get_facts(engine)->max_images,
        .entries = calloc(MOST_ENTRIES, sizeof *portion->entries),
        .images = calloc(MOST_IMAGES, sizeof *portion->images),
        .rows = calloc(MOST_IMAGES + 1, width * sizeof *portion->rows),
        .errors = calloc(MOST_IMAGES, sizeof *portion->errors),
        .width = width,
    };
    if (portion->step > MOST_IMAGES)
        portion->step = MOST_IMAGES;
    if (portion->entries && portion->images && portion->rows && portion->errors)
        return true;
    index_portion_finish(portion);
    return report_fill(err, VKCLIP_ERROR_MEMORY, "no memory for %d pictures", MOST_IMAGES);
}

void index_portion_finish(struct index_portion *portion)
{
    text_finish(&portion->strings);
    free(portion->entries);
    free(portion->images);
    free(portion->rows);
    free(portion->errors);
    *portion = (struct index_portion){0};
}

// ---- filling -------------------------------------------------------------------------------

// Adds a string with its zero; returns where it is.
static size_t add_string(struct index_portion *portion, const char *string)
{
    size_t place = portion->strings.byte_count;
    text_add_bytes(&portion->strings, string, strlen(string) + 1);
    return place;
}

static bool look_up(struct index_portion *portion, struct portion_entry *entry, vkclip_error *err)
{
    enum known_kind kind;
    const struct text *failure;
    const char *line = portion->strings.bytes + entry->line;
    if (!index_known_find(portion->known, line, index_lines_identity_bytes(line), &kind,
                          &entry->row, &failure, err))
        return false;
    if (kind == KNOWN_ROW)
        entry->kind = ENTRY_KNOWN;
    if (kind == KNOWN_FAILED) {
        entry->kind = ENTRY_FAILED;
        entry->line = portion->strings.byte_count;
        entry->line_bytes = failure->byte_count;
        text_add_bytes(&portion->strings, failure->bytes, failure->byte_count + 1);
    }
    return true;
}

static bool add_entry(struct index_portion *portion, const struct source *source, vkclip_error *err)
{
    struct text *strings = &portion->strings;
    struct portion_entry *entry = &portion->entries[portion->entry_count++];
    *entry = (struct portion_entry){.line = strings->byte_count};
    if (source->reason) {
        entry->kind = ENTRY_FAILED;
        index_lines_add_failure(strings, source, NULL);
    } else {
        index_lines_add_item(strings, source);
    }
    entry->line_bytes = strings->byte_count - entry->line;
    text_add_bytes(strings, "", 1);
    if (!strings->is_out_of_memory && portion->known && !source->reason &&
        !look_up(portion, entry, err))
        return false;
    if (entry->kind == ENTRY_NEW) {
        entry->source = add_string(portion, source->path);
        entry->image = portion->image_count++;
    }
    return !strings->is_out_of_memory ||
           report_fill(err, VKCLIP_ERROR_MEMORY, "no memory for %zu paths", portion->entry_count);
}

bool index_portion_fill(struct index_portion *portion, struct index_queue *queue, vkclip_error *err)
{
    portion->strings.byte_count = 0;
    portion->entry_count = portion->image_count = 0;
    while (portion->image_count < portion->step && portion->entry_count < MOST_ENTRIES &&
           portion->strings.byte_count < MOST_STRING_BYTES) {
        if (!queue->is_waiting &&
            !sources_next(&queue->sources, &queue->source, &queue->is_waiting, err))
            return false;
        if (!queue->is_waiting)
            break;
        queue->is_waiting = false;
        if (!add_entry(portion, &queue->source, err))
            return false;
    }
    return true;
}

// ---- embedding and storing -----------------------------------------------------------------

bool index_portion_embed(struct index_portion *portion, vkclip_error *err)
{
    for (size_t i = 0; i < portion->entry_count; i++) {
        const struct portion_entry *entry = &portion->entries[i];
        if (entry->kind == ENTRY_NEW)
            portion->images[entry->image] =
                image_at(portion->options, portion->strings.bytes + entry->source);
    }
    if (portion->image_count == 0)
        return true;
    double start = vkclip_clock_seconds();
    if (!vkclip_embed_images(portion->engine, portion->images, portion->image_count, portion->rows,
                             portion->errors, err))
        return false;
    if (vkclip_clock_seconds() - start < LONG_ENOUGH_S)
        portion->step = portion->step * 2 < MOST_IMAGES ? portion->step * 2 : MOST_IMAGES;
    return true;
}

// Why a picture could not be read, without its path, which its line has. A path may be longer than
// a message has room for.
static const char *reason_of(const vkclip_error *error, const char *path)
{
    size_t length = strlen(path);
    bool has_path = strncmp(error->message, path, length) == 0 &&
                    strncmp(error->message + length, ": ", 2) == 0;
    if (strncmp(error->message, path, sizeof error->message - 1) == 0)
        return "cannot be read";
    return error->message + (has_path ? length + 2 : 0);
}

// Turns the line of an item into that of its failure.
static bool store_failure(struct index_portion *portion, const struct portion_entry *entry,
                          struct index_set *set, vkclip_error *err)
{
    const char *line = portion->strings.bytes + entry->line;
    struct text failure = {0};
    text_add_bytes(&failure, line, index_lines_identity_bytes(line));
    text_add(&failure, ", \"reason\": ");
    text_add_json(&failure, reason_of(&portion->errors[entry->image],
                                      portion->strings.bytes + entry->source));
    text_add(&failure, "}\n");
    bool has_memory = !failure.is_out_of_memory;
    if (has_memory)
        index_set_add_failure(set, failure.bytes, failure.byte_count);
    text_finish(&failure);
    return has_memory || report_fill(err, VKCLIP_ERROR_MEMORY, "no memory for a line");
}

static bool store_known(struct index_portion *portion, const struct portion_entry *entry,
                        struct index_set *set, vkclip_error *err)
{
    float *row = portion->rows + MOST_IMAGES * portion->width; // no image's
    if (!npy_matrix_read(&portion->known->old.embeddings, entry->row, 1, row, err))
        return false;
    index_set_add_row(set, row, portion->strings.bytes + entry->line, entry->line_bytes);
    return true;
}

bool index_portion_store(struct index_portion *portion, struct index_set *set, vkclip_error *err)
{
    for (size_t i = 0; i < portion->entry_count; i++) {
        const struct portion_entry *entry = &portion->entries[i];
        const char *line = portion->strings.bytes + entry->line;
        if (entry->kind == ENTRY_KNOWN) {
            if (!store_known(portion, entry, set, err))
                return false;
        } else if (entry->kind == ENTRY_FAILED) {
            index_set_add_failure(set, line, entry->line_bytes);
        } else if (portion->errors[entry->image].status != VKCLIP_OK) {
            if (!store_failure(portion, entry, set, err))
                return false;
        } else {
            index_set_add_row(set, portion->rows + entry->image * portion->width, line,
                              entry->line_bytes);
        }
    }
    return true;
}
