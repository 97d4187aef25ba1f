// Defends that pictures read by many threads, beside the device, give what they give one by one:
// the same bits, the same errors and the same log lines, in their order and on the caller's thread;
// also where no thread can be made, which is planted here by way of the linker.
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "no_threads.h"
#include "open_engine.h"
#include "picture.h"

#define MODEL "tests/golden/tiny/tiny.safetensors"

enum { AT_ONCE = 4, PICTURES = 3 * AT_ONCE + 2, WIDTH = 40, LINE_BYTES = 256 };

// ---- pictures --------------------------------------------------------------------------------

// What a log was told, and that it was told by the caller's thread.
struct lines {
    pthread_t caller;
    uint32_t count;
    char texts[PICTURES][LINE_BYTES];
};

static void keep_line(void *user, vkclip_log_level level, const char *message)
{
    struct lines *lines = user;
    assert_true(pthread_equal(lines->caller, pthread_self()));
    assert_int_equal(level, VKCLIP_LOG_WARNING);
    assert_true(lines->count < PICTURES);
    snprintf(lines->texts[lines->count++], LINE_BYTES, "%s", message);
}

// The pictures, and what came of each alone.
struct album {
    vkclip_model *model;
    vkclip_engine *engine;
    struct picture files[PICTURES];
    char names[PICTURES][16];
    vkclip_image images[PICTURES];
    struct lines lines;
    float rows[PICTURES][WIDTH];
    vkclip_error errors[PICTURES];
    struct lines lines_alone;
};

// JPEGs of many sizes, so that one that comes later may be read sooner; among them 16-bit grey, of
// which the log is told, a file cut off, and one that is no picture.
static struct picture make_file(uint32_t i, const uint8_t *noise)
{
    struct picture file = {0};
    if (i % 5 == 2) {
        png_begin(&file, 30 + i, 20, 16, 0);
        png_pixels(&file, noise, 2 * (30 + i), 20, 1);
        png_end(&file);
    } else if (i % 7 == 3) {
        picture_add_text(&file, "no picture");
    } else {
        file = jpeg_of(i % 2 ? 20 + i : 400 - 10 * i, 50 + i, (struct jpeg_kind){.channels = 3},
                       noise);
        if (i % 7 == 6)
            file.byte_count /= 2;
    }
    return file;
}

static void start_log(struct lines *lines)
{
    *lines = (struct lines){.caller = pthread_self()};
}

static int set_up(void **state)
{
    struct album *album = calloc(1, sizeof *album);
    enum { NOISE_BYTES = 3 * 400 * 100 };
    uint8_t *noise = malloc(NOISE_BYTES);
    if (!album || !noise)
        return -1;
    has_threads = true;
    picture_noise(noise, NOISE_BYTES, 5);
    album->engine = open_engine(MODEL, VKCLIP_PRECISION_FP32, AT_ONCE, &album->model);
    assert_int_equal(vkclip_engine_get_facts(album->engine)->max_images, AT_ONCE);
    assert_int_equal(vkclip_model_get_facts(album->model)->embedding_width, WIDTH);
    start_log(&album->lines);
    for (uint32_t i = 0; i < PICTURES; i++) {
        vkclip_error err;
        album->files[i] = make_file(i, noise);
        snprintf(album->names[i], sizeof album->names[i], "picture %u", i);
        album->images[i] = (vkclip_image){
            .path = album->names[i],
            .bytes = album->files[i].bytes,
            .byte_count = album->files[i].byte_count,
            .log = {keep_line, &album->lines},
        };
        if (!vkclip_embed_images(album->engine, &album->images[i], 1, album->rows[i],
                                 &album->errors[i], &err))
            fail_msg("%s", err.message);
    }
    album->lines_alone = album->lines;
    free(noise);
    *state = album;
    return 0;
}

