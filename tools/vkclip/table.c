#include "table.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "report.h"

enum { ROW_BYTES_MOST = 1 << 20 };

static bool has_ending(const char *path, const char *ending)
{
    size_t length = strlen(path), ending_length = strlen(ending);
    return length > ending_length && strcasecmp(path + length - ending_length, ending) == 0;
}

bool table_is_named(const char *path)
{
    return has_ending(path, ".csv") || has_ending(path, ".jsonl") || has_ending(path, ".ndjson");
}

static bool fail_at_line(const struct table *table, const char *reason, vkclip_error *err)
{
    return report_fill(err, VKCLIP_ERROR_FILE, "%s: line %zu: %s", table->path, table->line,
                       reason);
}

static bool fail_without_memory(const struct table *table, vkclip_error *err)
{
    return report_fill(err, VKCLIP_ERROR_MEMORY, "%s: no memory to read it", table->path);
}

// ---- CSV -----------------------------------------------------------------------------------

// Where the reader is within a row. Behind the quote that closes a field, a second one makes both
// of them a quote in the field.
enum csv_place { CSV_FIELD_START, CSV_PLAIN, CSV_QUOTED, CSV_AFTER_QUOTE };

struct csv_row {
    enum csv_place place;
    size_t field_count; // that have ended
    bool is_blank;
};

// Adds a character that ends neither field nor row. Returns what is wrong with it, or NULL.
static const char *add_character(struct text *out, struct csv_row *row, char c)
{
    row->is_blank = false;
    if (c == '\0')
        return "has a zero byte";
    if (c == '"' && row->place == CSV_FIELD_START) {
        row->place = CSV_QUOTED;
        return NULL;
    }
    if (c == '"' && row->place == CSV_QUOTED) {
        row->place = CSV_AFTER_QUOTE;
        return NULL;
    }
    if (row->place == CSV_AFTER_QUOTE && c != '"')
        return "a field goes on behind its closing quote";
    row->place = row->place == CSV_AFTER_QUOTE || row->place == CSV_QUOTED ? CSV_QUOTED : CSV_PLAIN;
    text_add_bytes(out, &c, 1);
    return out->byte_count > ROW_BYTES_MOST ? "the row is longer than 1 MiB" : NULL;
}

static const char *end_field(struct text *out, struct csv_row *row)
{
    text_add_bytes(out, "", 1);
    row->place = CSV_FIELD_START;
    row->is_blank = false;
    return ++row->field_count > TABLE_MOST_FIELDS ? "has more than 1,024 fields" : NULL;
}

// The next character; the CR of CR LF is passed over where a row may end.
static int next_character(struct table *table, const struct csv_row *row)
{
    int c = getc(table->file);
    if (c == '\r' && row->place != CSV_QUOTED) {
        int next = getc(table->file);
        if (next == '\n')
            c = next;
        else if (next != EOF)
            ungetc(next, table->file);
    }
    table->next_line += c == '\n';
    return c;
}

// Reads the fields of a row, each ending in a zero byte; none at the end of the file.
static bool read_csv_row(struct table *table, struct text *out, size_t *field_count,
                         vkclip_error *err)
{
    struct csv_row row = {.is_blank = true};
    const char *fault = NULL;
    out->byte_count = 0;
    table->line = table->next_line;
    while (!fault && !out->is_out_of_memory) {
        int c = next_character(table, &row);
        bool is_end = c == EOF || (c == '\n' && row.place != CSV_QUOTED);
        if (is_end && row.is_blank && c == '\n') {
            table->line = table->next_line;
        } else if (is_end) {
            if (ferror(table->file))
                return fail_at_line(table, strerror(errno), err);
            if (row.place == CSV_QUOTED)
                return fail_at_line(table, "a quoted field has no end", err);
            fault = row.is_blank ? NULL : end_field(out, &row);
            break;
        } else if (c == ',' && row.place != CSV_QUOTED) {
            fault = end_field(out, &row);
        } else {
            fault = add_character(out, &row, (char)c);
        }
    }
    *field_count = row.field_count;
    if (out->is_out_of_memory)
        return fail_without_memory(table, err);
    return !fault || fail_at_line(table, fault, err);
}

static bool read_csv_names(struct table *table, vkclip_error *err)
{
    if (!read_csv_row(table, &table->names, &table->field_count, err))
        return false;
    if (table->field_count == 0)
        return report_fill(err, VKCLIP_ERROR_FILE, "%s: has no row of names", table->path);
    const char *name = table->names.bytes;
    for (size_t i = 0; i < table->field_count; i++, name += strlen(name) + 1) {
        table->fields[i] = (struct table_field){.name = name};
        const char *fault = table_check_name(table->fields, i);
        if (fault)
            return fail_at_line(table, fault, err);
    }
    return true;
}

