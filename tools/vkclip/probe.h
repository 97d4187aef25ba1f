// probe.h: a linear probe: multinomial logistic regression on embeddings, scikit-learn's
// LogisticRegression. For n rows x with labels y, and weights w and intercepts b,
//
//   minimises  C * sum -log softmax(w x + b)[y]  +  |w|^2 / 2
//
// Of two classes the first has neither weights nor intercept, as there.
#ifndef VKCLIP_PROBE_H
#define VKCLIP_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vkclip.h"

// Embeddings with labels, and which of them to learn from.
struct probe_rows {
    const float *embeddings; // [all, width]
    const uint32_t *labels;  // [all] below class_count
    size_t width;
    uint32_t class_count;
    const uint32_t *picked; // [count] into all
    size_t count;
};

struct probe {
    double *weights; // [vectors, width + 1], the intercept last
    double strength; // C
    size_t width;
    uint32_t class_count;
};

// Learns with a given C. Fails as solver_minimize does.
bool probe_fit(struct probe *probe, const struct probe_rows *rows, double strength,
               vkclip_error *err);

// The C for which a probe that learns from some rows is right on most of others; of several the
// smallest. 10^-3, 10^-2.5, ... 10^5 are tried.
#define PROBE_STRENGTHS 17
bool probe_choose(const struct probe_rows *training, const struct probe_rows *validation,
                  double *strength, vkclip_error *err);

//   embedding      [width]
//   probabilities  [class_count]
void probe_predict(const struct probe *probe, const float *embedding, double *probabilities);

// Accepts a zeroed probe.
void probe_finish(struct probe *probe);

#endif
