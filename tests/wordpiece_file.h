// wordpiece_file.h: vocabularies written by a test, and the comparison of ids.
#ifndef VKCLIP_WORDPIECE_FILE_H
#define VKCLIP_WORDPIECE_FILE_H

#include "test.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/wordpiece.h"

static char file_name[] = "/tmp/vkclip-wordpiece-XXXXXX";

static inline void write_file(const char *bytes, size_t byte_count)
{
    FILE *file = fopen(file_name, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, byte_count, file), byte_count);
    assert_int_equal(fclose(file), 0);
}

static inline struct wordpiece *read_bytes(const char *bytes, size_t byte_count)
{
    write_file(bytes, byte_count);
    vkclip_error err = {0};
    struct wordpiece *wordpiece = wordpiece_create(file_name, true, &err);
    assert_string_equal(err.message, "");
    assert_non_null(wordpiece);
    return wordpiece;
}

static inline void check_bytes(const struct wordpiece *wordpiece, const char *text,
                               size_t byte_count, const int32_t *want, uint32_t want_count)
{
    int32_t ids[256];
    uint32_t count;
    assert_true(wordpiece_encode(wordpiece, text, byte_count, 256, ids, &count, NULL));
    bool is_same = count == want_count && memcmp(ids, want, count * sizeof *ids) == 0;
    if (!is_same) {
        print_error("'%.60s' gives", text);
        for (uint32_t i = 0; i < count; i++)
            print_error(" %d", ids[i]);
        print_error("\n");
    }
    assert_true(is_same);
}

#define CHECK(wordpiece, text, ...)                                            \
    check_bytes(wordpiece, text, strlen(text), (const int32_t[]){__VA_ARGS__}, \
                (uint32_t)COUNT(((const int32_t[]){__VA_ARGS__})))

static inline int make_file(void **state)
{
    (void)state;
    int file = mkstemp(file_name);
    return file < 0 ? -1 : close(file);
}

static inline int remove_file(void **state)
{
    (void)state;
    return unlink(file_name);
}

#endif
