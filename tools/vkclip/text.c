#include "text.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REPLACEMENT "\xef\xbf\xbd" // U+FFFD

void text_finish(struct text *text)
{
    free(text->bytes);
    *text = (struct text){0};
}

// Makes room for byte_count more bytes and the final zero.
static bool reserve(struct text *text, size_t byte_count)
{
    if (text->is_out_of_memory)
        return false;
    if (byte_count < text->capacity_bytes - text->byte_count)
        return true;

    size_t capacity = text->capacity_bytes ? text->capacity_bytes : 256;
    while (capacity - text->byte_count <= byte_count) {
        if (capacity > SIZE_MAX / 2) {
            text->is_out_of_memory = true;
            return false;
        }
        capacity *= 2;
    }
    char *bytes = realloc(text->bytes, capacity);
    if (!bytes) {
        text->is_out_of_memory = true;
        return false;
    }
    text->bytes = bytes;
    text->capacity_bytes = capacity;
    return true;
}

void text_add_bytes(struct text *text, const char *bytes, size_t byte_count)
{
    if (!reserve(text, byte_count))
        return;
    memcpy(text->bytes + text->byte_count, bytes, byte_count);
    text->byte_count += byte_count;
    text->bytes[text->byte_count] = '\0';
}

void text_add(struct text *text, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int wanted = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (wanted < 0 || !reserve(text, (size_t)wanted))
        return;

    va_start(arguments, format);
    vsnprintf(text->bytes + text->byte_count, (size_t)wanted + 1, format, arguments);
    va_end(arguments);
    text->byte_count += (size_t)wanted;
}

// Measures the UTF-8 sequence at bytes, which is not the end of its string. An invalid one is
// as long as its part that could have begun a character.
// Source: Unicode 15, table 3-7 and "substitution of maximal subparts".
static size_t sequence_bytes(const char *bytes, bool *is_valid)
{
    const unsigned char *s = (const unsigned char *)bytes;
    *is_valid = s[0] < 0x80;
    if (s[0] < 0xc2 || s[0] > 0xf4)
        return 1;

    size_t wanted = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
    unsigned char least = s[0] == 0xe0 ? 0xa0 : s[0] == 0xf0 ? 0x90 : 0x80;
    unsigned char most = s[0] == 0xed ? 0x9f : s[0] == 0xf4 ? 0x8f : 0xbf;
    for (size_t i = 1; i < wanted; i++) {
        if (s[i] < least || s[i] > most)
            return i;
        least = 0x80;
        most = 0xbf;
    }
    *is_valid = true;
    return wanted;
}

static bool is_control(char c)
{
    return (unsigned char)c < 0x20 || c == 0x7f;
}

static void add_json_character(struct text *text, const char *bytes, size_t byte_count)
{
    switch (*bytes) {
    case '"':
        text_add_bytes(text, "\\\"", 2);
        break;
    case '\\':
        text_add_bytes(text, "\\\\", 2);
        break;
    case '\n':
        text_add_bytes(text, "\\n", 2);
        break;
    case '\t':
        text_add_bytes(text, "\\t", 2);
        break;
    default:
        if (is_control(*bytes))
            text_add(text, "\\u%04x", (unsigned)*bytes);
        else
            text_add_bytes(text, bytes, byte_count);
    }
}

void text_add_json(struct text *text, const char *string)
{
    text_add_bytes(text, "\"", 1);
    while (*string) {
        bool is_valid;
        size_t byte_count = sequence_bytes(string, &is_valid);
        if (is_valid)
            add_json_character(text, string, byte_count);
        else
            text_add_bytes(text, REPLACEMENT, 3);
        string += byte_count;
    }
    text_add_bytes(text, "\"", 1);
}

void text_add_csv(struct text *text, const char *string)
{
    bool is_quoted = string[strcspn(string, "\",\r\n")] != '\0';
    if (is_quoted)
        text_add_bytes(text, "\"", 1);
    while (*string) {
        bool is_valid;
        size_t byte_count = sequence_bytes(string, &is_valid);
        if (*string == '"')
            text_add_bytes(text, "\"\"", 2);
        else if (is_valid)
            text_add_bytes(text, string, byte_count);
        else
            text_add_bytes(text, REPLACEMENT, 3);
        string += byte_count;
    }
    if (is_quoted)
        text_add_bytes(text, "\"", 1);
}

// U+0080 to U+009F are control characters too.
static bool is_late_control(const char *bytes, size_t byte_count)
{
    return byte_count == 2 && *bytes == (char)0xc2 && (unsigned char)bytes[1] < 0xa0;
}

static void add_html_character(struct text *text, const char *bytes, size_t byte_count)
{
    // What ends a tag, a value in either quotes, or begins one or a character reference.
    if (*bytes == '&' || *bytes == '<' || *bytes == '>' || *bytes == '"' || *bytes == '\'')
        text_add(text, "&#%d;", *bytes);
    else if (*bytes == 0x7f)
        text_add_bytes(text, "\xe2\x90\xa1", 3); // U+2421
    else if (is_control(*bytes))
        text_add_bytes(text, (const char[]){'\xe2', '\x90', (char)(0x80 + *bytes)}, 3);
    else if (is_late_control(bytes, byte_count))
        text_add_bytes(text, REPLACEMENT, 3);
    else
        text_add_bytes(text, bytes, byte_count);
}

void text_add_html(struct text *text, const char *string)
{
    while (*string) {
        bool is_valid;
        size_t byte_count = sequence_bytes(string, &is_valid);
        if (is_valid)
            add_html_character(text, string, byte_count);
        else
            text_add_bytes(text, REPLACEMENT, 3);
        string += byte_count;
    }
}

void text_add_plain(struct text *text, const char *string)
{
    while (*string) {
        bool is_valid;
        size_t byte_count = sequence_bytes(string, &is_valid);
        if (is_control(*string) || (is_valid && is_late_control(string, byte_count)))
            text_add_bytes(text, "?", 1);
        else if (is_valid)
            text_add_bytes(text, string, byte_count);
        else
            text_add_bytes(text, REPLACEMENT, 3);
        string += byte_count;
    }
}

void text_add_padded(struct text *text, const char *string, size_t width)
{
    text_add_plain(text, string);
    for (size_t i = text_width(string); i < width; i++)
        text_add_bytes(text, " ", 1);
}

bool text_is_utf8(const char *string)
{
    bool is_valid = true;
    while (*string && is_valid)
        string += sequence_bytes(string, &is_valid);
    return is_valid;
}

size_t text_width(const char *string)
{
    size_t width = 0;
    bool is_valid;
    for (; *string; string += sequence_bytes(string, &is_valid))
        width++;
    return width;
}
