#include "host/orientation.h"

#include <stdlib.h>
#include <string.h>

#include "host/image_formats.h"

#define TAG_ORIENTATION 274
#define TYPE_SHORT      3
#define TYPE_LONG       4
#define ENTRY_BYTES     12

static uint32_t read_number(const uint8_t *bytes, uint32_t byte_count, bool is_big_endian)
{
    uint32_t number = 0;
    for (uint32_t i = 0; i < byte_count; i++)
        number = number << 8 | bytes[is_big_endian ? i : byte_count - 1 - i];
    return number;
}

uint32_t orientation_of_exif(const uint8_t *exif, size_t byte_count)
{
    if (byte_count < 8 || (memcmp(exif, "MM\0*", 4) != 0 && memcmp(exif, "II*\0", 4) != 0))
        return 1;
    bool is_big_endian = exif[0] == 'M';
    size_t at = read_number(exif + 4, 4, is_big_endian);
    if (at > byte_count || byte_count - at < 2)
        return 1;
    uint32_t entry_count = read_number(exif + at, 2, is_big_endian);
    at += 2;
    for (uint32_t i = 0; i < entry_count && byte_count - at >= ENTRY_BYTES;
         i++, at += ENTRY_BYTES) {
        if (read_number(exif + at, 2, is_big_endian) != TAG_ORIENTATION)
            continue;
        uint32_t type = read_number(exif + at + 2, 2, is_big_endian);
        uint32_t value_bytes = type == TYPE_SHORT ? 2 : type == TYPE_LONG ? 4 : 0;
        uint32_t value = read_number(exif + at + 8, value_bytes, is_big_endian);
        return value >= 1 && value <= 8 ? value : 1;
    }
    return 1;
}

bool orientation_apply(struct image *image, uint32_t orientation, const char *name,
                       vkclip_error *err)
{
    if (orientation == 1)
        return true;
    bool is_swapped = orientation >= 5; // rows become columns
    bool is_x_mirrored = orientation == 2 || orientation == 3 || orientation >= 7;
    bool is_y_mirrored =
        orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
    size_t width = image->width_px, height = image->height_px;
    size_t pixel_bytes = image_pixel_bytes(image->mode);
    uint8_t *turned = malloc(width * height * pixel_bytes);
    if (!turned)
        return fail(err, VKCLIP_ERROR_MEMORY, "%s: no memory to turn %zu x %zu pixels", name, width,
                    height);

    uint8_t *to = turned;
    for (size_t y = 0; y < (is_swapped ? width : height); y++)
        for (size_t x = 0; x < (is_swapped ? height : width); x++, to += pixel_bytes) {
            size_t from_x = is_swapped ? y : x, from_y = is_swapped ? x : y;
            from_x = is_x_mirrored ? width - 1 - from_x : from_x;
            from_y = is_y_mirrored ? height - 1 - from_y : from_y;
            memcpy(to, image->pixels + (from_y * width + from_x) * pixel_bytes, pixel_bytes);
        }
    free(image->pixels);
    image->pixels = turned;
    if (is_swapped) {
        image->width_px = (uint32_t)height;
        image->height_px = (uint32_t)width;
    }
    return true;
}
