// Defends that both towers give open_clip's embeddings: vkclip through its public header alone,
// against vectors that open_clip recorded (tests/golden), in all precisions and file formats.
//
//   test_towers small       the demo model and a tiny one
//   test_towers full DIR    a model of BiomedCLIP's true shape, written to DIR by full_model
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "golden.h"
#include "open_engine.h"
#include "variant.h"

// Unit vectors in f32: sums of 3072 products over 12 layers drift by some 1e-6. In fp16, weights and
// inputs of 11 bits: every product is off by up to 2^-11, at random. In int8 of three bits fewer:
// eight times in a number, 64 times in 1 - cosine. The bounds are those the project promises. A
// logit is 85 cosines.
static const struct {
    double tolerance, least_cosine, logits;
} allowed[] = {
    [VKCLIP_PRECISION_FP32] = {2e-5, 1.0 - 1e-6, 1e-3},
    [VKCLIP_PRECISION_FP16] = {5e-3, 0.9999, 0.1},
    [VKCLIP_PRECISION_INT8] = {4e-2, 1.0 - 6.4e-3, 0.8},
};

static const char *full_directory;

struct setup {
    const char *name, *path, *golden;
    vkclip_precision precision;
};

static void check_logits(const vkclip_model *model, const struct golden *golden,
                         const float *images, const float *texts, double tolerance)
{
    vkclip_score scores[GOLDEN_MOST_TEXTS];
    float got[GOLDEN_MOST_TEXTS * GOLDEN_MOST_PICTURES];
    for (uint32_t i = 0; i < golden->picture_count; i++) {
        assert_true(vkclip_score_texts(model, images + (size_t)i * golden->width, texts,
                                       golden->text_count, scores, NULL));
        float total = 0.0f;
        for (uint32_t j = 0; j < golden->text_count; j++) {
            got[i * golden->text_count + j] = scores[j].logit;
            total += scores[j].probability;
        }
        assert_true(fabsf(total - 1.0f) < 1e-5f);
    }
    check_near("  logits", got, golden->logits, golden->picture_count * golden->text_count,
               tolerance);
}

// False where the device does not have the precision.
static bool check_towers(const struct setup *setup)
{
    const double tolerance = allowed[setup->precision].tolerance;
    const double least_cosine = allowed[setup->precision].least_cosine;
    vkclip_error err;
    vkclip_model *model;
    vkclip_engine *engine = open_engine(setup->path, setup->precision, 0, &model);
    if (!engine)
        return false;
    struct golden golden;
    golden_open(&golden, setup->golden);
    assert_int_equal(golden.width, vkclip_model_get_facts(model)->embedding_width);

    vkclip_image pictures[GOLDEN_MOST_PICTURES];
    for (uint32_t i = 0; i < golden.picture_count; i++)
        pictures[i] = (vkclip_image){.path = golden.pictures[i]};
    float *images = malloc(GOLDEN_MOST_PICTURES * golden.width * sizeof *images);
    float *texts = malloc(GOLDEN_MOST_TEXTS * golden.width * sizeof *texts);
    char what[128];
    if (!vkclip_embed_images(engine, pictures, golden.picture_count, images, NULL, &err))
        fail_msg("%s", err.message);
    snprintf(what, sizeof what, "%s, images", setup->name);
    golden_check(what, images, golden.image_embeddings, golden.picture_count, golden.width,
                 tolerance, least_cosine);
    if (!vkclip_embed_tokens(engine, golden.ids, golden.lengths, golden.text_count, texts, &err))
        fail_msg("%s", err.message);
    snprintf(what, sizeof what, "%s, texts", setup->name);
    golden_check(what, texts, golden.text_embeddings, golden.text_count, golden.width, tolerance,
                 least_cosine);
    check_logits(model, &golden, images, texts, allowed[setup->precision].logits);

    free(images), free(texts);
    golden_close(&golden);
    vkclip_engine_destroy(engine);
    vkclip_model_close(model);
    return true;
}

#define TINY "tests/golden/tiny.json"
#define DEMO "tools/demo/model/vkclip_golden.json"

static void tiny_model_of_torch_save_matches_open_clip(void **state)
{
    (void)state;
    check_towers(
        &(struct setup){"tiny .pt", "tests/golden/tiny/tiny.pt", TINY, VKCLIP_PRECISION_FP32});
}

static void tiny_model_of_safetensors_matches_open_clip(void **state)
{
    (void)state;
    check_towers(&(struct setup){"tiny .safetensors", "tests/golden/tiny/tiny.safetensors", TINY,
                                 VKCLIP_PRECISION_FP32});
}

