#include "collection.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base64.h"
#include "report.h"

// A row of a table is at most 1 MiB; written as JSON and in base64 as well, it is less than this.
enum { LINE_BYTES_MOST = 16 << 20, LINES_A_MARK = 64 };

char *collection_path(const char *folder, const char *name)
{
    size_t capacity = strlen(folder) + strlen(name) + 2;
    char *path = malloc(capacity);
    if (path)
        snprintf(path, capacity, "%s/%s", folder, name);
    return path;
}

// ---- items ---------------------------------------------------------------------------------

static bool fail_with(const struct collection *collection, const char *reason, vkclip_error *err)
{
    return report_fill(err, VKCLIP_ERROR_FILE, "%s/%s: %s", collection->folder, COLLECTION_ITEMS,
                       reason);
}

static bool fail_without_memory(const struct collection *collection, vkclip_error *err)
{
    return report_fill(err, VKCLIP_ERROR_MEMORY, "%s: no memory to read it", collection->folder);
}

// Opens items.jsonl, which may have more than the facts tell, as while items are added.
static bool open_items(struct collection *collection, vkclip_error *err)
{
    struct stat facts;
    char *path = collection_path(collection->folder, COLLECTION_ITEMS);
    if (!path)
        return fail_without_memory(collection, err);
    bool is_there = stat(path, &facts) == 0;
    if (is_there && S_ISREG(facts.st_mode))
        collection->items = fopen(path, "rb");
    free(path);
    if (!collection->items)
        return fail_with(
            collection,
            is_there && !S_ISREG(facts.st_mode) ? "is not a regular file" : strerror(errno), err);
    if ((uint64_t)facts.st_size < collection->facts.items_bytes)
        return fail_with(collection, "is shorter than " COLLECTION_FACTS " says", err);
    return true;
}

// Notes where every LINES_A_MARKth line begins.
static bool mark_lines(struct collection *collection, vkclip_error *err)
{
    const uint64_t byte_count = collection->facts.items_bytes;
    const size_t row_count = collection->facts.row_count;
    size_t line = 0;
    char piece[65536];
    collection->marks = calloc(row_count / LINES_A_MARK + 1, sizeof *collection->marks);
    if (!collection->marks)
        return fail_without_memory(collection, err);
    for (uint64_t done = 0; done < byte_count;) {
        size_t now = byte_count - done < sizeof piece ? (size_t)(byte_count - done) : sizeof piece;
        if (fread(piece, 1, now, collection->items) != now)
            return fail_with(collection, "cannot be read to its end", err);
        for (char *at = piece; (at = memchr(at, '\n', (size_t)(piece + now - at))); at++) {
            line++;
            if (line % LINES_A_MARK == 0 && line <= row_count)
                collection->marks[line / LINES_A_MARK] = done + (uint64_t)(at - piece) + 1;
        }
        done += now;
        if (done == byte_count && piece[now - 1] != '\n')
            return fail_with(collection, "ends within a line", err);
    }
    if (line != row_count)
        return report_fill(err, VKCLIP_ERROR_FILE, "%s/%s: has %zu lines, %s says %zu rows",
                           collection->folder, COLLECTION_ITEMS, line, COLLECTION_FACTS, row_count);
    rewind(collection->items);
    return true;
}

// Reads the line that the file stands before, without its end.
static bool read_line(struct collection *collection, vkclip_error *err)
{
    struct text *line = &collection->line;
    line->byte_count = 0;
    text_add_bytes(line, "", 1);
    line->byte_count = 0;
    for (int c = getc(collection->items); c != '\n'; c = getc(collection->items)) {
        if (c == EOF || c == '\0' || line->byte_count >= LINE_BYTES_MOST)
            return report_fill(err, VKCLIP_ERROR_FILE, "%s/%s: line %zu: %s", collection->folder,
                               COLLECTION_ITEMS, collection->next + 1,
                               c == EOF    ? "cannot be read"
                               : c == '\0' ? "has a zero byte"
                                           : "is longer than 16 MiB");
        text_add_bytes(line, &(char){(char)c}, 1);
    }
    collection->next++;
    return !line->is_out_of_memory || fail_without_memory(collection, err);
}

static bool seek(struct collection *collection, size_t index, vkclip_error *err)
{
    size_t mark = index / LINES_A_MARK;
    if (collection->next > index || collection->next / LINES_A_MARK < mark) {
        if (fseeko(collection->items, (off_t)collection->marks[mark], SEEK_SET) != 0)
            return fail_with(collection, strerror(errno), err);
        collection->next = mark * LINES_A_MARK;
    }
    while (collection->next < index)
        if (!read_line(collection, err))
            return false;
    return true;
}

// The fields of an object, of which a copy is made.
static bool read_object(const char *json, struct text *copy, struct table_field **fields,
                        size_t *field_count, struct cJSON **object)
{
    if (!*fields)
        *fields = calloc(TABLE_MOST_FIELDS, sizeof **fields);
    copy->byte_count = 0;
    text_add_bytes(copy, json, strlen(json));
    cJSON_Delete(*object);
    *object = NULL;
    return *fields && !copy->is_out_of_memory &&
           !table_read_object(copy->bytes, *fields, field_count, object);
}