static int tear_down(void **state)
{
    struct album *album = *state;
    for (uint32_t i = 0; i < PICTURES; i++)
        picture_free(&album->files[i]);
    vkclip_engine_destroy(album->engine);
    vkclip_model_close(album->model);
    free(album);
    return 0;
}

// ---- batches ---------------------------------------------------------------------------------

// One more and one less than the device computes at once, and several times that.
static const uint32_t counts[] = {1,           AT_ONCE - 1,     AT_ONCE, AT_ONCE + 1,
                                  2 * AT_ONCE, 2 * AT_ONCE + 1, PICTURES};

static bool is_about(const char *line, const char *name)
{
    return strncmp(line, name, strlen(name)) == 0 && line[strlen(name)] == ':';
}

// The lines of pictures first .. first + count, of all that were told one by one.
static void check_lines(const struct album *album, uint32_t first, uint32_t count)
{
    uint32_t seen = 0;
    for (uint32_t i = first; i < first + count; i++)
        for (uint32_t line = 0; line < album->lines_alone.count; line++)
            if (is_about(album->lines_alone.texts[line], album->names[i])) {
                assert_true(seen < album->lines.count);
                assert_string_equal(album->lines.texts[seen++], album->lines_alone.texts[line]);
            }
    assert_int_equal(seen, album->lines.count);
}

static void check_batch(struct album *album, uint32_t first, uint32_t count)
{
    float rows[PICTURES][WIDTH];
    vkclip_error errors[PICTURES], err;
    start_log(&album->lines);
    if (!vkclip_embed_images(album->engine, album->images + first, count, rows[0], errors, &err))
        fail_msg("%s", err.message);
    for (uint32_t i = 0; i < count; i++) {
        const vkclip_error *alone = &album->errors[first + i];
        if (memcmp(rows[i], album->rows[first + i], sizeof rows[i]) != 0)
            fail_msg("picture %u has other bits at place %u of %u", first + i, i, count);
        assert_int_equal(errors[i].status, alone->status);
        assert_string_equal(errors[i].message, alone->message);
    }
    check_lines(album, first, count);
}

static void check_all_batches(struct album *album)
{
    for (size_t i = 0; i < COUNT(counts); i++)
        for (uint32_t first = 0; first + counts[i] <= PICTURES; first++)
            check_batch(album, first, counts[i]);
}

static void pictures_give_the_same_in_any_batch(void **state)
{
    struct album *album = *state;
    uint32_t unreadable = 0;
    for (uint32_t i = 0; i < PICTURES; i++)
        unreadable += album->errors[i].status != VKCLIP_OK;
    printf("%u pictures, %u of them unreadable, %u told of\n", PICTURES, unreadable,
           album->lines_alone.count);
    assert_true(unreadable >= 3 && album->lines_alone.count >= 2);
    has_threads = true;
    check_all_batches(album);
}

static void pictures_give_the_same_without_threads(void **state)
{
    has_threads = false;
    check_all_batches(*state);
    has_threads = true;
}

// Without an array of errors the first of the unreadable ones fails the call, with its own message,
// and those behind it are not heard of.
static void the_first_unreadable_picture_fails_the_call(void **state)
{
    struct album *album = *state;
    for (size_t i = 0; i < COUNT(counts); i++)
        for (uint32_t first = 0; first + counts[i] <= PICTURES; first++) {
            float rows[PICTURES][WIDTH];
            vkclip_error err = {0};
            uint32_t read = 0;
            while (read < counts[i] && album->errors[first + read].status == VKCLIP_OK)
                read++;
            start_log(&album->lines);
            bool is_done = vkclip_embed_images(album->engine, album->images + first, counts[i],
                                               rows[0], NULL, &err);
            assert_int_equal(is_done, read == counts[i]);
            if (!is_done)
                assert_string_equal(err.message, album->errors[first + read].message);
            check_lines(album, first, read);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pictures_give_the_same_in_any_batch),
        cmocka_unit_test(pictures_give_the_same_without_threads),
        cmocka_unit_test(the_first_unreadable_picture_fails_the_call),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
