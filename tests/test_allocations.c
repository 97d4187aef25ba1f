// Every allocation of the library is failed once, by way of the linker. Defends that the library
// then says so in one sentence, that nothing is leaked (under AddressSanitizer) or half built, and
// that the next call, with memory again, gives the right numbers.
//
// All of it is done with threads and without. Without, the allocations come in the same order each
// time, so that each of them fails; with threads so many fail one by one, whichever they are.
//
// What libraries and drivers allocate for themselves does not fail here.
#include "test.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "no_threads.h"
#include "vkclip.h"

#define MODEL   "tests/golden/tiny/tiny.safetensors"
#define PICTURE "tools/demo/images/ring_blue_dense.png"
#define WIDTH   40 // of its embeddings
#define TEXTS   2  // and pictures

// ---- allocations -----------------------------------------------------------------------------

static atomic_uint allocation_count;
static uint32_t failing; // the failing-th from now on fails; 0: none does

static bool is_to_fail(void)
{
    return atomic_fetch_add(&allocation_count, 1) + 1 == failing;
}

void *__real_malloc(size_t bytes);
void *__real_calloc(size_t count, size_t bytes);
void *__real_realloc(void *old, size_t bytes);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__wrap_realloc(void *old, size_t bytes);
char *__wrap_strdup(const char *text);

void *__wrap_malloc(size_t bytes)
{
    return is_to_fail() ? NULL : __real_malloc(bytes);
}

void *__wrap_calloc(size_t count, size_t bytes)
{
    return is_to_fail() ? NULL : __real_calloc(count, bytes);
}

void *__wrap_realloc(void *old, size_t bytes)
{
    return is_to_fail() ? NULL : __real_realloc(old, bytes);
}

char *__wrap_strdup(const char *text)
{
    return is_to_fail() ? NULL : __real_strdup(text);
}

// ---- what is done ----------------------------------------------------------------------------

static vkclip_model *model;
static vkclip_engine *engine;
static bool computes; // the mock driver does not

static bool open_model(float *out, vkclip_error *err)
{
    (void)out;
    vkclip_model *opened = vkclip_model_open(MODEL, VKCLIP_MODEL_WHOLE, NULL, err);
    vkclip_model_close(opened);
    return opened != NULL;
}

static bool create_engine(float *out, vkclip_error *err)
{
    (void)out;
    vkclip_engine *created = vkclip_engine_create(model, &(vkclip_engine_params){0}, err);
    vkclip_engine_destroy(created);
    return created != NULL;
}

static const char *const texts[TEXTS] = {"cells",
                                         "pink \xef\xac\x81"
                                         "bres &amp; caf\xc3\x83\xc2\xa9 \xe8\x82\xba"}; // mojibake

static bool preprocess(float *out, vkclip_error *err)
{
    const uint32_t side = vkclip_model_get_facts(model)->image_size_px;
    const size_t byte_count = (size_t)side * side * 3;
    uint8_t *pixels = __real_malloc(byte_count);
    assert_non_null(pixels);
    bool is_done = vkclip_preprocess(model, &(vkclip_image){.path = PICTURE}, pixels, err);
    for (uint32_t i = 0; is_done && i < WIDTH; i++)
        out[i] = pixels[i * byte_count / WIDTH];
    free(pixels);
    return is_done;
}

// A picture without memory is read again, so this is done without each of its allocations.
static bool embed_images(float *out, vkclip_error *err)
{
    const vkclip_image images[TEXTS] = {{.path = PICTURE}, {.path = PICTURE}};
    return vkclip_embed_images(engine, images, TEXTS, out, NULL, err);
}

static bool embed_texts(float *out, vkclip_error *err)
{
    return vkclip_embed_texts(engine, texts, TEXTS, out, err);
}

// A vocabulary of byte pairs, with its configuration and no weights.
static bool tokenize(float *out, vkclip_error *err)
{
    vkclip_model *clip = vkclip_model_open("tests/golden/bpe", VKCLIP_MODEL_SIDE_FILES, NULL, err);
    int32_t ids[77];
    uint32_t count = 0;
    bool is_done = clip && vkclip_tokenize(clip, texts[1], ids, 77, &count, err);
    for (uint32_t i = 0; i < count; i++)
        out[i] = (float)ids[i];
    vkclip_model_close(clip);
    return is_done;
}

