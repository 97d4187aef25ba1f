#include "index_set.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "output.h"
#include "platform.h"
#include "report.h"

#define NEW_FACTS COLLECTION_FACTS ".new"

static bool fail_with_errno(const struct index_set *set, const char *name, vkclip_error *err)
{
    return report_fill(err, VKCLIP_ERROR_FILE, "%s/%s: %s", set->folder, name, strerror(errno));
}

static bool fail_without_memory(const struct index_set *set, vkclip_error *err)
{
    return report_fill(err, VKCLIP_ERROR_MEMORY, "%s: no memory to write it", set->folder);
}

// ---- index.json ----------------------------------------------------------------------------

static bool write_new_file(const char *path, const struct text *text)
{
    int file = platform_open(path);
    if (file < 0)
        return false;
    bool is_written = ftruncate(file, 0) == 0 &&
                      output_write_all(file, text->bytes, text->byte_count) && platform_flush(file);
    int reason = errno;
    is_written = close(file) == 0 && is_written;
    errno = is_written ? 0 : reason;
    return is_written;
}

static bool write_facts(const struct index_set *set, const struct collection_facts *facts,
                        vkclip_error *err)
{
    struct text text = {0};
    collection_add_facts(&text, facts);
    char *path = collection_path(set->folder, COLLECTION_FACTS);
    char *new_path = collection_path(set->folder, NEW_FACTS);
    bool has_memory = path && new_path && !text.is_out_of_memory;
    bool is_written = has_memory && write_new_file(new_path, &text) &&
                      platform_replace(new_path, path) && platform_flush_folder(set->folder);
    if (!has_memory)
        fail_without_memory(set, err);
    else if (!is_written)
        fail_with_errno(set, COLLECTION_FACTS, err);
    text_finish(&text);
    free(path);
    free(new_path);
    return is_written;
}

// ---- the files that grow -------------------------------------------------------------------

static uint64_t embeddings_bytes(const struct collection_facts *facts)
{
    return NPY_MATRIX_HEADER_BYTES +
           (uint64_t)facts->row_count * facts->width * (facts->type == NPY_F16 ? 2 : 4);
}

// Opens a file that has byte_count bytes to keep, and cuts off the rest.
static bool open_to_add(struct index_set *set, int *file, const char *name, uint64_t byte_count,
                        vkclip_error *err)
{
    struct stat facts;
    char *path = collection_path(set->folder, name);
    if (!path)
        return fail_without_memory(set, err);
    *file = platform_open(path);
    free(path);
    if (*file < 0 || fstat(*file, &facts) != 0)
        return fail_with_errno(set, name, err);
    if (!S_ISREG(facts.st_mode) || (uint64_t)facts.st_size < byte_count)
        return report_fill(err, VKCLIP_ERROR_FILE, "%s/%s: %s", set->folder, name,
                           S_ISREG(facts.st_mode) ? "is shorter than " COLLECTION_FACTS " says"
                                                  : "is not a regular file");
    return (ftruncate(*file, (off_t)byte_count) == 0 && lseek(*file, 0, SEEK_END) >= 0) ||
           fail_with_errno(set, name, err);
}

static bool write_header(struct index_set *set, const struct collection_facts *facts,
                         vkclip_error *err)
{
    struct text header = {0};
    npy_add_header(&header, facts->type, (size_t[]){facts->row_count, facts->width}, 2);
    bool is_written = !header.is_out_of_memory && lseek(set->embeddings, 0, SEEK_SET) == 0 &&
                      output_write_all(set->embeddings, header.bytes, header.byte_count) &&
                      platform_flush(set->embeddings) && lseek(set->embeddings, 0, SEEK_END) >= 0;
    text_finish(&header);
    return is_written || fail_with_errno(set, COLLECTION_EMBEDDINGS, err);
}

// Has the folder know of the files before index.json tells of what is in them.
static bool open_files(struct index_set *set, vkclip_error *err)
{
    const struct collection_facts *facts = &set->facts;
    // A set that was only just begun may have no header.
    uint64_t byte_count = facts->row_count > 0 ? embeddings_bytes(facts) : 0;
    return open_to_add(set, &set->embeddings, COLLECTION_EMBEDDINGS, byte_count, err) &&
           open_to_add(set, &set->items, COLLECTION_ITEMS, facts->items_bytes, err) &&
           open_to_add(set, &set->failed, COLLECTION_FAILED, facts->failed_bytes, err) &&
           write_header(set, facts, err) &&
           (platform_flush_folder(set->folder) || fail_with_errno(set, COLLECTION_ITEMS, err));
}

// Whether a folder's set was begun.
static bool has_facts(const char *folder, bool *has_memory)
{
    struct stat facts;
    char *path = collection_path(folder, COLLECTION_FACTS);
    *has_memory = path != NULL;
    bool is_there = path && stat(path, &facts) == 0;
    free(path);
    return is_there;
}

