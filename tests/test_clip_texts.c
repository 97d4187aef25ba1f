// Defends the way of a text through a CLIP: byte pairs, causal tower, the row at which it ends.
// Weights are counter-based, the vectors open_clip's (tools/reference/make_family_goldens.py).
#include "test.h"

#include <cjson/cJSON.h>
#include <stdlib.h>

#include "family.h"
#include "golden.h"
#include "vkclip.h"

#define VOCABULARY "tests/golden/bpe"

// As for the families in test_families.c.
#define TOLERANCE    2e-6
#define LEAST_COSINE (1.0 - 1e-6)

static void check_embeddings(const struct family *family)
{
    vkclip_error err;
    vkclip_model *model = vkclip_model_open(family->directory, VKCLIP_MODEL_WHOLE, NULL, &err);
    if (!model)
        fail_msg("%s", err.message);
    vkclip_engine *engine = vkclip_engine_create(
        model, &(vkclip_engine_params){.precision = VKCLIP_PRECISION_FP32}, &err);
    if (!engine)
        fail_msg("%s", err.message);
    assert_int_equal(vkclip_model_get_facts(model)->vocabulary_count, 714);

    const char *texts[FAMILY_MOST_TEXTS];
    uint32_t count = 0, number_count;
    const cJSON *text;
    cJSON_ArrayForEach(text, cJSON_GetObjectItemCaseSensitive(family->json, "texts"))
    {
        assert_true(count < FAMILY_MOST_TEXTS);
        texts[count++] = text->valuestring;
    }
    float *want = family_rows(family, "text_embeddings", &number_count);
    float *got = malloc(number_count * sizeof *got);
    assert_non_null(got);
    if (!vkclip_embed_texts(engine, texts, count, got, &err))
        fail_msg("%s", err.message);
    golden_check("texts of a CLIP", got, want, count, number_count / count, TOLERANCE,
                 LEAST_COSINE);
    free(got);
    free(want);
    vkclip_engine_destroy(engine);
    vkclip_model_close(model);
}

static void texts_match_open_clip(void **state)
{
    (void)state;
    struct family family;
    family_begin(&family, "clip_texts");
    family_copy(&family, VOCABULARY, "vocab.json");
    family_copy(&family, VOCABULARY, "merges.txt");
    check_embeddings(&family);
    family_copy(&family, VOCABULARY, "tokenizer.json");
    check_embeddings(&family);
    family_end(&family);
}

// Without a vocabulary texts are token ids, and a text is refused.
static void a_clip_without_a_vocabulary_takes_token_ids(void **state)
{
    (void)state;
    struct family family;
    family_begin(&family, "clip_texts");
    family_copy(&family, VOCABULARY, "vocab.json"); // half of the pair is none
    vkclip_error err;
    vkclip_model *model = vkclip_model_open(family.directory, VKCLIP_MODEL_SIDE_FILES, NULL, &err);
    assert_non_null(model);
    assert_int_equal(vkclip_model_get_facts(model)->vocabulary_count, 0);
    int32_t ids[20];
    uint32_t count;
    assert_false(vkclip_tokenize(model, "a", ids, 20, &count, &err));
    assert_string_equal(err.message, "the model has no vocabulary");
    vkclip_model_close(model);

    family_copy(&family, VOCABULARY, "tokenizer.json");
    model = vkclip_model_open(family.directory, VKCLIP_MODEL_SIDE_FILES, NULL, &err);
    assert_non_null(model);
    assert_true(vkclip_tokenize(model, "<end_of_text>", ids, 20, &count, &err));
    assert_int_equal(count, 3);
    vkclip_model_close(model);
    family_end(&family);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_match_open_clip),
        cmocka_unit_test(a_clip_without_a_vocabulary_takes_token_ids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
