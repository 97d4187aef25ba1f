// Sound files that are not a model of ours, and models with senseless numbers. The tiny model of
// tests/golden is copied and changed in one place; nothing here needs a device.
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/file.h"
#include "test.h"
#include "vkclip.h"

#define TINY "tests/golden/tiny/"

static const char *const file_names[] = {"tiny.safetensors", "open_clip_config.json", "config.json",
                                         "vocab.txt"};

// A copy of the tiny model in memory, to be changed and then opened.
struct copy {
    char *bytes[COUNT(file_names)];
    size_t byte_counts[COUNT(file_names)];
    char lines[8][300]; // of the log
    uint32_t line_count;
};

static void copy_init(struct copy *copy)
{
    *copy = (struct copy){0};
    for (size_t i = 0; i < COUNT(file_names); i++) {
        char path[100];
        snprintf(path, sizeof path, "%s%s", TINY, file_names[i]);
        assert_true(
            file_load(path, 1 << 20, (uint8_t **)&copy->bytes[i], &copy->byte_counts[i], NULL));
    }
}

// Replaces one text of a file by another of the same length.
static void change(struct copy *copy, size_t file, const char *from, const char *to)
{
    assert_int_equal(strlen(from), strlen(to));
    char *place = memmem(copy->bytes[file], copy->byte_counts[file], from, strlen(from));
    assert_non_null(place);
    memcpy(place, to, strlen(to));
}

// The data begin with logit_scale.
static void set_logit_scale(struct copy *copy, float value)
{
    uint64_t header_bytes;
    memcpy(&header_bytes, copy->bytes[0], sizeof header_bytes);
    memcpy(copy->bytes[0] + 8 + header_bytes, &value, sizeof value);
}

static void note_line(void *user, vkclip_log_level level, const char *message)
{
    struct copy *copy = user;
    if (level == VKCLIP_LOG_ERROR && copy->line_count < COUNT(copy->lines))
        snprintf(copy->lines[copy->line_count++], sizeof copy->lines[0], "%s", message);
}

// Writes the copy out, opens it, and frees all but the log.
static vkclip_model *open_copy(struct copy *copy, vkclip_error *err)
{
    char folder[] = "/tmp/vkclip_test_XXXXXX", path[100], weights_path[100];
    assert_non_null(mkdtemp(folder));
    for (size_t i = COUNT(file_names); i-- > 0;) {
        snprintf(path, sizeof path, "%s/%s", folder, file_names[i]);
        FILE *file = fopen(path, "wb");
        assert_non_null(file);
        assert_int_equal(fwrite(copy->bytes[i], 1, copy->byte_counts[i], file),
                         copy->byte_counts[i]);
        fclose(file);
        free(copy->bytes[i]);
    }
    strcpy(weights_path, path);
    const vkclip_log log = {.write = note_line, .user = copy};
    vkclip_model *model = vkclip_model_open(weights_path, VKCLIP_MODEL_WHOLE, &log, err);
    for (size_t i = 0; i < COUNT(file_names); i++) {
        snprintf(path, sizeof path, "%s/%s", folder, file_names[i]);
        unlink(path);
    }
    rmdir(folder);
    return model;
}

static void expect_copy_refused(struct copy *copy, const char *why)
{
    vkclip_error error = {0};
    vkclip_model *model = open_copy(copy, &error);
    vkclip_model_close(model);
    if (model || !strstr(error.message, why))
        print_error("'%s' wanted, got: %s\n", why, model ? "accepted" : error.message);
    assert_null(model);
    assert_int_equal(error.status, VKCLIP_ERROR_MODEL);
    assert_non_null(strstr(error.message, why));
}

static void expect_logged(const struct copy *copy, const char *what)
{
    bool is_found = false;
    for (uint32_t i = 0; i < copy->line_count; i++)
        is_found = is_found || strstr(copy->lines[i], what);
    if (!is_found)
        print_error("no line of the log has '%s'\n", what);
    assert_true(is_found);
}

