#include "host/image.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "host/file.h"
#include "host/image_formats.h"
#include "host/orientation.h"
#include "host/window.h"

// Larger than any accepted picture in the least compressed format, 100 megapixels of 16-bit RGBA.
#define IMAGE_MAX_FILE_BYTES (UINT64_C(1) << 30)

struct signature {
    const char *format; // as it reads in "is a ... file"
    size_t offset_bytes;
    size_t byte_count;
    const char *bytes;
    bool (*decode)(struct image *image, const struct image_source *source, vkclip_error *err);
};

#define SIGNATURE(offset, text) \
    .offset_bytes = (offset), .byte_count = sizeof(text) - 1, .bytes = (text)

// The first match counts. Formats without a decoder are here to be named in the refusal.
static const struct signature signatures[] = {
    {"JPEG", SIGNATURE(0, "\xff\xd8\xff"), .decode = image_decode_jpeg},
    {"PNG of Apple's own kind (CgBI)", SIGNATURE(12, "CgBI")},
    {"PNG", SIGNATURE(0, "\x89PNG\r\n\x1a\n"), .decode = image_decode_png},
    {"GIF", SIGNATURE(0, "GIF87a"), .decode = image_decode_gif},
    {"GIF", SIGNATURE(0, "GIF89a"), .decode = image_decode_gif},
    {"BMP", SIGNATURE(0, "BM"), .decode = image_decode_bmp},
    {"PNM", SIGNATURE(0, "P5"), .decode = image_decode_pnm},
    {"PNM", SIGNATURE(0, "P6"), .decode = image_decode_pnm},
    {"PNG with a damaged signature (text-mode transfer?)", SIGNATURE(1, "PNG")},
    {"WebP", SIGNATURE(8, "WEBP")},
    {"DICOM", SIGNATURE(128, "DICM"), .decode = image_decode_dicom}, // may begin as a TIFF
    {"TIFF", SIGNATURE(0, "II*\0")},
    {"TIFF", SIGNATURE(0, "MM\0*")},
    {"BigTIFF", SIGNATURE(0, "II+\0")},
    {"BigTIFF", SIGNATURE(0, "MM\0+")},
    {"AVIF", SIGNATURE(4, "ftypavif")},
    {"HEIC", SIGNATURE(4, "ftyphei")},
    {"HEIC", SIGNATURE(4, "ftypmif1")},
    {"HEIC", SIGNATURE(4, "ftyphevc")},
    {"video (MP4 or QuickTime)", SIGNATURE(4, "ftyp")},
    {"JPEG 2000", SIGNATURE(0, "\0\0\0\x0cjP  ")},
    {"JPEG 2000", SIGNATURE(0, "\xff\x4f\xff\x51")},
    {"JPEG XL", SIGNATURE(0, "\0\0\0\x0cJXL ")},
    {"JPEG XL", SIGNATURE(0, "\xff\x0a")},
    {"NIfTI", SIGNATURE(344, "n+1\0")},
    {"NumPy array", SIGNATURE(0, "\x93NUMPY")},
    {"PDF", SIGNATURE(0, "%PDF")},
    {"PostScript", SIGNATURE(0, "%!PS")},
    {"Photoshop", SIGNATURE(0, "8BPS")},
    {"OpenEXR", SIGNATURE(0, "\x76\x2f\x31\x01")},
    {"zip", SIGNATURE(0, "PK\x03\x04")},
    {"gzip", SIGNATURE(0, "\x1f\x8b")},
    {"HDF5", SIGNATURE(0, "\x89HDF\r\n\x1a\n")},
    {"icon", SIGNATURE(0, "\0\0\1\0")},
    {"SVG", SIGNATURE(0, "<svg")},
    {"plain PNM (P1 to P4)", SIGNATURE(0, "P1\n")},
    {"plain PNM (P1 to P4)", SIGNATURE(0, "P2\n")},
    {"plain PNM (P1 to P4)", SIGNATURE(0, "P3\n")},
    {"plain PNM (P1 to P4)", SIGNATURE(0, "P4\n")},
    {"PAM", SIGNATURE(0, "P7\n")},
};

