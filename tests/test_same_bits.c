// Defends that an embedding is bitwise the same whenever and wherever it is computed on one device:
// in every run, at every batch size, at every place in the batch, whatever its neighbours, and by
// any engine, and while the device is tuned in another thread. Another process is
// test_same_bits_cli.py's.
#include <stdlib.h>
#ifndef _WIN32
#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>
#endif

#include "open_engine.h"

// Pictures, and texts: one more than twice what the image tower computes at once.
enum { IMAGES_AT_ONCE = 3, INPUTS = 2 * IMAGES_AT_ONCE + 1 };
enum { MOST = 4096 }; // in a call

// Inputs, and what each embeds to in a batch of its own.
struct crowd {
    vkclip_engine *engine;
    vkclip_model *model;
    size_t width;
    uint8_t *pixels; // [INPUTS, picture_bytes]
    size_t picture_bytes;
    char texts[INPUTS][512];
    float *pictures_alone, *texts_alone; // [INPUTS, width]
    uint8_t *batch_pixels;               // what goes into a call,
    const char *batch_texts[MOST];
    float *batch; // and what comes out
};

static void fill_with_noise(uint8_t *bytes, size_t count, uint32_t noise, int shift)
{
    for (size_t i = 0; i < count; i++) {
        noise ^= noise << 13, noise ^= noise >> 17, noise ^= noise << 5;
        bytes[i] = (uint8_t)(noise >> (24 + shift));
    }
}

// Black, white, and noise from glaring to dim.
static void make_pictures(struct crowd *crowd)
{
    memset(crowd->pixels, 0, crowd->picture_bytes);
    memset(crowd->pixels + crowd->picture_bytes, 255, crowd->picture_bytes);
    for (uint32_t i = 2; i < INPUTS; i++)
        fill_with_noise(crowd->pixels + i * crowd->picture_bytes, crowd->picture_bytes, 7 + i,
                        (int)i - 2);
}

// From [CLS] and [SEP] alone to as many tokens as the model takes.
static void make_texts(struct crowd *crowd)
{
    static const char *const words[] = {"purple ", "round ", "cells ", "dense ", "blue "};
    for (uint32_t i = 1; i < INPUTS; i++)
        for (uint32_t word = 0; word < (i + 1 < INPUTS ? (i * i + 1) / 2 : 70); word++)
            strcat(crowd->texts[i], words[(i + word) % COUNT(words)]);
}

static void embed_pictures(struct crowd *crowd, const uint32_t *members, uint32_t count)
{
    vkclip_error err;
    for (uint32_t i = 0; i < count; i++)
        memcpy(crowd->batch_pixels + i * crowd->picture_bytes,
               crowd->pixels + members[i] * crowd->picture_bytes, crowd->picture_bytes);
    if (!vkclip_embed_pixels(crowd->engine, crowd->batch_pixels, count, crowd->batch, &err))
        fail_msg("%s", err.message);
}

static void embed_texts(struct crowd *crowd, const uint32_t *members, uint32_t count)
{
    vkclip_error err;
    for (uint32_t i = 0; i < count; i++)
        crowd->batch_texts[i] = crowd->texts[members[i]];
    if (!vkclip_embed_texts(crowd->engine, crowd->batch_texts, count, crowd->batch, &err))
        fail_msg("%s", err.message);
}

static void check_batch(const struct crowd *crowd, const char *what, const float *alone,
                        const uint32_t *members, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (memcmp(crowd->batch + i * crowd->width, alone + members[i] * crowd->width,
                   crowd->width * sizeof *alone) != 0)
            fail_msg("%s %u has other bits at place %u of %u, after %s %u, than alone", what,
                     members[i], i, count, what, members[i ? i - 1 : 0]);
}

static void check_pictures(struct crowd *crowd, const uint32_t *members, uint32_t count)
{
    embed_pictures(crowd, members, count);
    check_batch(crowd, "picture", crowd->pictures_alone, members, count);
}

static void check_texts(struct crowd *crowd, const uint32_t *members, uint32_t count)
{
    embed_texts(crowd, members, count);
    check_batch(crowd, "text", crowd->texts_alone, members, count);
}

// False where the device does not have the precision.
static bool crowd_open(struct crowd *crowd, vkclip_precision precision)
{
    *crowd = (struct crowd){0};
    crowd->engine = open_engine("tools/demo/model", precision, IMAGES_AT_ONCE, &crowd->model);
    if (!crowd->engine)
        return false;
    const vkclip_model_facts *facts = vkclip_model_get_facts(crowd->model);
    assert_int_equal(vkclip_engine_get_facts(crowd->engine)->max_images, IMAGES_AT_ONCE);
    crowd->width = facts->embedding_width;
    crowd->picture_bytes = 3 * (size_t)facts->image_size_px * facts->image_size_px;
    crowd->pixels = malloc(INPUTS * crowd->picture_bytes);
    crowd->batch_pixels = malloc(INPUTS * crowd->picture_bytes);
    crowd->pictures_alone = malloc(INPUTS * crowd->width * sizeof(float));
    crowd->texts_alone = malloc(INPUTS * crowd->width * sizeof(float));
    crowd->batch = malloc(MOST * crowd->width * sizeof(float));
    make_pictures(crowd);
    make_texts(crowd);
    for (uint32_t i = 0; i < INPUTS; i++) {
        embed_pictures(crowd, &i, 1);
        memcpy(crowd->pictures_alone + i * crowd->width, crowd->batch,
               crowd->width * sizeof(float));
    }
    for (uint32_t i = 0; i < INPUTS; i++) {
        embed_texts(crowd, &i, 1);
        memcpy(crowd->texts_alone + i * crowd->width, crowd->batch, crowd->width * sizeof(float));
    }
    return true;
}