static void tiny_model_in_fp16_matches_open_clip(void **state)
{
    (void)state;
    if (!check_towers(&(struct setup){"tiny fp16", "tests/golden/tiny/tiny.safetensors", TINY,
                                      VKCLIP_PRECISION_FP16}))
        skip();
}

static void tiny_model_in_int8_is_near_open_clip(void **state)
{
    (void)state;
    check_towers(&(struct setup){"tiny int8", "tests/golden/tiny/tiny.safetensors", TINY,
                                 VKCLIP_PRECISION_INT8});
}

static void demo_model_matches_open_clip(void **state)
{
    (void)state;
    check_towers(&(struct setup){"demo", "tools/demo/model", DEMO, VKCLIP_PRECISION_FP32});
}

static void demo_model_in_fp16_matches_open_clip(void **state)
{
    (void)state;
    if (!check_towers(
            &(struct setup){"demo fp16", "tools/demo/model", DEMO, VKCLIP_PRECISION_FP16}))
        skip();
}

static void demo_model_in_int8_is_near_open_clip(void **state)
{
    (void)state;
    check_towers(&(struct setup){"demo int8", "tools/demo/model", DEMO, VKCLIP_PRECISION_INT8});
}

// Texts as strings, through the tokenizer, give what open_clip's tokenizer and tower give.
static void demo_texts_match_open_clip_from_strings(void **state)
{
    (void)state;
    vkclip_error err;
    vkclip_model *model;
    vkclip_engine *engine = open_engine("tools/demo/model", VKCLIP_PRECISION_FP32, 0, &model);
    struct golden golden;
    golden_open(&golden, DEMO);
    float *texts = malloc(golden.text_count * golden.width * sizeof *texts);
    if (!vkclip_embed_texts(engine, golden.texts, golden.text_count, texts, &err))
        fail_msg("%s", err.message);
    golden_check("demo, texts from strings", texts, golden.text_embeddings, golden.text_count,
                 golden.width, allowed[VKCLIP_PRECISION_FP32].tolerance,
                 allowed[VKCLIP_PRECISION_FP32].least_cosine);
    free(texts);
    golden_close(&golden);
    vkclip_engine_destroy(engine);
    vkclip_model_close(model);
}

// ---- the rest of the API ----------------------------------------------------------------------

static void fill_with_noise(uint8_t *bytes, size_t count)
{
    uint32_t noise = 7;
    for (size_t i = 0; i < count; i++) {
        noise ^= noise << 13, noise ^= noise >> 17, noise ^= noise << 5;
        bytes[i] = (uint8_t)(noise >> 24);
    }
}

// The same 8 x 8 greys in 8 bits and, as 257 times as much, in 16: a window over all 16 bits makes
// them one picture. What cannot be read between them costs the others nothing.
static void images_in_memory_are_embedded_as_their_options_say(void **state)
{
    (void)state;
    uint8_t shallow[11 + 64] = "P5 8 8 255\n", deep[13 + 128] = "P5 8 8 65535\n", greys[64];
    fill_with_noise(greys, sizeof greys);
    memcpy(shallow + 11, greys, sizeof greys);
    for (size_t i = 0; i < sizeof greys; i++)
        deep[13 + 2 * i] = deep[14 + 2 * i] = greys[i];
    const vkclip_image images[] = {
        {.path = "shallow", .bytes = shallow, .byte_count = sizeof shallow},
        {.path = "cut", .bytes = shallow, .byte_count = 40},
        {.path = "white", .bytes = deep, .byte_count = sizeof deep},
        {.path = "deep",
         .bytes = deep,
         .byte_count = sizeof deep,
         .window = VKCLIP_WINDOW_LINEAR,
         .window_center = 32768,
         .window_width = 65536},
    };
    vkclip_model *model;
    vkclip_engine *engine = open_engine("tools/demo/model", VKCLIP_PRECISION_FP32, 4, &model);
    const size_t width = vkclip_model_get_facts(model)->embedding_width;
    float *embeddings = calloc(COUNT(images) * width, sizeof *embeddings);
    vkclip_error errors[COUNT(images)];
    assert_non_null(embeddings);
    assert_true(vkclip_embed_images(engine, images, COUNT(images), embeddings, errors, NULL));
    for (size_t i = 0; i < COUNT(images); i++)
        assert_true(errors[i].status == (i == 1 ? VKCLIP_ERROR_FILE : VKCLIP_OK));
    assert_non_null(strstr(errors[1].message, "cut: "));
    assert_memory_equal(embeddings, embeddings + 3 * width, width * sizeof *embeddings);
    assert_memory_not_equal(embeddings, embeddings + 2 * width, width * sizeof *embeddings);
    free(embeddings);
    vkclip_engine_destroy(engine);
    vkclip_model_close(model);
}

