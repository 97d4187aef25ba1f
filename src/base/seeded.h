// seeded.h: numbers that are a function of their place, so that they need not be kept anywhere.
//
// All arithmetic is on 32-bit unsigned integers; tools/reference/make_goldens.py computes the same:
//
//   mix(h)      h ^= h >> 16; h *= 0x85EBCA6B; h ^= h >> 13; h *= 0xC2B2AE35; h ^= h >> 16
//   key(t)      mix(SEED + 0x9E3779B9 * t), of stream t
//   word(t, i)  mix(key(t) + 0x9E3779B9 * i)
//   unit(t, i)  (word >> 8) * 2^-23 - 1, in [-1, 1), exact in a float
#ifndef VKCLIP_BASE_SEEDED_H
#define VKCLIP_BASE_SEEDED_H

#include <stdint.h>

#define SEEDED_SEED         0x76C11Bu
#define SEEDED_GOLDEN_RATIO 0x9E3779B9u

// Finalizer of MurmurHash3 (public domain).
static inline uint32_t seeded_mix(uint32_t word)
{
    word ^= word >> 16;
    word *= 0x85EBCA6Bu;
    word ^= word >> 13;
    word *= 0xC2B2AE35u;
    return word ^ word >> 16;
}

static inline uint32_t seeded_key(uint32_t stream)
{
    return seeded_mix(SEEDED_SEED + SEEDED_GOLDEN_RATIO * stream);
}

static inline uint32_t seeded_word(uint32_t key, uint32_t i)
{
    return seeded_mix(key + SEEDED_GOLDEN_RATIO * i);
}

// 24 bits: signed integers of them become floats in one instruction.
static inline float seeded_unit(uint32_t key, uint32_t i)
{
    return (float)(int32_t)(seeded_word(key, i) >> 8) * 0x1p-23f - 1.0f;
}

#endif
