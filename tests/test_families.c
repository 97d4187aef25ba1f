// Defends that models of other families than BiomedCLIP's own layout give what the library they
// come from gives: small ones with counter-based weights, against vectors that transformers, timm
// and open_clip recorded (tests/golden/families), in both precisions, alone and in batches.
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "family.h"
#include "golden.h"
#include "sha256.h"
#include "vkclip.h"

// As in test_towers.c; a few layers of small widths drift less.
#define FP32_TOLERANCE 2e-6
#define FP32_COSINE    (1.0 - 1e-6)
#define FP16_TOLERANCE 5e-3
#define FP16_COSINE    0.9999

static void print_log(void *user, vkclip_log_level level, const char *message)
{
    (void)user;
    if (level <= VKCLIP_LOG_WARNING)
        printf("log: %s\n", message);
}

static const vkclip_log log_to_output = {print_log, NULL};

static vkclip_model *open_model(const struct family *family)
{
    vkclip_error err;
    vkclip_model *model =
        vkclip_model_open(family->directory, VKCLIP_MODEL_WHOLE, &log_to_output, &err);
    if (!model)
        fail_msg("%s", err.message);
    return model;
}

static double cosine_allowed(vkclip_precision precision)
{
    return precision == VKCLIP_PRECISION_FP16 ? FP16_COSINE : FP32_COSINE;
}

// A raw vector, of a sentence encoder that does not normalise, is as long as its numbers are many.
static double allowed(vkclip_precision precision, bool is_unit)
{
    return (precision == VKCLIP_PRECISION_FP16 ? FP16_TOLERANCE : FP32_TOLERANCE) *
           (is_unit ? 1.0 : 5.0);
}

static void check_images(const struct family *family, vkclip_engine *engine,
                         const vkclip_model_facts *facts, vkclip_precision precision)
{
    uint32_t count;
    const uint32_t side = facts->image_size_px, width = facts->embedding_width;
    float *want = family_rows(family, "image_embeddings", &count);
    if (!want)
        return;
    assert_int_equal(count, FAMILY_PICTURES * width);
    uint8_t *pixels = malloc(FAMILY_PICTURES * 3 * side * side);
    float *got = malloc(count * sizeof *got), *alone = malloc(width * sizeof *alone);
    family_pictures(family, side, pixels);
    assert_true(vkclip_embed_pixels(engine, pixels, FAMILY_PICTURES, got, NULL));
    golden_check("  images", got, want, FAMILY_PICTURES, width, allowed(precision, true),
                 cosine_allowed(precision));
    for (size_t i = 0; i < FAMILY_PICTURES; i++) {
        assert_true(vkclip_embed_pixels(engine, pixels + i * 3 * side * side, 1, alone, NULL));
        assert_memory_equal(alone, got + i * width, width * sizeof *alone);
    }
    free(alone), free(got), free(want), free(pixels);
}

// Logits of a classifier go up to about 3, and a score must order them as they are.
static void check_classes(const struct family *family, vkclip_engine *engine,
                          const vkclip_model *model, vkclip_precision precision)
{
    const vkclip_model_facts *facts = vkclip_model_get_facts(model);
    const uint32_t side = facts->image_size_px;
    uint32_t count = 0;
    float *want = family_rows(family, "class_logits", &count);
    assert_int_equal(facts->class_count, count / FAMILY_PICTURES);
    if (!want)
        return;
    uint8_t *pixels = malloc(FAMILY_PICTURES * 3 * side * side);
    float *got = malloc(count * sizeof *got);
    vkclip_score *scores = malloc(facts->class_count * sizeof *scores);
    family_pictures(family, side, pixels);
    assert_true(vkclip_classify_pixels(engine, pixels, FAMILY_PICTURES, got, NULL));
    check_near("  logits", got, want, count, 3.0 * allowed(precision, true));
    assert_true(vkclip_score_classes(model, got, scores, NULL));
    double total = 0.0;
    for (uint32_t i = 0; i < facts->class_count; i++)
        total += (double)scores[i].probability;
    assert_true(fabs(total - 1.0) < 1e-6);
    free(scores), free(got), free(want), free(pixels);
}

