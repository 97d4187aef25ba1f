#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

// A cut in the middle of a UTF-8 sequence would make the message invalid where it is printed.
static void drop_partial_character(char *text)
{
    size_t end = strlen(text);
    size_t start = end;
    while (start > 0 && ((unsigned char)text[start - 1] & 0xc0) == 0x80)
        start--;
    if (start == 0)
        return;
    unsigned char lead = (unsigned char)text[start - 1];
    size_t wanted = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
    if (end - (start - 1) < wanted)
        text[start - 1] = '\0';
}

void error_set(vkclip_error *err, vkclip_status status, const char *format, ...)
{
    if (!err)
        return;
    err->status = status;

    va_list arguments;
    va_start(arguments, format);
    int wanted = vsnprintf(err->message, sizeof err->message, format, arguments);
    va_end(arguments);

    if (wanted >= (int)sizeof err->message)
        drop_partial_character(err->message);
    for (char *c = err->message; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = '?';
}
