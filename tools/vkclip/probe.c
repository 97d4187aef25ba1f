#include "probe.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"
#include "solver.h"

// Of the mean loss; scikit-learn stops at 1e-4 by default. From here on predictions stay the same
// in four digits, tests/test_probe.c.
#define TOLERANCE 1e-6

static uint32_t vector_count(uint32_t class_count)
{
    return class_count == 2 ? 1 : class_count;
}

// Sums that do not wait for one another: eight at a time, which compilers keep in vectors.
static double dot(const double *weights, const float *row, size_t width)
{
    double sums[8] = {0};
    size_t i = 0;
    for (; i + 8 <= width; i += 8)
        for (size_t lane = 0; lane < 8; lane++)
            sums[lane] += weights[i + lane] * (double)row[i + lane];
    for (; i < width; i++)
        sums[0] += weights[i] * (double)row[i];
    return ((sums[0] + sums[4]) + (sums[1] + sums[5])) +
           ((sums[2] + sums[6]) + (sums[3] + sums[7]));
}

// Puts probabilities in the place of logits; returns the logarithm of what they were divided by.
static double softmax(double *values, uint32_t count)
{
    double most = values[0], sum = 0.0;
    for (uint32_t c = 1; c < count; c++)
        most = fmax(most, values[c]);
    for (uint32_t c = 0; c < count; c++)
        sum += values[c] = exp(values[c] - most);
    for (uint32_t c = 0; c < count; c++)
        values[c] /= sum;
    return most + log(sum);
}

static void find_logits(const double *weights, size_t width, uint32_t class_count, const float *row,
                        double *logits)
{
    const uint32_t vectors = vector_count(class_count);
    logits[0] = 0.0;
    for (uint32_t v = 0; v < vectors; v++) {
        const double *vector = weights + v * (width + 1);
        logits[class_count - vectors + v] = dot(vector, row, width) + vector[width];
    }
}

// ---- learning ------------------------------------------------------------------------------

struct lesson {
    const struct probe_rows *rows;
    double strength;
    double *values; // [class_count] of a row
};

// Adds what a row says to the derivatives; returns its loss.
static double learn_row(const struct lesson *lesson, uint32_t picked, const double *weights,
                        double *gradient)
{
    const struct probe_rows *rows = lesson->rows;
    const float *row = rows->embeddings + picked * rows->width;
    const uint32_t label = rows->labels[picked], vectors = vector_count(rows->class_count);
    find_logits(weights, rows->width, rows->class_count, row, lesson->values);
    const double logit = lesson->values[label];
    const double loss = softmax(lesson->values, rows->class_count) - logit;
    for (uint32_t v = 0; v < vectors; v++) {
        const uint32_t c = rows->class_count - vectors + v;
        const double excess = lesson->values[c] - (c == label ? 1.0 : 0.0);
        double *slope = gradient + v * (rows->width + 1);
        for (size_t i = 0; i < rows->width; i++)
            slope[i] += excess * (double)row[i];
        slope[rows->width] += excess;
    }
    return loss;
}

// The mean loss with its share of |w|^2 / 2, so that the tolerance means the same for any number of
// rows.
static double evaluate(void *context, const double *weights, double *gradient)
{
    const struct lesson *lesson = context;
    const struct probe_rows *rows = lesson->rows;
    const uint32_t vectors = vector_count(rows->class_count);
    const size_t stride = rows->width + 1;
    const double count = (double)rows->count, penalty = 1.0 / (lesson->strength * count);
    double loss = 0.0, squares = 0.0;

    memset(gradient, 0, vectors * stride * sizeof *gradient);
    for (size_t i = 0; i < rows->count; i++)
        loss += learn_row(lesson, rows->picked[i], weights, gradient);
    for (size_t i = 0; i < vectors * stride; i++) {
        const bool is_intercept = i % stride == rows->width;
        gradient[i] = gradient[i] / count + (is_intercept ? 0.0 : penalty * weights[i]);
        squares += is_intercept ? 0.0 : weights[i] * weights[i];
    }
    return loss / count + penalty * squares / 2.0;
}

// Makes a probe that knows nothing.
static bool init(struct probe *probe, const struct probe_rows *rows, vkclip_error *err)
{
    *probe = (struct probe){.width = rows->width, .class_count = rows->class_count};
    probe->weights =
        calloc(vector_count(rows->class_count), (rows->width + 1) * sizeof *probe->weights);
    return probe->weights || report_fill(err, VKCLIP_ERROR_MEMORY, "no memory for a probe");
}

// Learns from where the probe is.
static bool learn(struct probe *probe, const struct probe_rows *rows, double strength,
                  vkclip_error *err)
{
    struct lesson lesson = {
        .rows = rows,
        .strength = strength,
        .values = malloc(rows->class_count * sizeof *lesson.values),
    };
    if (!lesson.values)
        return report_fill(err, VKCLIP_ERROR_MEMORY, "no memory for a probe");
    const struct solver_function function = {evaluate, &lesson,
                                             vector_count(rows->class_count) * (rows->width + 1)};
    const bool is_done = solver_minimize(&function, TOLERANCE, probe->weights, err);
    free(lesson.values);
    probe->strength = strength;
    return is_done;
}

bool probe_fit(struct probe *probe, const struct probe_rows *rows, double strength,
               vkclip_error *err)
{
    return init(probe, rows, err) && learn(probe, rows, strength, err);
}

static size_t count_hits(const struct probe *probe, const struct probe_rows *rows, double *values)
{
    size_t hits = 0;
    for (size_t i = 0; i < rows->count; i++) {
        uint32_t best = 0;
        find_logits(probe->weights, rows->width, rows->class_count,
                    rows->embeddings + rows->picked[i] * rows->width, values);
        for (uint32_t c = 1; c < rows->class_count; c++)
            if (values[c] > values[best])
                best = c;
        hits += best == rows->labels[rows->picked[i]];
    }
    return hits;
}

bool probe_choose(const struct probe_rows *training, const struct probe_rows *validation,
                  double *strength, vkclip_error *err)
{
    struct probe probe = {0};
    double *values = malloc(training->class_count * sizeof *values);
    size_t most = 0;
    bool is_done = values ? init(&probe, training, err)
                          : report_fill(err, VKCLIP_ERROR_MEMORY, "no memory for a probe");
    for (int i = 0; is_done && i < PROBE_STRENGTHS; i++) {
        // The solution for the last C is near that for the next.
        const double tried = pow(10.0, -3.0 + 0.5 * i);
        is_done = learn(&probe, training, tried, err);
        const size_t hits = is_done ? count_hits(&probe, validation, values) : 0;
        if (i == 0 || hits > most) {
            most = hits;
            *strength = tried;
        }
    }
    free(values);
    probe_finish(&probe);
    return is_done;
}

void probe_predict(const struct probe *probe, const float *embedding, double *probabilities)
{
    find_logits(probe->weights, probe->width, probe->class_count, embedding, probabilities);
    softmax(probabilities, probe->class_count);
}

void probe_finish(struct probe *probe)
{
    free(probe->weights);
    *probe = (struct probe){0};
}
