// Defends linear probes: what is learned is what scikit-learn's LogisticRegression learns from the
// same rows, recorded by tools/reference/make_probe_goldens.py, for every C that is tried.
#include "test.h"

#include <cjson/cJSON.h>
#include <stdlib.h>

#include "probe.h"

// Both go down to the one minimum there is; with the largest C it is flat, and each stops at
// another place of its bottom. 0.1 points of accuracy are what vkclip eval probe promises.
#define ALLOWED_PROBABILITY 2e-4
#define ALLOWED_ACCURACY    1e-3

struct stored {
    const cJSON *json;
    float *rows;
    uint32_t *labels, *all; // all: 0, 1, 2, ...
    struct probe_rows training, validation, test;
};

static const cJSON *get(const cJSON *object, const char *name)
{
    const cJSON *item = cJSON_GetObjectItem(object, name);
    assert_non_null(item);
    return item;
}

static double number(const cJSON *array, size_t index)
{
    const cJSON *item = cJSON_GetArrayItem(array, (int)index);
    assert_true(cJSON_IsNumber(item));
    return item->valuedouble;
}

static struct probe_rows part(const struct stored *stored, size_t width, size_t first, int index)
{
    return (struct probe_rows){
        .embeddings = stored->rows,
        .labels = stored->labels,
        .width = width,
        .class_count = (uint32_t)get(stored->json, "classes")->valueint,
        .picked = stored->all + first,
        .count = (size_t)number(get(stored->json, "counts"), (size_t)index),
    };
}

static struct stored read_case(const cJSON *json)
{
    struct stored stored = {.json = json};
    const cJSON *rows = get(json, "rows"), *row;
    const size_t count = (size_t)cJSON_GetArraySize(rows);
    const size_t width = (size_t)cJSON_GetArraySize(cJSON_GetArrayItem(rows, 0));
    stored.rows = calloc(count * width, sizeof *stored.rows);
    stored.labels = calloc(count, sizeof *stored.labels);
    stored.all = calloc(count, sizeof *stored.all);
    size_t i = 0;
    cJSON_ArrayForEach(row, rows)
    {
        for (size_t c = 0; c < width; c++)
            stored.rows[i * width + c] = (float)number(row, c);
        stored.labels[i] = (uint32_t)number(get(json, "labels"), i);
        stored.all[i] = (uint32_t)i;
        i++;
    }
    stored.training = part(&stored, width, 0, 0);
    stored.validation = part(&stored, width, stored.training.count, 1);
    stored.test = part(&stored, width, stored.training.count + stored.validation.count, 2);
    return stored;
}

static void finish_case(struct stored *stored)
{
    free(stored->rows);
    free(stored->labels);
    free(stored->all);
}

static double accuracy(const struct probe *probe, const struct probe_rows *rows)
{
    double values[8], hits = 0.0;
    for (size_t i = 0; i < rows->count; i++) {
        uint32_t best = 0;
        probe_predict(probe, rows->embeddings + rows->picked[i] * rows->width, values);
        for (uint32_t c = 1; c < rows->class_count; c++)
            if (values[c] > values[best])
                best = c;
        hits += best == rows->labels[rows->picked[i]];
    }
    return hits / (double)rows->count;
}

// The largest difference of a probability among the first rows of the test.
static double compare_probabilities(const struct probe *probe, const struct probe_rows *rows,
                                    const cJSON *want)
{
    const size_t count = (size_t)cJSON_GetArraySize(want) / rows->class_count;
    double worst = 0.0, values[8];
    for (size_t i = 0; i < count; i++) {
        probe_predict(probe, rows->embeddings + rows->picked[i] * rows->width, values);
        for (uint32_t c = 0; c < rows->class_count; c++)
            worst = fmax(worst, fabs(values[c] - number(want, i * rows->class_count + c)));
    }
    return worst;
}

static cJSON *open_cases(void)
{
    static char text[1 << 18];
    FILE *file = fopen("tests/golden/probe.json", "rb");
    assert_non_null(file);
    size_t byte_count = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[byte_count] = '\0';
    cJSON *json = cJSON_Parse(text);
    assert_non_null(json);
    return json;
}

static void check_case(const cJSON *json)
{
    struct stored stored = read_case(json);
    double worst_probability = 0.0, worst_accuracy = 0.0;
    for (size_t i = 0; i < PROBE_STRENGTHS; i++) {
        struct probe probe;
        vkclip_error err;
        if (!probe_fit(&probe, &stored.training, number(get(json, "strengths"), i), &err))
            fail_msg("%s", err.message);
        const double test = fabs(accuracy(&probe, &stored.test) - number(get(json, "test"), i));
        const double probability = compare_probabilities(
            &probe, &stored.test, cJSON_GetArrayItem(get(json, "probabilities"), (int)i));
        worst_accuracy = fmax(worst_accuracy, test);
        worst_probability = fmax(worst_probability, probability);
        probe_finish(&probe);
    }
    printf("%s: probabilities worst %.1e, allowed %.1e; accuracy worst %.1e, allowed %.1e\n",
           get(json, "name")->valuestring, worst_probability, ALLOWED_PROBABILITY, worst_accuracy,
           ALLOWED_ACCURACY);
    assert_true(worst_probability <= ALLOWED_PROBABILITY);
    assert_true(worst_accuracy <= ALLOWED_ACCURACY);
    finish_case(&stored);
}

static void probes_match_scikit_learn(void **state)
{
    (void)state;
    cJSON *json = open_cases();
    const cJSON *item;
    cJSON_ArrayForEach(item, get(json, "cases")) check_case(item);
    cJSON_Delete(json);
}

// The first of the best, by the accuracies on validation rows that are stored.
static void strength_is_chosen_by_validation(void **state)
{
    (void)state;
    cJSON *json = open_cases();
    const cJSON *item;
    cJSON_ArrayForEach(item, get(json, "cases"))
    {
        struct stored stored = read_case(item);
        size_t best = 0;
        double strength;
        vkclip_error err;
        for (size_t i = 1; i < PROBE_STRENGTHS; i++)
            if (number(get(item, "validation"), i) > number(get(item, "validation"), best))
                best = i;
        if (!probe_choose(&stored.training, &stored.validation, &strength, &err))
            fail_msg("%s", err.message);
        printf("%s: C %.4g, want %.4g\n", get(item, "name")->valuestring, strength,
               number(get(item, "strengths"), best));
        assert_true(fabs(strength / number(get(item, "strengths"), best) - 1.0) < 1e-9);
        finish_case(&stored);
    }
    cJSON_Delete(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(probes_match_scikit_learn),
        cmocka_unit_test(strength_is_chosen_by_validation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