static bool embed_labels(float *out, vkclip_error *err)
{
    static const char *const templates[] = {"{}", "a photo of {}"};
    return vkclip_embed_labels(engine, texts, TEXTS, templates, 2, out, err);
}

static bool score_texts(float *out, vkclip_error *err)
{
    float vectors[(1 + TEXTS) * WIDTH] = {0};
    for (uint32_t i = 0; i <= TEXTS; i++)
        vectors[i * WIDTH] = 1.0f;
    vkclip_score scores[TEXTS];
    if (!vkclip_score_texts(model, vectors, vectors + WIDTH, TEXTS, scores, err))
        return false;
    for (uint32_t i = 0; i < TEXTS; i++)
        out[i] = scores[i].probability;
    return true;
}

typedef bool (*work_function)(float *out, vkclip_error *err);

// What a driver that computes nothing leaves in a buffer may be no number.
static bool is_done(work_function work, float *out, vkclip_error *err)
{
    *err = (vkclip_error){0};
    return work(out, err) || (!computes && err->status == VKCLIP_ERROR_NUMBERS);
}

// ---- all of them -----------------------------------------------------------------------------

// Fails the first allocation of the work, then the second, until it does not come that far.
static void fail_each(const char *name, work_function work)
{
    float wanted[TEXTS * WIDTH] = {0}, got[TEXTS * WIDTH] = {0};
    vkclip_error err;
    allocation_count = failing = 0;
    assert_true(is_done(work, wanted, &err));
    const uint32_t count = allocation_count;
    uint32_t done_without = 0;
    for (uint32_t i = 1; i <= count; i++) {
        allocation_count = 0;
        failing = i;
        bool is_fine = is_done(work, got, &err);
        failing = 0;
        if (is_fine)
            done_without++;
        else if (err.status != VKCLIP_ERROR_MEMORY || !err.message[0])
            fail_msg("%s, allocation %u of %u: status %d: %s", name, i, count, (int)err.status,
                     err.message);
        if (!is_fine && !is_done(work, got, &err))
            fail_msg("%s, after allocation %u of %u failed: %s", name, i, count, err.message);
        if (computes && memcmp(got, wanted, sizeof wanted) != 0)
            fail_msg("%s, allocation %u of %u: other numbers", name, i, count);
    }
    printf("  %-14s %4u allocations, each failed; done without %u\n", name, count, done_without);
}

static void fail_all(void)
{
    static const struct {
        const char *name;
        work_function work;
    } works[] = {
        {"open model", open_model},   {"create engine", create_engine},
        {"preprocess", preprocess},   {"embed images", embed_images},
        {"embed texts", embed_texts}, {"embed labels", embed_labels},
        {"score texts", score_texts}, {"tokenize", tokenize},
    };
    for (size_t i = 0; i < COUNT(works); i++)
        fail_each(works[i].name, works[i].work);
}

static void r03_every_allocation_may_fail(void **state)
{
    (void)state;
    has_threads = false;
    fail_all();
}

static void r03_every_allocation_may_fail_beside_others(void **state)
{
    (void)state;
    has_threads = true;
    fail_all();
}

static int set_up(void **state)
{
    (void)state;
    vkclip_error err;
    model = vkclip_model_open(MODEL, VKCLIP_MODEL_WHOLE, NULL, &err);
    engine = model ? vkclip_engine_create(model, &(vkclip_engine_params){0}, &err) : NULL;
    if (!engine) {
        print_error("%s\n", err.message);
        return -1;
    }
    computes = !strstr(vkclip_engine_get_facts(engine)->device.name, "Mock");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    vkclip_engine_destroy(engine);
    vkclip_model_close(model);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(r03_every_allocation_may_fail),
        cmocka_unit_test(r03_every_allocation_may_fail_beside_others),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