static bool next_csv_row(struct table *table, bool *is_row, vkclip_error *err)
{
    size_t field_count;
    if (!read_csv_row(table, &table->row, &field_count, err))
        return false;
    *is_row = field_count > 0;
    if (!*is_row)
        return true;
    if (field_count != table->field_count)
        return report_fill(err, VKCLIP_ERROR_FILE, "%s: line %zu: has %zu fields, not %zu",
                           table->path, table->line, field_count, table->field_count);
    const char *field = table->row.bytes;
    for (size_t i = 0; i < field_count; i++, field += strlen(field) + 1)
        table->fields[i].text = field;
    return true;
}

// ---- JSON Lines ----------------------------------------------------------------------------

// Reads a line that is not blank; leaves row empty at the end of the file.
static bool read_line(struct table *table, vkclip_error *err)
{
    bool is_blank = true;
    struct text *row = &table->row;
    row->byte_count = 0;
    table->line = table->next_line;
    for (int c = getc(table->file); !row->is_out_of_memory; c = getc(table->file)) {
        table->next_line += c == '\n';
        if (c == '\n' && is_blank) {
            row->byte_count = 0;
            table->line = table->next_line;
            continue;
        }
        if (c == EOF || c == '\n')
            break;
        if (c == '\0')
            return fail_at_line(table, "has a zero byte", err);
        if (row->byte_count >= ROW_BYTES_MOST)
            return fail_at_line(table, "the row is longer than 1 MiB", err);
        is_blank = is_blank && (c == ' ' || c == '\t' || c == '\r');
        text_add_bytes(row, &(char){(char)c}, 1);
    }
    if (is_blank)
        row->byte_count = 0;
    if (row->is_out_of_memory)
        return fail_without_memory(table, err);
    return !ferror(table->file) || fail_at_line(table, strerror(errno), err);
}

static bool next_json_row(struct table *table, bool *is_row, vkclip_error *err)
{
    if (!read_line(table, err))
        return false;
    *is_row = table->row.byte_count > 0;
    if (!*is_row)
        return true;
    cJSON_Delete(table->json);
    table->json = NULL;
    const char *fault =
        table_read_object(table->row.bytes, table->fields, &table->field_count, &table->json);
    return !fault || fail_at_line(table, fault, err);
}

// ---- either --------------------------------------------------------------------------------

bool table_open(struct table *table, const char *path, vkclip_error *err)
{
    struct stat facts;
    *table = (struct table){
        .path = strdup(path),
        .fields = calloc(TABLE_MOST_FIELDS, sizeof *table->fields),
        .is_json = !has_ending(path, ".csv"),
        .next_line = 1,
    };
    if (!table->path || !table->fields) {
        report_fill(err, VKCLIP_ERROR_MEMORY, "%s: no memory to read it", path);
        goto failed;
    }
    // Before the file is opened: that of a FIFO would wait for a writer.
    bool is_there = stat(path, &facts) == 0;
    if (is_there && S_ISREG(facts.st_mode))
        table->file = fopen(path, "rb");
    if (!table->file) {
        report_fill(err, VKCLIP_ERROR_FILE, "%s: %s", path,
                    is_there && !S_ISREG(facts.st_mode) ? "is not a regular file"
                                                        : strerror(errno));
        goto failed;
    }
    char mark[3];
    if (fread(mark, 1, sizeof mark, table->file) != 3 || memcmp(mark, "\xef\xbb\xbf", 3) != 0)
        rewind(table->file);
    if (table->is_json || read_csv_names(table, err))
        return true;

failed:
    table_close(table);
    return false;
}

bool table_next(struct table *table, bool *is_row, vkclip_error *err)
{
    return table->is_json ? next_json_row(table, is_row, err) : next_csv_row(table, is_row, err);
}

const char *table_get(const struct table *table, const char *name)
{
    for (size_t i = 0; i < table->field_count; i++)
        if (strcmp(table->fields[i].name, name) == 0)
            return table->fields[i].text;
    return NULL;
}

void table_close(struct table *table)
{
    if (table->file)
        fclose(table->file);
    cJSON_Delete(table->json);
    text_finish(&table->names);
    text_finish(&table->row);
    free(table->fields);
    free(table->path);
    *table = (struct table){0};
}
