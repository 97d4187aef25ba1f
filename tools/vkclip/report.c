#include "report.h"

#include <stdarg.h>
#include <stdio.h>

#include "progress.h"
#include "text.h"

static struct report_settings settings;

void report_init(struct report_settings wanted)
{
    settings = wanted;
    progress_init(!wanted.is_quiet);
}

static void write_line(const char *prefix, const char *message)
{
    struct text line = {0};
    text_add_plain(&line, message);
    progress_hide();
    fprintf(stderr, "%s%s\n", prefix, line.bytes ? line.bytes : "");
    text_finish(&line);
}

static void write_formatted(const char *prefix, const char *format, va_list arguments)
{
    char message[4096 + 512]; // the longest file name and a sentence
    vsnprintf(message, sizeof message, format, arguments);
    write_line(prefix, message);
}

void report_error(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    write_formatted("error: ", format, arguments);
    va_end(arguments);
}

void report_hint(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    write_formatted("hint: ", format, arguments);
    va_end(arguments);
}

void report_remark(const char *format, ...)
{
    if (settings.is_quiet)
        return;
    va_list arguments;
    va_start(arguments, format);
    write_formatted("", format, arguments);
    va_end(arguments);
}

enum exit_status report_failure(const vkclip_error *err)
{
    report_error("%s", err->message);
    switch (err->status) {
    case VKCLIP_ERROR_ARGUMENT:
        return STATUS_USAGE;
    case VKCLIP_ERROR_LOST:
        return STATUS_LOST;
    default:
        return STATUS_UNUSABLE;
    }
}

enum exit_status report_out_of_memory(void)
{
    report_error("out of memory");
    return STATUS_UNUSABLE;
}

bool report_fill(vkclip_error *err, vkclip_status status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    err->status = status;
    vsnprintf(err->message, sizeof err->message, format, arguments);
    va_end(arguments);
    return false;
}

static void write_log(void *user, vkclip_log_level level, const char *message)
{
    (void)user;
    if (level == VKCLIP_LOG_ERROR)
        write_line("  ", message);
    else if (level == VKCLIP_LOG_WARNING && !settings.is_quiet)
        write_line("warning: ", message);
    else if (level > VKCLIP_LOG_WARNING && settings.is_verbose)
        write_line("", message);
}

const vkclip_log report_log = {.write = write_log};
