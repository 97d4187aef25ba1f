// little_endian.h: numbers out of bytes at any alignment, the lowest byte first.
#ifndef VKCLIP_HOST_LITTLE_ENDIAN_H
#define VKCLIP_HOST_LITTLE_ENDIAN_H

#include <stdint.h>

static inline uint16_t get_u16(const uint8_t *bytes)
{
    return (uint16_t)(bytes[0] | bytes[1] << 8);
}

static inline uint32_t get_u32(const uint8_t *bytes)
{
    return get_u16(bytes) | (uint32_t)get_u16(bytes + 2) << 16;
}

static inline uint64_t get_u64(const uint8_t *bytes)
{
    return get_u32(bytes) | (uint64_t)get_u32(bytes + 4) << 32;
}

#endif
