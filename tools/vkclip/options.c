#include "options.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "output.h"
#include "report.h"
#include "text.h"
#include "vkclip.h"

enum { OPTIONS_MOST = 32 };

enum exit_status options_refuse(const struct command *command, const char *format, ...)
{
    char message[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    report_error("%s", message);
    report_remark("usage: vkclip %s %s", command->name, command->usage);
    report_remark("       vkclip %s --help tells more", command->name);
    return STATUS_USAGE;
}

// A letter is the first option's that has it: 'ask' has another use for -q.
static bool is_letter_taken(const struct option *options, const struct option *option)
{
    for (; options < option; options++)
        if (options->letter == option->letter)
            return true;
    return false;
}

static enum exit_status print_help(const struct command *command, const struct option *options,
                                   size_t option_count)
{
    struct text help = {0};
    text_add(&help, "usage: vkclip %s %s\n\n%s\n\noptions:\n", command->name, command->usage,
             command->summary);
    for (size_t i = 0; i <= option_count; i++) {
        static const struct option help_option = {.name = "help", .help = "print this text"};
        const struct option *option = i < option_count ? &options[i] : &help_option;
        char letter[] = {'-', option->letter, ',', '\0'};
        char name[64];
        snprintf(name, sizeof name, "--%s %s", option->name,
                 option->argument ? option->argument : "");
        bool has_letter = option->letter && !is_letter_taken(options, option);
        text_add(&help, "  %3s %-21s %s\n", has_letter ? letter : "", name, option->help);
    }
    if (command->notes)
        text_add(&help, "\n%s", command->notes);
    text_add(&help, "\nexamples:\n%s", command->examples);
    output_write(&help);
    return STATUS_FINE;
}

// Digits only: no sign, no blank, no fraction, no exponent.
static bool parse_number(const char *text, uint32_t least, uint32_t most, uint32_t *number)
{
    uint64_t value = 0;
    if (!*text)
        return false;
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return false;
        value = value * 10 + (uint64_t)(*text - '0');
        if (value > most)
            return false;
    }
    *number = (uint32_t)value;
    return value >= least;
}

static bool set_choice(const struct command *command, const struct option *option,
                       const char *value)
{
    struct text words = {0};
    for (uint32_t i = 0; option->choices[i]; i++) {
        if (strcmp(value, option->choices[i]) == 0) {
            *option->number = i;
            text_finish(&words);
            return true;
        }
        text_add(&words, "%s%s", i ? ", " : "", option->choices[i]);
    }
    options_refuse(command, "--%s %s: choose one of %s", option->name, value,
                   words.bytes ? words.bytes : "");
    text_finish(&words);
    return false;
}

static bool set_value(const struct command *command, const struct option *option, const char *value)
{
    if (option->string) {
        *option->string = value;
        return true;
    }
    if (option->list) {
        if (string_list_add(option->list, value))
            return true;
        report_out_of_memory();
        return false;
    }
    if (option->choices)
        return set_choice(command, option, value);
    if (parse_number(value, option->least, option->most, option->number))
        return true;
    options_refuse(command, "--%s %s: want a number from %u to %u", option->name, value,
                   option->least, option->most);
    return false;
}

// Finds the option an argument names, "--name", "--name=value", "-x" or "-xvalue", and the
// value that is written with it, if any.
static const struct option *find_option(const struct option *options, size_t option_count,
                                        const char *argument, const char **value)
{
    bool is_long = argument[1] == '-';
    size_t length = is_long ? strcspn(argument + 2, "=") : 1;
    const char *rest = argument + (is_long ? 2 : 1) + length;
    *value = *rest == '\0' ? NULL : is_long ? rest + 1 : rest;

    for (size_t i = 0; i < option_count; i++) {
        bool is_named = is_long ? strlen(options[i].name) == length &&
                                      memcmp(options[i].name, argument + 2, length) == 0
                                : options[i].letter == argument[1];
        if (is_named)
            return &options[i];
    }
    return NULL;
}

// Handles the option at arguments[*i]; takes the next argument when that is its value.
static bool parse_option(const struct command *command, const struct option *options,
                         size_t option_count, bool *is_given, int *i, int count, char **arguments)
{
    const char *argument = arguments[*i];
    const char *value;
    const struct option *option = find_option(options, option_count, argument, &value);
    if (!option) {
        options_refuse(command, "unknown option '%s'", argument);
        return false;
    }
    if (is_given[option - options] && !option->list) {
        options_refuse(command, "--%s is given twice", option->name);
        return false;
    }
    is_given[option - options] = true;

    if (option->flag) {
        if (value) {
            options_refuse(command, "--%s takes no value", option->name);
            return false;
        }
        *option->flag = true;
        return true;
    }
    if (!value && *i + 1 == count) {
        options_refuse(command, "--%s needs a value: %s", option->name, option->argument);
        return false;
    }
    return set_value(command, option, value ? value : arguments[++*i]);
}

bool options_parse(const struct command *command, const struct option *options, size_t option_count,
                   int *count, char **arguments, enum exit_status *status)
{
    bool is_given[OPTIONS_MOST] = {false};
    bool is_over = false; // "--" was seen
    int operand_count = 0;
    *status = STATUS_FINE;

    for (int i = 0; i < *count; i++) {
        char *argument = arguments[i];
        // A lone "-" is an operand.
        if (is_over || argument[0] != '-' || argument[1] == '\0') {
            arguments[operand_count++] = argument;
        } else if (strcmp(argument, "--") == 0) {
            is_over = true;
        } else if (strcmp(argument, "--help") == 0 || strcmp(argument, "-h") == 0) {
            *status = print_help(command, options, option_count);
            return false;
        } else if (strcmp(argument, "--version") == 0) {
            *status = output_version();
            return false;
        } else if (!parse_option(command, options, option_count, is_given, &i, *count, arguments)) {
            *status = STATUS_USAGE;
            return false;
        }
    }
    *count = operand_count;
    return true;
}

bool options_check_output(const struct command *command, const char *output)
{
    if (!output)
        options_refuse(command, "no output file is given: -o OUT.npy");
    else if (strcmp(output, "-") == 0)
        options_refuse(command, "-o - is not possible; ./- is a file of that name");
    else
        return true;
    return false;
}
