// index_portion.h: the pictures of one call to the library, and what becomes of them in a set.
#ifndef VKCLIP_INDEX_PORTION_H
#define VKCLIP_INDEX_PORTION_H

#include "images.h"
#include "index_known.h"
#include "index_resume.h"
#include "index_set.h"

struct index_portion {
    const struct image_options *options;
    vkclip_engine *engine;
    struct index_known *known; // pictures that need not be embedded; NULL: none
    size_t step;               // pictures to embed at once

    struct text strings; // paths and lines
    struct portion_entry *entries;
    size_t entry_count;
    vkclip_image *images;
    float *rows; // [image_count, width], and one more
    vkclip_error *errors;
    size_t image_count, width;
};

bool index_portion_init(struct index_portion *portion, const struct image_options *options,
                        vkclip_engine *engine, size_t width, vkclip_error *err);

// Takes pictures from the queue, as many as are to be embedded at once.
bool index_portion_fill(struct index_portion *portion, struct index_queue *queue,
                        vkclip_error *err);

// Embeds them; adds all of the portion to a set, in the order of the queue.
bool index_portion_embed(struct index_portion *portion, vkclip_error *err);
bool index_portion_store(struct index_portion *portion, struct index_set *set, vkclip_error *err);

// Accepts a zeroed portion.
void index_portion_finish(struct index_portion *portion);

#endif
