// Defends the way from text to the ids that open_clip's SimpleTokenizer gives. The vocabulary, the
// texts and their ids are recorded by tools/reference/make_bpe_goldens.py.
#include "bpe_file.h"

#include <cjson/cJSON.h>
#include <time.h>

#include "host/letters.h"

#define CONTEXT 77
#define START   712
#define END     713

static void check(const struct bpe *bpe, const char *text, size_t byte_count, const int32_t *want,
                  uint32_t want_count)
{
    int32_t ids[CONTEXT];
    uint32_t count;
    assert_true(bpe_encode(bpe, text, byte_count, CONTEXT, ids, &count, NULL));
    bool is_same = count == want_count && memcmp(ids, want, count * sizeof *ids) == 0;
    if (!is_same) {
        print_error("'%.60s' gives", text);
        for (uint32_t i = 0; i < count; i++)
            print_error(" %d", ids[i]);
        print_error("\n");
    }
    assert_true(is_same);
}

#define CHECK(bpe, text, ...)                                                      \
    check(bpe, text, sizeof(text) - 1, (const int32_t[]){START, __VA_ARGS__, END}, \
          (uint32_t)COUNT(((const int32_t[]){START, __VA_ARGS__, END})))

static struct bpe *open_small(void)
{
    return open_bpe(GOLDEN "vocab.json", GOLDEN "merges.txt");
}

static cJSON *open_goldens(void)
{
    char *text = read_file(GOLDEN "goldens.json");
    cJSON *goldens = cJSON_Parse(text);
    free(text);
    assert_non_null(goldens);
    return goldens;
}

static const cJSON *get(const cJSON *object, const char *name)
{
    const cJSON *found = cJSON_GetObjectItemCaseSensitive(object, name);
    if (!found)
        fail_msg("the golden has no %s", name);
    return found;
}

// ---- against open_clip ------------------------------------------------------------------------

static void ids_are_those_of_open_clip(void **state)
{
    (void)state;
    struct bpe *pair = open_small(), *json = open_bpe(GOLDEN "tokenizer.json", NULL);
    assert_true(bpe_equal(pair, json));
    assert_int_equal(bpe_count(pair), 714);
    assert_int_equal(bpe_end_of_text(pair), END);
    cJSON *goldens = open_goldens();
    const cJSON *entry;
    size_t text_count = 0;
    cJSON_ArrayForEach(entry, get(goldens, "texts"))
    {
        const char *text = cJSON_GetStringValue(get(entry, "text"));
        int32_t want[CONTEXT];
        uint32_t count = 0;
        const cJSON *id;
        cJSON_ArrayForEach(id, get(entry, "ids")) want[count++] = id->valueint;
        check(pair, text, strlen(text), want, count);
        check(json, text, strlen(text), want, count);
        text_count++;
    }
    printf("%zu texts, 0 of them other than open_clip's\n", text_count);
    cJSON_Delete(goldens);
    bpe_destroy(pair);
    bpe_destroy(json);
}

// Writes the 512 tokens of single bytes, what the merges make and the special tokens.
static void write_odd(const cJSON *merges)
{
    char *text = read_file(GOLDEN "vocab.json");
    cJSON *base = cJSON_Parse(text), *vocabulary = cJSON_CreateObject();
    int count = 0;
    for (const cJSON *token = base->child; count < 512; token = token->next)
        cJSON_AddNumberToObject(vocabulary, token->string, count++);
    char lines[4096] = "#version: 0.2\n";
    const cJSON *merge;
    cJSON_ArrayForEach(merge, merges)
    {
        const char *pair = merge->valuestring, *space = strchr(pair, ' ');
        char joined[64];
        snprintf(joined, sizeof joined, "%.*s%s", (int)(space - pair), pair, space + 1);
        if (!cJSON_GetObjectItemCaseSensitive(vocabulary, joined))
            cJSON_AddNumberToObject(vocabulary, joined, count++);
        strcat(strcat(lines, pair), "\n");
    }
    cJSON_AddNumberToObject(vocabulary, "<start_of_text>", count++);
    cJSON_AddNumberToObject(vocabulary, "<end_of_text>", count++);
    char *printed = cJSON_Print(vocabulary);
    write_file(first_name, printed, strlen(printed));
    write_file(second_name, lines, strlen(lines));
    cJSON_free(printed);
    cJSON_Delete(vocabulary);
    cJSON_Delete(base);
    free(text);
}

