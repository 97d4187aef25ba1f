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

// Colours times alpha, in place. Alpha is the last channel.
static void premultiply(uint8_t *pixels, size_t pixel_count, uint32_t channels)
{
    for (size_t i = 0; i < pixel_count; i++, pixels += channels)
        for (uint32_t c = 0; c + 1 < channels; c++)
            pixels[c] = multiply_255(pixels[c], pixels[channels - 1]);
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
        } else if (image_is_wide(image->mode)) {
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

// The weights of both axes, and which comes first: what is between them is rounded.
struct passes {
    struct bicubic horizontal, vertical;
    bool is_vertical_first;
};

// Pillow up to 12.1 always began horizontally. Source: Pillow 13.0 Resample.c,
// ImagingResampleInner().
static bool is_vertical_first(const struct image *image, const struct square *square)
{
    int64_t columns_lost = (int64_t)image->width_px - square->resized_width_px;
    int64_t rows_lost = (int64_t)image->height_px - square->resized_height_px;
    return rows_lost > 0 && rows_lost > 2 * columns_lost;
}

static bool resize_u8(const struct image *image, const struct passes *passes, uint8_t *rgb,
                      vkclip_error *err)
{
    uint32_t side = passes->horizontal.output_count;
    uint32_t channels = (uint32_t)image_pixel_bytes(image->mode);
    bool has_alpha = image->mode == IMAGE_LA || image->mode == IMAGE_RGBA;
    struct bicubic_span needed = rows_needed(&passes->vertical);
    size_t source_row_bytes = (size_t)image->width_px * channels;
    size_t row_bytes = (size_t)side * channels;
    size_t row_count = passes->is_vertical_first ? side : needed.count;
    size_t between_row_bytes = passes->is_vertical_first ? source_row_bytes : row_bytes;

    bool is_done = false;
    uint8_t *between = malloc(row_count * between_row_bytes);
    uint8_t *shrunk = malloc(side * row_bytes);
    int32_t *sums = malloc(between_row_bytes * sizeof *sums);
    if (!between || !shrunk || !sums) {
        fail(err, VKCLIP_ERROR_MEMORY, "no memory to resize %zu rows", row_count);
        goto done;
    }

    if (has_alpha)
        premultiply(image->pixels, (size_t)image->width_px * image->height_px, channels);
    if (passes->is_vertical_first) {
        shrink_columns_u8(&passes->vertical, image->pixels, 0, source_row_bytes, sums, between);
        for (uint32_t y = 0; y < side; y++)
            shrink_row_u8(&passes->horizontal, between + y * source_row_bytes,
                          shrunk + y * row_bytes, channels);
    } else {
        for (uint32_t row = 0; row < needed.count; row++)
            shrink_row_u8(&passes->horizontal,
                          image->pixels + (needed.start + row) * source_row_bytes,
                          between + row * row_bytes, channels);
        shrink_columns_u8(&passes->vertical, between, needed.start, row_bytes, sums, shrunk);
    }
    if (has_alpha)
        unpremultiply(shrunk, (size_t)side * side, channels);
    to_rgb(image->mode, shrunk, (size_t)side * side, rgb);
    is_done = true;

done:
    free(between);
    free(shrunk);
    free(sums);
    return is_done;
}

// Values of more than 8 bits: a picture, or what is between the passes.
struct wide_grid {
    const uint16_t *narrow; // NULL: wide
    int32_t *wide;
    size_t width, height;
    size_t first_row; // which row of the picture is row 0 here
};

// The weighted sum of values from `first` on, `stride` apart, rounded half away from zero. "I;16"
// cannot hold what overshoots, "I" can.
static int32_t shrink_wide(const struct wide_grid *from, size_t first, size_t stride,
                           const struct bicubic *bicubic, size_t output, enum image_mode mode)
{
    uint32_t count = bicubic->spans[output].count;
    const double *weights = &bicubic->weights[output * bicubic->tap_count];
    double sum = 0.0;
    for (uint32_t tap = 0; tap < count; tap++, first += stride)
        sum += (from->narrow ? from->narrow[first] : from->wide[first]) * weights[tap];
    int32_t rounded = (int32_t)(sum < 0.0 ? sum - 0.5 : sum + 0.5);
    if (mode == IMAGE_I)
        return rounded;
    return rounded < 0 ? 0 : rounded > 65535 ? 65535 : rounded;
}

static void shrink_wide_rows(const struct bicubic *bicubic, const struct wide_grid *from,
                             const struct wide_grid *to, enum image_mode mode)
{
    for (size_t y = 0; y < to->height; y++)
        for (size_t x = 0; x < to->width; x++) {
            size_t row = to->first_row + y - from->first_row;
            size_t first = row * from->width + bicubic->spans[x].start;
            to->wide[y * to->width + x] = shrink_wide(from, first, 1, bicubic, x, mode);
        }
}

static void shrink_wide_columns(const struct bicubic *bicubic, const struct wide_grid *from,
                                const struct wide_grid *to, enum image_mode mode)
{
    for (size_t y = 0; y < to->height; y++)
        for (size_t x = 0; x < to->width; x++) {
            size_t first = (bicubic->spans[y].start - from->first_row) * from->width + x;
            to->wide[y * to->width + x] = shrink_wide(from, first, from->width, bicubic, y, mode);
        }
}

static bool resize_wide(const struct image *image, const struct passes *passes, uint8_t *rgb,
                        vkclip_error *err)
{
    size_t side = passes->horizontal.output_count;
    struct bicubic_span needed = rows_needed(&passes->vertical);
    struct wide_grid source = {.narrow = (const uint16_t *)(const void *)image->pixels,
                               .width = image->width_px};
    struct wide_grid between = {.width = side, .height = needed.count, .first_row = needed.start};
    if (passes->is_vertical_first)
        between = (struct wide_grid){.width = image->width_px, .height = side};
    struct wide_grid shrunk = {.width = side, .height = side};

    between.wide = malloc(between.width * between.height * sizeof *between.wide);
    shrunk.wide = malloc(side * side * sizeof *shrunk.wide);
    bool is_done = between.wide && shrunk.wide;
    if (!is_done) {
        fail(err, VKCLIP_ERROR_MEMORY, "no memory to resize %zu rows", between.height);
    } else if (passes->is_vertical_first) {
        shrink_wide_columns(&passes->vertical, &source, &between, image->mode);
        shrink_wide_rows(&passes->horizontal, &between, &shrunk, image->mode);
    } else {
        shrink_wide_rows(&passes->horizontal, &source, &between, image->mode);
        shrink_wide_columns(&passes->vertical, &between, &shrunk, image->mode);
    }
    for (size_t i = 0; is_done && i < side * side; i++)
        wide_to_rgb(shrunk.wide[i], rgb + 3 * i);
    free(between.wide);
    free(shrunk.wide);
    return is_done;
}

bool resize_to_square(struct image *image, const struct resize_target *target, uint8_t *pixels,
                      vkclip_error *err)
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

    struct passes passes = {.is_vertical_first = is_vertical_first(image, &square)};
    bool is_done = bicubic_init(&passes.horizontal, image->width_px, square.resized_width_px,
                                square.left, side_px, target->is_bilinear, err) &&
                   bicubic_init(&passes.vertical, image->height_px, square.resized_height_px,
                                square.top, side_px, target->is_bilinear, err) &&
                   (image_is_wide(image->mode) ? resize_wide(image, &passes, pixels, err)
                                               : resize_u8(image, &passes, pixels, err));
    bicubic_finish(&passes.horizontal);
    bicubic_finish(&passes.vertical);
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
