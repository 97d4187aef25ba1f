// text.h: text that grows, and the ways the program writes strings and numbers. Nothing here
// depends on the locale: the program never calls setlocale, so printf writes a point.
#ifndef VKCLIP_TEXT_H
#define VKCLIP_TEXT_H

#include <stdbool.h>
#include <stddef.h>

struct text {
    char *bytes; // ends in a zero byte; NULL while empty
    size_t byte_count, capacity_bytes;
    bool is_out_of_memory; // then nothing more is added
};

void text_finish(struct text *text);

void text_add_bytes(struct text *text, const char *bytes, size_t byte_count);

__attribute__((format(printf, 2, 3))) void text_add(struct text *text, const char *format, ...);

// Adds a JSON string with its quotes; invalid UTF-8 becomes U+FFFD.
void text_add_json(struct text *text, const char *string);

// Adds a field of RFC 4180, quoted where it has to be; invalid UTF-8 becomes U+FFFD.
void text_add_csv(struct text *text, const char *string);

// Adds a string to a page of HTML, between tags or as an attribute's value in quotes: what has a
// meaning there is escaped, invalid UTF-8 becomes U+FFFD, control characters their pictures
// (U+2400 and on).
void text_add_html(struct text *text, const char *string);

// Adds a string for people: control characters, which a terminal would obey, become '?'.
void text_add_plain(struct text *text, const char *string);

// The same, filled with blanks up to width characters.
void text_add_padded(struct text *text, const char *string, size_t width);

bool text_is_utf8(const char *string);

// Characters in a string, an invalid byte sequence being one.
size_t text_width(const char *string);

#endif
