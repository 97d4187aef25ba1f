// metrics.h: how right predictions are. Numbers are scikit-learn's, tests/test_metrics.c; what is
// undefined, as the recall of a class without pictures, is NaN.
#ifndef VKCLIP_METRICS_H
#define VKCLIP_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct predictions {
    size_t count; // fewer than 2^32
    uint32_t class_count;
    const uint32_t *truth;       // [count] below class_count
    const double *probabilities; // [count, class_count]; the first of the largest is predicted
};

// One class against all others.
struct class_metrics {
    uint64_t support;   // pictures of this class
    uint64_t predicted; // pictures taken for this class
    double precision, recall, f1;
    double auroc, average_precision; // of its probability; equal ones are ties
};

enum metric {
    METRIC_ACCURACY,
    METRIC_BALANCED_ACCURACY, // mean recall of the classes that have pictures
    METRIC_AUROC,             // of two classes: the second's; of more: mean of those defined
    METRIC_AVERAGE_PRECISION, // likewise
    METRIC_CALIBRATION_ERROR, // expected, see CALIBRATION_BINS
    METRIC_COUNT,
};

// "balanced_accuracy", "balanced accuracy"
extern const char *const metric_keys[METRIC_COUNT];
extern const char *const metric_names[METRIC_COUNT];

// The expected calibration error is the mean, over pictures, of |accuracy - mean probability|
// within bins of the predicted class's probability: (0, 1/15], (1/15, 2/15] and so on.
// Source: Guo et al., "On Calibration of Modern Neural Networks" (2017), equation 3.
#define CALIBRATION_BINS 15

// 95 % intervals are the 2.5th and the 97.5th percentile, linearly interpolated, over so many
// resamples of the pictures, drawn with replacement. A resample in which a number is undefined does
// not count for it. The pictures of all resamples are drawn one after the other, random.h.
#define BOOTSTRAP_RESAMPLES 1000

struct metrics {
    double values[METRIC_COUNT];
    double low[METRIC_COUNT], high[METRIC_COUNT]; // 95 % bootstrap interval
    struct class_metrics *classes;                // [class_count]
    uint64_t *confusion;                          // [class_count, class_count] truth by predicted
};

// Measures one picture or more. Returns false without memory.
bool metrics_init(struct metrics *metrics, const struct predictions *predictions, uint32_t seed);

// Accepts a zeroed or half-built metrics.
void metrics_finish(struct metrics *metrics);

// The class that is predicted for a picture.
uint32_t metrics_predicted(const struct predictions *predictions, size_t picture);

struct roc_point {
    double false_positives, true_positives; // as shares
};

// The curve of one class against the rest, from (0, 0) to (1, 1), a point for each probability that
// occurs, thinned out to capacity, at least 3.
//
// Returns how many points there are: 0 where the class or the rest has no pictures, or without
// memory.
size_t metrics_roc(const struct predictions *predictions, uint32_t class_index,
                   struct roc_point *points, size_t capacity);

#endif