static void check_texts(const struct family *family, vkclip_engine *engine,
                        const vkclip_model_facts *facts, vkclip_precision precision)
{
    uint32_t count, lengths[FAMILY_MOST_TEXTS];
    int32_t ids[FAMILY_MOST_TEXTS * 64], *next = ids;
    const uint32_t width = facts->embedding_width;
    float *want = family_rows(family, "text_embeddings", &count);
    if (!want)
        return;
    const uint32_t texts = family_texts(family, ids, lengths);
    assert_int_equal(count, texts * width);
    double squares = 0.0;
    for (uint32_t c = 0; c < width; c++)
        squares += (double)want[c] * (double)want[c];
    float *got = malloc(count * sizeof *got), *alone = malloc(width * sizeof *alone);
    assert_true(vkclip_embed_tokens(engine, ids, lengths, texts, got, NULL));
    golden_check("  texts", got, want, texts, width, allowed(precision, fabs(squares - 1.0) < 1e-3),
                 cosine_allowed(precision));
    for (uint32_t i = 0; i < texts; next += lengths[i++]) {
        assert_true(vkclip_embed_tokens(engine, next, &lengths[i], 1, alone, NULL));
        assert_memory_equal(alone, got + (size_t)i * width, width * sizeof *alone);
    }
    free(alone), free(got), free(want);
}

static void check(const char *name, vkclip_precision precision)
{
    struct family family;
    vkclip_error err;
    family_begin(&family, name);
    vkclip_model *model = open_model(&family);
    const vkclip_model_facts *facts = vkclip_model_get_facts(model);
    vkclip_engine *engine = vkclip_engine_create(
        model, &(vkclip_engine_params){.precision = precision, .max_images = FAMILY_PICTURES},
        &err);
    bool has_precision = engine || !strstr(err.message, "does not store fp16");
    if (has_precision && !engine)
        fail_msg("%s", err.message);
    printf("%s, %s: %s\n", name, precision == VKCLIP_PRECISION_FP16 ? "fp16" : "fp32",
           has_precision ? facts->family : err.message);
    if (engine) {
        check_images(&family, engine, facts, precision);
        check_classes(&family, engine, model, precision);
        check_texts(&family, engine, facts, precision);
    }
    vkclip_engine_destroy(engine);
    vkclip_model_close(model);
    family_end(&family);
}

static void check_both(const char *name)
{
    check(name, VKCLIP_PRECISION_FP32);
    check(name, VKCLIP_PRECISION_FP16);
}

static void biomedclip_in_transformers_names_matches_open_clip(void **state)
{
    (void)state;
    check_both("biomedclip_hf");
}

static void sentence_encoders_match_transformers(void **state)
{
    (void)state;
    check_both("sentence_mean");
    check_both("sentence_cls");
}

static void vision_transformers_match_timm(void **state)
{
    (void)state;
    check_both("vit_timm");
    check_both("vit_timm_mean");
    check_both("vit_timm_clip");
}

static void vision_transformers_match_transformers(void **state)
{
    (void)state;
    check_both("vit_hf");
    check_both("vit_hf_encoder");
}

static void clip_matches_open_clip(void **state)
{
    (void)state;
    check_both("clip_open_clip");
    check_both("clip_open_clip_gelu");
}

static void clip_matches_transformers(void **state)
{
    (void)state;
    check_both("clip_hf");
}

static void dinov2_matches_transformers_and_timm(void **state)
{
    (void)state;
    check_both("dinov2_hf");
    check_both("dinov2_timm");
    check_both("dinov2_original");
    check_both("dinov2_hf_registers");
}

