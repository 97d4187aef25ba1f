// orientation.h: which way up a picture is, by its EXIF data.
#ifndef VKCLIP_HOST_ORIENTATION_H
#define VKCLIP_HOST_ORIENTATION_H

#include "host/image.h"

// The orientation in EXIF data, 1 to 8; 1, upright, where there is none or they make no sense.
//
//   exif  [byte_count] from the TIFF header on; any bytes will do
//
// Source: TIFF 6.0, sections 2 and 8 (tag 274). A value of another type than SHORT or LONG does not
// count.
uint32_t orientation_of_exif(const uint8_t *exif, size_t byte_count);

// Turns a picture upright.
//
//   orientation  1 to 8: where the camera's first row and column are
//   name         of the picture, for errors
//
// Fails with VKCLIP_ERROR_MEMORY only.
// Source: Pillow ImageOps.py, exif_transpose().
bool orientation_apply(struct image *image, uint32_t orientation, const char *name,
                       vkclip_error *err);

#endif
