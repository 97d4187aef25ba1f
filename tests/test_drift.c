// Defends that the towers stay with open_clip layer by layer, on the full-size model: a layer that
// is a little wrong shows where it is, not first in the embedding, where eleven others have mixed
// it.
//
//   test_drift DIR    a model of BiomedCLIP's true shape, written to DIR by full_model
//
// What a layer leaves is read behind a tower cut off after it: the plan of vit.c and bert.c with
// fewer layers, run on the [CLS] row, which is the only one the recorded vectors have.
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "golden.h"
#include "open_engine.h"

static const char *directory;

// How far the worst of a row may be off, as a part of the row's root mean square. A sum of 3072
// products, added one after the other, is off by some sqrt(3072) roundings of 2^-24; in fp16 each
// product is off by 2^-11, at random, and four products in a row make a layer, 2^-10. What layers
// leave comes together as steps of a random walk do, and the worst of 768 columns is four times the
// typical one.
#define FP32_TYPICAL (55.4 * 0x1p-24)
#define FP16_TYPICAL 0x1p-10

enum tower { IMAGE, TEXT };
static const char *const tower_names[] = {"image", "text"};

// The first layers of a tower, and their end where the host can read it.
struct stump {
    struct plan *plan;
    struct gpu_buffer *arena, *unit;
    struct tensor state;
};

static struct gpu_range range(struct gpu_buffer *buffer, uint64_t size_bytes)
{
    return (struct gpu_range){.buffer = buffer, .size_bytes = size_bytes};
}

static struct tensor plan_tower(const vkclip_engine *engine, enum tower tower, uint32_t layers,
                                struct plan *plan, const struct plan_limits *limits)
{
    struct vit vit = engine->vit;
    struct bert bert = engine->bert;
    vit.sizes.layers = bert.sizes.layers = layers;
    const uint32_t side = vit.sizes.image_size_px;
    const uint32_t tile_count = 2 + limits->tokens / engine->kernels.shapes[KERNEL_ATTENTION].rows;
    struct gpu_range tiles = range(engine->tiles, tile_count * sizeof(struct attention_tile));
    struct gpu_range out = range(engine->out, vit.sizes.embedding_width * sizeof(float));
    if (tower == IMAGE)
        return vit_plan(&vit, plan, range(engine->pixels, 3 * side * side), tiles, out);
    return bert_plan(&bert, plan, range(engine->tokens, limits->tokens * sizeof(struct token)),
                     tiles, out);
}

static void stump_create(struct stump *stump, const vkclip_engine *engine, enum tower tower,
                         uint32_t layers, uint32_t tokens)
{
    vkclip_error err;
    uint64_t arena_bytes;
    struct gpu *gpu = engine->gpu;
    const struct plan_limits limits = {.sequences = 1, .tokens = tokens, .longest = tokens};
    stump->plan = plan_create(&engine->kernels, &limits, 0.7); // as small submits as for any device
    assert_non_null(stump->plan);
    stump->state = plan_tower(engine, tower, layers, stump->plan, &limits);
    // One more step that reads it keeps it in the arena to the end.
    const uint64_t state_bytes = stump->state.cols * sizeof(float);
    stump->unit = gpu_buffer_create(gpu, state_bytes, GPU_MEMORY_READBACK, &err);
    assert_non_null(stump->unit);
    plan_normalize(stump->plan, stump->state, range(stump->unit, state_bytes));
    if (!plan_layout(stump->plan, &arena_bytes, &err))
        fail_msg("%s", err.message);
    stump->arena = gpu_buffer_create(gpu, arena_bytes, GPU_MEMORY_READBACK, &err);
    assert_non_null(stump->arena);
    if (!plan_record(stump->plan, stump->arena, false, &err))
        fail_msg("%s", err.message);
}

static void stump_destroy(struct stump *stump, const vkclip_engine *engine)
{
    plan_destroy(stump->plan);
    gpu_buffer_destroy(engine->gpu, stump->arena);
    gpu_buffer_destroy(engine->gpu, stump->unit);
}

// One picture and one text, and what open_clip has for them.
struct subject {
    uint8_t *pixels;
    const int32_t *ids;
    uint32_t text_tokens;
    float *want[2]; // [layers, width], by tower
    uint32_t layers, width;
};

static void embed(vkclip_engine *engine, enum tower tower, const struct subject *subject,
                  float *embedding)
{
    vkclip_error err;
    if (tower == IMAGE
            ? !vkclip_embed_pixels(engine, subject->pixels, 1, embedding, &err)
            : !vkclip_embed_tokens(engine, subject->ids, &subject->text_tokens, 1, embedding, &err))
        fail_msg("%s", err.message);
}

// Runs the first layers in place of the whole tower. The embedding means something behind all
// of them only.
static void run_layers(vkclip_engine *engine, enum tower tower, uint32_t layers,
                       const struct subject *subject, float *state, float *embedding)
{
    struct stump stump;
    uint32_t tokens = tower == IMAGE ? vit_tokens(&engine->vit) : subject->text_tokens;
    stump_create(&stump, engine, tower, layers, tokens);
    struct plan *whole[] = {engine->images.plan, engine->texts.plan, engine->few_texts.plan};
    engine->images.plan = engine->texts.plan = engine->few_texts.plan = stump.plan;
    embed(engine, tower, subject, embedding);
    engine->images.plan = whole[0], engine->texts.plan = whole[1];
    engine->few_texts.plan = whole[2];
    const unsigned char *arena = gpu_buffer_address(stump.arena);
    memcpy(state, arena + plan_tensor_range(stump.plan, stump.state, NULL).offset_bytes,
           stump.state.cols * sizeof *state);
    stump_destroy(&stump, engine);
}