// A token may be used by a merge of lower rank than the one that makes it, and be made by two.
static void merges_of_any_order_join_as_in_open_clip(void **state)
{
    (void)state;
    cJSON *goldens = open_goldens();
    const cJSON *odd, *word, *token;
    cJSON_ArrayForEach(odd, get(goldens, "odd"))
    {
        write_odd(get(odd, "merges"));
        struct bpe *bpe = open_bpe(first_name, second_name);
        char *text = read_file(first_name);
        cJSON *vocabulary = cJSON_Parse(text);
        cJSON_ArrayForEach(word, get(odd, "words"))
        {
            const char *letters = cJSON_GetStringValue(get(word, "text"));
            int32_t want[CONTEXT], ids[CONTEXT];
            uint32_t want_count = 0, count;
            want[want_count++] = (int32_t)bpe_count(bpe) - 2;
            cJSON_ArrayForEach(token, get(word, "tokens")) want[want_count++] =
                get(vocabulary, token->valuestring)->valueint;
            want[want_count++] = bpe_end_of_text(bpe);
            assert_true(bpe_encode(bpe, letters, strlen(letters), CONTEXT, ids, &count, NULL));
            assert_int_equal(count, want_count);
            assert_memory_equal(ids, want, count * sizeof *ids);
        }
        cJSON_Delete(vocabulary);
        free(text);
        bpe_destroy(bpe);
    }
    cJSON_Delete(goldens);
}

static void small_letters_are_those_of_python(void **state)
{
    (void)state;
    static const struct {
        int32_t text[8], lower[8];
    } cases[] = {
        {{'A', 0x130, 'I', 0x131}, {'a', 'i', 0x307, 'i', 0x131}},
        {{0x39f, 0x3a3}, {0x3bf, 0x3c2}},                             // at the end of a word
        {{0x39f, 0x3a3, 0x391}, {0x3bf, 0x3c3, 0x3b1}},               // not at the end
        {{0x3a3}, {0x3c3}},                                           // a word by itself
        {{'A', '.', 0x3a3, '\'', ' '}, {'a', '.', 0x3c2, '\'', ' '}}, // signs are passed over
        {{'A', 0x3a3, 0x301, ':', 'b'}, {'a', 0x3c3, 0x301, ':', 'b'}},
        {{'1', 0x3a3}, {'1', 0x3c3}},
        {{0x2160, 0x3a3, '1'}, {0x2170, 0x3c2, '1'}}, // a roman number has case
        {{0x1f130, 0x3a3}, {0x1f130, 0x3c2}},         // and so have letters in squares
        {{0x2b0, 0x3a3}, {0x2b0, 0x3c3}},             // a raised letter is passed over
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct points text = {0}, lower = {0};
        size_t count = 0;
        for (size_t j = 0; j < 8 && cases[i].text[j]; j++)
            points_push(&text, cases[i].text[j]);
        letters_lower(&text, &lower);
        while (count < 8 && cases[i].lower[count])
            count++;
        assert_int_equal(lower.count, count);
        assert_memory_equal(lower.at, cases[i].lower, count * sizeof *lower.at);
        points_finish(&text);
        points_finish(&lower);
    }
}

// ---- hard texts -------------------------------------------------------------------------------

static void t01_empty_texts_of_every_kind_give_two_ids(void **state)
{
    (void)state;
    struct bpe *bpe = open_small();
    const int32_t none[] = {START, END};
    check(bpe, "", 0, none, 2);
    check(bpe, "\0\0", 2, none, 2);
    check(bpe, " \t\n\xe3\x80\x80", 6, none, 2);
    check(bpe, "\x01\x1f\x7f", 3, none, 2);
    check(bpe, "\xcd\x85\xcd\x85", 4, none, 2); // the mark that is in no word
    bpe_destroy(bpe);
}