// Several templates: the mean of the unit vectors, made a unit vector again.
static void templates_are_averaged_as_open_clip_does(void **state)
{
    (void)state;
    vkclip_model *model;
    vkclip_engine *engine = open_engine("tools/demo/model", VKCLIP_PRECISION_FP32, 0, &model);
    const size_t width = vkclip_model_get_facts(model)->embedding_width;
    const char *label = "green star cells";
    const char *templates[] = {"this is a photo of {}", "{} presented in image"};
    const char *prompts[] = {"this is a photo of green star cells",
                             "green star cells presented in image"};
    float *units = malloc(2 * width * sizeof *units), *got = malloc(width * sizeof *got);
    float *want = malloc(width * sizeof *want);
    assert_true(vkclip_embed_texts(engine, prompts, 2, units, NULL));
    double norm = 0.0;
    for (size_t c = 0; c < width; c++)
        norm += pow((double)units[c] + (double)units[width + c], 2.0);
    for (size_t c = 0; c < width; c++)
        want[c] = (float)(((double)units[c] + (double)units[width + c]) / sqrt(norm));
    assert_true(vkclip_embed_labels(engine, &label, 1, templates, 2, got, NULL));
    check_near("two templates", got, want, width, 1e-6);
    free(units), free(got), free(want);
    vkclip_engine_destroy(engine);
    vkclip_model_close(model);
}

// Time per kernel: as many calls as the plan has steps, and no change in the result.
static void profiling_names_every_kernel_and_changes_nothing(void **state)
{
    (void)state;
    vkclip_model *model;
    vkclip_engine *engine = open_engine("tools/demo/model", VKCLIP_PRECISION_FP32, 1, &model);
    const size_t width = vkclip_model_get_facts(model)->embedding_width;
    const char *text = "pink spindle cells";
    float *plain = malloc(width * sizeof *plain), *timed = malloc(width * sizeof *timed);
    assert_true(vkclip_embed_texts(engine, &text, 1, plain, NULL));
    vkclip_error err;
    if (vkclip_profile_begin(engine, &err)) {
        vkclip_kernel_time rows[16];
        uint32_t count, calls = 0;
        assert_true(vkclip_embed_texts(engine, &text, 1, timed, NULL));
        assert_true(vkclip_profile_end(engine, rows, 16, &count, NULL));
        for (uint32_t i = 0; i < count; i++)
            calls += rows[i].calls;
        // 2 to begin, 7 a layer, 3 to end.
        assert_int_equal(calls, 5 + 7 * vkclip_model_get_facts(model)->text_layers);
        assert_memory_equal(plain, timed, width * sizeof *plain);
    } else {
        printf("skipped: %s\n", err.message);
    }
    free(plain), free(timed);
    vkclip_engine_destroy(engine);
    vkclip_model_close(model);
}

// ---- misuse of the API -----------------------------------------------------------------------

static void c4_null_arguments_are_refused(void **state)
{
    (void)state;
    vkclip_error err;
    vkclip_model *model;
    vkclip_engine *engine = open_engine("tools/demo/model", VKCLIP_PRECISION_FP32, 1, &model);
    float out[1024];
    const char *none = NULL;
    assert_null(vkclip_model_open(NULL, VKCLIP_MODEL_WHOLE, NULL, &err));
    assert_int_equal(err.status, VKCLIP_ERROR_ARGUMENT);
    assert_null(vkclip_engine_create(NULL, &(vkclip_engine_params){0}, &err));
    assert_int_equal(err.status, VKCLIP_ERROR_ARGUMENT);
    assert_false(vkclip_roof_measure(engine, NULL, &err));
    assert_int_equal(err.status, VKCLIP_ERROR_ARGUMENT);
    assert_false(vkclip_embed_pixels(engine, NULL, 1, out, &err));
    assert_int_equal(err.status, VKCLIP_ERROR_ARGUMENT);
    assert_false(vkclip_embed_images(engine, NULL, 1, out, NULL, &err));
    assert_false(vkclip_embed_images(engine, &(vkclip_image){0}, 1, out, NULL, &err));
    assert_int_equal(err.status, VKCLIP_ERROR_ARGUMENT);
    assert_false(vkclip_embed_texts(engine, &none, 0, out, &err));
    assert_false(vkclip_embed_texts(engine, &none, 1, out, &err));
    assert_int_equal(err.status, VKCLIP_ERROR_ARGUMENT);
    vkclip_engine_destroy(NULL);
    vkclip_model_close(NULL);
    vkclip_engine_destroy(engine);
    vkclip_model_close(model);
}

