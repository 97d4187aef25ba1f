// text_clean.h: what open_clip does to a text before the tokenizer sees it: ftfy.fix_text, then
// html.unescape twice, then strip and collapse whitespace.
//
// Left out of ftfy: the repair of mojibake ("schÃ¶n" for "schön"), a statistical guess that needs
// tables of its own. Everything else is there.
// Source: open_clip tokenizer.py, _clean_whitespace(); ftfy 6.3 __init__.py and fixes.py; Python
// 3.11 html/__init__.py.
#ifndef VKCLIP_HOST_TEXT_CLEAN_H
#define VKCLIP_HOST_TEXT_CLEAN_H

#include "host/unicode.h"

// Carries what one line of a text leaves for the next. Start from zero.
struct text_cleaner {
    bool keeps_entities; // a '<' was seen: ftfy then takes the rest for real HTML
    struct points raw, spare;
};

void text_cleaner_finish(struct text_cleaner *cleaner);

// Cleans one line of a text, the '\n' that ends it included, if there is one. ftfy works line by
// line, and no entity crosses a line, so that the lines together are the cleaned text, but for
// the spaces between them.
//
//   line   [byte_count] any bytes; invalid UTF-8 becomes U+FFFD
//   clean  the result; what it held is lost. is_broken when memory ran out
//
// Time is linear in byte_count, also where entities hide entities.
void text_clean_line(struct text_cleaner *cleaner, const char *line, size_t byte_count,
                     struct points *clean);

#endif
