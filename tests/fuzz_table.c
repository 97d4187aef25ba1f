// Any bytes as a table, CSV or JSON Lines by their first byte: rows have names that differ, in CSV
// as many fields as names, in JSON Lines values that cJSON takes; a refusal has a message.
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "table.h"

#define FUZZ_CHECK(condition) \
    do {                      \
        if (!(condition))     \
            abort();          \
    } while (0)

static void check_row(const struct table *table)
{
    for (size_t i = 0; i < table->field_count; i++) {
        const struct table_field *field = &table->fields[i];
        FUZZ_CHECK(text_is_utf8(field->name));
        FUZZ_CHECK(table_get(table, field->name) == field->text);
        FUZZ_CHECK((field->json != NULL) == table->is_json);
        if (!field->json)
            continue;
        cJSON *value = cJSON_ParseWithLengthOpts(field->json, strlen(field->json) + 1, NULL, true);
        FUZZ_CHECK(value && (field->text != NULL || cJSON_IsNull(value)));
        cJSON_Delete(value);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64], name[64];
    vkclip_error error = {0};
    struct table table;
    if (size == 0)
        return 0;
    int file = memfd_create("fuzz", 0);
    FUZZ_CHECK(file >= 0 && pwrite(file, data + 1, size - 1, 0) == (ssize_t)(size - 1));
    // The name of the file says what it is.
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    snprintf(name, sizeof name, "/tmp/vkclip-fuzz-%ld.%s", (long)getpid(),
             data[0] & 1 ? "csv" : "jsonl");
    unlink(name);
    FUZZ_CHECK(symlink(path, name) == 0);

    bool is_row = true, is_fine = table_open(&table, name, &error);
    const size_t column_count = is_fine ? table.field_count : 0;
    while (is_fine && is_row) {
        is_fine = table_next(&table, &is_row, &error);
        if (is_fine && is_row)
            check_row(&table);
        FUZZ_CHECK(table.is_json || table.field_count == column_count);
    }
    FUZZ_CHECK(is_fine || (error.status != VKCLIP_OK && error.message[0] != '\0'));
    table_close(&table);
    unlink(name);
    close(file);
    return 0;
}