static const struct table_field *find_field(const struct table_field *fields, size_t count,
                                            const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(fields[i].name, name) == 0)
            return &fields[i];
    return NULL;
}

static const struct table_field *find_member(const struct collection *collection, const char *name)
{
    return find_field(collection->fields, collection->field_count, name);
}

static bool read_item(struct collection *collection, struct collection_item *item)
{
    collection->has_metadata = false;
    if (!read_object(collection->line.bytes, &collection->parsed, &collection->fields,
                     &collection->field_count, &collection->object))
        return false;
    const struct table_field *path = find_member(collection, "path");
    const struct table_field *size = find_member(collection, "size");
    const struct table_field *modified = find_member(collection, "modified");
    const struct table_field *bytes = find_member(collection, "path_base64");
    if (!path || !path->text || *path->json != '"' || !size || !size->text || !modified ||
        !modified->text || *modified->json != '"')
        return false;
    char *end;
    *item = (struct collection_item){
        .path = path->text,
        .size_bytes = strtoull(size->text, &end, 10),
        .modified = modified->text,
        .json = collection->line.bytes,
    };
    collection->path.byte_count = 0;
    if (bytes) {
        if (!bytes->text || !text_add_from_base64(&collection->path, bytes->text) ||
            !collection->path.bytes)
            return false;
        item->path = collection->path.bytes;
    }
    return *end == '\0' && end != size->text;
}

bool collection_get(struct collection *collection, size_t index, struct collection_item *item,
                    vkclip_error *err)
{
    if (!seek(collection, index, err) || !read_line(collection, err))
        return false;
    if (read_item(collection, item))
        return true;
    if (collection->line.is_out_of_memory || collection->parsed.is_out_of_memory ||
        collection->path.is_out_of_memory)
        return fail_without_memory(collection, err);
    return report_fill(err, VKCLIP_ERROR_FILE,
                       "%s/%s: line %zu: is no item with path, size and time of modification",
                       collection->folder, COLLECTION_ITEMS, index + 1);
}

// The bytes of a value that is not UTF-8.
static const char *find_bytes(struct collection *collection, const char *name)
{
    const struct table_field *member = find_member(collection, "metadata_base64");
    cJSON *object = member && member->text ? cJSON_Parse(member->text) : NULL;
    const char *base64 = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
    collection->metadata.byte_count = 0;
    bool is_found = base64 && text_add_from_base64(&collection->metadata, base64);
    cJSON_Delete(object);
    return is_found ? collection->metadata.bytes : NULL;
}

const char *collection_get_metadata(struct collection *collection, const char *name)
{
    const struct table_field *metadata = find_member(collection, "metadata");
    if (!metadata || !metadata->text)
        return NULL;
    if (!collection->has_metadata) {
        collection->metadata_count = 0;
        collection->has_metadata =
            read_object(metadata->text, &collection->parsed_metadata, &collection->metadata_fields,
                        &collection->metadata_count, &collection->metadata_object);
    }
    if (!collection->has_metadata)
        return NULL;
    const char *bytes = find_bytes(collection, name);
    const struct table_field *field =
        find_field(collection->metadata_fields, collection->metadata_count, name);
    return bytes ? bytes : field ? field->text : NULL;
}

// ---- open and close ------------------------------------------------------------------------

static bool check_rows(const struct collection *collection, vkclip_error *err)
{
    const struct npy_layout *layout = &collection->embeddings.layout;
    const struct collection_facts *facts = &collection->facts;
    bool fits = layout->width == facts->width && layout->type == facts->type &&
                (facts->is_complete ? layout->row_count == facts->row_count
                                    : layout->row_count >= facts->row_count);
    return fits || report_fill(err, VKCLIP_ERROR_FILE,
                               "%s/%s: is not of the %zu rows of %zu numbers that %s says",
                               collection->folder, COLLECTION_EMBEDDINGS, facts->row_count,
                               facts->width, COLLECTION_FACTS);
}

bool collection_open(struct collection *collection, const char *folder, vkclip_error *err)
{
    *collection = (struct collection){.folder = strdup(folder)};
    char *embeddings = collection_path(folder, COLLECTION_EMBEDDINGS);
    bool is_open = collection->folder && embeddings;
    if (!is_open)
        report_fill(err, VKCLIP_ERROR_MEMORY, "%s: no memory to read it", folder);
    is_open = is_open && collection_read_facts(&collection->facts, folder, err) &&
              npy_matrix_open(&collection->embeddings, embeddings, err) &&
              check_rows(collection, err) && open_items(collection, err) &&
              mark_lines(collection, err);
    free(embeddings);
    if (!is_open)
        collection_close(collection);
    return is_open;
}

void collection_close(struct collection *collection)
{
    npy_matrix_close(&collection->embeddings);
    if (collection->items)
        fclose(collection->items);
    struct text *texts[] = {&collection->line, &collection->parsed, &collection->parsed_metadata,
                            &collection->path, &collection->metadata};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        text_finish(texts[i]);
    cJSON_Delete(collection->object);
    cJSON_Delete(collection->metadata_object);
    free(collection->fields);
    free(collection->metadata_fields);
    free(collection->marks);
    free(collection->folder);
    *collection = (struct collection){0};
}