static void m18_all_mismatches_are_listed_at_once(void **state)
{
    (void)state;
    struct copy copy;
    copy_init(&copy);
    change(&copy, 0, "\"visual.trunk.norm.bias\"", "\"visual.trunk.norm.bjas\"");
    change(&copy, 0, "[1,17,64]", "[17,1,64]");
    change(&copy, 0, "[192,64]", "[64,192]");
    expect_copy_refused(&copy, "4 tensors are not as this architecture has them");
    assert_int_equal(copy.line_count, 4);
    expect_logged(&copy, "'visual.trunk.norm.bias'");
    expect_logged(&copy, "surplus tensor 'visual.trunk.norm.bjas' [64] F32");
    expect_logged(&copy, "[17, 1, 64]");
    expect_logged(&copy, "[64, 192]");
}

static void m18_a_context_longer_than_the_positions_is_refused(void **state)
{
    (void)state;
    struct copy copy;
    copy_init(&copy);
    change(&copy, 1, "\"context_length\": 20", "\"context_length\": 77");
    expect_copy_refused(&copy, "24 positions, the configuration wants 77");
}

static void m18_other_widths_and_heads_are_refused(void **state)
{
    (void)state;
    struct copy copy;
    copy_init(&copy);
    change(&copy, 1, "\"embed_dim\": 40", "\"embed_dim\": 48");
    expect_copy_refused(&copy, "embeddings of 40, the configuration says 48");
    copy_init(&copy);
    change(&copy, 2, "\"num_attention_heads\": 1", "\"num_attention_heads\": 5");
    expect_copy_refused(&copy, "5 heads");
}

static void m18_more_tokens_than_embedding_rows_are_refused(void **state)
{
    (void)state;
    struct copy copy;
    copy_init(&copy);
    size_t count = copy.byte_counts[3];
    copy.bytes[3] = realloc(copy.bytes[3], count + 100);
    assert_non_null(copy.bytes[3]);
    copy.byte_counts[3] =
        count + (size_t)sprintf(copy.bytes[3] + count, "%szz1\nzz2\nzz3\nzz4\nzz5\nzz6\nzz7\n",
                                copy.bytes[3][count - 1] == '\n' ? "" : "\n");
    expect_copy_refused(&copy, "the token embedding only 16 rows");
}

// Two texts, the second of which is given.
static bool score(const vkclip_model *model, float value, vkclip_error *err)
{
    const uint32_t width = vkclip_model_get_facts(model)->embedding_width;
    float image[64] = {1.0f}, texts[2 * 64] = {1.0f};
    vkclip_score scores[2];
    assert_true(width <= 64);
    texts[width] = value;
    return vkclip_score_texts(model, image, texts, 2, scores, err);
}

static void m19_probabilities_that_are_no_numbers_are_not_given(void **state)
{
    (void)state;
    struct copy copy;
    vkclip_error error = {0};
    copy_init(&copy);
    vkclip_model *model = open_copy(&copy, &error);
    assert_non_null(model);
    assert_true(score(model, 0.5f, &error));
    assert_false(score(model, NAN, &error));
    assert_int_equal(error.status, VKCLIP_ERROR_NUMBERS);
    assert_false(score(model, INFINITY, &error));
    vkclip_model_close(model);
}

// exp(1e30) is infinite, exp(-3) merely flat.
static void m20_a_senseless_logit_scale_gives_no_probabilities(void **state)
{
    (void)state;
    static const struct {
        float scale;
        bool is_sound;
    } cases[] = {{1e30f, false}, {NAN, false}, {INFINITY, false}, {-3.0f, true}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct copy copy;
        vkclip_error error = {0};
        copy_init(&copy);
        set_logit_scale(&copy, cases[i].scale);
        vkclip_model *model = open_copy(&copy, &error);
        bool is_scored = model && score(model, 0.5f, &error);
        vkclip_model_close(model);
        assert_int_equal(is_scored, cases[i].is_sound);
        assert_true(is_scored || error.message[0]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(m18_all_mismatches_are_listed_at_once),
        cmocka_unit_test(m18_a_context_longer_than_the_positions_is_refused),
        cmocka_unit_test(m18_other_widths_and_heads_are_refused),
        cmocka_unit_test(m18_more_tokens_than_embedding_rows_are_refused),
        cmocka_unit_test(m19_probabilities_that_are_no_numbers_are_not_given),
        cmocka_unit_test(m20_a_senseless_logit_scale_gives_no_probabilities),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
