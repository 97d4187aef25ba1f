// eval_report.h: what an evaluation found, as a table, as JSON and as a page.
#ifndef VKCLIP_EVAL_REPORT_H
#define VKCLIP_EVAL_REPORT_H

#include "class_set.h"
#include "images.h"
#include "metrics.h"
#include "output.h"

enum eval_format { EVAL_TABLE, EVAL_JSON };
extern const char *const eval_formats[]; // choices of an option

// Predictions of one classifier about the pictures of the report.
struct eval_round {
    char title[128];             // "" where there is no other
    uint32_t percent;            // of the training rows it learned from; 0: it did not
    size_t training_count;       // those rows
    double strength;             // the inverse of its L2 strength, scikit-learn's C
    const double *probabilities; // [count, class_count]
    struct metrics metrics;
};

struct eval_report {
    const char *title; // "Zero-shot classification"
    const char *dataset;
    const char *model;
    uint32_t seed;
    const struct class_set *set;
    size_t count;              // pictures that could be read
    size_t failed_count;       // and those that could not
    char **paths;              // [count]
    const uint32_t *truth;     // [count]
    struct eval_round *rounds; // [round_count]; what is shown once is of the last
    size_t round_count;
};

// The predictions of a round.
struct predictions eval_predictions(const struct eval_report *report,
                                    const struct eval_round *round);

// The wrong pictures of the last round, the most confident first.
//
//   pictures  [EVAL_MOST_WRONG]
//
// Returns how many there are.
#define EVAL_MOST_WRONG 24
size_t eval_find_wrong(const struct eval_report *report, size_t pictures[EVAL_MOST_WRONG]);

void eval_add_table(struct text *text, const struct eval_report *report);
void eval_add_json(struct text *text, const struct eval_report *report);

// Thumbnails are read once more, as the model sees them.
void eval_add_html(struct text *page, const struct eval_report *report, const vkclip_model *model,
                   const struct image_options *images);

#endif
