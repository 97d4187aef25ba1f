#include "published.h"

#include <math.h>

// The logarithm of the sum of exponentials, which a softmax takes off each logit.
static double log_sum(const float *logits, uint32_t count)
{
    double most = -INFINITY, sum = 0.0;
    for (uint32_t i = 0; i < count; i++)
        most = fmax(most, (double)logits[i]);
    for (uint32_t i = 0; i < count; i++)
        sum += exp((double)logits[i] - most);
    return most + log(sum);
}

void published_compare(const struct published *table, uint32_t picture, const float *logits,
                       struct published_comparison *comparison)
{
    const double whole = log_sum(logits, table->label_count);
    for (uint32_t label = 0; label < table->label_count; label++) {
        const double ours = (double)logits[label] - whole;
        const double difference = ours - log(table->probabilities[picture][label]);
        const double magnitude = isfinite(difference) ? fabs(difference) : INFINITY;
        comparison->ours[picture][label] = exp(ours);
        comparison->differences[picture][label] = difference;
        if (magnitude > comparison->worst) {
            comparison->worst = magnitude;
            comparison->worst_picture = picture;
            comparison->worst_label = label;
        }
    }
}
