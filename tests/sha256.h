// sha256.h: the checksum of bytes in memory, to compare with published ones.
#ifndef VKCLIP_TEST_SHA256_H
#define VKCLIP_TEST_SHA256_H

#include "base/sha256.h"

static inline void sha256_hex(const uint8_t *bytes, size_t byte_count, char hex[SHA256_HEX_BYTES])
{
    struct sha256 sha;
    sha256_init(&sha);
    sha256_add(&sha, bytes, byte_count);
    sha256_finish(&sha, hex);
}

#endif
