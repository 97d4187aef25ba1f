// Defends that 'vkclip verify --examples' compares with the numbers that were published, and that
// it sees when ours are others.
#include "test.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "published.h"

static char *read_text(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return NULL;
    char *text = calloc(1, 65536);
    assert_non_null(text);
    assert_true(fread(text, 1, 65535, file) < 65535);
    fclose(file);
    return text;
}

// The logits that give what was published; a softmax forgets what is added to all of them.
static void make_logits(uint32_t picture, float logits[PUBLISHED_MOST])
{
    for (uint32_t i = 0; i < published.label_count; i++)
        logits[i] = (float)(log(published.probabilities[picture][i]) + 27.0);
}

static double compare_with_one_off(uint32_t off_picture, uint32_t off_label, float by)
{
    struct published_comparison comparison = {0};
    for (uint32_t picture = 0; picture < published.picture_count; picture++) {
        float logits[PUBLISHED_MOST];
        make_logits(picture, logits);
        if (picture == off_picture)
            logits[off_label] += by;
        published_compare(&published, picture, logits, &comparison);
    }
    if (by != 0.0f)
        assert_int_equal(comparison.worst_picture, off_picture);
    return comparison.worst;
}

static void what_was_published_equals_itself(void **state)
{
    (void)state;
    double worst = compare_with_one_off(0, 0, 0.0f);
    printf("81 logarithms: worst %.1e\n", worst);
    assert_true(worst < 1e-5); // logits up to 31 as floats
}

// Any of the 81. Where two labels share a picture, a logit moves both, each by a part.
static void one_logit_that_is_off_is_seen(void **state)
{
    (void)state;
    for (uint32_t picture = 0; picture < published.picture_count; picture++)
        for (uint32_t label = 0; label < published.label_count; label++) {
            assert_true(compare_with_one_off(picture, label, 0.1f) > PUBLISHED_ALLOWED);
            assert_true(compare_with_one_off(picture, label, -0.1f) > PUBLISHED_ALLOWED);
            assert_true(compare_with_one_off(picture, label, 0.04f) < PUBLISHED_ALLOWED);
            assert_true(isinf(compare_with_one_off(picture, label, NAN)));
            assert_true(isinf(compare_with_one_off(picture, label, INFINITY)));
        }
}

static void probabilities_of_a_picture_add_up_to_one(void **state)
{
    (void)state;
    assert_int_equal(published.picture_count * published.label_count, 81);
    for (uint32_t picture = 0; picture < published.picture_count; picture++) {
        double sum = 0.0;
        for (uint32_t label = 0; label < published.label_count; label++)
            sum += published.probabilities[picture][label];
        assert_true(fabs(sum - 1.0) < 1e-6);
    }
}

static void weights_and_pictures_are_those_of_the_download(void **state)
{
    (void)state;
    char line[256];
    char *files = read_text("tools/model_files.txt");
    assert_non_null(files);
    snprintf(line, sizeof line, "\nopen_clip_pytorch_model.bin %llu %s required\n",
             (unsigned long long)published.weights_bytes, published.weights_sha256);
    assert_non_null(strstr(files, line));
    for (uint32_t i = 0; i < published.picture_count; i++) {
        snprintf(line, sizeof line, "/%s ", published.pictures[i]);
        assert_non_null(strstr(files, line));
    }
    free(files);
}

// Against a copy of the notebook's output, where there is one.
static void numbers_are_those_of_the_notebook(void **state)
{
    (void)state;
    char *text = read_text("../shared/data/biomedclip/golden_zero_shot_9x9.json");
    if (!text) {
        printf("skipped: no ../shared/data/biomedclip\n");
        skip();
    }
    cJSON *json = cJSON_Parse(text);
    const cJSON *results = cJSON_GetObjectItemCaseSensitive(json, "results");
    assert_int_equal(cJSON_GetArraySize(results), published.picture_count);
    for (uint32_t picture = 0; picture < published.picture_count; picture++) {
        const cJSON *row = cJSON_GetObjectItemCaseSensitive(results, published.pictures[picture]);
        assert_int_equal(cJSON_GetArraySize(row), published.label_count);
        for (uint32_t label = 0; label < published.label_count; label++) {
            const cJSON *number = cJSON_GetObjectItemCaseSensitive(row, published.labels[label]);
            assert_true(cJSON_IsNumber(number));
            double ratio = published.probabilities[picture][label] / number->valuedouble;
            assert_true(fabs(ratio - 1.0) < 1e-8); // nine digits
        }
    }
    const cJSON *prompt = cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(json, "template"), 0);
    assert_string_equal(prompt->valuestring, published.prompt);
    cJSON_Delete(json);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_published_equals_itself),
        cmocka_unit_test(one_logit_that_is_off_is_seen),
        cmocka_unit_test(probabilities_of_a_picture_add_up_to_one),
        cmocka_unit_test(weights_and_pictures_are_those_of_the_download),
        cmocka_unit_test(numbers_are_those_of_the_notebook),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
