// fuzz_weights.h: opens bytes as a weights file and checks what every reader promises.
#ifndef VKCLIP_FUZZ_WEIGHTS_H
#define VKCLIP_FUZZ_WEIGHTS_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "host/weights.h"

#define FUZZ_CHECK(condition) \
    do {                      \
        if (!(condition))     \
            abort();          \
    } while (0)

static const uint64_t fuzz_type_bytes[WEIGHT_TYPE_COUNT] = {4, 2, 2, 8, 8, 4, 2, 1, 1, 1};

static inline void fuzz_check_list(const struct weights *weights)
{
    FUZZ_CHECK(weights->count > 0);
    for (uint32_t i = 0; i < weights->count; i++) {
        const struct weight *weight = &weights->items[i];
        uint64_t count = 1;
        for (uint32_t axis = 0; axis < weight->rank; axis++)
            FUZZ_CHECK(!__builtin_mul_overflow(count, weight->shape[axis], &count));
        FUZZ_CHECK(count == weight->element_count);
        FUZZ_CHECK(weight->offset_bytes <= weights->file_bytes);
        FUZZ_CHECK(count <=
                   (weights->file_bytes - weight->offset_bytes) / fuzz_type_bytes[weight->type]);
        FUZZ_CHECK(weight->name[0] != '\0');
        FUZZ_CHECK(weights_find(weights, weight->name) == weight);

        float values[4];
        char text[32];
        weight_describe(weight, text, sizeof text);
        if (weight->type <= WEIGHT_F64)
            FUZZ_CHECK(weights_read_f32(weights, weight, 0, count < 4 ? count : 4, values, NULL));
    }
}

static inline void fuzz_open(const uint8_t *data, size_t size)
{
    static int file = -1;
    if (file < 0)
        file = memfd_create("fuzz", 0);
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    FUZZ_CHECK(ftruncate(file, 0) == 0 && pwrite(file, data, size, 0) == (ssize_t)size);

    struct weights weights;
    vkclip_error error = {0};
    if (weights_open(&weights, path, &error))
        fuzz_check_list(&weights);
    else
        FUZZ_CHECK(error.status != VKCLIP_OK && error.message[0] != '\0');
    weights_close(&weights);
}

#endif
