// images.h: how image files are read; embeds or classifies any number of them in bounded memory,
// with progress.
#ifndef VKCLIP_IMAGES_H
#define VKCLIP_IMAGES_H

#include "session.h"

// In --help of what takes pictures.
#define IMAGE_NOTES                                                                             \
    "Images are JPEG, PNG, BMP, GIF (the first frame), TGA, PNM and, where 'vkclip --help'\n"   \
    "says so, DICOM files. --window maps 16-bit greyscale, and greyscale of DICOM, to 8 bits\n" \
    "before it is resized: 'auto' from the 0.5th to the 99.5th percentile of the image's\n"     \
    "values; CENTER,WIDTH is DICOM's linear window, of rescaled values. Without it DICOM is\n"  \
    "seen through the window that the file stores.\n\n"

// How the images of a command are read.
struct image_options {
    vkclip_image reading; // without a path
    const char *window;   // "auto" or "CENTER,WIDTH"
    bool has_warned;      // one picture that turns white speaks for all
};

// Rows of a table of options. o is a struct image_options.
// clang-format off
#define IMAGE_OPTIONS(o)                                                                      \
    {.name = "allow-truncated", .flag = &(o).reading.allows_truncated,                        \
     .help = "take what there is of a truncated or damaged JPEG, as Pillow can"},             \
    {.name = "exif", .flag = &(o).reading.applies_exif,                                       \
     .help = "turn images as their EXIF orientation says; the reference does not"},           \
    {.name = "window", .argument = "WINDOW", .string = &(o).window,                           \
     .help = "auto or CENTER,WIDTH: 16-bit grey to 8 bits; default: all above 255 is white"}, \
    {.name = "frame", .argument = "N", .number = &(o).reading.frame,                          \
     .least = 1, .most = INT32_MAX,                                                           \
     .help = "of DICOM files of several frames, from 1 on; default: the first"}
// clang-format on

// Reads what the table cannot. Reports a wrong line.
bool images_check_options(const struct command *command, struct image_options *options);

// The image of a path, as the options say.
vkclip_image image_at(const struct image_options *options, const char *path);

struct image_user {
    // Gets the number of the image and its embedding, [embedding_width], or its logits,
    // [class_count]; all zeros where the image could not be read. Returns false to stop; why is
    // then the user's to say.
    bool (*use)(void *user, size_t index, const float *row, bool is_readable);
    void *user;
    bool wants_logits; // of the model's own classifier
};

// Runs image files and hands each row on as soon as it is there.
//
//   paths  [count]
//
// An image that cannot be read is reported, and the status is STATUS_INPUT in the end.
enum exit_status images_run(struct session *session, const struct image_options *options,
                            char *const *paths, size_t count, const struct image_user *user);

// Reports an image that could not be read.
void images_report(const char *path, const vkclip_error *err);

#endif
