// entities.h: HTML character references, by the rules of Python's html.unescape() and ftfy.
#ifndef VKCLIP_HOST_ENTITIES_H
#define VKCLIP_HOST_ENTITIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ENTITY_LONGEST_NAME 31 // CounterClockwiseContourIntegral, without ampersand and semicolon

struct entity {
    const char *name;  // without ampersand and semicolon
    int32_t points[2]; // the second is 0 where there is only one
    bool is_bare;      // may stand without a semicolon
};

// Finds a name, or NULL.
const struct entity *entity_find(const int32_t *name, size_t length);

// Finds the longest name without semicolon that text begins with, or NULL.
const struct entity *entity_find_bare(const int32_t *text, size_t count, size_t *length);

// Reads the number of a reference, text being what follows "&#": digits, or x and hexadecimal
// digits. Returns how many points it takes, 0 when there is no number; a value that does not
// fit saturates.
size_t entity_number(const int32_t *text, size_t count, uint32_t *number);

// The character of a number: 0x80..0x9f mean windows-1252, what is no character is U+FFFD, and
// -1 says that nothing is to be written.
int32_t entity_character(uint32_t number);

// The character that a C1 control is taken for: windows-1252, where it assigns the byte.
int32_t entity_windows_1252(int32_t point);

#endif
