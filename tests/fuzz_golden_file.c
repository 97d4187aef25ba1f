// Any bytes as vkclip_golden.json: what is accepted has unit vectors and an input for each, a
// refusal has a message.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "golden_file.h"

enum { WIDTH = 3 };

#define FUZZ_CHECK(condition) \
    do {                      \
        if (!(condition))     \
            abort();          \
    } while (0)

static void check(const struct golden *golden)
{
    for (size_t i = 0; i < golden->count; i++) {
        const float *row = golden->embeddings + WIDTH * i;
        float squares = row[0] * row[0] + row[1] * row[1] + row[2] * row[2];
        FUZZ_CHECK(golden->inputs[i] && squares > 0.0f && isfinite(squares));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64];
    vkclip_error error = {0};
    struct golden_file golden;
    int file = memfd_create("fuzz", 0);
    FUZZ_CHECK(file >= 0 && pwrite(file, data, size, 0) == (ssize_t)size);
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    if (golden_file_open(&golden, path, WIDTH, &error)) {
        FUZZ_CHECK(golden.pictures.count + golden.texts.count > 0);
        check(&golden.pictures);
        check(&golden.texts);
    } else {
        FUZZ_CHECK(error.status != VKCLIP_OK && error.message[0] != '\0');
    }
    golden_file_close(&golden);
    close(file);
    return 0;
}
