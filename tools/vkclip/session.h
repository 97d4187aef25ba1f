// session.h: the options that all commands with a model share, and the model and engine they
// lead to.
#ifndef VKCLIP_SESSION_H
#define VKCLIP_SESSION_H

#include "options.h"
#include "vkclip.h"

// What a command needs of a model; a model may lack either tower.
enum session_needs { NEEDS_NOTHING, NEEDS_IMAGES, NEEDS_TEXTS };

struct session_options {
    enum session_needs needs;
    const char *model;
    bool is_synthetic; // the model is made from a seed
    const char *device;
    uint32_t precision; // a vkclip_precision
    uint32_t batch;     // 0: chosen for the device
    bool is_forced;     // a device that failed verification will do
    bool is_quiet, is_verbose;
};

extern const char *const session_precisions[];

// Rows of a table of options. s is a struct session_options.
// Versions of clang-format differ on lists of initializers in a macro.
// clang-format off
#define SESSION_REPORT_OPTIONS(s)                                                             \
    {.name = "quiet", .letter = 'q', .flag = &(s).is_quiet,                                   \
     .help = "no warnings, no progress"},                                                     \
    {.name = "verbose", .letter = 'v', .flag = &(s).is_verbose, .help = "say what is done"}

#define SESSION_MODEL_OPTIONS(s)                                                              \
    {.name = "model", .letter = 'm', .argument = "MODEL", .string = &(s).model,               \
     .help = "model directory or weights file"},                                              \
    SESSION_REPORT_OPTIONS(s)

#define SESSION_DEVICE_OPTION(s)                                                              \
    {.name = "device", .letter = 'd', .argument = "INDEX|NAME", .string = &(s).device,        \
     .help = "see 'vkclip devices'; default: the best GPU, else a software driver"}

#define SESSION_ENGINE_OPTIONS(s)                                                             \
    SESSION_MODEL_OPTIONS(s),                                                                 \
    SESSION_DEVICE_OPTION(s),                                                                 \
    {.name = "precision", .argument = "PRECISION", .number = &(s).precision,                  \
     .choices = session_precisions,                                                           \
     .help = "auto, fp32, fp16 or int8; auto is fp16 on GPUs that store it, else fp32"},      \
    {.name = "batch", .argument = "N", .number = &(s).batch, .least = 1, .most = 4096,        \
     .help = "images computed at once; default: chosen for the device"},                      \
    {.name = "force", .flag = &(s).is_forced,                                                 \
     .help = "use the device even if it failed 'vkclip verify'"}
// clang-format on

// After the options in --help.
#define SESSION_NOTES \
    "Without -m the model is $VKCLIP_MODEL, else ${XDG_CACHE_HOME:-~/.cache}/vkclip/biomedclip.\n"

// The same, of commands that compute.
#define SESSION_ENGINE_NOTES                                                                      \
    "--precision int8 is never chosen by itself. It needs half the memory of fp16 for matrices, " \
    "and\n"                                                                                       \
    "costs accuracy: cosines move by thousandths, where fp16 moves them by "                      \
    "ten-thousandths.\n\n" SESSION_NOTES

struct session {
    vkclip_model *model;
    vkclip_engine *engine;
};

// Checks what the table cannot and sets how much is said. Reports a wrong line.
bool session_check_options(const struct command *command, const struct session_options *options);

// Opens the model, its engine, or one after the other. Anything but STATUS_FINE was reported.
enum exit_status session_open_model(struct session *session, const struct session_options *options,
                                    vkclip_model_parts parts);
enum exit_status session_open_engine(struct session *session,
                                     const struct session_options *options);
enum exit_status session_open(struct session *session, const struct session_options *options);

// Accepts a zeroed or half-open session.
void session_close(struct session *session);

// Says what to do about a machine without a Vulkan device, where that is the case.
void session_hint_devices(void);

#endif