static void t02_texts_are_cut_on_the_right_at_the_last_id_that_fits(void **state)
{
    (void)state;
    struct bpe *bpe = open_small();
    char text[100];
    memset(text, '1', sizeof text);
    for (uint32_t digits = 70; digits <= 80; digits++) {
        int32_t ids[CONTEXT];
        uint32_t count;
        assert_true(bpe_encode(bpe, text, digits, CONTEXT, ids, &count, NULL));
        assert_int_equal(count, digits + 2 < CONTEXT ? digits + 2 : CONTEXT);
        assert_int_equal(ids[0], START);
        assert_int_equal(ids[count - 1], END);
        for (uint32_t i = 1; i + 1 < count; i++)
            assert_int_equal(ids[i], 272);
    }
    for (uint32_t most = 2; most < 7; most++) { // also inside a word, and across lines
        int32_t ids[6];
        uint32_t count;
        assert_true(bpe_encode(bpe, "qqq\nq", 5, most, ids, &count, NULL));
        assert_int_equal(count, most < 6 ? most : 6);
        assert_int_equal(ids[count - 1], END);
    }
    bpe_destroy(bpe);
}

static void t03_invalid_utf8_becomes_replacement_characters(void **state)
{
    (void)state;
    struct bpe *bpe = open_small();
    CHECK(bpe, "a\xff", 320, 171, 123, 377); // U+FFFD is the bytes ef bf bd
    CHECK(bpe, "\xed\xa0\x80", 171, 123, 121, 171, 123, 121, 171, 123, 377);
    CHECK(bpe, "a\xe2\x82", 320, 171, 123, 121, 171, 123, 377);
    bpe_destroy(bpe);
}

// Shapes on which a careless tokenizer takes quadratic time, which here would be hours.
static void t02_megabytes_take_linear_time(void **state)
{
    (void)state;
    static const struct {
        const char *what, *body;
        size_t byte_count;
    } cases[] = {
        {"one word, no merge", "q", 10000000},
        {"one word of merges", "adenocarcinomaofthelung", 10000000},
        {"signs", "-+", 2000000},
        {"words", "q ", 2000000},
        {"line ends", "\n", 2000000},
        {"what is in no word", "\xcd\x85", 2000000},
        {"sigmas", "\xce\xa3", 2000000},
        {"sigmas and signs", "\xce\xa3'''''''''''", 2000000},
        {"special tokens, nearly", "<start_of_tex", 2000000},
    };
    struct bpe *bpe = open_small();
    char *text = malloc(10000000);
    assert_non_null(text);
    for (size_t i = 0; i < COUNT(cases); i++) {
        size_t body_bytes = strlen(cases[i].body);
        for (size_t at = 0; at < cases[i].byte_count; at++)
            text[at] = cases[i].body[at % body_bytes];
        int32_t ids[CONTEXT];
        uint32_t count;
        clock_t start = clock();
        assert_true(bpe_encode(bpe, text, cases[i].byte_count, CONTEXT, ids, &count, NULL));
        double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
        printf("%2zu MB of %-34s %.2f s, allowed 60\n", cases[i].byte_count / 1000000,
               cases[i].what, seconds);
        assert_true(seconds < 60);
    }
    free(text);
    bpe_destroy(bpe);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_are_those_of_open_clip),
        cmocka_unit_test(merges_of_any_order_join_as_in_open_clip),
        cmocka_unit_test(small_letters_are_those_of_python),
        cmocka_unit_test(t01_empty_texts_of_every_kind_give_two_ids),
        cmocka_unit_test(t02_texts_are_cut_on_the_right_at_the_last_id_that_fits),
        cmocka_unit_test(t02_megabytes_take_linear_time),
        cmocka_unit_test(t03_invalid_utf8_becomes_replacement_characters),
    };
    return cmocka_run_group_tests(tests, make_files, remove_files);
}
