// Any bytes either become a picture all of whose pixels can be read and resized, or are refused
// with a reason.
#include <stdlib.h>
#include <string.h>

#include "host/image.h"
#include "host/resize.h"

// Larger pictures say nothing new and take long.
#define FUZZ_MAX_PIXELS 1000000

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t byte_count);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t byte_count)
{
    struct image image;
    vkclip_error err = {0};
    uint8_t square[40 * 40 * 3];
    const vkclip_image wanted = {.path = "input", .bytes = bytes, .byte_count = byte_count};
    if (!image_open(&image, &wanted, &err)) {
        if (image.pixels || err.status == VKCLIP_OK || strlen(err.message) < sizeof "input: ")
            abort();
        return 0;
    }
    if (image.width_px == 0 || image.height_px == 0 || image.width_px > IMAGE_MAX_SIDE_PX ||
        image.height_px > IMAGE_MAX_SIDE_PX)
        abort();
    if ((uint64_t)image.width_px * image.height_px <= FUZZ_MAX_PIXELS &&
        !resize_to_square(&image, 40, square, &err))
        abort();
    image_close(&image);
    return 0;
}
