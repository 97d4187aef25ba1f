// DICOM: one frame, as grey through rescale and window, or in colour. Source: DICOM PS3.3,
// C.7.6.3.1 (what samples are), C.11.1 (rescale), C.11.2 (window).
#include "host/image_formats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "host/dicom.h"
#include "host/dicom_run_length.h"
#include "host/window.h"

enum colours {
    COLOURS_MONOCHROME1,
    COLOURS_MONOCHROME2,
    COLOURS_RGB,
    COLOURS_YBR,
    COLOURS_YBR_422
};

// How the samples of a frame lie.
struct layout {
    uint32_t width_px, height_px, frame_count, channels;
    uint32_t allocated_bits, stored_bits, low_bit;
    bool is_signed, is_planar;
    enum dicom_coding coding;
    enum colours colours;
};

static bool refuse(const struct image_source *source, const char *why, vkclip_error *err)
{
    return fail(err, VKCLIP_ERROR_FILE, "%s: DICOM %s", source->name, why);
}

static bool choose_colours(enum colours *colours, const char *text,
                           const struct image_source *source, vkclip_error *err)
{
    static const char *const names[] = {[COLOURS_MONOCHROME1] = "MONOCHROME1",
                                        [COLOURS_MONOCHROME2] = "MONOCHROME2",
                                        [COLOURS_RGB] = "RGB",
                                        [COLOURS_YBR] = "YBR_FULL",
                                        [COLOURS_YBR_422] = "YBR_FULL_422"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(text, names[i]) == 0) {
            *colours = (enum colours)i;
            return true;
        }
    return fail(err, VKCLIP_ERROR_FILE,
                "%s: DICOM of photometric interpretation '%s', which is not supported",
                source->name, text);
}

// A whole number from 0 to `most`.
static bool read_count(struct dicom *dicom, enum dicom_tag tag, uint32_t absent, uint32_t most,
                       uint32_t *count)
{
    double number = dicom_number(dicom, tag, absent);
    bool is_count = number >= 0.0 && number <= most && number == floor(number);
    *count = is_count ? (uint32_t)number : 0;
    return is_count;
}

static bool check_layout(const struct layout *layout, const struct image_source *source,
                         vkclip_error *err)
{
    bool is_grey = layout->colours <= COLOURS_MONOCHROME2;
    if (layout->channels != (is_grey ? 1u : 3u))
        return refuse(source, "whose samples a pixel are not those of its colours", err);
    bool is_sound = layout->stored_bits >= 1 && layout->stored_bits <= layout->allocated_bits &&
                    layout->low_bit + layout->stored_bits <= layout->allocated_bits;
    bool is_known = layout->allocated_bits == 8 || (is_grey && layout->allocated_bits == 16);
    if (!is_sound || !is_known || (!is_grey && (layout->stored_bits != 8 || layout->is_signed)))
        return fail(err, VKCLIP_ERROR_FILE,
                    "%s: DICOM of %s%u bits a sample, %u of them used, which is not supported",
                    source->name, layout->is_signed ? "signed " : "", layout->allocated_bits,
                    layout->stored_bits);
    if (layout->colours == COLOURS_YBR_422 && layout->width_px % 2 != 0)
        return refuse(source, "whose rows of pairs of pixels (YBR_FULL_422) are odd", err);
    return image_check_size(source, layout->width_px, layout->height_px, err);
}

static bool read_layout(struct dicom *dicom, struct layout *layout,
                        const struct image_source *source, vkclip_error *err)
{
    char text[DICOM_TEXT_BYTES];
    uint32_t high_bit, is_signed, is_planar;
    if (!dicom_has(dicom, DICOM_PIXEL_DATA))
        return refuse(source, "without pixels", err);
    dicom_text(dicom, DICOM_PHOTOMETRIC_INTERPRETATION, text);
    if (!read_count(dicom, DICOM_COLUMNS, 0, UINT16_MAX, &layout->width_px) ||
        !read_count(dicom, DICOM_ROWS, 0, UINT16_MAX, &layout->height_px) ||
        !read_count(dicom, DICOM_NUMBER_OF_FRAMES, 1, INT32_MAX, &layout->frame_count) ||
        !read_count(dicom, DICOM_SAMPLES_PER_PIXEL, 1, UINT16_MAX, &layout->channels) ||
        !read_count(dicom, DICOM_BITS_ALLOCATED, 0, 64, &layout->allocated_bits) ||
        !read_count(dicom, DICOM_BITS_STORED, layout->allocated_bits, 64, &layout->stored_bits) ||
        !read_count(dicom, DICOM_HIGH_BIT, layout->stored_bits - 1, 63, &high_bit) ||
        !read_count(dicom, DICOM_PIXEL_REPRESENTATION, 0, 1, &is_signed) ||
        !read_count(dicom, DICOM_PLANAR_CONFIGURATION, 0, 1, &is_planar) ||
        high_bit + 1 < layout->stored_bits)
        return refuse(source, "whose description of its pixels is damaged", err);
    layout->low_bit = high_bit + 1 - layout->stored_bits;
    layout->is_signed = is_signed == 1;
    layout->is_planar = is_planar == 1;
    layout->coding = dicom_coding(dicom);
    return choose_colours(&layout->colours, text, source, err) && check_layout(layout, source, err);
}

