// eval.h: what the evaluations of labelled pictures share: options, the dataset, its rows, and
// where the report goes.
#ifndef VKCLIP_EVAL_H
#define VKCLIP_EVAL_H

#include "class_set.h"
#include "dataset.h"
#include "eval_report.h"
#include "images.h"
#include "output.h"
#include "session.h"

struct eval {
    // The command line.
    struct session_options common;
    struct image_options images;
    const char *path; // of the dataset
    const char *class_file;
    const char *html;
    uint32_t format; // an eval_format
    uint32_t seed;

    struct session session;
    struct dataset dataset;
    struct class_set set;
    struct output_file page;
};

// Rows of a table of options. e is a struct eval.
// clang-format off
#define EVAL_OPTIONS(e)                                                                       \
    {.name = "classes", .argument = "FILE", .string = &(e).class_file,                        \
     .help = "names and prompts of the classes, JSON; default: as labelled, sorted"},         \
    {.name = "format", .argument = "FORMAT", .number = &(e).format, .choices = eval_formats,  \
     .help = "table or json"},                                                                \
    {.name = "html", .argument = "FILE", .string = &(e).html,                                 \
     .help = "write a page with curves and wrong pictures as well"},                          \
    {.name = "seed", .argument = "N", .number = &(e).seed, .most = UINT32_MAX,                \
     .help = "of what is drawn at random; default 0"},                                        \
    IMAGE_OPTIONS((e).images),                                                                \
    SESSION_ENGINE_OPTIONS((e).common)
// clang-format on

// In --help.
#define EVAL_NOTES                                                                               \
    "Figures are scikit-learn's definitions, with 95 % intervals of 1,000 bootstrap resamples\n" \
    "of the pictures; AUROC and average precision are the second class's of two, and the mean\n" \
    "of each against the rest of more. The expected calibration error has 15 equal bins.\n"      \
    "A picture that cannot be read is reported and left out; the exit status is then 1.\n\n"

// Reads the one operand and what the table cannot. Reports a wrong line.
bool eval_check(const struct command *command, struct eval *eval, int count, char **arguments);

// Reads the dataset and the words of its classes, and opens the page. Anything but STATUS_FINE was
// reported.
enum exit_status eval_begin(struct eval *eval, bool wants_splits);

// Hands on the embedding of each picture, as images_run does; an INDEX has them already. Returns
// whether there is something to report on; what to exit with then is *status in either case.
bool eval_run(struct eval *eval, const struct image_user *user, enum exit_status *status);

// Measures each round and writes the report. Takes over what the rounds' metrics hold.
enum exit_status eval_report(struct eval *eval, struct eval_report *report);

// Accepts a zeroed or half-begun eval.
void eval_finish(struct eval *eval);

#endif
