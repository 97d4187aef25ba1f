// report.h: what the program says on standard error, and what it exits with.
#ifndef VKCLIP_REPORT_H
#define VKCLIP_REPORT_H

#include <stdbool.h>

#include "command.h"
#include "vkclip.h"

struct report_settings {
    bool is_quiet;   // -q: no warnings, no remarks, no progress
    bool is_verbose; // -v: what the library does
};

// Set once the command line is read. A program has one standard error, hence one state.
void report_init(struct report_settings settings);

// Each writes one line with control characters as '?': "error: ...", "hint: ..." and, for
// remarks, which -q silences, the text alone.
__attribute__((format(printf, 1, 2))) void report_error(const char *format, ...);
__attribute__((format(printf, 1, 2))) void report_hint(const char *format, ...);
__attribute__((format(printf, 1, 2))) void report_remark(const char *format, ...);

// Writes the error that ends the program and returns what to exit with.
enum exit_status report_failure(const vkclip_error *err);
enum exit_status report_out_of_memory(void);

// Fills an error as the library does, for the program's own. Returns false.
__attribute__((format(printf, 3, 4))) bool report_fill(vkclip_error *err, vkclip_status status,
                                                       const char *format, ...);

// Where the library's messages go.
extern const vkclip_log report_log;

#endif