static bool is_near(const char *what, const float *got, const float *want, uint32_t width,
                    double allowed_part)
{
    double ab = 0.0, aa = 0.0, bb = 0.0, worst = 0.0;
    for (uint32_t c = 0; c < width; c++) {
        double a = (double)got[c], b = (double)want[c];
        ab += a * b, aa += a * a, bb += b * b;
        worst = isfinite(a) ? fmax(worst, fabs(a - b)) : INFINITY; // a NaN is no larger number
    }
    const double mean = sqrt(bb / width), allowed = allowed_part * mean;
    printf("%-22s 1 - cosine %.1e, worst %.1e of %.1f, allowed %.1e\n", what,
           1.0 - ab / sqrt(aa * bb), worst, mean, allowed);
    return worst <= allowed;
}

static void check_tower(vkclip_engine *engine, enum tower tower, const struct subject *subject)
{
    bool is_half = engine->facts.precision == VKCLIP_PRECISION_FP16, are_near = true;
    float *state = malloc(subject->width * sizeof *state);
    float embedding[1024], own[1024];
    const size_t embedding_bytes = engine->vit.sizes.embedding_width * sizeof *own;
    assert_true(embedding_bytes <= sizeof own);
    for (uint32_t i = 1; i <= subject->layers; i++) {
        char what[64];
        snprintf(what, sizeof what, "%s, %s, layer %2u", is_half ? "fp16" : "fp32",
                 tower_names[tower], i);
        run_layers(engine, tower, i, subject, state, embedding);
        const float *want = subject->want[tower] + (size_t)(i - 1) * subject->width;
        const double allowed = 4.0 * sqrt(i) * (is_half ? FP16_TYPICAL : FP32_TYPICAL);
        are_near = is_near(what, state, want, subject->width, allowed) && are_near;
    }
    free(state);
    // What was looked at is what an engine computes.
    embed(engine, tower, subject, own);
    assert_memory_equal(own, embedding, embedding_bytes);
    assert_true(are_near);
}

// ---- what open_clip has ----------------------------------------------------------------------

static float *read_matrix(const struct weights *weights, const char *name, struct subject *subject)
{
    vkclip_error err;
    const struct weight *found = weights_find(weights, name);
    if (!found || found->rank != 2)
        fail_msg("%s: no matrix '%s'", weights->path, name);
    subject->layers = (uint32_t)found->shape[0];
    subject->width = (uint32_t)found->shape[1];
    float *values = malloc(found->element_count * sizeof *values);
    assert_non_null(values);
    if (!weights_read_f32(weights, found, 0, found->element_count, values, &err))
        fail_msg("%s", err.message);
    return values;
}

static void subject_open(struct subject *subject, const vkclip_model *model,
                         const struct golden *golden)
{
    vkclip_error err;
    struct weights layers;
    const uint32_t side = model->facts.image_size_px, last = golden->text_count - 1;
    if (!weights_open(&layers, "tests/golden/full_layers.safetensors", &err))
        fail_msg("%s", err.message);
    *subject = (struct subject){.ids = golden->ids, .text_tokens = golden->lengths[last]};
    for (uint32_t i = 0; i < last; i++)
        subject->ids += golden->lengths[i];
    subject->pixels = malloc((size_t)3 * side * side);
    assert_non_null(subject->pixels);
    if (!vkclip_preprocess_file(model, golden->pictures[0], subject->pixels, &err))
        fail_msg("%s", err.message);
    for (int tower = IMAGE; tower <= TEXT; tower++)
        subject->want[tower] = read_matrix(&layers, tower_names[tower], subject);
    weights_close(&layers);
    assert_int_equal(subject->layers, model->facts.image_layers);
    assert_int_equal(subject->layers, model->facts.text_layers);
    assert_int_equal(subject->width, model->facts.image_width);
    assert_int_equal(subject->width, model->facts.text_width);
}

static void subject_close(struct subject *subject)
{
    free(subject->pixels);
    free(subject->want[IMAGE]);
    free(subject->want[TEXT]);
}

// False where the device does not have the precision.
static bool check_layers(vkclip_precision precision)
{
    char path[4096];
    vkclip_model *model;
    snprintf(path, sizeof path, "%s/model.safetensors", directory);
    vkclip_engine *engine = open_engine(path, precision, 1, &model);
    if (!engine)
        return false;
    struct golden golden;
    struct subject subject;
    golden_open(&golden, "tests/golden/full_model.json");
    subject_open(&subject, model, &golden);
    check_tower(engine, IMAGE, &subject);
    check_tower(engine, TEXT, &subject);
    subject_close(&subject);
    golden_close(&golden);
    vkclip_engine_destroy(engine);
    vkclip_model_close(model);
    return true;
}

static void every_layer_in_fp32_is_open_clips(void **state)
{
    (void)state;
    assert_true(check_layers(VKCLIP_PRECISION_FP32));
}

static void every_layer_in_fp16_is_open_clips(void **state)
{
    (void)state;
    if (!check_layers(VKCLIP_PRECISION_FP16))
        skip();
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_layer_in_fp32_is_open_clips),
        cmocka_unit_test(every_layer_in_fp16_is_open_clips),
    };
    if (argc != 2) {
        fprintf(stderr, "usage: test_drift DIR\n");
        return 2;
    }
    directory = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
