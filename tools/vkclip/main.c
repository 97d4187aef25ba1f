// main.c: picks the subcommand.
#include <string.h>

#include "command.h"
#include "options.h"
#include "output.h"
#include "report.h"
#include "solver.h"
#include "text.h"

// As help lists them; one of two words comes before that of the first word alone.
static const struct command *const commands[] = {
    &classify_command,       &ask_command,        &embed_image_command, &embed_text_command,
    &index_merge_command,    &index_command,      &search_command,      &eval_classify_command,
    &eval_retrieval_command, &eval_probe_command, &tokenize_command,    &preprocess_command,
    &info_command,           &devices_command,    &verify_command,      &tune_command,
    &bench_command,
};

static enum exit_status print_help(void)
{
    struct text help = {0};
    text_add(&help, "usage: vkclip COMMAND [options] ...\n\n"
                    "Runs BiomedCLIP, and models of its layout, on any Vulkan device.\n\n"
                    "commands:\n");
    for (size_t i = 0; i < COUNT(commands); i++)
        text_add(&help, "  %-14s %s\n", commands[i]->name, commands[i]->summary);
    text_add(&help, "\n'vkclip COMMAND --help' tells more; 'vkclip --version' prints the version.\n"
                    "\n"
                    "exit status: 0 fine, 1 some input failed or an output could not be written,\n"
                    "2 wrong command line, 3 no usable device or model, 4 the device was lost\n"
                    "\n"
                    "examples:\n"
                    "  vkclip devices\n"
                    "  vkclip classify -m tools/demo/model -l 'purple round cells' \\\n"
                    "      -l 'pink spindle cells' tools/demo/images/*\n");
    text_add(&help, "\nThis build %s DICOM files.\n",
             vkclip_reads_dicom() ? "reads" : "was made without DCMTK and does not read");
    text_add(&help, "It %s linear probes ('eval probe').\n",
             solver_is_built() ? "learns" : "was made without NLopt and does not learn");
    output_write(&help);
    return STATUS_FINE;
}

// Finds the command whose one or two words the arguments begin with.
static const struct command *find_command(int count, char **arguments, int *word_count)
{
    for (size_t i = 0; i < COUNT(commands); i++) {
        const char *name = commands[i]->name;
        const char *blank = strchr(name, ' ');
        size_t first = blank ? (size_t)(blank - name) : strlen(name);
        if (strlen(arguments[0]) != first || strncmp(arguments[0], name, first) != 0)
            continue;
        *word_count = blank ? 2 : 1;
        if (!blank || (count > 1 && strcmp(arguments[1], blank + 1) == 0))
            return commands[i];
    }
    return NULL;
}

static enum exit_status refuse(const char *problem, const char *word)
{
    report_error("%s%s%s", problem, word, *word ? "'" : "");
    report_remark("usage: vkclip COMMAND [options] ...");
    report_remark("       vkclip --help tells more");
    return STATUS_USAGE;
}

// What to say of the first of two words where the second is missing or wrong, or NULL.
static const char *find_following(const char *word)
{
    if (strcmp(word, "embed") == 0)
        return "'embed' is followed by 'image' or 'text'";
    if (strcmp(word, "eval") == 0)
        return "'eval' is followed by 'classify', 'retrieval' or 'probe'";
    return NULL;
}

static enum exit_status run(int count, char **arguments)
{
    if (count == 0)
        return refuse("no command is given", "");
    if (strcmp(arguments[0], "--help") == 0 || strcmp(arguments[0], "-h") == 0)
        return print_help();
    if (strcmp(arguments[0], "--version") == 0)
        return output_version();

    int word_count = 0;
    const struct command *command = find_command(count, arguments, &word_count);
    if (command)
        return command->run(command, count - word_count, arguments + word_count);
    const char *following = find_following(arguments[0]);
    if (following) {
        if (count > 1 && (strcmp(arguments[1], "--help") == 0 || strcmp(arguments[1], "-h") == 0))
            return print_help();
        return refuse(following, "");
    }
    return refuse("unknown command '", arguments[0]);
}

int main(int argc, char **argv)
{
    output_init();
    return (int)output_finish(run(argc > 0 ? argc - 1 : 0, argv + 1));
}
