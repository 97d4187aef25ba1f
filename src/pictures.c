#include "pictures.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/error.h"
#include "base/log.h"

// Of one picture. A log is called by the caller's thread alone, so lines wait here for it.
struct picture_outcome {
    vkclip_error error; // status VKCLIP_OK: none
    vkclip_log_level level;
    char line[LOG_LINE_BYTES]; // empty: none; reading a picture gives one at most
};

bool pictures_init(struct pictures *pictures, const vkclip_model *model, uint32_t capacity,
                   vkclip_error *err)
{
    const size_t side = vkclip_model_get_facts(model)->image_size_px;
    *pictures = (struct pictures){.model = model, .picture_bytes = side * side * 3};
    pictures->pixels = checked_malloc((uint64_t)capacity * pictures->picture_bytes + 1);
    pictures->outcomes = calloc((size_t)capacity + 1, sizeof *pictures->outcomes);
    if (pictures->pixels && pictures->outcomes)
        return true;
    pictures_finish(pictures);
    return fail(err, VKCLIP_ERROR_MEMORY, "no memory for %u pictures", capacity);
}

void pictures_finish(struct pictures *pictures)
{
    free(pictures->pixels);
    free(pictures->outcomes);
    *pictures = (struct pictures){0};
}

static void keep_line(void *user, vkclip_log_level level, const char *message)
{
    struct picture_outcome *outcome = user;
    outcome->level = level;
    snprintf(outcome->line, sizeof outcome->line, "%s", message);
}

static void read_picture(void *context, uint32_t index)
{
    struct pictures *pictures = context;
    struct picture_outcome *outcome = &pictures->outcomes[index];
    uint8_t *pixels = pictures->pixels + index * pictures->picture_bytes;
    vkclip_image image = pictures->images[index];
    if (image.log.write)
        image.log = (vkclip_log){keep_line, outcome};
    outcome->error = (vkclip_error){0};
    outcome->line[0] = '\0';
    if (!vkclip_preprocess(pictures->model, &image, pixels, &outcome->error))
        memset(pixels, 0, pictures->picture_bytes);
}

void pictures_begin(struct pictures *pictures, const vkclip_image *images, uint32_t count)
{
    pictures->images = images;
    pictures->count = count;
    parallel_begin(&pictures->parallel, count, read_picture, pictures);
}

void pictures_end(struct pictures *pictures)
{
    parallel_end(&pictures->parallel);
    // A large picture may lack the memory that those beside it held.
    for (uint32_t i = 0; i < pictures->count; i++)
        if (pictures->outcomes[i].error.status == VKCLIP_ERROR_MEMORY)
            read_picture(pictures, i);
}

bool pictures_report(const struct pictures *pictures, bool *is_read, vkclip_error *errors,
                     vkclip_error *err)
{
    for (uint32_t i = 0; i < pictures->count; i++) {
        const struct picture_outcome *outcome = &pictures->outcomes[i];
        if (outcome->line[0])
            log_line(&pictures->images[i].log, outcome->level, "%s", outcome->line);
        is_read[i] = outcome->error.status == VKCLIP_OK;
        if (errors) {
            errors[i] = outcome->error;
        } else if (!is_read[i]) {
            if (err)
                *err = outcome->error;
            return false;
        }
    }
    return true;
}
