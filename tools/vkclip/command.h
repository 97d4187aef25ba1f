// command.h: what a subcommand is. Each lives in the file of its name.
#ifndef VKCLIP_COMMAND_H
#define VKCLIP_COMMAND_H

enum exit_status {
    STATUS_FINE = 0,
    STATUS_INPUT = 1,    // some input failed, or an output could not be written
    STATUS_USAGE = 2,    // the command line is wrong
    STATUS_UNUSABLE = 3, // no usable device or model
    STATUS_LOST = 4,     // the device was lost
};

struct command {
    const char *name;     // as it is typed: "embed image"
    const char *usage;    // what follows the name
    const char *summary;  // one line
    const char *notes;    // after the options in --help; may be NULL
    const char *examples; // one a line, each ends in a newline
    // arguments does not include the name and is reordered by options_parse.
    enum exit_status (*run)(const struct command *command, int argument_count, char **arguments);
};

extern const struct command devices_command, info_command, classify_command, embed_image_command,
    embed_text_command, tokenize_command, preprocess_command, bench_command, verify_command,
    tune_command, ask_command, eval_classify_command, eval_probe_command, eval_retrieval_command,
    index_command, index_merge_command, search_command;

#endif
