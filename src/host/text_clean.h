// text_clean.h: what open_clip does to a text before the tokenizer sees it: ftfy.fix_text, then
// html.unescape twice, then strip and collapse whitespace.
//
// Source: open_clip tokenizer.py, _clean_whitespace(); ftfy 6.3 __init__.py and fixes.py; Python
// 3.11 html/__init__.py.
#ifndef VKCLIP_HOST_TEXT_CLEAN_H
#define VKCLIP_HOST_TEXT_CLEAN_H

#include "host/unicode.h"

// Carries what one line of a text leaves for the next.
struct text_cleaner {
    bool keeps_entities; // a '<' was seen: ftfy then takes the rest for real HTML
    size_t budget;       // points that may yet be looked at, over and over
    struct points raw, text, before, spare;
};

void text_cleaner_init(struct text_cleaner *cleaner);
void text_cleaner_finish(struct text_cleaner *cleaner);

// Cleans one line of a text, the '\n' that ends it included, if there is one. ftfy works line by
// line, so that the lines together are the cleaned text, but for the spaces between them. Where a
// repair takes the line end away, the next line belongs to the same.
//
//   text   [byte_count] any bytes, at least one; invalid UTF-8 becomes U+FFFD
//   clean  the result; what it held is lost. is_broken when memory ran out
//
// Returns how many bytes of the text it has cleaned. Time is linear in them, also where entities
// hide entities: what would need more rounds than text_clean.c allows is left as it is then.
size_t text_clean_line(struct text_cleaner *cleaner, const char *text, size_t byte_count,
                       struct points *clean);

#endif
