#include "host/resize.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "host/bicubic.h"
#include "host/image_formats.h"

#if FLT_EVAL_METHOD != 0
#error "pixels equal Pillow's only where floats and doubles are computed as such"
#endif

// a * b / 255, rounded. Source: Pillow ImagingUtils.h, MULDIV255.
static uint8_t multiply_255(uint32_t a, uint32_t b)
{
    uint32_t product = a * b + 128;
    return (uint8_t)(((product >> 8) + product) >> 8);
}

static uint8_t clamp_u8(int32_t value)
{
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

// Colours times alpha. Alpha is the last channel.
static void premultiply(const uint8_t *from, uint8_t *to, size_t pixel_count, uint32_t channels)
{
    for (size_t i = 0; i < pixel_count; i++, from += channels, to += channels) {
        uint8_t alpha = from[channels - 1];
        for (uint32_t c = 0; c + 1 < channels; c++)
            to[c] = multiply_255(from[c], alpha);
        to[channels - 1] = alpha;
    }
}

// Colours divided by alpha, in place, truncated and clamped as Pillow does it.
static void unpremultiply(uint8_t *pixels, size_t pixel_count, uint32_t channels)
{
    for (size_t i = 0; i < pixel_count; i++, pixels += channels) {
        uint32_t alpha = pixels[channels - 1];
        for (uint32_t c = 0; alpha != 0 && alpha != 255 && c + 1 < channels; c++)
            pixels[c] = clamp_u8((int32_t)(255u * pixels[c] / alpha));
    }
}

// Pixels of any mode but palettes -> RGB. Source: Pillow Convert.c.
static void to_rgb(enum image_mode mode, const uint8_t *from, size_t pixel_count, uint8_t *rgb)
{
    size_t channels = image_pixel_bytes(mode);
    for (size_t i = 0; i < pixel_count; i++, from += channels, rgb += 3) {
        if (mode == IMAGE_CMYK) {
            uint8_t not_black = (uint8_t)(255 - from[3]);
            for (uint32_t c = 0; c < 3; c++)
                rgb[c] = clamp_u8(not_black - multiply_255(from[c], not_black));
        } else if (channels >= 3) {
            memcpy(rgb, from, 3);
        } else {
            memset(rgb, from[0], 3);
        }
    }
}

static bool is_wide(enum image_mode mode)
{
    return mode == IMAGE_I16 || mode == IMAGE_I;
}

// Values above 255 become 255, they are not scaled: this is what Pillow's convert("RGB") does.
static void wide_to_rgb(int32_t value, uint8_t *rgb)
{
    memset(rgb, clamp_u8(value), 3);
}

static void copy_square(const struct image *image, const struct square *square, uint8_t *rgb)
{
    size_t side = square->side_px;
    for (size_t row = 0; row < side; row++, rgb += 3 * side) {
        size_t first = (square->top + row) * image->width_px + square->left;
        if (image->mode == IMAGE_PALETTE) {
            for (size_t x = 0; x < side; x++)
                memcpy(rgb + 3 * x, &image->palette[3 * image->pixels[first + x]], 3);
        } else if (is_wide(image->mode)) {
            for (size_t x = 0; x < side; x++)
                wide_to_rgb(((const uint16_t *)(const void *)image->pixels)[first + x],
                            rgb + 3 * x);
        } else {
            to_rgb(image->mode, image->pixels + first * image_pixel_bytes(image->mode), side, rgb);
        }
    }
}

// Source pixel of each output along one axis. The position is accumulated, not multiplied, as
// in Pillow Geometry.c, ImagingScaleAffine().
static void nearest_positions(uint32_t *positions, uint32_t side_px, uint32_t source_px,
                              uint32_t resized_px, uint32_t first)
{
    double step = (double)source_px / (double)resized_px;
    double position = step * 0.5;
    for (uint32_t i = 0; i < first + side_px; i++, position += step)
        if (i >= first)
            positions[i - first] = position < source_px ? (uint32_t)position : source_px - 1;
}

static bool resize_nearest(const struct image *image, const struct square *square, uint8_t *rgb,
                           vkclip_error *err)
{
    uint32_t side = square->side_px;
    uint32_t *columns = malloc(2 * (size_t)side * sizeof *columns);
    if (!columns)
        return fail(err, VKCLIP_ERROR_MEMORY, "no memory for %u pixel positions", 2 * side);
    uint32_t *rows = columns + side;
    nearest_positions(columns, side, image->width_px, square->resized_width_px, square->left);
    nearest_positions(rows, side, image->height_px, square->resized_height_px, square->top);

    uint32_t channels = (uint32_t)image_pixel_bytes(image->mode);
    for (uint32_t y = 0; y < side; y++)
        for (uint32_t x = 0; x < side; x++, rgb += 3) {
            size_t from = ((size_t)rows[y] * image->width_px + columns[x]) * channels;
            if (image->mode == IMAGE_PALETTE)
                memcpy(rgb, &image->palette[3 * image->pixels[from]], 3);
            else
                to_rgb(image->mode, &image->pixels[from], 1, rgb);
        }
    free(columns);
    return true;
}

static uint8_t round_fixed(int32_t sum)
{
    return clamp_u8(sum >> BICUBIC_FIXED_BITS);
}

#define FIXED_HALF (INT32_C(1) << (BICUBIC_FIXED_BITS - 1))

// One row of u8 pixels, horizontally. Always inlined with a constant channel count, which lets
// the compiler keep the sums in registers.
static inline __attribute__((always_inline)) void
shrink_row(const struct bicubic *bicubic, const uint8_t *from, uint8_t *to, uint32_t channels)
{
    for (uint32_t output = 0; output < bicubic->output_count; output++, to += channels) {
        struct bicubic_span span = bicubic->spans[output];
        const int32_t *weights = &bicubic->fixed_weights[(size_t)output * bicubic->tap_count];
        const uint8_t *pixel = from + (size_t)span.start * channels;
        int32_t sums[4] = {FIXED_HALF, FIXED_HALF, FIXED_HALF, FIXED_HALF};
        for (uint32_t tap = 0; tap < span.count; tap++, pixel += channels)
            for (uint32_t c = 0; c < channels; c++)
                sums[c] += pixel[c] * weights[tap];
        for (uint32_t c = 0; c < channels; c++)
            to[c] = round_fixed(sums[c]);
    }
}

static void shrink_row_u8(const struct bicubic *bicubic, const uint8_t *from, uint8_t *to,
                          uint32_t channels)
{
    switch (channels) {
    case 1:
        shrink_row(bicubic, from, to, 1);
        break;
    case 2:
        shrink_row(bicubic, from, to, 2);
        break;
    case 3:
        shrink_row(bicubic, from, to, 3);
        break;
    default:
        shrink_row(bicubic, from, to, 4);
        break;
    }
}

// Columns of u8, vertically: `rows` starts at source row first_row, row_bytes apart.
static void shrink_columns_u8(const struct bicubic *bicubic, const uint8_t *rows,
                              uint32_t first_row, size_t row_bytes, int32_t *sums, uint8_t *to)
{
    for (uint32_t output = 0; output < bicubic->output_count; output++, to += row_bytes) {
        struct bicubic_span span = bicubic->spans[output];
        const int32_t *weights = &bicubic->fixed_weights[(size_t)output * bicubic->tap_count];
        for (size_t x = 0; x < row_bytes; x++)
            sums[x] = FIXED_HALF;
        for (uint32_t tap = 0; tap < span.count; tap++) {
            const uint8_t *row = rows + (size_t)(span.start - first_row + tap) * row_bytes;
            for (size_t x = 0; x < row_bytes; x++)
                sums[x] += row[x] * weights[tap];
        }
        for (size_t x = 0; x < row_bytes; x++)
            to[x] = round_fixed(sums[x]);
    }
}

// The source rows that the wanted output rows are made of.
static struct bicubic_span rows_needed(const struct bicubic *vertical)
{
    struct bicubic_span first = vertical->spans[0];
    struct bicubic_span last = vertical->spans[vertical->output_count - 1];
    return (struct bicubic_span){first.start, last.start + last.count - first.start};
}

static bool resize_u8(const struct image *image, const struct bicubic *horizontal,
                      const struct bicubic *vertical, uint8_t *rgb, vkclip_error *err)
{
    uint32_t side = horizontal->output_count;
    uint32_t channels = (uint32_t)image_pixel_bytes(image->mode);
    bool has_alpha = image->mode == IMAGE_LA || image->mode == IMAGE_RGBA;
    struct bicubic_span needed = rows_needed(vertical);
    size_t source_row_bytes = (size_t)image->width_px * channels;
    size_t row_bytes = (size_t)side * channels;

    bool is_done = false;
    uint8_t *rows = malloc(needed.count * row_bytes);
    uint8_t *shrunk = malloc(side * row_bytes);
    uint8_t *premultiplied = malloc(source_row_bytes);
    int32_t *sums = malloc(row_bytes * sizeof *sums);
    if (!rows || !shrunk || !premultiplied || !sums) {
        fail(err, VKCLIP_ERROR_MEMORY, "no memory to resize %u rows", needed.count);
        goto done;
    }

    for (uint32_t row = 0; row < needed.count; row++) {
        const uint8_t *from = image->pixels + (needed.start + row) * source_row_bytes;
        if (has_alpha) {
            premultiply(from, premultiplied, image->width_px, channels);
            from = premultiplied;
        }
        shrink_row_u8(horizontal, from, rows + row * row_bytes, channels);
    }
    shrink_columns_u8(vertical, rows, needed.start, row_bytes, sums, shrunk);
    if (has_alpha)
        unpremultiply(shrunk, (size_t)side * side, channels);
    to_rgb(image->mode, shrunk, (size_t)side * side, rgb);
    is_done = true;

done:
    free(rows);
    free(shrunk);
    free(premultiplied);
    free(sums);
    return is_done;
}

// Half away from zero; "I;16" cannot hold what overshoots, "I" can.
static int32_t round_wide(double value, enum image_mode mode)
{
    int32_t rounded = (int32_t)(value < 0.0 ? value - 0.5 : value + 0.5);
    if (mode == IMAGE_I)
        return rounded;
    return rounded < 0 ? 0 : rounded > 65535 ? 65535 : rounded;
}

static void shrink_row_wide(const struct bicubic *bicubic, const uint16_t *from, int32_t *to,
                            enum image_mode mode)
{
    for (uint32_t output = 0; output < bicubic->output_count; output++) {
        struct bicubic_span span = bicubic->spans[output];
        const double *weights = &bicubic->weights[(size_t)output * bicubic->tap_count];
        double sum = 0.0;
        for (uint32_t tap = 0; tap < span.count; tap++)
            sum += from[span.start + tap] * weights[tap];
        to[output] = round_wide(sum, mode);
    }
}

static bool resize_wide(const struct image *image, const struct bicubic *horizontal,
                        const struct bicubic *vertical, uint8_t *rgb, vkclip_error *err)
{
    uint32_t side = horizontal->output_count;
    struct bicubic_span needed = rows_needed(vertical);
    const uint16_t *pixels = (const uint16_t *)(const void *)image->pixels;
    int32_t *rows = malloc((size_t)needed.count * side * sizeof *rows);
    if (!rows)
        return fail(err, VKCLIP_ERROR_MEMORY, "no memory to resize %u rows", needed.count);

    for (uint32_t row = 0; row < needed.count; row++)
        shrink_row_wide(horizontal, pixels + (size_t)(needed.start + row) * image->width_px,
                        rows + (size_t)row * side, image->mode);
    for (uint32_t y = 0; y < side; y++) {
        struct bicubic_span span = vertical->spans[y];
        const double *weights = &vertical->weights[(size_t)y * vertical->tap_count];
        for (uint32_t x = 0; x < side; x++, rgb += 3) {
            const int32_t *from = rows + (size_t)(span.start - needed.start) * side + x;
            double sum = 0.0;
            for (uint32_t tap = 0; tap < span.count; tap++)
                sum += from[(size_t)tap * side] * weights[tap];
            wide_to_rgb(round_wide(sum, image->mode), rgb);
        }
    }
    free(rows);
    return true;
}

bool resize_to_square(const struct image *image, const struct resize_target *target,
                      uint8_t *pixels, vkclip_error *err)
{
    const uint32_t side_px = target->side_px;
    assert(image->width_px > 0 && image->height_px > 0 && side_px > 0);
    struct square square = square_of(image->width_px, image->height_px, target);
    if (square.resized_width_px == image->width_px &&
        square.resized_height_px == image->height_px) {
        copy_square(image, &square, pixels);
        return true;
    }
    if (image->mode == IMAGE_PALETTE || image->mode == IMAGE_BILEVEL)
        return resize_nearest(image, &square, pixels, err);

    struct bicubic horizontal = {0}, vertical = {0};
    bool is_done = bicubic_init(&horizontal, image->width_px, square.resized_width_px, square.left,
                                side_px, target->is_bilinear, err) &&
                   bicubic_init(&vertical, image->height_px, square.resized_height_px, square.top,
                                side_px, target->is_bilinear, err) &&
                   (is_wide(image->mode) ? resize_wide(image, &horizontal, &vertical, pixels, err)
                                         : resize_u8(image, &horizontal, &vertical, pixels, err));
    bicubic_finish(&horizontal);
    bicubic_finish(&vertical);
    return is_done;
}

void normalize_pixels(const uint8_t *pixels, uint32_t side_px, const float mean[3],
                      const float std[3], float *tensor)
{
    size_t plane = (size_t)side_px * side_px;
    for (size_t i = 0; i < plane; i++)
        for (size_t c = 0; c < 3; c++)
            tensor[c * plane + i] = ((float)pixels[3 * i + c] / 255.0f - mean[c]) / std[c];
}
