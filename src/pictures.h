// pictures.h: the encoded images of a run -> pixels for the image tower, on all cores, beside the
// thread that waits for the device.
#ifndef VKCLIP_PICTURES_H
#define VKCLIP_PICTURES_H

#include "base/parallel.h"
#include "vkclip.h"

struct pictures {
    const vkclip_model *model;
    size_t picture_bytes;
    uint8_t *pixels; // [capacity, image_size_px, image_size_px, 3]; black where one was not read
    struct picture_outcome *outcomes; // [capacity]
    // What is being read.
    const vkclip_image *images; // [count]
    uint32_t count;
    struct parallel parallel;
};

// Room for as many pictures as are computed at once. Fails with VKCLIP_ERROR_MEMORY.
bool pictures_init(struct pictures *pictures, const vkclip_model *model, uint32_t capacity,
                   vkclip_error *err);

// Accepts a zeroed struct.
void pictures_finish(struct pictures *pictures);

// Starts reading images[0 .. count), count from 0 to capacity; the caller keeps them until
// pictures_end, which waits for all. The results of the reading before are gone.
void pictures_begin(struct pictures *pictures, const vkclip_image *images, uint32_t count);
void pictures_end(struct pictures *pictures);

// Tells, in their order, what reading them gave: log lines to where each image wants them, and for
// each whether it was read.
//
//   is_read  [count]
//   errors   [count] why not; may be NULL, and then the first that was not read fails this
bool pictures_report(const struct pictures *pictures, bool *is_read, vkclip_error *errors,
                     vkclip_error *err);

#endif
