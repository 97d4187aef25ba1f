#include "metrics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "random.h"

const char *const metric_keys[METRIC_COUNT] = {
    [METRIC_ACCURACY] = "accuracy",
    [METRIC_BALANCED_ACCURACY] = "balanced_accuracy",
    [METRIC_AUROC] = "auroc",
    [METRIC_AVERAGE_PRECISION] = "average_precision",
    [METRIC_CALIBRATION_ERROR] = "calibration_error",
};
const char *const metric_names[METRIC_COUNT] = {
    [METRIC_ACCURACY] = "accuracy",
    [METRIC_BALANCED_ACCURACY] = "balanced accuracy",
    [METRIC_AUROC] = "AUROC",
    [METRIC_AVERAGE_PRECISION] = "average precision",
    [METRIC_CALIBRATION_ERROR] = "calibration error",
};

// What every resample needs: how often a picture was drawn is its weight.
struct evaluation {
    const struct predictions *predictions;
    uint32_t *order;     // [class_count, count] pictures, the likeliest of each class first
    uint32_t *predicted; // [count]
    uint32_t *weights;   // [count]
    uint64_t *confusion; // [class_count, class_count]
};

static double ratio(double part, double whole)
{
    return whole > 0.0 ? part / whole : NAN;
}

static double probability_of(const struct predictions *p, size_t picture, uint32_t class_index)
{
    return p->probabilities[picture * p->class_count + class_index];
}

uint32_t metrics_predicted(const struct predictions *predictions, size_t picture)
{
    uint32_t best = 0;
    for (uint32_t c = 1; c < predictions->class_count; c++)
        if (probability_of(predictions, picture, c) > probability_of(predictions, picture, best))
            best = c;
    return best;
}

// ---- one class against the rest -------------------------------------------------------------

// What qsort compares by; the program has one thread.
static const struct predictions *sorted_predictions;
static uint32_t sorted_class;

static int compare_probabilities(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    double x = probability_of(sorted_predictions, left, sorted_class);
    double y = probability_of(sorted_predictions, right, sorted_class);
    if (x != y)
        return x > y ? -1 : 1;
    return left < right ? -1 : 1;
}

static void sort_pictures(const struct predictions *p, uint32_t class_index, uint32_t *order)
{
    for (size_t i = 0; i < p->count; i++)
        order[i] = (uint32_t)i;
    sorted_predictions = p;
    sorted_class = class_index;
    qsort(order, p->count, sizeof *order, compare_probabilities);
}

// Pictures with the same probability of a class.
struct tie {
    double positives, negatives;
};

// Counts the tie that begins at order[*next], and goes behind it.
static struct tie next_tie(const struct predictions *p, uint32_t class_index, const uint32_t *order,
                           const uint32_t *weights, size_t *next)
{
    struct tie tie = {0};
    const double probability = probability_of(p, order[*next], class_index);
    for (; *next < p->count; ++*next) {
        const uint32_t picture = order[*next];
        if (probability_of(p, picture, class_index) != probability)
            break;
        const double weight = weights ? weights[picture] : 1.0;
        if (p->truth[picture] == class_index)
            tie.positives += weight;
        else
            tie.negatives += weight;
    }
    return tie;
}

// Area under the ROC curve: the share of pairs of a positive and a negative in which the positive
// is the likelier, ties being half a pair. Average precision: the precision at each tie, weighted
// by the recall it adds.
// Source: scikit-learn, roc_auc_score and average_precision_score.
static void measure_curves(const struct evaluation *e, uint32_t class_index, double *auroc,
                           double *average_precision)
{
    const struct predictions *p = e->predictions;
    const uint32_t *order = e->order + class_index * p->count;
    double positives = 0.0, negatives = 0.0, pairs = 0.0, precisions = 0.0;
    for (size_t next = 0; next < p->count;) {
        struct tie tie = next_tie(p, class_index, order, e->weights, &next);
        pairs += tie.negatives * (positives + tie.positives / 2.0);
        positives += tie.positives;
        negatives += tie.negatives;
        if (tie.positives > 0.0)
            precisions += tie.positives * positives / (positives + negatives);
    }
    *auroc = ratio(pairs, positives * negatives);
    *average_precision = ratio(precisions, positives);
}

size_t metrics_roc(const struct predictions *predictions, uint32_t class_index,
                   struct roc_point *points, size_t capacity)
{
    uint32_t *order = malloc(predictions->count * sizeof *order);
    if (!order)
        return 0;
    struct tie sum = {0}, all = {0};
    for (size_t i = 0; i < predictions->count; i++)
        *(predictions->truth[i] == class_index ? &all.positives : &all.negatives) += 1.0;