static void crowd_close(struct crowd *crowd)
{
    free(crowd->pixels), free(crowd->batch_pixels);
    free(crowd->pictures_alone), free(crowd->texts_alone), free(crowd->batch);
    vkclip_engine_destroy(crowd->engine);
    vkclip_model_close(crowd->model);
}

// ---- batches ---------------------------------------------------------------------------------

// Every place of every batch size up to the largest, three times: among its likes, then among
// others, each time with another input there.
static void try_batches(struct crowd *crowd, uint32_t largest,
                        void (*check)(struct crowd *, const uint32_t *, uint32_t))
{
    static const uint32_t steps[] = {0, 1, 3};
    uint32_t members[MOST];
    for (uint32_t count = 1; count <= largest; count++)
        for (uint32_t turn = 0; turn < COUNT(steps); turn++) {
            for (uint32_t i = 0; i < count; i++)
                members[i] = (count + 2 * turn + i * steps[turn]) % INPUTS;
            check(crowd, members, count);
        }
}

// Many short texts, with one of every kind at both ends and where a run ends and the next begins.
static void try_short_texts(struct crowd *crowd, uint32_t count, uint32_t run)
{
    uint32_t members[MOST] = {0};
    assert_true(count <= MOST);
    for (uint32_t i = 0; i < INPUTS; i++) {
        members[i] = i;
        members[run - 1 - i] = i;
        if (run + i < count)
            members[run + i] = i;
        members[count - 1 - i] = i;
    }
    check_texts(crowd, members, count);
}

// A run is full by the number of its texts, an eighth of its tokens, or by its tokens.
static void try_full_runs(struct crowd *crowd)
{
    const uint32_t tokens = vkclip_engine_get_facts(crowd->engine)->max_text_tokens;
    const uint32_t longest = vkclip_model_get_facts(crowd->model)->context_tokens;
    const uint32_t short_run = tokens / 8, long_run = tokens / longest;
    uint32_t members[MOST];
    printf("runs of %u short and %u long texts\n", short_run, long_run);
    assert_true(long_run > 2 * INPUTS && long_run < MOST);
    try_short_texts(crowd, short_run, short_run);
    try_short_texts(crowd, short_run + 1, short_run);
    try_short_texts(crowd, 2 * short_run + 1, short_run);
    for (uint32_t i = 0; i <= long_run; i++)
        members[i] = INPUTS - 1;
    check_texts(crowd, members, long_run + 1);
}

// ---- runs and engines ------------------------------------------------------------------------

// Both towers use one arena: each leaves it full of numbers that the other must not see.
static void try_again(struct crowd *crowd)
{
    uint32_t members[2 * INPUTS];
    for (uint32_t i = 0; i < 2 * INPUTS; i++)
        members[i] = i % INPUTS;
    for (uint32_t run = 0; run < 4; run++) {
        check_pictures(crowd, members, 1 + run);
        check_texts(crowd, members, run % 2 ? 1 : 2 * INPUTS);
    }
}

// Engines with other runs, and one like the first, of a model opened anew; the first stays.
static void try_other_engines(const struct crowd *first, vkclip_precision precision)
{
    static const uint32_t images_at_once[] = {IMAGES_AT_ONCE, 1, 16};
    uint32_t members[INPUTS];
    for (uint32_t i = 0; i < INPUTS; i++)
        members[i] = i;
    for (size_t i = 0; i < COUNT(images_at_once); i++) {
        struct crowd other = *first;
        other.engine = open_engine("tools/demo/model", precision, images_at_once[i], &other.model);
        check_pictures(&other, members, INPUTS);
        check_texts(&other, members, INPUTS);
        vkclip_engine_destroy(other.engine);
        vkclip_model_close(other.model);
    }
}

static void check_same_bits(vkclip_precision precision)
{
    struct crowd crowd;
    if (!crowd_open(&crowd, precision))
        skip();
    try_batches(&crowd, INPUTS, check_pictures);
    try_batches(&crowd, 2 * INPUTS, check_texts);
    try_full_runs(&crowd);
    try_again(&crowd);
    try_other_engines(&crowd, precision);
    crowd_close(&crowd);
}

static void embeddings_in_fp32_have_the_same_bits_in_any_batch(void **state)
{
    (void)state;
    check_same_bits(VKCLIP_PRECISION_FP32);
}

