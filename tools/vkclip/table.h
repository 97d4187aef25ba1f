// table.h: reads tables row by row in bounded memory: CSV files (RFC 4180, with a row of names
// first) and JSON Lines files (an object a line).
//
// Which of the two a file is, its name tells: it ends in .csv, or in .jsonl or .ndjson. UTF-8, with
// or without a byte order mark; values, but not names, may be other bytes. Blank lines are skipped.
// A row is at most 1 MiB and has at most 1,024 fields, of different names.
#ifndef VKCLIP_TABLE_H
#define VKCLIP_TABLE_H

#include <stddef.h>
#include <stdio.h>

#include "text.h"
#include "vkclip.h"

#define TABLE_MOST_FIELDS 1024

struct table_field {
    const char *name; // UTF-8; may be empty
    const char *text; // what a CSV field or a JSON string says; any other JSON value as it stands
    const char *json; // of JSON Lines, the value as it stands in the file; NULL in CSV
};

struct table {
    // The row that was read last; its strings last until the next is read.
    struct table_field *fields; // [field_count]
    size_t field_count;
    size_t line; // where it begins, from 1 on

    char *path;
    FILE *file;
    bool is_json;
    size_t next_line;
    struct text names;  // of a CSV file, one zero-terminated string after the other
    struct text row;    // the same of its fields; a line as it stands in a JSON Lines file
    struct cJSON *json; // the object of that line
};

// Whether the name of a file says that it is a table.
bool table_is_named(const char *path);

// Opens a table and reads the names of a CSV file. Fails with VKCLIP_ERROR_FILE, naming file and
// line, or VKCLIP_ERROR_MEMORY.
bool table_open(struct table *table, const char *path, vkclip_error *err);

// Reads the next row. *is_row is false at the end. Fails as table_open does.
bool table_next(struct table *table, bool *is_row, vkclip_error *err);

// The text of the field of that name, or NULL where the row has none or, in JSON Lines, null.
const char *table_get(const struct table *table, const char *name);

// Accepts a zeroed or half-open table.
void table_close(struct table *table);

// What is wrong with the name of field index, which comes after others, or NULL.
const char *table_check_name(const struct table_field *fields, size_t index);

// table_json.c: the fields of a JSON object, as of a row.
//
//   json    zero-terminated; the fields point into it, and it is changed
//   fields  [TABLE_MOST_FIELDS] caller's
//   object  receives what else fields point into, for cJSON_Delete
//
// Returns what is wrong, or NULL.
const char *table_read_object(char *json, struct table_field *fields, size_t *field_count,
                              struct cJSON **object);

#endif
