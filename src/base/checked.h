// checked.h: sizes that come from files are multiplied and added here, or not at all.
#ifndef VKCLIP_BASE_CHECKED_H
#define VKCLIP_BASE_CHECKED_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

static inline bool checked_add(uint64_t a, uint64_t b, uint64_t *sum)
{
    return !__builtin_add_overflow(a, b, sum);
}

static inline bool checked_mul(uint64_t a, uint64_t b, uint64_t *product)
{
    return !__builtin_mul_overflow(a, b, product);
}

// NULL for what no 32-bit program has either.
static inline void *checked_malloc(uint64_t size_bytes)
{
    return size_bytes <= SIZE_MAX ? malloc((size_t)size_bytes) : NULL;
}

#endif
