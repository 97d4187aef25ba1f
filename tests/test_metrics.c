// Defends the figures of vkclip eval: they are what scikit-learn says of the same predictions, as
// tools/reference/make_metrics_goldens.py recorded it, ties and classes without pictures included.
#include "test.h"

#include <cjson/cJSON.h>
#include <stdlib.h>

#include "metrics.h"

// Both sides compute in double precision; what sums of a hundred round off is 1e-14.
#define TOLERANCE 1e-9

struct stored {
    const char *name;
    const cJSON *json;
    struct predictions predictions;
    uint32_t *truth;
    double *probabilities;
};

static cJSON *open_cases(void)
{
    static char text[1 << 17];
    FILE *file = fopen("tests/golden/metrics.json", "rb");
    assert_non_null(file);
    size_t byte_count = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[byte_count] = '\0';
    cJSON *json = cJSON_Parse(text);
    assert_non_null(json);
    return json;
}

static double number(const cJSON *array, int index)
{
    const cJSON *item = cJSON_GetArrayItem(array, index);
    assert_non_null(item);
    return cJSON_IsNumber(item) ? item->valuedouble : NAN;
}

static struct stored read_case(const cJSON *json)
{
    struct stored stored = {.name = cJSON_GetObjectItem(json, "name")->valuestring, .json = json};
    const cJSON *truth = cJSON_GetObjectItem(json, "truth");
    const cJSON *rows = cJSON_GetObjectItem(json, "probabilities");
    const int count = cJSON_GetArraySize(truth);
    const int classes = cJSON_GetArraySize(cJSON_GetArrayItem(rows, 0));
    stored.truth = calloc((size_t)count, sizeof *stored.truth);
    stored.probabilities = calloc((size_t)(count * classes), sizeof(double));
    for (int i = 0; i < count; i++) {
        stored.truth[i] = (uint32_t)number(truth, i);
        for (int c = 0; c < classes; c++)
            stored.probabilities[i * classes + c] = number(cJSON_GetArrayItem(rows, i), c);
    }
    stored.predictions = (struct predictions){
        .count = (size_t)count,
        .class_count = (uint32_t)classes,
        .truth = stored.truth,
        .probabilities = stored.probabilities,
    };
    return stored;
}

static void finish_case(struct stored *stored)
{
    free(stored->truth);
    free(stored->probabilities);
}

struct worst {
    double error;
    const char *name, *what;
};

// What is undefined there has to be undefined here.
static void compare(struct worst *worst, const char *name, const char *what, double got,
                    double want)
{
    double error = isnan(got) && isnan(want) ? 0.0 : fabs(got - want);
    if (isnan(error))
        error = INFINITY;
    if (error >= worst->error)
        *worst = (struct worst){error, name, what};
    if (error > TOLERANCE)
        printf("%s, %s: %.17g, want %.17g\n", name, what, got, want);
}

static void compare_classes(struct worst *worst, const struct stored *stored,
                            const struct metrics *metrics)
{
    const cJSON *classes = cJSON_GetObjectItem(stored->json, "classes");
    const cJSON *confusion = cJSON_GetObjectItem(stored->json, "confusion");
    const int count = (int)stored->predictions.class_count;
    for (int c = 0; c < count; c++) {
        const struct class_metrics *got = &metrics->classes[c];
        const cJSON *want = cJSON_GetArrayItem(classes, c);
        compare(worst, stored->name, "precision", got->precision, number(want, 0));
        compare(worst, stored->name, "recall", got->recall, number(want, 1));
        compare(worst, stored->name, "f1", got->f1, number(want, 2));
        compare(worst, stored->name, "support", (double)got->support, number(want, 3));
        compare(worst, stored->name, "auroc of a class", got->auroc, number(want, 4));
        compare(worst, stored->name, "average precision of a class", got->average_precision,
                number(want, 5));
        for (int other = 0; other < count; other++)
            compare(worst, stored->name, "confusion", (double)metrics->confusion[c * count + other],
                    number(cJSON_GetArrayItem(confusion, c), other));
    }
}

static void metrics_match_scikit_learn(void **state)
{
    (void)state;
    struct worst worst = {0};
    cJSON *json = open_cases();
    const cJSON *item;
    cJSON_ArrayForEach(item, cJSON_GetObjectItem(json, "cases"))
    {
        struct stored stored = read_case(item);
        struct metrics metrics;
        const uint32_t seed = (uint32_t)cJSON_GetObjectItem(item, "seed")->valueint;
        assert_true(metrics_init(&metrics, &stored.predictions, seed));
        const cJSON *values = cJSON_GetObjectItem(item, "values");
        const cJSON *intervals = cJSON_GetObjectItem(item, "intervals");
        for (int m = 0; m < METRIC_COUNT; m++) {
            compare(&worst, stored.name, metric_names[m], metrics.values[m], number(values, m));
            compare(&worst, stored.name, "low end of an interval", metrics.low[m],
                    number(cJSON_GetArrayItem(intervals, 0), m));
            compare(&worst, stored.name, "high end of an interval", metrics.high[m],
                    number(cJSON_GetArrayItem(intervals, 1), m));
        }
        compare_classes(&worst, &stored, &metrics);
        metrics_finish(&metrics);
        finish_case(&stored);
    }
    printf("worst %.1e in %s, %s; allowed %.1e\n", worst.error, worst.name, worst.what, TOLERANCE);
    assert_true(worst.error <= TOLERANCE);
    cJSON_Delete(json);
}

// The curve is drawn from the same ties: what lies below it is the stored area. Thinned out, it
// keeps its ends.
static void area_below_the_curve_is_auroc(void **state)
{
    (void)state;
    double worst = 0.0;
    cJSON *json = open_cases();
    const cJSON *item;
    cJSON_ArrayForEach(item, cJSON_GetObjectItem(json, "cases"))
    {
        struct stored stored = read_case(item);
        for (uint32_t c = 0; c < stored.predictions.class_count; c++) {
            static struct roc_point points[10000];
            const double want =
                number(cJSON_GetArrayItem(cJSON_GetObjectItem(item, "classes"), (int)c), 4);
            double area = 0.0;
            size_t count = metrics_roc(&stored.predictions, c, points, COUNT(points));
            assert_true((count == 0) == (isnan(want) != 0));
            for (size_t i = 1; i < count; i++)
                area += (points[i].false_positives - points[i - 1].false_positives) *
                        (points[i].true_positives + points[i - 1].true_positives) / 2.0;
            if (count > 0)
                worst = fmax(worst, fabs(area - want));
            count = metrics_roc(&stored.predictions, c, points, 7);
            assert_true(count <= 7);
            if (count > 0)
                assert_true(points[0].false_positives + points[0].true_positives == 0.0 &&
                            points[count - 1].false_positives == 1.0 &&
                            points[count - 1].true_positives == 1.0);
        }
        finish_case(&stored);
    }
    printf("area below the curve: worst %.1e, allowed %.1e\n", worst, TOLERANCE);
    assert_true(worst <= TOLERANCE);
    cJSON_Delete(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(metrics_match_scikit_learn),
        cmocka_unit_test(area_below_the_curve_is_auroc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