bool index_set_open(struct index_set *set, const char *folder,
                    const struct collection_facts *wanted, vkclip_error *err)
{
    bool has_memory;
    *set = (struct index_set){.embeddings = -1, .items = -1, .failed = -1};
    set->folder = strdup(folder);
    bool is_there = has_facts(folder, &has_memory);
    if (!set->folder || !has_memory) {
        fail_without_memory(&(struct index_set){.folder = (char[]){"index"}}, err);
        goto failed;
    }
    if (is_there) {
        if (!collection_read_facts(&set->facts, folder, err) ||
            !collection_is_alike(&set->facts, folder, wanted, err))
            goto failed;
        if (set->facts.type != wanted->type) {
            report_fill(err, VKCLIP_ERROR_ARGUMENT, "%s: was made with%s --half", folder,
                        wanted->type == NPY_F16 ? "out" : "");
            goto failed;
        }
    } else {
        // index.json comes first: without it a folder with such files is somebody else's.
        set->facts = *wanted;
        if (!write_facts(set, &set->facts, err))
            goto failed;
    }
    if (open_files(set, err))
        return true;

failed:
    index_set_close(set);
    return false;
}

bool index_set_cut(struct index_set *set, size_t row_count, uint64_t items_bytes,
                   size_t failed_count, uint64_t failed_bytes, vkclip_error *err)
{
    struct collection_facts facts = set->facts;
    facts.row_count = row_count;
    facts.items_bytes = items_bytes;
    facts.failed_count = failed_count;
    facts.failed_bytes = failed_bytes;
    facts.is_complete = false;
    // index.json first: it never tells of more than there is.
    if (!write_facts(set, &facts, err))
        return false;
    set->facts = facts;
    int *files[] = {&set->embeddings, &set->items, &set->failed};
    for (size_t i = 0; i < 3; i++) {
        close(*files[i]);
        *files[i] = -1;
    }
    return open_files(set, err);
}

// ---- adding --------------------------------------------------------------------------------

void index_set_add_row(struct index_set *set, const float *row, const char *line, size_t byte_count)
{
    const size_t width = set->facts.width;
    if (set->facts.type == NPY_F16) {
        for (size_t i = 0; i < width; i++) {
            uint16_t half = npy_half(row[i]);
            text_add_bytes(&set->rows_text, (const char *)&half, sizeof half);
        }
    } else {
        text_add_bytes(&set->rows_text, (const char *)row, width * sizeof *row);
    }
    text_add_bytes(&set->items_text, line, byte_count);
    set->row_count++;
}

void index_set_add_failure(struct index_set *set, const char *line, size_t byte_count)
{
    text_add_bytes(&set->failed_text, line, byte_count);
    set->failed_count++;
}

// Adds what waits to its file and has it reach the disk.
static bool append(struct index_set *set, int file, const struct text *text, const char *name,
                   vkclip_error *err)
{
    if (text->byte_count == 0)
        return true;
    return (output_write_all(file, text->bytes, text->byte_count) && platform_flush(file)) ||
           fail_with_errno(set, name, err);
}

bool index_set_commit(struct index_set *set, bool is_complete, vkclip_error *err)
{
    struct collection_facts facts = set->facts;
    facts.row_count += set->row_count;
    facts.failed_count += set->failed_count;
    facts.items_bytes += set->items_text.byte_count;
    facts.failed_bytes += set->failed_text.byte_count;
    facts.is_complete = is_complete;
    if (set->rows_text.is_out_of_memory || set->items_text.is_out_of_memory ||
        set->failed_text.is_out_of_memory)
        return fail_without_memory(set, err);
    if (!append(set, set->embeddings, &set->rows_text, COLLECTION_EMBEDDINGS, err) ||
        !append(set, set->items, &set->items_text, COLLECTION_ITEMS, err) ||
        !append(set, set->failed, &set->failed_text, COLLECTION_FAILED, err) ||
        (set->row_count > 0 && !write_header(set, &facts, err)) || !write_facts(set, &facts, err))
        return false;
    set->facts = facts;
    set->rows_text.byte_count = set->items_text.byte_count = set->failed_text.byte_count = 0;
    set->row_count = set->failed_count = 0;
    return true;
}

void index_set_close(struct index_set *set)
{
    const int files[] = {set->embeddings, set->items, set->failed};
    // A zeroed set has no folder, and no files.
    for (size_t i = 0; set->folder && i < 3; i++)
        if (files[i] >= 0)
            close(files[i]);
    text_finish(&set->rows_text);
    text_finish(&set->items_text);
    text_finish(&set->failed_text);
    free(set->folder);
    *set = (struct index_set){0};
}
