// Defends that a model's files are put together rightly, and that what does not fit is refused
// by name, all of it at once. No device is needed.
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "variant.h"
#include "vkclip.h"

struct lines {
    char text[8192];
    int count;
};

static void collect(void *user, vkclip_log_level level, const char *message)
{
    struct lines *lines = user;
    if (level > VKCLIP_LOG_WARNING)
        return;
    size_t used = strlen(lines->text);
    snprintf(lines->text + used, sizeof lines->text - used, "%s\n", message);
    lines->count++;
}

// Opens what a variant has become and expects it to be refused.
static void expect_refusal(const struct variant *variant, vkclip_status status, const char *part,
                           struct lines *lines)
{
    vkclip_error err = {0};
    struct lines ignored = {0};
    vkclip_log log = {collect, lines ? lines : &ignored};
    assert_null(vkclip_model_open(variant->directory, VKCLIP_MODEL_WHOLE, &log, &err));
    printf("  %s\n", err.message);
    assert_int_equal(err.status, status);
    assert_non_null(strstr(err.message, part));
}

static void a_model_opens_from_its_directory_and_from_its_weights(void **state)
{
    (void)state;
    static const char *const paths[] = {"tests/golden/tiny/tiny.safetensors",
                                        "tests/golden/tiny/tiny.pt"};
    for (size_t i = 0; i < COUNT(paths); i++) {
        vkclip_error err;
        vkclip_model *model = vkclip_model_open(paths[i], VKCLIP_MODEL_WHOLE, NULL, &err);
        if (!model)
            fail_msg("%s", err.message);
        const vkclip_model_facts *facts = vkclip_model_get_facts(model);
        assert_int_equal(facts->image_size_px, 32);
        assert_int_equal(facts->patch_size_px, 8);
        assert_int_equal(facts->image_width, 64);
        assert_int_equal(facts->image_layers, 1);
        assert_int_equal(facts->text_heads, 1);
        assert_int_equal(facts->embedding_width, 40);
        assert_int_equal(facts->context_tokens, 20);
        assert_int_equal(facts->vocabulary_rows, 16);
        assert_true(fabsf(facts->logit_scale - 85.234f) < 1e-3f);
        vkclip_model_close(model);
    }
}

// Side files alone are enough to tokenize and preprocess.
static void side_files_need_no_weights(void **state)
{
    (void)state;
    struct variant variant;
    variant_begin(&variant);
    vkclip_error err;
    vkclip_model *model = vkclip_model_open(variant.directory, VKCLIP_MODEL_SIDE_FILES, NULL, &err);
    assert_non_null(model);
    int32_t ids[20];
    uint32_t count;
    assert_true(vkclip_tokenize(model, "cells", ids, 20, &count, &err));
    assert_int_equal(count, 3);
    assert_false(vkclip_tokenize(model, "cells", ids, 19, &count, &err));
    assert_int_equal(err.status, VKCLIP_ERROR_ARGUMENT);
    vkclip_model_close(model);
    expect_refusal(&variant, VKCLIP_ERROR_FILE, "no weights there", NULL);
    variant_remove(&variant);
}

static void m18_every_tensor_that_does_not_fit_is_named_at_once(void **state)
{
    (void)state;
    struct variant variant;
    variant_begin(&variant);
    // A tensor renamed is one missing and one surplus.
    variant_replace(&variant, "visual.trunk.blocks.0.mlp.fc2.bias",
                    "visual.trunk.blocks.0.mlp.fc2.bios");
    variant_replace(&variant, "\"text.proj.0.weight\":{\"dtype\":\"F32\",\"shape\":[52,64]",
                    "\"text.proj.0.weight\":{\"dtype\":\"F32\",\"shape\":[64,52]");
    variant_end(&variant);
    struct lines lines = {0};
    expect_refusal(&variant, VKCLIP_ERROR_MODEL, "3 tensors", &lines);
    assert_int_equal(lines.count, 3);
    assert_non_null(
        strstr(lines.text, "missing tensor 'visual.trunk.blocks.0.mlp.fc2.bias', expected [64]"));
    assert_non_null(strstr(lines.text, "surplus tensor 'visual.trunk.blocks.0.mlp.fc2.bios'"));
    assert_non_null(strstr(lines.text, "'text.proj.0.weight' is [64, 52]"));
    assert_non_null(strstr(lines.text, "expected [52, 64]"));
    variant_remove(&variant);
}

// Tensors that a size is read from are no exception.
static void m18_missing_tensors_that_give_sizes_are_listed_with_the_others(void **state)
{
    (void)state;
    static const char *const names[] = {
        "visual.head.proj.weight",
        "visual.trunk.blocks.0.mlp.fc1.weight",
        "text.transformer.embeddings.position_embeddings.weight",
        "text.transformer.embeddings.token_type_embeddings.weight",
        "text.transformer.encoder.layer.0.intermediate.dense.weight",
        "text.proj.2.weight",
    };
    struct variant variant;
    variant_begin(&variant);
    for (size_t i = 0; i < COUNT(names); i++) {
        char renamed[128];
        snprintf(renamed, sizeof renamed, "%s", names[i]);
        renamed[strlen(renamed) - 1] = 'x';
        variant_replace(&variant, names[i], renamed);
    }
    variant_end(&variant);
    struct lines lines = {0};
    expect_refusal(&variant, VKCLIP_ERROR_MODEL, "tensors are not as this architecture", &lines);
    for (size_t i = 0; i < COUNT(names); i++) {
        char line[160];
        snprintf(line, sizeof line, "missing tensor '%s'", names[i]);
        assert_non_null(strstr(lines.text, line));
    }
    variant_remove(&variant);
}

