#include "base64.h"

#include <stdint.h>
#include <string.h>

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void text_add_base64(struct text *text, const void *bytes, size_t byte_count)
{
    const uint8_t *at = bytes;
    for (; byte_count > 0; at += 3, byte_count -= byte_count < 3 ? byte_count : 3) {
        uint32_t bits = (uint32_t)at[0] << 16 | (byte_count > 1 ? (uint32_t)at[1] << 8 : 0) |
                        (byte_count > 2 ? at[2] : 0);
        const char quad[4] = {
            letters[bits >> 18],
            letters[bits >> 12 & 63],
            byte_count > 1 ? letters[bits >> 6 & 63] : '=',
            byte_count > 2 ? letters[bits & 63] : '=',
        };
        text_add_bytes(text, quad, sizeof quad);
    }
}

bool text_add_from_base64(struct text *text, const char *base64)
{
    size_t length = strspn(base64, letters), padding = strspn(base64 + length, "=");
    if ((length + padding) % 4 != 0 || padding > 2 || base64[length + padding] != '\0')
        return false;
    uint32_t bits = 0;
    for (size_t i = 0; i < length; i++) {
        bits = bits << 6 | (uint32_t)(strchr(letters, base64[i]) - letters);
        // Each letter but the first of four completes a byte.
        if (i % 4 == 0)
            continue;
        char byte = (char)(bits >> (6 - 2 * (i % 4)));
        if (byte == '\0')
            return false;
        text_add_bytes(text, &byte, 1);
    }
    return true;
}