static void embeddings_in_fp16_have_the_same_bits_in_any_batch(void **state)
{
    (void)state;
    check_same_bits(VKCLIP_PRECISION_FP16);
}

static void embeddings_in_int8_have_the_same_bits_in_any_batch(void **state)
{
    (void)state;
    check_same_bits(VKCLIP_PRECISION_INT8);
}

// Two engines on one model, used in turns, do not disturb each other.
static void two_engines_share_one_model(void **state)
{
    (void)state;
    vkclip_error err;
    vkclip_model *model;
    vkclip_engine *first = open_engine("tools/demo/model", VKCLIP_PRECISION_FP32, 1, &model);
    vkclip_engine *second = vkclip_engine_create(
        model, &(vkclip_engine_params){.precision = VKCLIP_PRECISION_FP32, .max_images = 2}, &err);
    assert_non_null(second);
    const size_t width = vkclip_model_get_facts(model)->embedding_width;
    float *a = malloc(width * sizeof *a), *b = malloc(width * sizeof *b);
    const char *text = "blue ring cells";
    assert_true(vkclip_embed_texts(first, &text, 1, a, NULL));
    assert_true(vkclip_embed_texts(second, &text, 1, b, NULL));
    assert_memory_equal(a, b, width * sizeof *a);
    vkclip_engine_destroy(first);
    assert_true(vkclip_embed_texts(second, &text, 1, b, NULL));
    assert_memory_equal(a, b, width * sizeof *a);
    free(a), free(b);
    vkclip_engine_destroy(second);
    vkclip_model_close(model);
}

#ifndef _WIN32

struct tuning {
    char directory[64];
    vkclip_tuning result;
    vkclip_error err;
    bool is_tuned;
    atomic_uint done, over; // variants; whether it has returned
};

static void note_progress(void *user, uint32_t done, uint32_t total)
{
    struct tuning *tuning = user;
    (void)total;
    atomic_store(&tuning->done, done);
}

static void *tune(void *argument)
{
    struct tuning *tuning = argument;
    tuning->is_tuned = vkclip_tune(
        &(vkclip_tune_params){
            .precision = VKCLIP_PRECISION_FP32,
            .cache_directory = tuning->directory,
            .progress = note_progress,
            .user = tuning,
        },
        &tuning->result, &tuning->err);
    atomic_store(&tuning->over, 1);
    return NULL;
}

static void remove_directory(const char *path)
{
    DIR *directory = opendir(path);
    assert_non_null(directory);
    for (struct dirent *entry; (entry = readdir(directory));) {
        char file[512];
        snprintf(file, sizeof file, "%s/%s", path, entry->d_name);
        unlink(file); // does nothing to . and ..
    }
    closedir(directory);
    assert_int_equal(rmdir(path), 0);
}

// A long run may have its device tuned meanwhile, for the next one.
static void a_device_is_tuned_in_a_thread_beside_an_engine_at_work(void **state)
{
    (void)state;
    static struct tuning tuning = {.directory = "/tmp/vkclip-tuning-XXXXXX"};
    vkclip_model *model;
    vkclip_error err;
    const char *text = "blue ring cells";
    vkclip_engine *engine = open_engine("tools/demo/model", VKCLIP_PRECISION_FP32, 1, &model);
    const size_t width = vkclip_model_get_facts(model)->embedding_width;
    float *alone = malloc(width * sizeof *alone), *beside = malloc(width * sizeof *beside);
    assert_true(vkclip_embed_texts(engine, &text, 1, alone, NULL));

    pthread_t thread;
    uint32_t runs = 0, least = UINT32_MAX, most = 0;
    assert_non_null(mkdtemp(tuning.directory));
    assert_int_equal(pthread_create(&thread, NULL, tune, &tuning), 0);
    while (!atomic_load(&tuning.over)) {
        const uint32_t done = atomic_load(&tuning.done);
        if (!vkclip_embed_texts(engine, &text, 1, beside, &err))
            fail_msg("%s", err.message);
        assert_memory_equal(alone, beside, width * sizeof *alone);
        least = done < least ? done : least;
        most = done > most ? done : most;
        runs++;
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    if (!tuning.is_tuned)
        fail_msg("%s", tuning.err.message);
    printf("%u texts while %u variants were tried\n", runs, tuning.result.variant_count);
    assert_true(least < most); // at work from one variant to another
    vkclip_engine_destroy(engine);
    vkclip_model_close(model);
    free(alone), free(beside);
    remove_directory(tuning.directory);
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(embeddings_in_fp32_have_the_same_bits_in_any_batch),
        cmocka_unit_test(embeddings_in_fp16_have_the_same_bits_in_any_batch),
        cmocka_unit_test(embeddings_in_int8_have_the_same_bits_in_any_batch),
        cmocka_unit_test(two_engines_share_one_model),
#ifndef _WIN32
        cmocka_unit_test(a_device_is_tuned_in_a_thread_beside_an_engine_at_work),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