// Every size is a divisor somewhere.
static void m24_a_model_with_empty_matrices_is_refused(void **state)
{
    (void)state;
    struct variant variant;
    variant_begin(&variant);
    variant_replace(
        &variant, "\"visual.trunk.blocks.0.mlp.fc1.weight\":{\"dtype\":\"F32\",\"shape\":[128,64]",
        "\"visual.trunk.blocks.0.mlp.fc1.bogus0\":{\"dtype\":\"F32\",\"shape\":[128,64]");
    variant_append_empty(&variant, "visual.trunk.blocks.0.mlp.fc1.weight", "[0,64]");
    variant_end(&variant);
    expect_refusal(&variant, VKCLIP_ERROR_MODEL, "hidden width 0", NULL);
    variant_remove(&variant);
}

static void m18_a_position_table_of_another_size_is_refused(void **state)
{
    (void)state;
    struct variant variant;
    variant_begin(&variant);
    variant_replace(&variant, "\"shape\":[1,17,64]", "\"shape\":[17,1,64]");
    variant_end(&variant);
    expect_refusal(&variant, VKCLIP_ERROR_MODEL, "visual.trunk.pos_embed", NULL);
    variant_remove(&variant);
}

// As the side file has it, with one value changed.
static void write_config(const struct variant *variant, int embedding_width, int context_tokens)
{
    char text[700];
    snprintf(text, sizeof text,
             "{\"model_cfg\": {\"embed_dim\": %d, \"vision_cfg\": {\"timm_model_name\": "
             "\"vit_tiny\", \"timm_pool\": \"\", \"timm_proj\": \"linear\", \"image_size\": 32}, "
             "\"text_cfg\": {\"hf_model_name\": \"tiny\", \"hf_proj_type\": \"mlp\", "
             "\"hf_pooler_type\": \"cls_last_hidden_state_pooler\", \"context_length\": %d}}}",
             embedding_width, context_tokens);
    variant_write(variant, "open_clip_config.json", text);
}

static void m18_sizes_the_configuration_contradicts_are_refused(void **state)
{
    (void)state;
    struct variant variant;
    variant_begin(&variant);
    variant_end(&variant);
    write_config(&variant, 40, 77);
    expect_refusal(&variant, VKCLIP_ERROR_MODEL, "24 positions, the configuration wants 77", NULL);
    write_config(&variant, 48, 20);
    expect_refusal(&variant, VKCLIP_ERROR_MODEL, "embeddings of 40, the configuration says 48",
                   NULL);
    write_config(&variant, 40, 20);
    variant_write(&variant, "config.json", "{\"num_attention_heads\": 5}");
    expect_refusal(&variant, VKCLIP_ERROR_MODEL, "5 heads", NULL);
    variant_remove(&variant);
}

// Scores a text of the given first value beside one that is sound.
static bool score(const vkclip_model *model, float value, vkclip_error *err)
{
    float image[40] = {1.0f}, texts[2 * 40] = {1.0f};
    vkclip_score scores[2];
    texts[40] = value;
    return vkclip_score_texts(model, image, texts, 2, scores, err);
}

static void m19_embeddings_that_are_no_numbers_give_no_probabilities(void **state)
{
    (void)state;
    vkclip_error err;
    vkclip_model *model =
        vkclip_model_open("tests/golden/tiny/tiny.pt", VKCLIP_MODEL_WHOLE, NULL, &err);
    assert_non_null(model);
    assert_true(score(model, 0.5f, &err));
    assert_false(score(model, NAN, &err));
    assert_int_equal(err.status, VKCLIP_ERROR_NUMBERS);
    assert_false(score(model, INFINITY, &err));
    vkclip_model_close(model);
}

// The file loads, as in the reference; what follows from it is an error when it is used. A
// negative scale is merely flat.
static void m20_a_senseless_logit_scale_gives_no_probabilities(void **state)
{
    (void)state;
    static const struct {
        float scale;
        bool is_sound;
    } cases[] = {{1e30f, false}, {NAN, false}, {INFINITY, false}, {-3.0f, true}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct variant variant;
        variant_begin(&variant);
        variant_fill(&variant, "logit_scale", cases[i].scale);
        variant_end(&variant);
        vkclip_error err = {0};
        vkclip_model *model = vkclip_model_open(variant.directory, VKCLIP_MODEL_WHOLE, NULL, &err);
        assert_non_null(model);
        assert_int_equal(score(model, 0.5f, &err), cases[i].is_sound);
        assert_int_equal(err.status, cases[i].is_sound ? VKCLIP_OK : VKCLIP_ERROR_NUMBERS);
        vkclip_model_close(model);
        variant_remove(&variant);
    }
}

