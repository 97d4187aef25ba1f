#include "thumbnail.h"

#include <setjmp.h>
#include <stdint.h>
#include <stdio.h> // which jpeglib.h needs before it
#include <stdlib.h>

#include <jpeglib.h>

#include "base64.h"

#define QUALITY 85 // of 100

struct encoder {
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors;
    jmp_buf failed;
    unsigned char *bytes;
    unsigned long byte_count;
};

// What libjpeg cannot go on after is want of memory, here.
static void on_error(j_common_ptr jpeg)
{
    struct encoder *encoder = jpeg->client_data;
    longjmp(encoder->failed, 1);
}

static bool encode(struct encoder *encoder, uint8_t *pixels, unsigned side)
{
    struct jpeg_compress_struct *jpeg = &encoder->jpeg;
    jpeg->err = jpeg_std_error(&encoder->errors);
    encoder->errors.error_exit = on_error;
    jpeg->client_data = encoder;
    if (setjmp(encoder->failed) != 0)
        return false;
    jpeg_create_compress(jpeg);
    jpeg_mem_dest(jpeg, &encoder->bytes, &encoder->byte_count);
    jpeg->image_width = jpeg->image_height = side;
    jpeg->input_components = 3;
    jpeg->in_color_space = JCS_RGB;
    jpeg_set_defaults(jpeg);
    jpeg_set_quality(jpeg, QUALITY, TRUE);
    jpeg_start_compress(jpeg, TRUE);
    while (jpeg->next_scanline < side) {
        JSAMPROW row = pixels + (size_t)jpeg->next_scanline * side * 3;
        jpeg_write_scanlines(jpeg, &row, 1);
    }
    jpeg_finish_compress(jpeg);
    return true;
}

static void add_picture(struct text *page, uint8_t *pixels, unsigned side, const char *name)
{
    struct encoder encoder = {0};
    page->is_out_of_memory = !encode(&encoder, pixels, side) || page->is_out_of_memory;
    text_add(page, "<img src=\"data:image/jpeg;base64,");
    text_add_base64(page, encoder.bytes, encoder.byte_count);
    text_add(page, "\" width=\"%u\" height=\"%u\" alt=\"", side, side);
    text_add_html(page, name);
    text_add(page, "\">");
    jpeg_destroy_compress(&encoder.jpeg);
    free(encoder.bytes);
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
        add_picture(page, pixels, (unsigned)side, name);
    else
        add_missing(page, err.message);
    free(pixels);
    return is_read;
}
