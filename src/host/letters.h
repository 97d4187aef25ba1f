// letters.h: what Python and its regex module take for letters, numbers and small letters. The
// character data are utf8proc's.
#ifndef VKCLIP_HOST_LETTERS_H
#define VKCLIP_HOST_LETTERS_H

#include "host/unicode.h"

bool letters_is_letter(int32_t point); // \p{L}
bool letters_is_number(int32_t point); // \p{N}

// Appends a text in small letters as Python's str.lower() gives them: of single points only the
// capital I with a dot becomes two, and a sigma that ends a word is the final one.
void letters_lower(const struct points *text, struct points *lower);

#endif
