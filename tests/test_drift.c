// Defends that the towers stay with open_clip layer by layer, on the full-size model: a layer that
// is a little wrong shows where it is, not first in the embedding, where eleven others have mixed
// it.
//
//   test_drift DIR    a model of BiomedCLIP's true shape, written to DIR by full_model
//
// What a layer leaves is read behind a tower cut off after it: the plan of vit.c or text_tower.c
// with fewer layers, of the [CLS] row, which is the only one the recorded vectors have.
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

// One picture and one text, and what open_clip has for them.
struct subject {
    uint8_t *pixels;
    const int32_t *ids;
    uint32_t text_tokens;
    float *want[2]; // [layers, width], by tower
    uint32_t layers, width;
};

// Has the engine put the picture, or the text, into the inputs of its plans.
static void fill_inputs(vkclip_engine *engine, enum tower tower, const struct subject *subject)
{
    vkclip_error err;
    float embedding[1024];
    assert_true(engine->model->facts.embedding_width <= COUNT(embedding));
    if (tower == IMAGE
            ? !vkclip_embed_pixels(engine, subject->pixels, 1, embedding, &err)
            : !vkclip_embed_tokens(engine, subject->ids, &subject->text_tokens, 1, embedding, &err))
        fail_msg("%s", err.message);
}

static struct gpu_range range(struct gpu_buffer *buffer, uint64_t size_bytes)
{
    return (struct gpu_range){.buffer = buffer, .size_bytes = size_bytes};
}

static struct tensor plan_layers(const vkclip_engine *engine, enum tower tower, uint32_t layers,
                                 struct plan *plan, const struct plan_run *run)
{
    struct gpu_range tiles = range(engine->tiles, run->tile_count * sizeof(struct attention_tile));
    if (tower == IMAGE) {
        struct vit vit = engine->vit;
        const uint32_t side = vit.image_size_px;
        vit.encoder.layers = layers;
        return vit_plan_blocks(&vit, plan, range(engine->pixels, 3 * side * side), tiles);
    }
    struct text_tower text = engine->text;
    text.encoder.layers = layers;
    return text_plan_blocks(&text, plan,
                            range(engine->tokens, run->counts.tokens * sizeof(struct token)), tiles)
        .x;
}

// Runs the first layers of a tower on what lies in its inputs, as one sequence.
static void run_layers(const vkclip_engine *engine, enum tower tower, uint32_t layers,
                       uint32_t tokens, float *state)
{
    vkclip_error err;
    uint64_t arena_bytes;
    const uint32_t tile_rows = engine->kernels.shapes[KERNEL_ATTENTION].rows;
    const struct plan_limits limits = {.sequences = 1, .tokens = tokens, .longest = tokens};
    const struct plan_run run = {.counts = {.sequences = 1, .tokens = tokens},
                                 .tile_count = 1 + (tokens - 1 + tile_rows - 1) / tile_rows};
    struct plan *plan = plan_create(&engine->kernels, &limits, 0.7); // submits for any device
    assert_non_null(plan);
    const struct tensor x = plan_layers(engine, tower, layers, plan, &run);
    const size_t row_bytes = x.cols * sizeof *state;
    struct gpu_buffer *out = gpu_buffer_create(engine->gpu, row_bytes, GPU_MEMORY_READBACK, &err);
    assert_non_null(out);
    plan_normalize(plan, x, false, range(out, row_bytes));
    if (!plan_layout(plan, &arena_bytes, &err))
        fail_msg("%s", err.message);
    struct gpu_buffer *arena = gpu_buffer_create(engine->gpu, arena_bytes, GPU_MEMORY_DEVICE, &err);
    assert_non_null(arena);
    if (!plan_record(plan, arena, false, &err) || !plan_run(plan, &run, &err))
        fail_msg("%s", err.message);
    memcpy(state, gpu_buffer_address(out), row_bytes);
    plan_destroy(plan);
    gpu_buffer_destroy(engine->gpu, arena);
    gpu_buffer_destroy(engine->gpu, out);
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
    uint32_t tokens = tower == IMAGE ? vit_tokens(&engine->vit) : subject->text_tokens;
    float *state = malloc(subject->width * sizeof *state);
    assert_non_null(state);
    fill_inputs(engine, tower, subject);
    for (uint32_t i = 1; i <= subject->layers; i++) {
        char what[64];
        snprintf(what, sizeof what, "%s, %s, layer %2u", is_half ? "fp16" : "fp32",
                 tower_names[tower], i);
        run_layers(engine, tower, i, tokens, state);
        const float *want = subject->want[tower] + (size_t)(i - 1) * subject->width;
        const double allowed = 4.0 * sqrt(i) * (is_half ? FP16_TYPICAL : FP32_TYPICAL);
        are_near = is_near(what, state, want, subject->width, allowed) && are_near;
    }
    free(state);
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
    if (!vkclip_preprocess(model, &(vkclip_image){.path = golden->pictures[0]}, subject->pixels,
                           &err))
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
