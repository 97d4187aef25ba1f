// bpe_file.h: the small vocabulary of tests/golden/bpe, whole or changed on purpose.
#ifndef VKCLIP_BPE_FILE_H
#define VKCLIP_BPE_FILE_H

#include "test.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/bpe.h"

#define GOLDEN "tests/golden/bpe/"

static char first_name[] = "/tmp/vkclip-bpe-XXXXXX", second_name[] = "/tmp/vkclip-merges-XXXXXX";

static inline void write_file(const char *path, const char *bytes, size_t byte_count)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, byte_count, file), byte_count);
    assert_int_equal(fclose(file), 0);
}

// The text of a file; free() it.
static inline char *read_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        fail_msg("%s is missing", path);
    fseek(file, 0, SEEK_END);
    size_t byte_count = (size_t)ftell(file);
    rewind(file);
    char *text = malloc(byte_count + 1);
    assert_non_null(text);
    assert_int_equal(fread(text, 1, byte_count, file), byte_count);
    text[byte_count] = 0;
    fclose(file);
    return text;
}

// Copies a text with one place in it replaced.
static inline void write_replaced(const char *path, const char *text, const char *old_part,
                                  const char *new_part)
{
    const char *at = strstr(text, old_part);
    if (!at)
        fail_msg("no '%s' to replace", old_part);
    size_t byte_count = strlen(text) - strlen(old_part) + strlen(new_part);
    char *changed = malloc(byte_count + 1);
    assert_non_null(changed);
    snprintf(changed, byte_count + 1, "%.*s%s%s", (int)(at - text), text, new_part,
             at + strlen(old_part));
    write_file(path, changed, byte_count);
    free(changed);
}

static inline struct bpe *open_bpe(const char *path, const char *merges_path)
{
    vkclip_error err = {0};
    struct bpe *bpe = bpe_create(path, merges_path, &err);
    assert_string_equal(err.message, "");
    assert_non_null(bpe);
    return bpe;
}

static inline int make_files(void **state)
{
    (void)state;
    int first = mkstemp(first_name), second = mkstemp(second_name);
    return first < 0 || second < 0 || close(first) || close(second) ? -1 : 0;
}

static inline int remove_files(void **state)
{
    (void)state;
    return unlink(first_name) || unlink(second_name) ? -1 : 0;
}

#endif
