// options.h: reads a command line by a table, and prints that table as --help.
#ifndef VKCLIP_OPTIONS_H
#define VKCLIP_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "command.h"

// Strings of the command line, or lines of a file.
struct string_list {
    const char **items;
    size_t count, capacity;
    char *storage; // what items point into, where the list owns it
};

bool string_list_add(struct string_list *list, const char *item);
void string_list_finish(struct string_list *list);

// Reads the lines of a file, "-" being standard input: LF or CRLF, a byte order mark is
// skipped, and so are blank lines. Reports what is wrong and returns false.
bool string_list_read(struct string_list *list, const char *path);

// One option. Exactly one of flag, string, list and number says where its value goes; only a
// list may be given more than once.
struct option {
    const char *name;     // without the dashes
    char letter;          // 0: none; the first option's where two have the same
    const char *argument; // what help calls the value; NULL for a flag
    const char *help;     // one line
    bool *flag;
    const char **string;
    struct string_list *list;
    uint32_t *number;
    uint32_t least, most;       // of a number
    const char *const *choices; // words ending in NULL; number receives the index
};

// Reads options, which may stand between operands; "--" ends them. Every value is strict.
//
//   count      of arguments; receives the number of operands
//   arguments  receives the operands at its start
//
// Returns false when the command ends here with *status: a wrong line was reported, or --help
// or --version was answered.
bool options_parse(const struct command *command, const struct option *options, size_t option_count,
                   int *count, char **arguments, enum exit_status *status);

// Reports a wrong command line, with where to read more. Returns STATUS_USAGE.
__attribute__((format(printf, 2, 3))) enum exit_status options_refuse(const struct command *command,
                                                                      const char *format, ...);

// Whether -o was given, and names a file: "-" would mean standard output to many, and a result
// appears whole or not at all. Reports what is wrong.
bool options_check_output(const struct command *command, const char *output);

#define COUNT(array) (sizeof(array) / sizeof *(array))

#endif
