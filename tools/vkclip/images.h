// images.h: embeds or classifies any number of image files in bounded memory, with progress.
#ifndef VKCLIP_IMAGES_H
#define VKCLIP_IMAGES_H

#include "session.h"

// In --help of what takes pictures.
#define IMAGE_NOTES "Images are JPEG, PNG, BMP, GIF (the first frame), TGA and PNM files.\n\n"

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
enum exit_status images_run(struct session *session, char *const *paths, size_t count,
                            const struct image_user *user);

// Reports an image that could not be read.
void images_report(const char *path, const vkclip_error *err);

// Seconds of a clock that only goes forward.
double clock_seconds(void);

#endif