static const struct signature *find_signature(const struct image_source *source)
{
    for (size_t i = 0; i < sizeof signatures / sizeof *signatures; i++) {
        const struct signature *s = &signatures[i];
        if (source->byte_count >= s->offset_bytes + s->byte_count &&
            memcmp(source->bytes + s->offset_bytes, s->bytes, s->byte_count) == 0)
            return s;
    }
    return NULL;
}

static bool starts_with(const struct image_source *source, const char *text)
{
    return source->byte_count >= strlen(text) && memcmp(source->bytes, text, strlen(text)) == 0;
}

static bool looks_like_text(const struct image_source *source)
{
    size_t count = source->byte_count < 512 ? source->byte_count : 512;
    for (size_t i = 0; i < count; i++)
        if (source->bytes[i] < 0x20 && !strchr("\t\n\f\r\x1b", source->bytes[i]))
            return false;
    return true;
}

static bool refuse_unknown(const struct image_source *source, vkclip_error *err)
{
    if (source->byte_count == 0)
        return fail(err, VKCLIP_ERROR_FILE, "%s: is empty", source->name);
    if (starts_with(source, "version https://git-lfs.github.com/spec/"))
        return fail(err, VKCLIP_ERROR_FILE,
                    "%s: is a Git LFS pointer, not the picture; fetch it with `git lfs pull`",
                    source->name);
    if (looks_like_text(source))
        return fail(err, VKCLIP_ERROR_FILE, "%s: is a text file, not a picture", source->name);
    return fail(err, VKCLIP_ERROR_FILE,
                "%s: is not a picture of a known format (JPEG, PNG, BMP, GIF, TGA, PNM)",
                source->name);
}

bool image_check_size(const struct image_source *source, uint64_t width_px, uint64_t height_px,
                      vkclip_error *err)
{
    if (width_px == 0 || height_px == 0)
        return fail(err, VKCLIP_ERROR_FILE, "%s: is a picture without pixels (%llu x %llu)",
                    source->name, (unsigned long long)width_px, (unsigned long long)height_px);
    if (width_px > IMAGE_MAX_SIDE_PX || height_px > IMAGE_MAX_SIDE_PX ||
        width_px * height_px > IMAGE_MAX_PIXELS)
        return fail(err, VKCLIP_ERROR_FILE,
                    "%s: %llu x %llu pixels, at most %d a side and %d megapixels are accepted",
                    source->name, (unsigned long long)width_px, (unsigned long long)height_px,
                    IMAGE_MAX_SIDE_PX, IMAGE_MAX_PIXELS / 1000000);
    return true;
}

size_t image_pixel_bytes(enum image_mode mode)
{
    switch (mode) {
    case IMAGE_LA:
    case IMAGE_I16:
    case IMAGE_I:
        return 2;
    case IMAGE_RGB:
        return 3;
    case IMAGE_RGBA:
    case IMAGE_CMYK:
        return 4;
    default:
        return 1;
    }
}

bool image_allocate(struct image *image, const struct image_source *source, uint64_t width_px,
                    uint64_t height_px, enum image_mode mode, vkclip_error *err)
{
    if (!image_check_size(source, width_px, height_px, err))
        return false;
    uint8_t *pixels = calloc((size_t)(width_px * height_px), image_pixel_bytes(mode));
    if (!pixels)
        return fail(err, VKCLIP_ERROR_MEMORY, "%s: no memory for %llu x %llu pixels", source->name,
                    (unsigned long long)width_px, (unsigned long long)height_px);
    image->width_px = (uint32_t)width_px;
    image->height_px = (uint32_t)height_px;
    image->mode = mode;
    image->pixels = pixels;
    return true;
}

