// random.h: numbers that look random and are a function of a seed: SplitMix64.
// Source: Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (2014).
#ifndef VKCLIP_RANDOM_H
#define VKCLIP_RANDOM_H

#include <stdint.h>

// A generator is its state, which starts as the seed. Returns a number below count, from the upper
// half w of the next word: (w * count) >> 32.
static inline uint32_t random_below(uint64_t *state, uint32_t count)
{
    uint64_t word = *state += 0x9e3779b97f4a7c15u;
    word = (word ^ word >> 30) * 0xbf58476d1ce4e5b9u;
    word = (word ^ word >> 27) * 0x94d049bb133111ebu;
    word ^= word >> 31;
    return (uint32_t)((word >> 32) * count >> 32);
}

#endif