static void c4_token_ids_outside_the_vocabulary_are_refused(void **state)
{
    (void)state;
    vkclip_error err;
    vkclip_model *model;
    vkclip_engine *engine = open_engine("tools/demo/model", VKCLIP_PRECISION_FP32, 1, &model);
    const vkclip_model_facts *facts = vkclip_model_get_facts(model);
    float out[1024];
    int32_t ids[] = {2, (int32_t)facts->vocabulary_rows, 3};
    uint32_t length = 3;
    assert_false(vkclip_embed_tokens(engine, ids, &length, 1, out, &err));
    assert_int_equal(err.status, VKCLIP_ERROR_ARGUMENT);
    ids[1] = -1;
    assert_false(vkclip_embed_tokens(engine, ids, &length, 1, out, &err));
    length = facts->context_tokens + 1;
    assert_false(vkclip_embed_tokens(engine, ids, &length, 1, out, &err));
    assert_int_equal(err.status, VKCLIP_ERROR_ARGUMENT);
    vkclip_engine_destroy(engine);
    vkclip_model_close(model);
}

static void d4_devices_that_are_not_there_are_refused(void **state)
{
    (void)state;
    vkclip_error err;
    vkclip_model *model;
    vkclip_engine *engine = open_engine("tools/demo/model", VKCLIP_PRECISION_FP32, 1, &model);
    static const char *const choices[] = {"99", "99999999999999999999", "no such device"};
    for (size_t i = 0; i < COUNT(choices); i++) {
        assert_null(
            vkclip_engine_create(model, &(vkclip_engine_params){.device = choices[i]}, &err));
        assert_int_equal(err.status, VKCLIP_ERROR_DEVICE);
    }
    vkclip_engine_destroy(engine);
    vkclip_model_close(model);
}

static void check_not_finite(const char *directory, vkclip_precision precision)
{
    vkclip_error err;
    vkclip_model *model;
    vkclip_engine *engine = open_engine(directory, precision, 1, &model);
    uint8_t pixels[32 * 32 * 3] = {0};
    float out[40];
    assert_false(vkclip_embed_pixels(engine, pixels, 1, out, &err));
    assert_int_equal(err.status, VKCLIP_ERROR_NUMBERS);
    // All zeros have no direction; torch's normalize leaves them zeros.
    const char *text = "cells";
    assert_true(vkclip_embed_texts(engine, &text, 1, out, &err));
    for (size_t i = 0; i < COUNT(out); i++)
        assert_true(out[i] == 0.0f);
    vkclip_engine_destroy(engine);
    vkclip_model_close(model);
}

// A model whose weights are not numbers loads, as in the reference, but gives no embedding; nor
// when they are made integers.
static void m19_embeddings_that_are_not_finite_are_an_error(void **state)
{
    (void)state;
    static const char *const names[] = {"visual.trunk.norm.weight", "visual.head.proj.weight"};
    for (size_t i = 0; i < COUNT(names); i++) {
        struct variant variant;
        variant_begin(&variant);
        variant_fill(&variant, names[i], NAN);
        variant_fill(&variant, "text.proj.2.weight", 0.0f);
        variant_end(&variant);
        check_not_finite(variant.directory, VKCLIP_PRECISION_FP32);
        check_not_finite(variant.directory, VKCLIP_PRECISION_INT8);
        variant_remove(&variant);
    }
}

// fp16 ends at 65504: a larger weight would become infinite without a word.
static void d11_a_weight_beyond_fp16_is_named(void **state)
{
    (void)state;
    struct variant variant;
    variant_begin(&variant);
    variant_fill(&variant, "visual.head.proj.weight", 1e5f);
    variant_end(&variant);
    vkclip_error err;
    vkclip_model *model =
        vkclip_model_open(variant.directory, VKCLIP_MODEL_WHOLE, &log_to_output, &err);
    assert_non_null(model);
    vkclip_engine *engine = vkclip_engine_create(
        model, &(vkclip_engine_params){.precision = VKCLIP_PRECISION_FP16}, &err);
    bool is_named = !engine && strstr(err.message, "visual.head.proj.weight");
    bool is_impossible = !engine && strstr(err.message, "does not store fp16");
    vkclip_engine_destroy(engine);
    vkclip_model_close(model);
    variant_remove(&variant);
    if (is_impossible)
        skip();
    assert_true(is_named);
}

// ---- the full-size model ---------------------------------------------------------------------

#define FULL "tests/golden/full_model.json"

