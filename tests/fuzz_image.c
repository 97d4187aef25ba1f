// Any bytes either become a picture all of whose pixels can be read and resized, or are refused
// with a reason. What is accepted as the reference reads it is accepted with every option too, and
// as large. Any bytes are EXIF data that give an orientation.
#include <stdlib.h>
#include <string.h>

#include "host/image.h"
#include "host/orientation.h"
#include "host/resize.h"

// Larger pictures say nothing new and take long.
#define FUZZ_MAX_PIXELS 1000000

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t byte_count);

// Returns the number of pixels, 0 for a refusal.
static uint64_t try_reading(const vkclip_image *wanted)
{
    struct image image;
    vkclip_error err = {0};
    uint8_t square[40 * 40 * 3];
    if (!image_open(&image, wanted, &err)) {
        if (image.pixels || err.status == VKCLIP_OK || strlen(err.message) < sizeof "input: ")
            abort();
        return 0;
    }
    if (image.width_px == 0 || image.height_px == 0 || image.width_px > IMAGE_MAX_SIDE_PX ||
        image.height_px > IMAGE_MAX_SIDE_PX)
        abort();
    if (wanted->window != VKCLIP_WINDOW_NONE && image_is_wide(image.mode))
        abort();
    uint64_t pixel_count = (uint64_t)image.width_px * image.height_px;
    if (pixel_count <= FUZZ_MAX_PIXELS &&
        !resize_to_square(&image, &(struct resize_target){.side_px = 40, .resized_px = 40}, square,
                          &err))
        abort();
    image_close(&image);
    return pixel_count;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t byte_count)
{
    vkclip_image wanted = {.path = "input", .bytes = bytes, .byte_count = byte_count};
    uint64_t pixel_count = try_reading(&wanted);
    wanted.allows_truncated = wanted.applies_exif = true;
    wanted.window = VKCLIP_WINDOW_AUTO;
    uint64_t lenient_count = try_reading(&wanted);
    if (pixel_count > 0 && lenient_count != pixel_count)
        abort();

    uint32_t orientation = orientation_of_exif(bytes, byte_count);
    if (orientation < 1 || orientation > 8)
        abort();
    return 0;
}
