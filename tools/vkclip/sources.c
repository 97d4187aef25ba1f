#include "sources.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "platform.h"
#include "report.h"

enum { LINE_BYTES_MOST = 1 << 20 };

// As zlib's crc32() has it (ISO 3309): any language has it at hand to tell which shard a path is
// in.
static uint32_t crc32_of(const char *string)
{
    uint32_t crc = 0xffffffff;
    for (; *string; string++) {
        crc ^= (unsigned char)*string;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
    }
    return ~crc;
}

static bool is_in_shard(const struct source_rules *rules, const char *path)
{
    return rules->shards <= 1 || crc32_of(path) % rules->shards == rules->shard - 1;
}

// ---- what a path leads to ------------------------------------------------------------------

// Writes a time as RFC 3339 has it. What no calendar has room for becomes the epoch.
static void format_time(char text[40], time_t seconds, uint32_t nanoseconds)
{
    const time_t epoch = 0;
    const struct tm *tm = gmtime(&seconds);
    char date[28];
    size_t length = strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", tm ? tm : gmtime(&epoch));
    snprintf(text, 40, "%.*s.%09uZ", (int)length, date, nanoseconds);
}

static void look_at_file(struct source *source)
{
    struct stat facts;
    if (source->reason)
        return;
    if (stat(source->path, &facts) != 0) {
        source->reason = strerror(errno);
    } else if (!S_ISREG(facts.st_mode)) {
        source->reason = S_ISDIR(facts.st_mode) ? "is a directory" : "is not a regular file";
    } else {
        source->size_bytes = (uint64_t)facts.st_size;
        format_time(source->modified, facts.st_mtime, platform_modified_ns(&facts));
    }
}

// ---- each kind -----------------------------------------------------------------------------

static bool fail_without_memory(vkclip_error *err)
{
    return report_fill(err, VKCLIP_ERROR_MEMORY, "out of memory");
}

// Reads a line of the list that is not blank.
static bool next_of_list(struct sources *sources, bool *is_there, vkclip_error *err)
{
    struct text *line = &sources->line;
    const int separator = sources->rules->list_has_zeros ? '\0' : '\n';
    *is_there = false;
    while (!*is_there) {
        int c;
        line->byte_count = 0;
        for (c = getc(stdin); c != EOF && c != separator; c = getc(stdin)) {
            if (c == '\0' || line->byte_count >= LINE_BYTES_MOST)
                return report_fill(err, VKCLIP_ERROR_FILE, "standard input: line %zu: %s",
                                   sources->line_number + 1,
                                   c ? "is longer than 1 MiB" : "has a zero byte");
            text_add_bytes(line, &(char){(char)c}, 1);
        }
        if (c == EOF && ferror(stdin))
            return report_fill(err, VKCLIP_ERROR_FILE, "standard input: %s", strerror(errno));
        if (line->is_out_of_memory)
            return fail_without_memory(err);
        sources->line_number++;
        if (separator == '\n' && line->byte_count > 0 && line->bytes[line->byte_count - 1] == '\r')
            line->bytes[--line->byte_count] = '\0';
        *is_there = line->byte_count > 0;
        if (c == EOF)
            break;
    }
    return true;
}

static bool next_of_table(struct sources *sources, struct source *source, bool *is_there,
                          vkclip_error *err)
{
    struct table *table = &sources->table;
    if (!table_next(table, is_there, err))
        return false;
    if (!*is_there)
        return true;
    source->table = table;
    source->path_column = sources->rules->path_column;
    source->path = table_get(table, sources->rules->path_column);
    if (source->path && source->path[0])
        return true;
    return report_fill(err, VKCLIP_ERROR_FILE, "%s: line %zu: has no '%s'%s", table->path,
                       table->line, sources->rules->path_column,
                       source->path ? "" : "; --path-column names another");
}

static bool next_of_folder(struct sources *sources, struct source *source, bool *is_there,
                           vkclip_error *err)
{
    enum walk_step step = walk_next(&sources->walk);
    if (step == WALK_NO_MEMORY)
        return fail_without_memory(err);
    source->path = sources->walk.path.bytes;
    source->reason = step == WALK_UNREADABLE ? strerror(errno) : NULL;
    *is_there = step != WALK_END;
    return true;
}

// Ends what is read, and begins with the next operand. A single file is all of its operand.
static bool open_next(struct sources *sources, struct source *source, bool *is_there,
                      vkclip_error *err)
{
    const char *operand = sources->operands[sources->next_operand++];
    struct stat facts;
    *is_there = false;
    if (strcmp(operand, "-") == 0) {
        sources->kind = SOURCE_LIST;
        return true;
    }
    if (stat(operand, &facts) != 0)
        return report_fill(err, VKCLIP_ERROR_FILE, "%s: %s", operand, strerror(errno));
    if (S_ISDIR(facts.st_mode)) {
        sources->kind = SOURCE_FOLDER;
        walk_begin(&sources->walk, operand, &sources->rules->walk);
        return true;
    }
    if (table_is_named(operand)) {
        sources->kind = SOURCE_TABLE;
        return table_open(&sources->table, operand, err);
    }
    *source = (struct source){.path = operand};
    *is_there = true;
    return true;
}

static void close_current(struct sources *sources)
{
    if (sources->kind == SOURCE_TABLE)
        table_close(&sources->table);
    if (sources->kind == SOURCE_FOLDER) {
        sources->skipped_count += sources->walk.skipped_count;
        walk_end(&sources->walk);
    }
    sources->kind = SOURCE_NONE;
}

static bool next_of_current(struct sources *sources, struct source *source, bool *is_there,
                            vkclip_error *err)
{
    *source = (struct source){0};
    switch (sources->kind) {
    case SOURCE_LIST:
        if (!next_of_list(sources, is_there, err))
            return false;
        source->path = sources->line.bytes;
        return true;
    case SOURCE_TABLE:
        return next_of_table(sources, source, is_there, err);
    case SOURCE_FOLDER:
        return next_of_folder(sources, source, is_there, err);
    case SOURCE_NONE:
        break;
    }
    *is_there = false;
    return true;
}

// ---- all of them ---------------------------------------------------------------------------

void sources_begin(struct sources *sources, const struct source_rules *rules, char *const *operands,
                   size_t operand_count)
{
    *sources = (struct sources){
        .rules = rules,
        .operands = operands,
        .operand_count = operand_count,
    };
}

bool sources_next(struct sources *sources, struct source *source, bool *is_there, vkclip_error *err)
{
    for (;;) {
        if (!next_of_current(sources, source, is_there, err))
            return false;
        if (!*is_there) {
            close_current(sources);
            if (sources->next_operand == sources->operand_count)
                return true;
            if (!open_next(sources, source, is_there, err))
                return false;
        }
        if (!*is_there || !is_in_shard(sources->rules, source->path))
            continue;
        if (!sources->only_counts)
            look_at_file(source);
        return true;
    }
}

bool sources_count(const struct source_rules *rules, char *const *operands, size_t operand_count,
                   size_t *count, vkclip_error *err)
{
    struct sources sources;
    struct source source;
    bool is_there = true, is_fine = true;
    *count = 0;
    for (size_t i = 0; i < operand_count; i++)
        if (strcmp(operands[i], "-") == 0)
            return true;
    sources_begin(&sources, rules, operands, operand_count);
    sources.only_counts = true;
    while (is_fine && is_there) {
        is_fine = sources_next(&sources, &source, &is_there, err);
        *count += is_fine && is_there;
    }
    sources_end(&sources);
    return is_fine;
}

void sources_end(struct sources *sources)
{
    close_current(sources);
    text_finish(&sources->line);
}
