// base64.h: bytes as text and back (RFC 4648, section 4), for what JSON cannot hold as it is.
#ifndef VKCLIP_BASE64_H
#define VKCLIP_BASE64_H

#include "text.h"

void text_add_base64(struct text *text, const void *bytes, size_t byte_count);

// Adds the bytes that a text stands for. Returns false where it stands for none, or for a zero
// byte.
bool text_add_from_base64(struct text *text, const char *base64);

#endif
