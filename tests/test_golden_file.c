// Defends that vkclip_golden.json is read as documented, and refused by name where it is not sound.
#include "test.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef _WIN32
#include <direct.h>
#endif

#include "golden_file.h"

static char folder[64] = "/tmp/vkclip-golden-XXXXXX";
static char path[128];

static int make_folder(void **state)
{
    (void)state;
#ifdef _WIN32
    assert_non_null(_mktemp(folder));
    assert_int_equal(_mkdir(folder), 0);
#else
    assert_non_null(mkdtemp(folder));
#endif
    snprintf(path, sizeof path, "%s/vkclip_golden.json", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    return unlink(path) == 0 && rmdir(folder) == 0 ? 0 : -1;
}

static bool open_text(struct golden_file *golden, const char *text, vkclip_error *err)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0 && fclose(file) == 0);
    return golden_file_open(golden, path, 2, err);
}

#define PICTURES "\"pictures\": [\"a.png\", \"b/c.jpg\"]"
#define IMAGES   "\"image_embeddings\": [[1, 0], [0.6, -0.8]]"
#define TEXTS    "\"texts\": [\"\", \"\\u00e9 \\\"\"], \"text_embeddings\": [[0, 1e0], [-1, 0]]"

static void both_halves_are_read(void **state)
{
    (void)state;
    char want[256];
    vkclip_error err;
    struct golden_file golden;
    if (!open_text(&golden, "{\"more\": [{}], " PICTURES "," IMAGES "," TEXTS "}", &err))
        fail_msg("%s", err.message);
    assert_int_equal(golden.pictures.count, 2);
    snprintf(want, sizeof want, "%s/b/c.jpg", folder);
    assert_string_equal(golden.pictures.inputs[1], want);
    assert_true(golden.pictures.embeddings[2] == 0.6f && golden.pictures.embeddings[3] == -0.8f);
    assert_int_equal(golden.texts.count, 2);
    assert_string_equal(golden.texts.inputs[0], "");
    assert_string_equal(golden.texts.inputs[1], "\xc3\xa9 \"");
    assert_true(golden.texts.embeddings[1] == 1.0f && golden.texts.embeddings[2] == -1.0f);
    golden_file_close(&golden);
}

static void one_half_is_enough(void **state)
{
    (void)state;
    vkclip_error err;
    struct golden_file golden;
    assert_true(open_text(&golden, "{" TEXTS "}", &err));
    assert_true(golden.pictures.count == 0 && golden.texts.count == 2);
    golden_file_close(&golden);
    assert_true(open_text(&golden, "{" PICTURES "," IMAGES "}", &err));
    assert_true(golden.pictures.count == 2 && golden.texts.count == 0);
    golden_file_close(&golden);
}

static void what_is_not_sound_is_refused_by_name(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"", "is not a JSON object"},
        {"[]", "is not a JSON object"},
        {"{" TEXTS, "is not a JSON object"},
        {"{}", "has neither pictures nor texts"},
        {"{" PICTURES "}", "pictures and image_embeddings are not lists of one length"},
        {"{" IMAGES "}", "pictures and image_embeddings are not lists of one length"},
        {"{\"pictures\": 7, " IMAGES "}", "are not lists of one length"},
        {"{\"pictures\": [], \"image_embeddings\": []}", "are not lists of one length"},
        {"{\"pictures\": [\"a\"], " IMAGES "}", "are not lists of one length"},
        {"{\"pictures\": [\"a\", 7], " IMAGES "}", "item 2 of pictures is no string"},
        {"{\"texts\": [\"a\"], \"text_embeddings\": [1]}", "row 1 of text_embeddings is no vector"},
        {"{\"texts\": [\"a\"], \"text_embeddings\": [[1]]}", "of the model's 2 numbers"},
        {"{\"texts\": [\"a\"], \"text_embeddings\": [[1, 0, 0]]}", "row 1 of text_embeddings"},
        {"{\"texts\": [\"a\"], \"text_embeddings\": [[1, \"0\"]]}", "row 1 of text_embeddings"},
        {"{\"texts\": [\"a\"], \"text_embeddings\": [[0, 0]]}", "row 1 of text_embeddings"},
        {"{\"texts\": [\"a\"], \"text_embeddings\": [[1e999, 0]]}", "row 1 of text_embeddings"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        vkclip_error err = {0};
        struct golden_file golden;
        if (open_text(&golden, cases[i][0], &err))
            fail_msg("accepted: %s", cases[i][0]);
        if (err.status != VKCLIP_ERROR_FILE || !strstr(err.message, cases[i][1]) ||
            strncmp(err.message, path, strlen(path)) != 0)
            fail_msg("%s\n  was refused by: %s", cases[i][0], err.message);
    }
}

static void a_picture_too_far_away_is_refused(void **state)
{
    (void)state;
    vkclip_error err;
    struct golden_file golden;
    char text[6000] = "{\"pictures\": [\"", *end = text + strlen(text);
    memset(end, 'n', 5000);
    strcpy(end + 5000, "\"], \"image_embeddings\": [[1, 0]]}");
    assert_false(open_text(&golden, text, &err));
    assert_non_null(strstr(err.message, "the path of picture 1 is too long"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_halves_are_read),
        cmocka_unit_test(one_half_is_enough),
        cmocka_unit_test(what_is_not_sound_is_refused_by_name),
        cmocka_unit_test(a_picture_too_far_away_is_refused),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