// Of one frame. Uncompressed, two pixels share their colour in YBR_FULL_422.
static size_t frame_bytes(const struct layout *layout)
{
    size_t pixel_count = (size_t)layout->width_px * layout->height_px;
    if (layout->colours == COLOURS_YBR_422 && layout->coding == DICOM_PLAIN)
        return 2 * pixel_count;
    return pixel_count * layout->channels * (layout->allocated_bits / 8);
}

// ---- grey -----------------------------------------------------------------------------------

// Stored values -> greys. A table is indexed by the stored value, less the least there can be, so
// that indices are in the order of stored values.
struct greys {
    uint32_t value_count, sign_bit;
    double slope, intercept;
    uint32_t counts[WINDOW_VALUES]; // of pixels, padding left out
    uint8_t greys[WINDOW_VALUES];
};

static uint32_t index_of(const struct layout *layout, const struct greys *greys,
                         const uint8_t *samples, size_t i)
{
    uint32_t sample =
        layout->allocated_bits == 8 ? samples[i] : ((const uint16_t *)(const void *)samples)[i];
    return (sample >> layout->low_bit & (greys->value_count - 1)) ^ greys->sign_bit;
}

static double value_of(const struct greys *greys, uint32_t index)
{
    return ((double)index - (double)greys->sign_bit) * greys->slope + greys->intercept;
}

// Padding may be written as an unsigned number where stored values are signed.
static bool padding_index(const struct greys *greys, double padding, uint32_t *index)
{
    double least = -(double)greys->sign_bit, count = greys->value_count;
    if (greys->sign_bit != 0 && padding >= greys->sign_bit && padding < count)
        padding -= count;
    if (!(padding >= least && padding < least + count))
        return false;
    *index = (uint32_t)(padding - least);
    return true;
}

// Padding surrounds what was taken, and is no part of it. Where there is nothing else, it counts.
static void count_values(struct dicom *dicom, const struct layout *layout, struct greys *greys,
                         const uint8_t *samples)
{
    size_t pixel_count = (size_t)layout->width_px * layout->height_px, left = pixel_count;
    for (size_t i = 0; i < pixel_count; i++)
        greys->counts[index_of(layout, greys, samples, i)]++;

    uint32_t first, last;
    double padding = dicom_number(dicom, DICOM_PIXEL_PADDING_VALUE, NAN);
    double limit = dicom_number(dicom, DICOM_PIXEL_PADDING_RANGE_LIMIT, padding);
    if (!padding_index(greys, padding, &first) || !padding_index(greys, limit, &last))
        return;
    if (first > last) {
        uint32_t swapped = first;
        first = last;
        last = swapped;
    }
    for (uint32_t index = first; index <= last; index++)
        left -= greys->counts[index];
    if (left > 0)
        memset(greys->counts + first, 0, (last - first + 1) * sizeof *greys->counts);
}

// The window from the lower to the higher of two stored values, which a slope below 0 exchanges.
static struct window window_of_indices(const struct greys *greys, uint32_t a, uint32_t b)
{
    double low = value_of(greys, a), high = value_of(greys, b);
    return low <= high ? window_between(low, high) : window_between(high, low);
}

// Where the file has no window: 8 bits are shown as they are, deeper values from the least to the
// greatest of the frame.
static struct window full_window(const struct layout *layout, const struct greys *greys)
{
    uint32_t low = 0, high = greys->value_count - 1;
    bool is_plain = greys->slope == 1.0 && greys->intercept == 0.0 && !layout->is_signed;
    if (layout->stored_bits <= 8 && is_plain)
        return window_between(low, high);
    while (greys->counts[low] == 0)
        low++;
    while (greys->counts[high] == 0)
        high--;
    return window_of_indices(greys, low, high);
}

struct voi {
    struct window window;
    bool is_sigmoid;
};

