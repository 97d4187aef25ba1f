#include "host/entities.h"

#include <string.h>

#include "host/unicode.h"

// clang-format off
static const struct entity entities[] = {
#include "host/entities.inc"
};
// clang-format on

#define ENTITY_COUNT (sizeof entities / sizeof *entities)

static int compare_name(const int32_t *name, size_t length, const char *with)
{
    for (size_t i = 0; i < length; i++) {
        int32_t other = (unsigned char)with[i];
        if (name[i] != other) // also where `with` ends, since a name holds no zero
            return name[i] < other ? -1 : 1;
    }
    return with[length] ? -1 : 0;
}

const struct entity *entity_find(const int32_t *name, size_t length)
{
    size_t low = 0, high = ENTITY_COUNT;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare_name(name, length, entities[middle].name);
        if (order == 0)
            return &entities[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

const struct entity *entity_find_bare(const int32_t *text, size_t count, size_t *length)
{
    // "Aacute" and "frac12": no name that may lack its semicolon is longer.
    for (*length = count < 6 ? count : 6; *length >= 2; --*length) {
        const struct entity *entity = entity_find(text, *length);
        if (entity && entity->is_bare)
            return entity;
    }
    return NULL;
}

static int digit_value(int32_t point)
{
    if (point >= '0' && point <= '9')
        return point - '0';
    if (point >= 'a' && point <= 'f')
        return point - 'a' + 10;
    if (point >= 'A' && point <= 'F')
        return point - 'A' + 10;
    return 16;
}

size_t entity_number(const int32_t *text, size_t count, uint32_t *number)
{
    bool is_hexadecimal = count > 0 && (text[0] == 'x' || text[0] == 'X');
    uint32_t base = is_hexadecimal ? 16 : 10;
    size_t first = is_hexadecimal ? 1 : 0, i = first;
    *number = 0;
    for (; i < count && (uint32_t)digit_value(text[i]) < base; i++)
        if (*number <= 0x10ffff)
            *number = *number * base + (uint32_t)digit_value(text[i]);
    return i > first ? i : 0;
}

int32_t entity_windows_1252(int32_t point)
{
    static const int32_t meant[32] = {
        0x20ac, 0x81,   0x201a, 0x192,  0x201e, 0x2026, 0x2020, 0x2021, 0x2c6,  0x2030, 0x160,
        0x2039, 0x152,  0x8d,   0x17d,  0x8f,   0x90,   0x2018, 0x2019, 0x201c, 0x201d, 0x2022,
        0x2013, 0x2014, 0x2dc,  0x2122, 0x161,  0x203a, 0x153,  0x9d,   0x17e,  0x178,
    };
    return point >= 0x80 && point <= 0x9f ? meant[point - 0x80] : point;
}

int32_t entity_character(uint32_t number)
{
    if (number == 0 || number > 0x10ffff || (number >= 0xd800 && number <= 0xdfff))
        return REPLACEMENT_POINT;
    bool is_control =
        number <= 8 || number == 0xb || (number >= 0xe && number <= 0x1f) || number == 0x7f;
    bool is_no_character = (number >= 0xfdd0 && number <= 0xfdef) || (number & 0xfffe) == 0xfffe;
    if (is_control || is_no_character)
        return -1;
    return entity_windows_1252((int32_t)number);
}
