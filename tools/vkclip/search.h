// search.h: what the files of vkclip search share.
#ifndef VKCLIP_SEARCH_H
#define VKCLIP_SEARCH_H

#include "collection.h"
#include "images.h"

enum search_format { SEARCH_TABLE, SEARCH_CSV, SEARCH_JSON, SEARCH_PATHS0 };

struct search_job {
    struct session_options common;
    struct image_options images; // of query pictures
    const char *index;
    struct string_list texts, pictures, templates, filters;
    uint32_t top;
    bool combines;   // --and
    uint32_t format; // a search_format
    const char *html;

    struct session session;
    struct collection collection;
    struct image_options index_images; // how those of the index were read
    uint64_t *rows;                    // [row_count] those that pass the filters; NULL: all
    uint64_t row_count;
    size_t query_count;
    float *queries; // [query_count, width]: of texts, then of pictures; or one of all
    vkclip_hit *hits;
    uint32_t *hit_counts;
};

// The words or the path of an input, all texts coming before all pictures.
const char *search_input(const struct search_job *job, size_t index, bool *is_text);

// The row of the index that a hit is in.
size_t search_row(const struct search_job *job, const vkclip_hit *hit);

// Prints all hits to standard output.
enum exit_status search_print(struct search_job *job);

// Writes the page. A picture that cannot be read is shown as missing, and is no failure.
enum exit_status search_write_html(struct search_job *job);

#endif