// The first window of the file. LINEAR_EXACT is LINEAR with other ends: PS3.3, C.11.2.1.3.2.
static bool stored_window(struct dicom *dicom, const struct image_source *source, struct voi *voi,
                          vkclip_error *err)
{
    char function[DICOM_TEXT_BYTES];
    double center = dicom_number(dicom, DICOM_WINDOW_CENTER, NAN);
    double width = dicom_number(dicom, DICOM_WINDOW_WIDTH, NAN);
    dicom_text(dicom, DICOM_VOI_LUT_FUNCTION, function);
    bool is_exact = strcmp(function, "LINEAR_EXACT") == 0;
    voi->is_sigmoid = strcmp(function, "SIGMOID") == 0;
    bool is_linear = function[0] == '\0' || strcmp(function, "LINEAR") == 0;
    if (!is_exact && !voi->is_sigmoid && !is_linear)
        return fail(err, VKCLIP_ERROR_FILE,
                    "%s: DICOM with a window of function '%s', which is not supported; --window "
                    "takes its place",
                    source->name, function);
    if (!isfinite(center) || !isfinite(width) || !(is_linear ? width >= 1.0 : width > 0.0))
        return fail(err, VKCLIP_ERROR_FILE,
                    "%s: DICOM with a window of center %g and width %g; --window takes its place",
                    source->name, center, width);
    voi->window =
        is_exact ? (struct window){center + 0.5, width + 1.0} : (struct window){center, width};
    return true;
}

static bool choose_window(struct dicom *dicom, const struct layout *layout,
                          const struct greys *greys, const struct image_source *source,
                          struct voi *voi, vkclip_error *err)
{
    const vkclip_image *wanted = source->wanted;
    *voi = (struct voi){.window = {wanted->window_center, wanted->window_width}};
    if (wanted->window == VKCLIP_WINDOW_LINEAR)
        return true;
    if (wanted->window == VKCLIP_WINDOW_AUTO) {
        uint32_t low, high;
        window_percentiles(greys->counts, &low, &high);
        voi->window = window_of_indices(greys, low, high);
        return true;
    }
    if (dicom_has(dicom, DICOM_WINDOW_CENTER))
        return stored_window(dicom, source, voi, err);
    if (dicom_has(dicom, DICOM_VOI_LUT_SEQUENCE))
        return refuse(source,
                      "whose window is a table (VOI LUT Sequence), which is not supported; "
                      "--window takes its place",
                      err);
    voi->window = full_window(layout, greys);
    return true;
}

// 255 / (1 + exp(-4 (value - center) / width)). Source: PS3.3, C.11.2.1.3.1.
static uint8_t sigmoid_grey(const struct window *window, double value)
{
    double from_center = (value - window->center) / window->width;
    return (uint8_t)floor(255.0 / (1.0 + exp(-4.0 * from_center)) + 0.5);
}

static bool make_greys(struct dicom *dicom, const struct layout *layout, struct greys *greys,
                       const uint8_t *samples, const struct image_source *source, vkclip_error *err)
{
    greys->value_count = UINT32_C(1) << layout->stored_bits;
    greys->sign_bit = layout->is_signed ? greys->value_count / 2 : 0;
    greys->slope = dicom_number(dicom, DICOM_RESCALE_SLOPE, 1.0);
    greys->intercept = dicom_number(dicom, DICOM_RESCALE_INTERCEPT, 0.0);
    if (dicom_has(dicom, DICOM_MODALITY_LUT_SEQUENCE))
        return refuse(source,
                      "whose values are a table (Modality LUT Sequence), which is not supported",
                      err);
    if (!isfinite(greys->slope) || !isfinite(greys->intercept) || greys->slope == 0.0)
        return fail(err, VKCLIP_ERROR_FILE, "%s: DICOM of rescale slope %g and intercept %g",
                    source->name, greys->slope, greys->intercept);

    struct voi voi;
    count_values(dicom, layout, greys, samples);
    if (!choose_window(dicom, layout, greys, source, &voi, err))
        return false;
    for (uint32_t index = 0; index < greys->value_count; index++) {
        double value = value_of(greys, index);
        uint8_t grey =
            voi.is_sigmoid ? sigmoid_grey(&voi.window, value) : window_grey(&voi.window, value);
        // A Presentation LUT Shape of INVERSE says the same again, and inverts no second time.
        greys->greys[index] = layout->colours == COLOURS_MONOCHROME1 ? (uint8_t)(255 - grey) : grey;
    }
    return true;
}

static bool read_grey(struct dicom *dicom, const struct layout *layout, const uint8_t *samples,
                      const struct image_source *source, struct image *image, vkclip_error *err)
{
    struct greys *greys = calloc(1, sizeof *greys);
    if (!greys)
        return fail(err, VKCLIP_ERROR_MEMORY, "%s: no memory for greys", source->name);
    bool is_read = make_greys(dicom, layout, greys, samples, source, err) &&
                   image_allocate(image, source, layout->width_px, layout->height_px, IMAGE_L, err);
    for (size_t i = 0; is_read && i < (size_t)image->width_px * image->height_px; i++)
        image->pixels[i] = greys->greys[index_of(layout, greys, samples, i)];
    free(greys);
    return is_read;
}