// Pictures of odd sizes become the very pixels that the family's own library makes of them: cropped
// or squashed, by either filter. Side files alone are enough for that.
static void check_pixels(const char *name)
{
    struct family family;
    vkclip_error err;
    family_begin(&family, name);
    vkclip_model *model =
        vkclip_model_open(family.directory, VKCLIP_MODEL_SIDE_FILES, &log_to_output, &err);
    if (!model)
        fail_msg("%s", err.message);
    const size_t side = vkclip_model_get_facts(model)->image_size_px, bytes = 3 * side * side;
    uint8_t *pixels = malloc(bytes);
    for (uint32_t i = 0; i < FAMILY_NOISE; i++) {
        char path[128], hash[65];
        snprintf(path, sizeof path, "%s/noise.ppm", family.directory);
        family_noise(&family, i, "noise.ppm");
        if (!vkclip_preprocess(model, &(vkclip_image){.path = path}, pixels, &err))
            fail_msg("%s", err.message);
        sha256_hex(pixels, bytes, hash);
        assert_string_equal(hash, family_noise_sha256(&family, i));
    }
    printf("%-20s %zu x %zu pixels to the byte\n", name, side, side);
    free(pixels);
    vkclip_model_close(model);
    family_end(&family);
}

static void pictures_are_resized_as_each_family_does_it(void **state)
{
    (void)state;
    static const char *const names[] = {"biomedclip_hf", "clip_hf",  "clip_open_clip",
                                        "vit_hf",        "vit_timm", "vit_timm_mean",
                                        "vit_timm_clip", "dinov2_hf"};
    for (size_t i = 0; i < COUNT(names); i++)
        check_pixels(names[i]);
}

static void expect_class(const vkclip_model *model, uint32_t index, const char *name)
{
    assert_string_equal(vkclip_model_get_class(model, index), name);
}

static void classes_have_their_names(void **state)
{
    (void)state;
    struct family timm, transformers;
    family_begin(&timm, "vit_timm");
    family_begin(&transformers, "vit_hf");
    vkclip_model *model = open_model(&timm);
    expect_class(model, 0, "n1");
    expect_class(model, 1, "second"); // described
    assert_null(vkclip_model_get_class(model, 5));
    vkclip_model_close(model);
    model = open_model(&transformers);
    expect_class(model, 3, "three");
    vkclip_model_close(model);
    family_end(&timm);
    family_end(&transformers);
}

// A text tower alone has no pictures, and the other way round; CLIP's texts are token ids here.
static void towers_that_are_not_there_are_refused(void **state)
{
    (void)state;
    static const char *const names[] = {"sentence_mean", "vit_hf_encoder", "clip_hf"};
    for (size_t i = 0; i < COUNT(names); i++) {
        struct family family;
        vkclip_error err;
        family_begin(&family, names[i]);
        vkclip_model *model = open_model(&family);
        const vkclip_model_facts *facts = vkclip_model_get_facts(model);
        vkclip_engine *engine = vkclip_engine_create(model, &(vkclip_engine_params){0}, &err);
        assert_non_null(engine);
        float out[128];
        uint8_t pixels[3 * 32 * 32] = {0};
        int32_t ids[32] = {5};
        uint32_t one = 1;
        assert_int_equal(vkclip_embed_pixels(engine, pixels, 1, out, &err),
                         facts->image_size_px > 0);
        assert_int_equal(vkclip_embed_tokens(engine, ids, &one, 1, out, &err),
                         facts->context_tokens > 0);
        assert_false(vkclip_classify_pixels(engine, pixels, 1, out, &err));
        assert_int_equal(err.status, VKCLIP_ERROR_MODEL);
        assert_int_equal(vkclip_tokenize(model, "a", ids, 32, &one, &err),
                         facts->vocabulary_count > 0);
        vkclip_engine_destroy(engine);
        vkclip_model_close(model);
        family_end(&family);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(biomedclip_in_transformers_names_matches_open_clip),
        cmocka_unit_test(sentence_encoders_match_transformers),
        cmocka_unit_test(vision_transformers_match_timm),
        cmocka_unit_test(vision_transformers_match_transformers),
        cmocka_unit_test(clip_matches_open_clip),
        cmocka_unit_test(clip_matches_transformers),
        cmocka_unit_test(dinov2_matches_transformers_and_timm),
        cmocka_unit_test(pictures_are_resized_as_each_family_does_it),
        cmocka_unit_test(classes_have_their_names),
        cmocka_unit_test(towers_that_are_not_there_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