static bool decode(struct image *image, const struct image_source *source, vkclip_error *err)
{
    const struct signature *signature = find_signature(source);
    if (signature && !signature->decode)
        return fail(err, VKCLIP_ERROR_FILE, "%s: is a %s file, which is not supported",
                    source->name, signature->format);
    bool is_dicom = signature && signature->decode == image_decode_dicom;
    if (source->wanted->frame > 1 && !is_dicom)
        return fail(err, VKCLIP_ERROR_FILE,
                    "%s: frame %u is wanted, and only of DICOM another than the first is read",
                    source->name, source->wanted->frame);
    if (signature)
        return signature->decode(image, source, err);
    if (image_looks_like_tga(source->bytes, source->byte_count))
        return image_decode_tga(image, source, err);
    return refuse_unknown(source, err);
}

// More than 8 bits a pixel -> IMAGE_L, by a table over all values.
static bool apply_window(struct image *image, const vkclip_image *wanted, vkclip_error *err)
{
    struct tables {
        uint32_t counts[WINDOW_VALUES];
        uint8_t greys[WINDOW_VALUES];
    };
    struct tables *tables = calloc(1, sizeof *tables);
    if (!tables)
        return fail(err, VKCLIP_ERROR_MEMORY, "%s: no memory for a window", wanted->path);

    struct window window = {wanted->window_center, wanted->window_width};
    const uint16_t *values = (const uint16_t *)(const void *)image->pixels;
    size_t pixel_count = (size_t)image->width_px * image->height_px;
    if (wanted->window == VKCLIP_WINDOW_AUTO) {
        uint32_t low, high;
        for (size_t i = 0; i < pixel_count; i++)
            tables->counts[values[i]]++;
        window_percentiles(tables->counts, &low, &high);
        window = window_between(low, high);
    }
    for (uint32_t value = 0; value < WINDOW_VALUES; value++)
        tables->greys[value] = window_grey(&window, value);
    for (size_t i = 0; i < pixel_count; i++) // a value lies at or behind its grey
        image->pixels[i] = tables->greys[values[i]];
    image->mode = IMAGE_L;
    free(tables);
    return true;
}

static void warn_of_white(const struct image *image, const vkclip_image *wanted)
{
    const uint16_t *values = (const uint16_t *)(const void *)image->pixels;
    size_t pixel_count = (size_t)image->width_px * image->height_px, white_count = 0;
    for (size_t i = 0; i < pixel_count; i++)
        white_count += values[i] > 255;
    if (white_count > 0)
        log_line(&wanted->log, VKCLIP_LOG_WARNING,
                 "%s: %.3g %% of its values are above 255 and become white, as in the reference; "
                 "--window auto keeps them apart",
                 wanted->path, 100.0 * (double)white_count / (double)pixel_count);
}

static bool check_window(const vkclip_image *wanted, vkclip_error *err)
{
    double center = wanted->window_center, width = wanted->window_width;
    if (wanted->window != VKCLIP_WINDOW_LINEAR)
        return true;
    return (isfinite(center) && isfinite(width) && width >= 1.0) ||
           fail(err, VKCLIP_ERROR_ARGUMENT,
                "%s: a window of center %g and width %g, which is to be 1 or more", wanted->path,
                center, width);
}

bool image_open(struct image *image, const vkclip_image *wanted, vkclip_error *err)
{
    *image = (struct image){0};
    if (!check_window(wanted, err))
        return false;
    struct image_source source = {.bytes = wanted->bytes,
                                  .byte_count = wanted->byte_count,
                                  .name = wanted->path,
                                  .wanted = wanted};
    uint8_t *loaded = NULL;
    if (!source.bytes) {
        if (!file_load(wanted->path, IMAGE_MAX_FILE_BYTES, &loaded, &source.byte_count, err))
            return false;
        source.bytes = loaded;
    }
    bool is_open = decode(image, &source, err);
    free(loaded);
    if (is_open && wanted->applies_exif && image->orientation != 0)
        is_open = orientation_apply(image, image->orientation, source.name, err);
    if (is_open && image_is_wide(image->mode)) {
        if (wanted->window == VKCLIP_WINDOW_NONE)
            warn_of_white(image, wanted);
        else
            is_open = apply_window(image, wanted, err);
    }
    if (!is_open)
        image_close(image);
    return is_open;
}

void image_close(struct image *image)
{
    free(image->pixels);
    *image = (struct image){0};
}
