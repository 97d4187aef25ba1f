// quantize.h: a row of numbers as 8-bit integers and their scale, by arithmetic that every compiler
// does alike.
#ifndef VKCLIP_BASE_QUANTIZE_H
#define VKCLIP_BASE_QUANTIZE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/half.h"

// Writes words of four integers, the first in the lowest bits, a stride apart; of values beyond
// the last of count, zeros. Returns the scale: the largest value over 127. A row that is not finite
// gets such a scale, so that what is computed with it is not finite either; a row below 1e-30 is
// zeros.
static inline float quantize_row(const float *values, uint32_t count, uint32_t *words,
                                 uint32_t stride)
{
    // Floats without their sign are in the order of their bits, and NaN is above them all.
    const uint32_t infinite = 0x7f800000;
    uint32_t most = 0;
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t bits = float_to_bits(values[i]) & 0x7fffffff;
        most = bits > most ? bits : most;
    }
    const float largest = float_from_bits(most);
    const bool is_zero = most >= infinite || largest <= 1e-30f;
    const float factor = is_zero ? 0.0f : 127.0f / largest;
    // 2^23 + 2^22: a sum with it has no fraction, is rounded to even, and ends in the integer.
    const float whole = 12582912.0f;
    for (uint32_t k = 0; k < count; k += 4) {
        uint32_t word = 0;
        for (uint32_t i = 0; i < 4 && k + i < count && !is_zero; i++)
            word |= (float_to_bits(values[k + i] * factor + whole) & 0xff) << 8 * i;
        words[(size_t)(k / 4) * stride] = word;
    }
    return largest * (1.0f / 127.0f);
}

#endif