static bool check_full(const char *file, vkclip_precision precision)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", full_directory, file);
    return check_towers(&(struct setup){file, path, FULL, precision});
}

static void full_model_of_safetensors_matches_open_clip(void **state)
{
    (void)state;
    check_full("model.safetensors", VKCLIP_PRECISION_FP32);
}

static void full_model_of_torch_save_matches_open_clip(void **state)
{
    (void)state;
    check_full("model.bin", VKCLIP_PRECISION_FP32);
}

static void full_model_in_fp16_matches_open_clip(void **state)
{
    (void)state;
    if (!check_full("model.bin", VKCLIP_PRECISION_FP16))
        skip();
}

static void full_model_in_int8_is_near_open_clip(void **state)
{
    (void)state;
    check_full("model.safetensors", VKCLIP_PRECISION_INT8);
}

// The same weights without a file.
static void full_model_from_its_seed_matches_open_clip(void **state)
{
    (void)state;
    char hex[65];
    vkclip_error err;
    vkclip_model *model = vkclip_model_open_synthetic(&err);
    assert_non_null(model);
    assert_int_equal(vkclip_model_get_facts(model)->parameter_count, 195902721);
    assert_int_equal(vkclip_model_get_facts(model)->file_bytes, 0);
    assert_false(vkclip_model_sha256(model, hex, &err));
    assert_int_equal(err.status, VKCLIP_ERROR_ARGUMENT);
    vkclip_model_close(model);
    check_towers(&(struct setup){"synthetic", NULL, FULL, VKCLIP_PRECISION_FP32});
}

// What is promised of memory: 2 bytes a weight, 4 for the 0.8 million of biases, norms and
// positions, and room for 64 pictures within a gigabyte.
static void full_model_in_fp16_and_64_pictures_fit_in_a_gigabyte(void **state)
{
    (void)state;
    vkclip_model *model;
    vkclip_engine *engine = open_engine(NULL, VKCLIP_PRECISION_FP16, 64, &model);
    if (!engine)
        skip();
    const vkclip_engine_facts *facts = vkclip_engine_get_facts(engine);
    printf("weights %.1f MB, activations of %u pictures %.1f MB\n",
           (double)facts->weights_bytes * 1e-6, facts->max_images,
           (double)facts->arena_bytes * 1e-6);
    assert_int_equal(facts->max_images, 64);
    assert_true(facts->weights_bytes < 394000000);
    assert_true(facts->weights_bytes + facts->arena_bytes < 1000000000);
    vkclip_engine_destroy(engine);
    vkclip_model_close(model);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest small_tests[] = {
        cmocka_unit_test(tiny_model_of_torch_save_matches_open_clip),
        cmocka_unit_test(tiny_model_of_safetensors_matches_open_clip),
        cmocka_unit_test(tiny_model_in_fp16_matches_open_clip),
        cmocka_unit_test(tiny_model_in_int8_is_near_open_clip),
        cmocka_unit_test(demo_model_matches_open_clip),
        cmocka_unit_test(demo_model_in_fp16_matches_open_clip),
        cmocka_unit_test(demo_model_in_int8_is_near_open_clip),
        cmocka_unit_test(demo_texts_match_open_clip_from_strings),
        cmocka_unit_test(images_in_memory_are_embedded_as_their_options_say),
        cmocka_unit_test(templates_are_averaged_as_open_clip_does),
        cmocka_unit_test(profiling_names_every_kernel_and_changes_nothing),
        cmocka_unit_test(c4_null_arguments_are_refused),
        cmocka_unit_test(c4_token_ids_outside_the_vocabulary_are_refused),
        cmocka_unit_test(m19_embeddings_that_are_not_finite_are_an_error),
        cmocka_unit_test(d11_a_weight_beyond_fp16_is_named),
        cmocka_unit_test(d4_devices_that_are_not_there_are_refused),
    };
    const struct CMUnitTest full_tests[] = {
        cmocka_unit_test(full_model_of_safetensors_matches_open_clip),
        cmocka_unit_test(full_model_of_torch_save_matches_open_clip),
        cmocka_unit_test(full_model_in_fp16_matches_open_clip),
        cmocka_unit_test(full_model_in_int8_is_near_open_clip),
        cmocka_unit_test(full_model_from_its_seed_matches_open_clip),
        cmocka_unit_test(full_model_in_fp16_and_64_pictures_fit_in_a_gigabyte),
    };
    if (argc == 3 && strcmp(argv[1], "full") == 0) {
        full_directory = argv[2];
        return cmocka_run_group_tests(full_tests, NULL, NULL);
    }
    return cmocka_run_group_tests(small_tests, NULL, NULL);
}
