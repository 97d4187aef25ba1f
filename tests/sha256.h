// sha256.h: FIPS 180-4, to compare with published hashes.
#ifndef VKCLIP_TEST_SHA256_H
#define VKCLIP_TEST_SHA256_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static inline uint32_t sha256_turn(uint32_t x, int n)
{
    return x >> n | x << (32 - n);
}

// The first 32 bits of the fraction of a root: cube roots give the round constants, square roots
// the initial state. A long double holds 8 integer and 32 fraction bits with room to spare.
static inline uint32_t sha256_fraction(long double root)
{
    return (uint32_t)((root - floorl(root)) * 4294967296.0L);
}

static inline void sha256_constants(uint32_t rounds[64], uint32_t state[8])
{
    int count = 0;
    for (int n = 2; count < 64; n++) {
        int divisor = 2;
        while (divisor * divisor <= n && n % divisor != 0)
            divisor++;
        if (divisor * divisor <= n)
            continue;
        if (count < 8)
            state[count] = sha256_fraction(sqrtl((long double)n));
        rounds[count++] = sha256_fraction(cbrtl((long double)n));
    }
}

static inline void sha256_block(const uint32_t rounds[64], uint32_t state[8], const uint8_t *block)
{
    uint32_t w[64], s[8];
    for (int i = 0; i < 16; i++)
        w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 |
               (uint32_t)block[4 * i + 2] << 8 | block[4 * i + 3];
    for (int i = 16; i < 64; i++)
        w[i] = w[i - 16] + w[i - 7] +
               (sha256_turn(w[i - 15], 7) ^ sha256_turn(w[i - 15], 18) ^ w[i - 15] >> 3) +
               (sha256_turn(w[i - 2], 17) ^ sha256_turn(w[i - 2], 19) ^ w[i - 2] >> 10);
    memcpy(s, state, sizeof s);
    for (int i = 0; i < 64; i++) {
        uint32_t sum1 = sha256_turn(s[4], 6) ^ sha256_turn(s[4], 11) ^ sha256_turn(s[4], 25);
        uint32_t sum0 = sha256_turn(s[0], 2) ^ sha256_turn(s[0], 13) ^ sha256_turn(s[0], 22);
        uint32_t t1 = s[7] + sum1 + ((s[4] & s[5]) ^ (~s[4] & s[6])) + rounds[i] + w[i];
        uint32_t t2 = sum0 + ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
        memmove(s + 1, s, 7 * sizeof *s);
        s[0] = t1 + t2;
        s[4] += t1;
    }
    for (int i = 0; i < 8; i++)
        state[i] += s[i];
}

// Writes 64 hexadecimal digits and a zero.
static inline void sha256_hex(const uint8_t *bytes, size_t byte_count, char hex[65])
{
    uint32_t rounds[64], state[8];
    sha256_constants(rounds, state);
    size_t at = 0;
    for (; byte_count - at >= 64; at += 64)
        sha256_block(rounds, state, bytes + at);
    uint8_t tail[128] = {0};
    size_t left = byte_count - at, tail_bytes = left < 56 ? 64 : 128;
    memcpy(tail, bytes + at, left);
    tail[left] = 0x80;
    for (size_t i = 0; i < 8; i++)
        tail[tail_bytes - 1 - i] = (uint8_t)((uint64_t)byte_count * 8 >> (8 * i));
    for (size_t i = 0; i < tail_bytes; i += 64)
        sha256_block(rounds, state, tail + i);
    for (int i = 0; i < 8; i++)
        snprintf(hex + 8 * i, 9, "%08x", state[i]);
}

#endif