// ---- colour ---------------------------------------------------------------------------------

static uint8_t round_u8(double value)
{
    return (uint8_t)(value <= 0.0 ? 0.0 : value >= 255.0 ? 255.0 : floor(value + 0.5));
}

// The inverse of Y = 0.299 R + 0.587 G + 0.114 B, CB = (B - Y) / 1.772 + 128 and
// CR = (R - Y) / 1.402 + 128. Source: PS3.3, C.7.6.3.1.2, whose factors have four digits.
static void ybr_to_rgb(uint8_t *pixel)
{
    double y = pixel[0], blue = pixel[1] - 128.0, red = pixel[2] - 128.0;
    pixel[0] = round_u8(y + 1.402 * red);
    pixel[1] = round_u8(y - (0.114 * 1.772 / 0.587) * blue - (0.299 * 1.402 / 0.587) * red);
    pixel[2] = round_u8(y + 1.772 * blue);
}

static bool read_colour(const struct layout *layout, const uint8_t *samples,
                        const struct image_source *source, struct image *image, vkclip_error *err)
{
    if (!image_allocate(image, source, layout->width_px, layout->height_px, IMAGE_RGB, err))
        return false;
    size_t pixel_count = (size_t)image->width_px * image->height_px;
    for (size_t i = 0; i < pixel_count; i++) {
        uint8_t *pixel = image->pixels + 3 * i;
        const uint8_t *pair = samples + i / 2 * 4; // Y of the one, Y of the other, CB, CR
        for (size_t c = 0; c < 3; c++)
            if (layout->colours == COLOURS_YBR_422)
                pixel[c] = c == 0 ? pair[i % 2] : pair[c + 1];
            else
                pixel[c] = samples[layout->is_planar ? c * pixel_count + i : 3 * i + c];
        if (layout->colours != COLOURS_RGB)
            ybr_to_rgb(pixel);
    }
    return true;
}

// ---- a file -----------------------------------------------------------------------------------

// What the layout says of colours and their order is afterwards true of the samples.
static bool read_samples(struct dicom *dicom, struct layout *layout, uint8_t *samples,
                         const struct image_source *source, vkclip_error *err)
{
    if (layout->coding == DICOM_RUN_LENGTH) {
        size_t pixel_count = (size_t)layout->width_px * layout->height_px, byte_count;
        const uint8_t *bytes = dicom_fragment(dicom, &byte_count);
        layout->is_planar = false;
        return (bytes && dicom_decode_run_length(bytes, byte_count, samples, pixel_count,
                                                 layout->channels, layout->allocated_bits / 8)) ||
               refuse(source, "whose frame is missing or damaged", err);
    }
    char colours[DICOM_TEXT_BYTES];
    if (!dicom_read_frame(dicom, samples, frame_bytes(layout), colours, err))
        return false;
    return layout->channels == 1 || choose_colours(&layout->colours, colours, source, err);
}

static bool read_frame(struct dicom *dicom, struct layout *layout,
                       const struct image_source *source, struct image *image, vkclip_error *err)
{
    size_t byte_count = frame_bytes(layout);
    uint8_t *samples = calloc(1, byte_count + 1); // DCMTK decodes into an even count
    if (!samples)
        return fail(err, VKCLIP_ERROR_MEMORY, "%s: no memory for %zu bytes of samples",
                    source->name, byte_count);
    bool is_read = read_samples(dicom, layout, samples, source, err);
    if (layout->coding != DICOM_PLAIN && layout->colours == COLOURS_YBR_422)
        layout->colours = COLOURS_YBR; // decoded, each pixel has its own
    if (is_read && layout->channels == 1)
        is_read = read_grey(dicom, layout, samples, source, image, err);
    else if (is_read)
        is_read = read_colour(layout, samples, source, image, err);
    free(samples);
    return is_read;
}

bool vkclip_reads_dicom(void)
{
    return true;
}

bool image_decode_dicom(struct image *image, const struct image_source *source, vkclip_error *err)
{
    struct dicom *dicom = dicom_open(source->bytes, source->byte_count, source->name, err);
    if (!dicom)
        return false;
    struct layout layout = {0};
    uint32_t frame = source->wanted->frame > 0 ? source->wanted->frame - 1 : 0;
    bool is_read = read_layout(dicom, &layout, source, err);
    if (is_read && frame >= layout.frame_count)
        is_read = fail(err, VKCLIP_ERROR_FILE, "%s: DICOM of %u frames has no frame %u",
                       source->name, layout.frame_count, frame + 1);
    dicom_choose_frame(dicom, frame);
    is_read = is_read && read_frame(dicom, &layout, source, image, err);
    dicom_close(dicom);
    return is_read;
}
