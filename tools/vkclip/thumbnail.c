#include "thumbnail.h"

#include <stdint.h>
#include <stdlib.h>

#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STB_IMAGE_WRITE_STATIC
#define STBI_WRITE_NO_STDIO
#pragma GCC diagnostic ignored "-Wunused-function" // it writes other formats as well
#include <stb_image_write.h>

// Of 100. At 90 and below stb_image_write halves the colours' resolution, and a file is half as
// large.
#define QUALITY 85

// Base64 takes bytes in threes; those that are left wait here.
struct base64 {
    struct text *text;
    uint8_t waiting[3];
    int count;
};

static void add_quad(struct base64 *base64)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint32_t bits =
        (uint32_t)base64->waiting[0] << 16 | (uint32_t)base64->waiting[1] << 8 | base64->waiting[2];
    const char quad[] = {
        letters[bits >> 18],
        letters[bits >> 12 & 63],
        base64->count > 1 ? letters[bits >> 6 & 63] : '=',
        base64->count > 2 ? letters[bits & 63] : '=',
    };
    text_add(base64->text, "%.4s", quad);
    *base64 = (struct base64){.text = base64->text};
}

static void add_base64(void *user, void *data, int byte_count)
{
    struct base64 *base64 = user;
    const uint8_t *bytes = data;
    for (int i = 0; i < byte_count; i++) {
        base64->waiting[base64->count++] = bytes[i];
        if (base64->count == 3)
            add_quad(base64);
    }
}

static void add_picture(struct text *page, const uint8_t *pixels, int side, const char *name)
{
    struct base64 base64 = {.text = page};
    text_add(page, "<img src=\"data:image/jpeg;base64,");
    stbi_write_jpg_to_func(add_base64, &base64, side, side, 3, pixels, QUALITY);
    if (base64.count > 0)
        add_quad(&base64);
    text_add(page, "\" width=\"%d\" height=\"%d\" alt=\"", side, side);
    text_add_html(page, name);
    text_add(page, "\">");
}

static void add_missing(struct text *page, const char *reason)
{
    text_add(page, "<div class=\"missing\">missing: ");
    text_add_html(page, reason);
    text_add(page, "</div>");
}

bool thumbnail_add(struct text *page, const vkclip_model *model, const vkclip_image *image,
                   const char *name)
{
    const size_t side = vkclip_model_get_facts(model)->image_size_px;
    vkclip_error err = {.message = "no memory for the picture"};
    uint8_t *pixels = malloc(side * side * 3);
    const bool is_read = pixels && vkclip_preprocess(model, image, pixels, &err);
    if (is_read)
        add_picture(page, pixels, (int)side, name);
    else
        add_missing(page, err.message);
    free(pixels);
    return is_read;
}
