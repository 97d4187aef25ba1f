#include "thumbnail.h"

#include <stdint.h>
#include <stdlib.h>

#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STB_IMAGE_WRITE_STATIC
#define STBI_WRITE_NO_STDIO
#pragma GCC diagnostic ignored "-Wunused-function" // it writes other formats as well
#include <stb_image_write.h>

#include "base64.h"

// Of 100. At 90 and below stb_image_write halves the colours' resolution, and a file is half as
// large.
#define QUALITY 85

static void add_bytes(void *user, void *bytes, int byte_count)
{
    text_add_bytes(user, bytes, (size_t)byte_count);
}

static void add_picture(struct text *page, const uint8_t *pixels, int side, const char *name)
{
    struct text jpeg = {0};
    stbi_write_jpg_to_func(add_bytes, &jpeg, side, side, 3, pixels, QUALITY);
    page->is_out_of_memory = page->is_out_of_memory || jpeg.is_out_of_memory;
    text_add(page, "<img src=\"data:image/jpeg;base64,");
    text_add_base64(page, jpeg.bytes, jpeg.byte_count);
    text_add(page, "\" width=\"%d\" height=\"%d\" alt=\"", side, side);
    text_add_html(page, name);
    text_add(page, "\">");
    text_finish(&jpeg);
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
