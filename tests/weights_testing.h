// weights_testing.h: bytes into a file, the file into weights_open, and what it should say.
#ifndef VKCLIP_WEIGHTS_TESTING_H
#define VKCLIP_WEIGHTS_TESTING_H

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/weights.h"
#include "test.h"
#include "torch_writer.h"

struct scratch_file {
    char path[64];
};

static inline void scratch_init(struct scratch_file *scratch, const void *content, size_t count)
{
    strcpy(scratch->path, "/tmp/vkclip_test_XXXXXX");
    int file = mkstemp(scratch->path);
    assert_true(file >= 0);
    assert_int_equal(write(file, content, (unsigned)count), (ssize_t)count);
    close(file);
}

static inline void scratch_finish(struct scratch_file *scratch)
{
    unlink(scratch->path);
}

// The message must name the file and hold `why`.
static inline void expect_refused(const void *content, size_t count, const char *why)
{
    struct scratch_file scratch;
    struct weights weights;
    vkclip_error error = {0};
    scratch_init(&scratch, content, count);
    bool is_open = weights_open(&weights, scratch.path, &error);
    weights_close(&weights);
    scratch_finish(&scratch);
    if (is_open || !strstr(error.message, why))
        print_error("'%s' wanted, got: %s\n", why, is_open ? "accepted" : error.message);
    assert_false(is_open);
    assert_int_equal(error.status, VKCLIP_ERROR_FILE);
    assert_non_null(strstr(error.message, why));
    assert_non_null(strstr(error.message, scratch.path));
}

static inline void open_bytes(struct weights *weights, const void *content, size_t count)
{
    struct scratch_file scratch;
    vkclip_error error = {0};
    scratch_init(&scratch, content, count);
    bool is_open = weights_open(weights, scratch.path, &error);
    scratch_finish(&scratch);
    if (!is_open)
        print_error("%s\n", error.message);
    assert_true(is_open);
}

// Reads a whole tensor of at most 16 floats.
static inline void expect_values(const struct weights *weights, const char *name,
                                 const float *wanted, size_t count)
{
    float values[16];
    vkclip_error error = {0};
    const struct weight *weight = weights_find(weights, name);
    assert_non_null(weight);
    assert_int_equal(weight->element_count, count);
    assert_true(weights_read_f32(weights, weight, 0, count, values, &error));
    assert_memory_equal(values, wanted, count * sizeof *values);
}

// What archives hold in data/0, and how it lies there.
static const float storage[6] = {1.0f, 2.0f, 3.0f, 4.0f, 5.0f, 6.0f};
static const uint8_t stored[] = {0, 0, 0x80, 0x3f, 0, 0, 0,    0x40, 0, 0, 0x40, 0x40,
                                 0, 0, 0x80, 0x40, 0, 0, 0xa0, 0x40, 0, 0, 0xc0, 0x40};

// [2, 3] over the whole storage.
static const struct pickle_tensor matrix = {
    .type = "FloatStorage",
    .key = "0",
    .stored_count = 6,
    .rank = 2,
    .shape = {2, 3},
    .strides = {3, 1},
};

static inline void expect_archive_refused(struct archive *archive, const char *why)
{
    expect_refused(archive->file.at, archive->file.count, why);
    archive_finish(archive);
}

static inline void expect_pickle_refused(struct bytes *pickle, const char *why)
{
    struct archive archive = {0};
    archive_whole(&archive, pickle, storage, sizeof storage);
    bytes_finish(pickle);
    expect_archive_refused(&archive, why);
}

#endif
