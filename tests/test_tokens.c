// Defends what a text becomes, against what open_clip's own tokenizer recorded
// (tools/reference/make_goldens.py tokens).
#include "test.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utf8proc.h>

#include "host/text_clean.h"
#include "host/wordpiece.h"

#define GOLDEN    "tests/golden/tokens.json"
#define PUBLISHED "../shared/data/biomedclip/"
#define CONTEXT   256

// Of a row of the golden.
enum column {
    TEXT,
    CLEANED,
    DEMO_IDS,
    PUBLISHED_IDS,
};

static cJSON *golden;

static int read_golden(void **state)
{
    (void)state;
    FILE *file = fopen(GOLDEN, "rb");
    if (!file)
        return -1;
    fseek(file, 0, SEEK_END);
    size_t byte_count = (size_t)ftell(file);
    rewind(file);
    char *bytes = calloc(1, byte_count + 1);
    bool is_read = bytes && fread(bytes, 1, byte_count, file) == byte_count;
    fclose(file);
    golden = is_read ? cJSON_Parse(bytes) : NULL;
    free(bytes);
    return golden ? 0 : -1;
}

static int forget_golden(void **state)
{
    (void)state;
    cJSON_Delete(golden);
    return 0;
}

// The text of a row: a string, or bytes where it is no UTF-8. Returns how many bytes it has.
static size_t get_text(const cJSON *row, char *text, size_t capacity)
{
    const cJSON *item = cJSON_GetArrayItem(row, TEXT), *byte;
    size_t count = 0;
    if (cJSON_IsArray(item)) {
        cJSON_ArrayForEach(byte, item)
        {
            assert_true(count < capacity);
            text[count++] = (char)byte->valueint;
        }
        return count;
    }
    count = strlen(item->valuestring);
    assert_true(count <= capacity);
    memcpy(text, item->valuestring, count);
    return count;
}

// Cleans all lines of a text, with a space between those that leave something.
static void clean(const char *text, size_t byte_count, char *out, size_t capacity)
{
    struct text_cleaner cleaner;
    struct points line = {0};
    size_t out_bytes = 0;
    text_cleaner_init(&cleaner);
    for (size_t used = 0; used < byte_count;) {
        used += text_clean_line(&cleaner, text + used, byte_count - used, &line);
        assert_false(line.is_broken);
        if (out_bytes > 0 && line.count > 0)
            out[out_bytes++] = ' ';
        for (size_t i = 0; i < line.count; i++) {
            assert_true(out_bytes + 8 < capacity);
            out_bytes +=
                (size_t)utf8proc_encode_char(line.at[i], (utf8proc_uint8_t *)out + out_bytes);
        }
    }
    out[out_bytes] = 0;
    points_finish(&line);
    text_cleaner_finish(&cleaner);
}

static void cleaned_texts_are_those_of_ftfy_and_html_unescape(void **state)
{
    (void)state;
    const cJSON *row;
    int number = 0, differing = 0;
    cJSON_ArrayForEach(row, cJSON_GetObjectItemCaseSensitive(golden, "texts"))
    {
        char text[4096], got[8192];
        const char *want = cJSON_GetArrayItem(row, CLEANED)->valuestring;
        clean(text, get_text(row, text, sizeof text), got, sizeof got);
        if (strcmp(got, want) != 0) {
            print_error("text %d is '%s', expected '%s'\n", number, got, want);
            differing++;
        }
        number++;
    }
    printf("%d cleaned texts, %d differ, allowed 0\n", number, differing);
    assert_true(number > 200);
    assert_int_equal(differing, 0);
}

static bool ids_equal(const int32_t *ids, uint32_t count, const cJSON *want)
{
    if ((int)count != cJSON_GetArraySize(want))
        return false;
    const cJSON *id;
    uint32_t i = 0;
    cJSON_ArrayForEach(id, want)
    {
        if (ids[i++] != id->valueint)
            return false;
    }
    return true;
}

static void check_ids(const char *vocabulary, enum column column)
{
    if (access(vocabulary, R_OK) != 0) {
        print_message("skipped: %s is not there\n", vocabulary);
        skip();
    }
    vkclip_error err = {0};
    struct wordpiece *wordpiece = wordpiece_create(vocabulary, true, &err);
    assert_string_equal(err.message, "");
    const cJSON *row;
    int number = 0, differing = 0;
    cJSON_ArrayForEach(row, cJSON_GetObjectItemCaseSensitive(golden, "texts"))
    {
        char text[4096];
        int32_t ids[CONTEXT];
        uint32_t count, kept = 0;
        size_t byte_count = get_text(row, text, sizeof text);
        assert_true(wordpiece_encode(wordpiece, text, byte_count, CONTEXT, ids, &count, NULL));
        for (uint32_t i = 0; i < count; i++) // [PAD] may stand in a text; the golden leaves it out
            if (ids[i] != 0)
                ids[kept++] = ids[i];
        if (!ids_equal(ids, kept, cJSON_GetArrayItem(row, (int)column))) {
            print_error("text %d, '%.*s', has other ids\n", number, (int)byte_count, text);
            differing++;
        }
        number++;
    }
    wordpiece_destroy(wordpiece);
    printf("%s: ids of %d texts, %d differ, allowed 0\n", vocabulary, number, differing);
    assert_int_equal(differing, 0);
}

static void ids_are_those_of_open_clip_with_the_demo_vocabulary(void **state)
{
    (void)state;
    check_ids("tools/demo/model/vocab.txt", DEMO_IDS);
    check_ids("tools/demo/model/tokenizer.json", DEMO_IDS);
}

static void ids_are_those_of_open_clip_with_the_published_vocab_txt(void **state)
{
    (void)state;
    check_ids(PUBLISHED "vocab.txt", PUBLISHED_IDS);
}

static void ids_are_those_of_open_clip_with_the_published_tokenizer_json(void **state)
{
    (void)state;
    check_ids(PUBLISHED "tokenizer.json", PUBLISHED_IDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cleaned_texts_are_those_of_ftfy_and_html_unescape),
        cmocka_unit_test(ids_are_those_of_open_clip_with_the_demo_vocabulary),
        cmocka_unit_test(ids_are_those_of_open_clip_with_the_published_vocab_txt),
        cmocka_unit_test(ids_are_those_of_open_clip_with_the_published_tokenizer_json),
    };
    return cmocka_run_group_tests(tests, read_golden, forget_golden);
}