    sort_pictures(predictions, class_index, order);
    size_t count = 0;
    const double least = 2.0 / (double)(capacity - 2); // of the way along both axes
    points[count++] = (struct roc_point){0};
    for (size_t next = 0; next < predictions->count && all.positives * all.negatives > 0.0;) {
        struct tie tie = next_tie(predictions, class_index, order, NULL, &next);
        sum.positives += tie.positives;
        sum.negatives += tie.negatives;
        const struct roc_point point = {sum.negatives / all.negatives,
                                        sum.positives / all.positives};
        const struct roc_point *last = &points[count - 1];
        const double way = point.false_positives - last->false_positives + point.true_positives -
                           last->true_positives;
        if (way >= least || next == predictions->count)
            points[count++] = point;
    }
    free(order);
    return count > 1 ? count : 0;
}

// ---- all classes ----------------------------------------------------------------------------

static void count_confusion(struct evaluation *e)
{
    const struct predictions *p = e->predictions;
    memset(e->confusion, 0, (size_t)p->class_count * p->class_count * sizeof *e->confusion);
    for (size_t i = 0; i < p->count; i++)
        e->confusion[(size_t)p->truth[i] * p->class_count + e->predicted[i]] += e->weights[i];
}

static void measure_accuracy(const struct evaluation *e, double *accuracy, double *balanced)
{
    const uint32_t classes = e->predictions->class_count;
    double right = 0.0, all = 0.0, recalls = 0.0, present = 0.0;
    for (uint32_t c = 0; c < classes; c++) {
        double support = 0.0;
        for (uint32_t other = 0; other < classes; other++)
            support += (double)e->confusion[(size_t)c * classes + other];
        const double hits = (double)e->confusion[(size_t)c * classes + c];
        right += hits;
        all += support;
        recalls += support > 0.0 ? hits / support : 0.0;
        present += support > 0.0;
    }
    *accuracy = ratio(right, all);
    *balanced = ratio(recalls, present);
}

static double calibration_error(const struct evaluation *e)
{
    const struct predictions *p = e->predictions;
    double right[CALIBRATION_BINS] = {0}, confidence[CALIBRATION_BINS] = {0}, all = 0.0;
    for (size_t i = 0; i < p->count; i++) {
        const double top = probability_of(p, i, e->predicted[i]);
        uint32_t bin = 0;
        while (bin + 1 < CALIBRATION_BINS && top > (bin + 1) / (double)CALIBRATION_BINS)
            bin++;
        right[bin] += p->truth[i] == e->predicted[i] ? e->weights[i] : 0.0;
        confidence[bin] += e->weights[i] * top;
        all += e->weights[i];
    }
    double sum = 0.0;
    for (uint32_t bin = 0; bin < CALIBRATION_BINS; bin++)
        sum += fabs(right[bin] - confidence[bin]);
    return ratio(sum, all);
}

// The second of two classes is the one that is looked for, as in scikit-learn.
static void measure_mean_curves(const struct evaluation *e, double *auroc, double *precision)
{
    const uint32_t classes = e->predictions->class_count;
    if (classes == 2) {
        measure_curves(e, 1, auroc, precision);
        return;
    }
    double auroc_sum = 0.0, auroc_count = 0.0, precision_sum = 0.0, precision_count = 0.0;
    for (uint32_t c = 0; c < classes; c++) {
        double area, average;
        measure_curves(e, c, &area, &average);
        if (!isnan(area))
            auroc_sum += area, auroc_count += 1.0;
        if (!isnan(average))
            precision_sum += average, precision_count += 1.0;
    }
    *auroc = ratio(auroc_sum, auroc_count);
    *precision = ratio(precision_sum, precision_count);
}

static void measure(struct evaluation *e, double values[METRIC_COUNT])
{
    count_confusion(e);
    measure_accuracy(e, &values[METRIC_ACCURACY], &values[METRIC_BALANCED_ACCURACY]);
    measure_mean_curves(e, &values[METRIC_AUROC], &values[METRIC_AVERAGE_PRECISION]);
    values[METRIC_CALIBRATION_ERROR] = calibration_error(e);
}

