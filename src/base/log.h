// log.h: one line to the callback the caller gave, or nowhere.
#ifndef VKCLIP_BASE_LOG_H
#define VKCLIP_BASE_LOG_H

#include "vkclip.h"

#define LOG_LINE_BYTES 1024

// Writes one line; log and log->write may be NULL. Control characters become '?', and what goes
// beyond LOG_LINE_BYTES is cut.
__attribute__((format(printf, 3, 4))) void log_line(const vkclip_log *log, vkclip_log_level level,
                                                    const char *format, ...);

#endif
