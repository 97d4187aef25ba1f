#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>

void log_line(const vkclip_log *log, vkclip_log_level level, const char *format, ...)
{
    if (!log || !log->write)
        return;

    char line[LOG_LINE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);

    for (char *c = line; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = '?';
    log->write(log->user, level, line);
}