static void measure_class(const struct evaluation *e, uint32_t c, struct class_metrics *metrics)
{
    const uint32_t classes = e->predictions->class_count;
    *metrics = (struct class_metrics){0};
    for (uint32_t other = 0; other < classes; other++) {
        metrics->support += e->confusion[(size_t)c * classes + other];
        metrics->predicted += e->confusion[(size_t)other * classes + c];
    }
    const double hits = (double)e->confusion[(size_t)c * classes + c];
    metrics->precision = ratio(hits, (double)metrics->predicted);
    metrics->recall = ratio(hits, (double)metrics->support);
    metrics->f1 = ratio(2.0 * hits, (double)(metrics->predicted + metrics->support));
    measure_curves(e, c, &metrics->auroc, &metrics->average_precision);
}

// ---- intervals ------------------------------------------------------------------------------

static void resample(struct evaluation *e, uint64_t *state)
{
    const size_t count = e->predictions->count;
    memset(e->weights, 0, count * sizeof *e->weights);
    for (size_t i = 0; i < count; i++)
        e->weights[random_below(state, (uint32_t)count)]++;
}

static int compare_numbers(const void *a, const void *b)
{
    const double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

static double percentile(const double *sorted, size_t count, double share)
{
    if (count == 0)
        return NAN;
    const double place = share * (double)(count - 1);
    const size_t below = (size_t)place;
    const size_t above = below + 1 < count ? below + 1 : below;
    return sorted[below] + (sorted[above] - sorted[below]) * (place - (double)below);
}

// samples: [METRIC_COUNT, BOOTSTRAP_RESAMPLES]
static void find_intervals(struct evaluation *e, uint32_t seed, double *samples,
                           struct metrics *metrics)
{
    uint64_t state = seed;
    size_t counts[METRIC_COUNT] = {0};
    for (size_t i = 0; i < BOOTSTRAP_RESAMPLES; i++) {
        double values[METRIC_COUNT];
        resample(e, &state);
        measure(e, values);
        for (size_t m = 0; m < METRIC_COUNT; m++)
            if (!isnan(values[m]))
                samples[m * BOOTSTRAP_RESAMPLES + counts[m]++] = values[m];
    }
    for (size_t m = 0; m < METRIC_COUNT; m++) {
        double *sorted = samples + m * BOOTSTRAP_RESAMPLES;
        qsort(sorted, counts[m], sizeof *sorted, compare_numbers);
        metrics->low[m] = percentile(sorted, counts[m], 0.025);
        metrics->high[m] = percentile(sorted, counts[m], 0.975);
    }
}

static void evaluate(struct evaluation *e, uint32_t seed, double *samples, struct metrics *metrics)
{
    const struct predictions *p = e->predictions;
    for (uint32_t c = 0; c < p->class_count; c++)
        sort_pictures(p, c, e->order + c * p->count);
    for (size_t i = 0; i < p->count; i++) {
        e->predicted[i] = metrics_predicted(p, i);
        e->weights[i] = 1;
    }
    measure(e, metrics->values);
    for (uint32_t c = 0; c < p->class_count; c++)
        measure_class(e, c, &metrics->classes[c]);
    memcpy(metrics->confusion, e->confusion,
           (size_t)p->class_count * p->class_count * sizeof *e->confusion);
    find_intervals(e, seed, samples, metrics);
}

bool metrics_init(struct metrics *metrics, const struct predictions *predictions, uint32_t seed)
{
    const size_t count = predictions->count, classes = predictions->class_count;
    *metrics = (struct metrics){
        .classes = calloc(classes, sizeof *metrics->classes),
        .confusion = calloc(classes * classes, sizeof *metrics->confusion),
    };
    struct evaluation e = {
        .predictions = predictions,
        .order = calloc(classes * count, sizeof *e.order),
        .predicted = calloc(count, sizeof *e.predicted),
        .weights = calloc(count, sizeof *e.weights),
        .confusion = calloc(classes * classes, sizeof *e.confusion),
    };
    double *samples = calloc((size_t)METRIC_COUNT * BOOTSTRAP_RESAMPLES, sizeof *samples);
    bool is_done = metrics->classes && metrics->confusion && e.order && e.predicted && e.weights &&
                   e.confusion && samples;
    if (is_done)
        evaluate(&e, seed, samples, metrics);
    free(samples);
    free(e.confusion);
    free(e.weights);
    free(e.predicted);
    free(e.order);
    return is_done;
}

void metrics_finish(struct metrics *metrics)
{
    free(metrics->classes);
    free(metrics->confusion);
    *metrics = (struct metrics){0};
}
