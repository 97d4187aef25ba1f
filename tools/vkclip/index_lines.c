#include "index_lines.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base64.h"
#include "collection.h"
#include "report.h"

// ---- writing -------------------------------------------------------------------------------

static void add_identity(struct text *text, const struct source *source)
{
    text_add(text, "{\"path\": ");
    text_add_json(text, source->path);
    if (!text_is_utf8(source->path)) {
        text_add(text, ", \"path_base64\": \"");
        text_add_base64(text, source->path, strlen(source->path));
        text_add(text, "\"");
    }
    if (source->modified[0])
        text_add(text, ", \"size\": %" PRIu64 ", \"modified\": \"%s\"", source->size_bytes,
                 source->modified);
}

// JSON goes on as it stands, where that is UTF-8.
static void add_value(struct text *text, const struct table_field *field)
{
    if (field->json && text_is_utf8(field->json))
        text_add_bytes(text, field->json, strlen(field->json));
    else
        text_add_json(text, field->text);
}

static void add_metadata(struct text *text, const struct table *table, const char *path_column)
{
    const char *comma = "";
    text_add(text, ", \"metadata\": {");
    for (size_t i = 0; i < table->field_count; i++) {
        if (strcmp(table->fields[i].name, path_column) == 0)
            continue;
        text_add(text, "%s", comma);
        text_add_json(text, table->fields[i].name);
        text_add(text, ": ");
        add_value(text, &table->fields[i]);
        comma = ", ";
    }
    text_add(text, "}");
}

static void add_metadata_bytes(struct text *text, const struct table *table,
                               const char *path_column)
{
    const char *comma = ", \"metadata_base64\": {";
    for (size_t i = 0; i < table->field_count; i++) {
        const struct table_field *field = &table->fields[i];
        if (strcmp(field->name, path_column) == 0 || !field->text || text_is_utf8(field->text))
            continue;
        text_add(text, "%s", comma);
        text_add_json(text, field->name);
        text_add(text, ": \"");
        text_add_base64(text, field->text, strlen(field->text));
        text_add(text, "\"");
        comma = ", ";
    }
    if (comma[2] != '"')
        text_add(text, "}");
}

void index_lines_add_item(struct text *text, const struct source *source)
{
    add_identity(text, source);
    if (source->table && source->table->field_count > 1) {
        add_metadata(text, source->table, source->path_column);
        add_metadata_bytes(text, source->table, source->path_column);
    }
    text_add(text, "}\n");
}

void index_lines_add_failure(struct text *text, const struct source *source, const char *reason)
{
    add_identity(text, source);
    text_add(text, ", \"reason\": ");
    text_add_json(text, source->reason ? source->reason : reason);
    text_add(text, "}\n");
}

size_t index_lines_identity_bytes(const char *line)
{
    // Within a string quotes have a backslash before them, so these words are no part of a path.
    static const char modified[] = ", \"modified\": \"", reason[] = ", \"reason\": \"";
    const char *at = strstr(line, modified);
    if (at) {
        at += sizeof modified - 1;
        return (size_t)(at - line) + strcspn(at, "\"") + 1;
    }
    at = strstr(line, reason);
    return at ? (size_t)(at - line) : strlen(line);
}

// ---- reading -------------------------------------------------------------------------------

bool index_lines_open(struct index_lines *lines, const char *folder, const char *name,
                      uint64_t byte_count, vkclip_error *err)
{
    *lines = (struct index_lines){.bytes_left = byte_count};
    char *path = collection_path(folder, name);
    lines->file = path ? fopen(path, "rb") : NULL;
    free(path);
    if (!lines->file)
        return report_fill(err, VKCLIP_ERROR_FILE, "%s/%s: %s", folder, name, strerror(errno));
    return index_lines_next(lines, err);
}

bool index_lines_next(struct index_lines *lines, vkclip_error *err)
{
    struct text *line = &lines->line;
    line->byte_count = 0;
    for (int c = 0; c != '\n' && lines->bytes_left > 0; lines->bytes_left--) {
        c = getc(lines->file);
        if (c == EOF)
            return report_fill(err, VKCLIP_ERROR_FILE, "a line of the index cannot be read: %s",
                               strerror(errno));
        text_add_bytes(line, &(char){(char)c}, 1);
    }
    return !line->is_out_of_memory ||
           report_fill(err, VKCLIP_ERROR_MEMORY, "no memory for a line of the index");
}

void index_lines_close(struct index_lines *lines)
{
    if (lines->file)
        fclose(lines->file);
    text_finish(&lines->line);
    *lines = (struct index_lines){0};
}
