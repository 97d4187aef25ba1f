// sha256.h: SHA-256, to tell files apart by what is published of them. Nothing secret passes here.
#ifndef VKCLIP_BASE_SHA256_H
#define VKCLIP_BASE_SHA256_H

#include <stddef.h>
#include <stdint.h>

struct sha256 {
    uint32_t state[8];
    uint64_t byte_count;
    uint8_t block[64]; // its first byte_count % 64 bytes wait for the rest
};

#define SHA256_HEX_BYTES 65 // digits and a zero

void sha256_init(struct sha256 *sha);
void sha256_add(struct sha256 *sha, const void *bytes, size_t byte_count);

// Writes 64 hexadecimal digits and a zero. Nothing may be added afterwards.
void sha256_finish(struct sha256 *sha, char hex[SHA256_HEX_BYTES]);

#endif
