#include "html.h"

#include <stdarg.h>
#include <stdio.h>

// What comes from outside is isolated, so that letters which turn the direction of writing turn
// nothing but themselves.
static const char style[] =
    ":root{color-scheme:light dark}"
    "body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:76rem;padding:0 1rem}"
    "h1{font-size:1.5rem}h2{font-size:1.2rem;margin:2.5rem 0 .5rem}"
    "h1,h2,p,td,th,.line,.missing{unicode-bidi:isolate;overflow-wrap:anywhere}"
    "p{margin:.25rem 0}.remark{color:GrayText}"
    "table{border-collapse:collapse;margin:.75rem 0}"
    "th,td{padding:.2rem .6rem;border-bottom:1px solid #8885;text-align:left}"
    ".number{text-align:right;font-variant-numeric:tabular-nums}"
    "tr.highlighted{background:#fc04}"
    ".pictures{display:flex;flex-wrap:wrap;gap:1rem;margin:.75rem 0}"
    "figure{margin:0;width:14rem}"
    "figure img,.missing{display:block;width:100%;aspect-ratio:1;border-radius:.25rem}"
    ".missing{box-sizing:border-box;padding:1rem;border:2px dashed #888;overflow:hidden}"
    ".line{font-size:.875rem;max-height:4.5em;overflow:hidden}"
    "img+.line,.missing+.line{font-weight:600;margin-top:.25rem}"
    "@media print{body{margin:0;max-width:none}figure,tr{break-inside:avoid}}";

void html_begin(struct text *page, const char *title)
{
    text_add(page,
             "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
             "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
             "img-src data:; style-src 'unsafe-inline'\">\n"
             "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>");
    text_add_html(page, title);
    text_add(page, "</title>\n<style>%s</style>\n</head>\n<body>\n<h1>", style);
    text_add_html(page, title);
    text_add(page, "</h1>\n");
}

void html_end(struct text *page)
{
    text_add(page, "</body>\n</html>\n");
}

void html_begin_section(struct text *page, const char *heading, const char *remark)
{
    text_add(page, "<section>\n<h2>");
    text_add_html(page, heading);
    text_add(page, "</h2>\n");
    if (!remark)
        return;
    text_add(page, "<p class=\"remark\">");
    text_add_html(page, remark);
    text_add(page, "</p>\n");
}

void html_end_section(struct text *page)
{
    text_add(page, "</section>\n");
}

// ---- tables ----------------------------------------------------------------------------------

void html_begin_table(struct text *page, const char *const *heads, size_t count)
{
    text_add(page, "<table>\n<tr>");
    for (size_t i = 0; i < count; i++) {
        text_add(page, "<th>");
        text_add_html(page, heads[i]);
        text_add(page, "</th>");
    }
    text_add(page, "</tr>\n");
}

void html_end_table(struct text *page)
{
    text_add(page, "</table>\n");
}

void html_begin_row(struct text *page, bool is_highlighted)
{
    text_add(page, is_highlighted ? "<tr class=\"highlighted\">" : "<tr>");
}

void html_end_row(struct text *page)
{
    text_add(page, "</tr>\n");
}

void html_add_cell(struct text *page, const char *string)
{
    text_add(page, "<td>");
    text_add_html(page, string);
    text_add(page, "</td>");
}

void html_add_number(struct text *page, const char *format, ...)
{
    char number[64];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(number, sizeof number, format, arguments);
    va_end(arguments);
    text_add(page, "<td class=\"number\">");
    text_add_html(page, number);
    text_add(page, "</td>");
}

// ---- pictures --------------------------------------------------------------------------------

void html_begin_pictures(struct text *page)
{
    text_add(page, "<div class=\"pictures\">\n");
}

void html_end_pictures(struct text *page)
{
    text_add(page, "</div>\n");
}

void html_begin_picture(struct text *page)
{
    text_add(page, "<figure>");
}

void html_end_picture(struct text *page)
{
    text_add(page, "</figure>\n");
}

void html_add_line(struct text *page, const char *string)
{
    text_add(page, "<div class=\"line\">");
    text_add_html(page, string);
    text_add(page, "</div>");
}
