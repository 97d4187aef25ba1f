// folder.h: a folder of a test's own, and files in it.
#ifndef VKCLIP_TESTS_FOLDER_H
#define VKCLIP_TESTS_FOLDER_H

#include "test.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef _WIN32
#include <direct.h>
#endif

static char folder[64] = "/tmp/vkclip-test-XXXXXX";
static char path[128]; // of the file that was written last

static inline int make_folder(void **state)
{
    (void)state;
#ifdef _WIN32
    assert_non_null(_mktemp(folder));
    assert_int_equal(_mkdir(folder), 0);
#else
    assert_non_null(mkdtemp(folder));
#endif
    return 0;
}

static inline int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

static inline void write_file(const char *name, const void *bytes, size_t byte_count)
{
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, byte_count, file), byte_count);
    assert_int_equal(fclose(file), 0);
}

#endif
