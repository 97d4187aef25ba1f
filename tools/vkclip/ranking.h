// ranking.h: labels and how well each fits an image, best first, as a table, CSV or JSON.
#ifndef VKCLIP_RANKING_H
#define VKCLIP_RANKING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vkclip.h"

enum ranking_format { RANKING_TABLE, RANKING_CSV, RANKING_JSON };
extern const char *const ranking_formats[]; // choices of an option

struct ranking {
    const char *kind; // what CSV and JSON call a label: "label", "answer"
    const char *const *labels;
    size_t count;
    uint32_t top;      // how many are printed; 0: all
    uint32_t format;   // a ranking_format
    bool has_cosines;  // what CSV and JSON tell beside probability and logit
    bool shows_logits; // in the table; it always has the cosines where there are some

    vkclip_score *scores; // [count] in the order of the labels: the caller's to fill
    size_t *order;        // [count] labels, best first
    size_t label_width;   // of the table's first column, in characters
};

// Makes room, once what comes before the blank line above is set. Returns false without memory.
bool ranking_init(struct ranking *ranking);

// Accepts a zeroed ranking.
void ranking_finish(struct ranking *ranking);

// Each returns false when standard output failed; output_finish says why.
bool ranking_write_head(const struct ranking *ranking);
bool ranking_write(struct ranking *ranking, const char *path);

#endif
