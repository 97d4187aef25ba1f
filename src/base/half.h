// half.h: IEEE half precision and bfloat16 to float and back, by integer arithmetic alone, so
// that every compiler gives the same bits.
#ifndef VKCLIP_BASE_HALF_H
#define VKCLIP_BASE_HALF_H

#include <stdint.h>
#include <string.h>

static inline float float_from_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline uint32_t float_to_bits(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static inline float bf16_to_float(uint16_t bits)
{
    return float_from_bits((uint32_t)bits << 16);
}

static inline float half_to_float(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000) << 16;
    uint32_t rest = half & 0x7fff;
    if (rest >= 0x7c00) // infinity, NaN
        return float_from_bits(sign | 0x7f800000 | (rest & 0x3ff) << 13);
    if (rest >= 0x0400)
        return float_from_bits(sign | ((rest << 13) + 0x38000000));
    // Subnormal: rest * 2^-24, exact in a float.
    float magnitude = (float)rest * 0x1p-24f;
    return sign ? -magnitude : magnitude;
}

// Rounds to nearest, ties to even; beyond 65504 gives infinity.
static inline uint16_t half_from_float(float value)
{
    uint32_t bits = float_to_bits(value);
    uint16_t sign = (uint16_t)(bits >> 16 & 0x8000);
    uint32_t rest = bits & 0x7fffffff;
    if (rest >= 0x47800000) // 2^16 and more, infinity, NaN
        return (uint16_t)(sign | (rest > 0x7f800000 ? 0x7e00 : 0x7c00));
    if (rest >= 0x38800000) { // normal: at least 2^-14
        uint32_t rounded = rest + 0xfff + (rest >> 13 & 1);
        return (uint16_t)(sign | (rounded - 0x38000000) >> 13);
    }
    // Subnormal: adding 0.5 puts the units of 2^-24 into the lowest mantissa bits, rounded.
    float shifted = float_from_bits(rest) + 0.5f;
    return (uint16_t)(sign | (float_to_bits(shifted) - 0x3f000000));
}

#endif
