// glob.h: patterns of file names.
#ifndef VKCLIP_GLOB_H
#define VKCLIP_GLOB_H

#include <stdbool.h>

// Whether a pattern fits the whole of a text: * is anything but a slash, ** anything, ? one
// character but a slash, [a-z] and [!a-z] one of some bytes, a backslash makes the next character
// plain. A bracket without end is plain. Takes time in proportion to the product of their lengths.
bool glob_matches(const char *pattern, const char *text);

#endif
