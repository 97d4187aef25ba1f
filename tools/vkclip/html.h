// html.h: a report as one page that needs nothing else: no other file, no network, no script. It
// follows the reader's choice of light or dark, and prints.
//
//   html_begin        head, and the title as heading
//     html_begin_section ... html_end_section
//       html_begin_table, rows of html_begin_row and html_add_cell, html_end_table
//       html_begin_pictures, html_begin_picture ... html_end_picture, html_end_pictures
//   html_end
//
// What is not made here is added by text_add, around text_add_html for whatever comes from outside.
// A page may be written piece by piece: nothing looks back.
#ifndef VKCLIP_HTML_H
#define VKCLIP_HTML_H

#include "text.h"

// The page may hold pictures as data: and styles, drawings in SVG included; browsers refuse to
// load or run anything else (Content-Security-Policy).
void html_begin(struct text *page, const char *title);
void html_end(struct text *page);

// remark: a line below the heading; NULL for none.
void html_begin_section(struct text *page, const char *heading, const char *remark);
void html_end_section(struct text *page);

// A table; heads name its columns. A cell that is a number stands to the right. A row is
// highlighted where it is the one that matters.
void html_begin_table(struct text *page, const char *const *heads, size_t count);
void html_end_table(struct text *page);
void html_begin_row(struct text *page, bool is_highlighted);
void html_end_row(struct text *page);
void html_add_cell(struct text *page, const char *string);
__attribute__((format(printf, 2, 3))) void html_add_number(struct text *page, const char *format,
                                                           ...);

// Pictures side by side, in as many rows as it takes: each a thumbnail (thumbnail.h) and lines of
// caption below it. The first line is in bold; later ones are cut where they are long.
void html_begin_pictures(struct text *page);
void html_end_pictures(struct text *page);
void html_begin_picture(struct text *page);
void html_end_picture(struct text *page);
void html_add_line(struct text *page, const char *string);

#endif