static void v2_a_vocabulary_larger_than_the_embedding_is_refused(void **state)
{
    (void)state;
    struct variant variant;
    variant_begin(&variant);
    variant_write(&variant, "vocab.txt",
                  "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\nc\nd\ne\nf\ng\nh\ni\nj\nk\nl\n");
    variant_end(&variant);
    expect_refusal(&variant, VKCLIP_ERROR_MODEL, "the vocabulary has 17 tokens", NULL);
    variant_remove(&variant);
}

static void v4_two_vocabularies_that_disagree_are_refused(void **state)
{
    (void)state;
    struct variant variant;
    variant_begin(&variant);
    variant_write(
        &variant, "tokenizer.json",
        "{\"added_tokens\":[],\"normalizer\":{\"type\":\"BertNormalizer\",\"clean_text\":true,"
        "\"handle_chinese_chars\":true,\"strip_accents\":null,\"lowercase\":true},"
        "\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"},"
        "\"model\":{\"type\":\"WordPiece\",\"unk_token\":\"[UNK]\","
        "\"continuing_subword_prefix\":\"##\",\"max_input_chars_per_word\":100,"
        "\"vocab\":{\"[PAD]\":0,\"[UNK]\":1,\"[CLS]\":2,\"[SEP]\":3,\"[MASK]\":4,\"z\":5}}}");
    variant_end(&variant);
    expect_refusal(&variant, VKCLIP_ERROR_FILE, "disagree", NULL);
    variant_remove(&variant);
}

static void f1_paths_that_are_no_model_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *path, *part;
    } cases[] = {
        {"no/such/model", "No such file"},
        {"src", "no weights there"},
#ifndef _WIN32
        {"/dev/null", "not a regular file"},
#endif
        {"README.md", "no open_clip_config.json"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        vkclip_error err;
        assert_null(vkclip_model_open(cases[i].path, VKCLIP_MODEL_WHOLE, NULL, &err));
        printf("  %s\n", err.message);
        assert_int_equal(err.status, VKCLIP_ERROR_FILE);
        assert_non_null(strstr(err.message, cases[i].part));
    }
    char *long_path = malloc(9000);
    memset(long_path, 'x', 8999);
    long_path[8999] = '\0';
    assert_null(vkclip_model_open(long_path, VKCLIP_MODEL_WHOLE, NULL, NULL));
    free(long_path);
}

static void an_unsupported_configuration_is_refused_by_name(void **state)
{
    (void)state;
    struct variant variant;
    variant_begin(&variant);
    variant_write(&variant, "config.json", "{\"hidden_act\": \"relu\"}");
    variant_end(&variant);
    expect_refusal(&variant, VKCLIP_ERROR_MODEL, "hidden_act", NULL);
    variant_remove(&variant);
}

static void probabilities_are_the_softmax_of_the_logits(void **state)
{
    (void)state;
    vkclip_error err;
    vkclip_model *model =
        vkclip_model_open("tests/golden/tiny/tiny.pt", VKCLIP_MODEL_WHOLE, NULL, &err);
    assert_non_null(model);
    float image[40] = {1.0f}, texts[3 * 40] = {0};
    texts[0] = 0.5f, texts[40] = 0.51f, texts[80] = -1.0f;
    vkclip_score scores[3];
    assert_true(vkclip_score_texts(model, image, texts, 3, scores, &err));
    const double scale = (double)vkclip_model_get_facts(model)->logit_scale;
    const double first = 1.0 / (1.0 + exp(0.01 * scale));
    assert_true(fabs((double)scores[0].probability - first) < 1e-6);
    assert_true(fabs((double)scores[1].probability - (1.0 - first)) < 1e-6);
    assert_true(scores[2].probability < 1e-30f);
    assert_true(fabs((double)scores[1].logit - 0.51 * scale) < 1e-4);
    vkclip_model_close(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_model_opens_from_its_directory_and_from_its_weights),
        cmocka_unit_test(side_files_need_no_weights),
        cmocka_unit_test(m18_every_tensor_that_does_not_fit_is_named_at_once),
        cmocka_unit_test(m18_missing_tensors_that_give_sizes_are_listed_with_the_others),
        cmocka_unit_test(m24_a_model_with_empty_matrices_is_refused),
        cmocka_unit_test(m18_a_position_table_of_another_size_is_refused),
        cmocka_unit_test(m18_sizes_the_configuration_contradicts_are_refused),
        cmocka_unit_test(m19_embeddings_that_are_no_numbers_give_no_probabilities),
        cmocka_unit_test(m20_a_senseless_logit_scale_gives_no_probabilities),
        cmocka_unit_test(v2_a_vocabulary_larger_than_the_embedding_is_refused),
        cmocka_unit_test(v4_two_vocabularies_that_disagree_are_refused),
        cmocka_unit_test(f1_paths_that_are_no_model_are_refused),
        cmocka_unit_test(an_unsupported_configuration_is_refused_by_name),
        cmocka_unit_test(probabilities_are_the_softmax_of_the_logits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
