// Defends the way from cleaned text to ids. The tests use a vocabulary of their own, and the
// published one where it lies beside the repository.
#include "wordpiece_file.h"

#include <time.h>

#define PUBLISHED "../shared/data/biomedclip/"

// The line number is the id.
static const char small_vocabulary[] =
    "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n"                            // 0 to 4
    "a\nb\nc\n##a\n##b\n##c\nab\n##abc\n"                             // 5 to 12
    "the\ncell\n##s\n-\n!\n&\n'\n"                                    // 13 to 19
    "\xe8\x82\xba\ni\n\xce\xb2\n\xc3\x9f\nss\n\xcf\x83\n##\xcf\x83\n" // 20 to 26
    "[\n]\ncls\nx\n##x\n<\n\xc9\xa4\n";                               // 27 to 33

static struct wordpiece *read_small(void)
{
    return read_bytes(small_vocabulary, strlen(small_vocabulary));
}

// ---- text -------------------------------------------------------------------------------------

static void words_are_split_into_the_longest_pieces(void **state)
{
    (void)state;
    struct wordpiece *small = read_small();
    CHECK(small, "the cells", 2, 13, 14, 15, 3);
    CHECK(small, "abc", 2, 11, 10, 3); // ab ##c, not a ##b ##c
    CHECK(small, "aabc", 2, 5, 12, 3); // a ##abc
    CHECK(small, "THE Cell", 2, 13, 14, 3);
    CHECK(small, "abq the", 2, 1, 13, 3); // one unknown letter makes the whole word unknown
    CHECK(small, "a-b!c", 2, 5, 16, 6, 17, 7, 3);
    CHECK(small, "the\ncell\r\n\n", 2, 13, 14, 3);
    wordpiece_destroy(small);
}

// transformers takes a text as it is: entities stay, curly quotes too, and control characters that
// Python calls spaces are dropped, not turned into one.
static void texts_that_are_not_cleaned_stay_as_they_are(void **state)
{
    (void)state;
    write_file(small_vocabulary, strlen(small_vocabulary));
    struct wordpiece *cleaned = read_small(), *raw = wordpiece_create(file_name, false, NULL);
    assert_non_null(raw);
    CHECK(cleaned, "a&lt;b", 2, 5, 32, 6, 3);
    CHECK(raw, "a&lt;b", 2, 5, 18, 1, 1, 6, 3);
    CHECK(cleaned, "\xe2\x80\x99", 2, 19, 3);
    CHECK(raw, "\xe2\x80\x99", 2, 1, 3);
    CHECK(raw,
          "a\x0b"
          "b\x1c\tc\r\nA\xc2\x85"
          "b",
          2, 11, 7, 11, 3);
    CHECK(raw, "a\xff", 2, 5, 3);
    wordpiece_destroy(cleaned);
    wordpiece_destroy(raw);
}

static void accents_are_stripped_and_case_is_folded(void **state)
{
    (void)state;
    struct wordpiece *small = read_small();
    CHECK(small, "\xc3\xa1\xcc\xa7", 2, 5, 3);
    CHECK(small, "\xc4\xb0", 2, 21, 3);             // capital i with dot
    CHECK(small, "\xce\x92", 2, 22, 3);             // capital beta
    CHECK(small, "\xc3\x9f", 2, 23, 3);             // sharp s is no "ss"
    CHECK(small, "\xe1\xba\x9e", 2, 23, 3);         // nor is the capital one
    CHECK(small, "\xce\xa3\xce\xa3", 2, 25, 26, 3); // a final capital sigma is no final sigma
    wordpiece_destroy(small);
}

static void ideographs_stand_alone(void **state)
{
    (void)state;
    struct wordpiece *small = read_small();
    CHECK(small,
          "a\xe8\x82\xba"
          "b\xe8\x82\xba\xe8\x82\xba",
          2, 5, 20, 6, 20, 20, 3);
    CHECK(small,
          "\xf0\xab\xa2\xb0"
          "a",
          2, 1, 3); // U+2B8B0 is outside the blocks
    CHECK(small,
          "\xf0\xab\xa5\x80"
          "a",
          2, 1, 5, 3); // U+2B940 is inside
    wordpiece_destroy(small);
}

static void t01_empty_texts_of_every_kind_give_two_ids(void **state)
{
    (void)state;
    struct wordpiece *small = read_small();
    CHECK(small, "", 2, 3);
    CHECK(small, " \t\n \xc2\xa0\xe3\x80\x80", 2, 3);
    CHECK(small, "\x01\x02\x1f\x7f\xe2\x80\x8b", 2, 3);
    CHECK(small, "\xcc\x81\xcc\x82", 2, 3);    // only combining marks
    CHECK(small, "\xf0\x9f\xab\x80", 2, 1, 3); // only an emoji
    check_bytes(small, "\0\0", 2, (const int32_t[]){2, 3}, 2);
    wordpiece_destroy(small);
}

static void t02_texts_are_cut_on_the_right_at_the_last_id_that_fits(void **state)
{
    (void)state;
    struct wordpiece *small = read_small();
    char text[600];
    int32_t ids[256];
    for (uint32_t words = 250; words <= 260; words++) {
        for (uint32_t i = 0; i < words; i++)
            memcpy(text + 2 * i, i % 2 ? "b " : "a ", 2);
        uint32_t count, want = words + 2 < 256 ? words + 2 : 256;
        assert_true(wordpiece_encode(small, text, 2 * (size_t)words, 256, ids, &count, NULL));
        assert_int_equal(count, want);
        assert_int_equal(ids[0], 2);
        assert_int_equal(ids[count - 1], 3);
        for (uint32_t i = 1; i + 1 < count; i++)
            assert_int_equal(ids[i], i % 2 ? 5 : 6);
    }
    for (uint32_t most = 2; most < 6; most++) { // also inside a word, and across lines
        uint32_t count;
        assert_true(wordpiece_encode(small, "a\nabc", 5, most, ids, &count, NULL));
        assert_int_equal(count, most < 5 ? most : 5);
        assert_int_equal(ids[count - 1], 3);
    }
    wordpiece_destroy(small);
}

static void t02_words_over_100_characters_are_unknown(void **state)
{
    (void)state;
    struct wordpiece *small = read_small();
    char word[404];
    int32_t want[102] = {2, 5};
    for (int i = 0; i < 100; i++)
        word[i] = 'a', want[i + 1] = i ? 8 : 5;
    want[101] = 3;
    check_bytes(small, word, 100, want, 102);
    word[100] = 'a';
    check_bytes(small, word, 101, (const int32_t[]){2, 1, 3}, 3);
    for (int i = 0; i < 100; i++) { // characters, not bytes: sigma has two
        memcpy(word + 2 * i, "\xcf\x83", 2);
        want[i + 1] = i ? 26 : 25;
    }
    check_bytes(small, word, 200, want, 102);
    wordpiece_destroy(small);
}

static void t03_invalid_utf8_is_dropped(void **state)
{
    (void)state;
    struct wordpiece *small = read_small();
    CHECK(small,
          "a\xff"
          "b",
          2, 11, 3);
    CHECK(small, "the \xed\xa0\x80 cell\xf0\x9f", 2, 13, 14, 3);
    CHECK(small,
          "a\xef\xbf\xbd"
          "b",
          2, 11, 3);
    wordpiece_destroy(small);
}

static void t04_invisible_characters_are_dropped_and_strange_spaces_are_spaces(void **state)
{
    (void)state;
    struct wordpiece *small = read_small();
    check_bytes(small, "a\0b", 3, (const int32_t[]){2, 11, 3}, 3);
    CHECK(small,
          "a\xe2\x80\x8d"
          "b",
          2, 11, 3); // zero-width joiner
    CHECK(small,
          "a\xe2\x80\x8f"
          "b",
          2, 11, 3); // right-to-left mark
    CHECK(small,
          "a\xc2\xad"
          "b",
          2, 11, 3); // soft hyphen
    CHECK(small,
          "a\xee\x80\x80"
          "b",
          2, 11, 3); // private use
    CHECK(small,
          "a\xcd\xb8"
          "b",
          2, 1, 3); // unassigned: kept
    CHECK(small,
          "a\xef\xbf\xbe"
          "b",
          2, 1, 3); // no character: kept
    CHECK(small,
          "a\xc2\xa0"
          "b",
          2, 5, 6, 3); // no-break space
    CHECK(small,
          "a\xe2\x80\xa8"
          "b",
          2, 5, 6, 3); // line separator
    CHECK(small,
          "a\x0b"
          "b\x0c"
          "c",
          2, 11, 7, 3); // a vertical tab is removed, a form feed not
    wordpiece_destroy(small);
}

// The tokenizers library has the categories of Unicode 8 and the lower case of Unicode 15,
// whatever the system's utf8proc knows.
static void t04_characters_newer_than_the_tokenizer_stay_what_they_are(void **state)
{
    (void)state;
    struct wordpiece *small = read_small();
    CHECK(small,
          "a\xe1\xab\x81"
          "b",
          2, 1, 3); // U+1AC1, a nonspacing mark since Unicode 14
    CHECK(small,
          "a\xe2\xb9\x9d"
          "b",
          2, 1, 3); // U+2E5D, a dash since Unicode 14
    CHECK(small,
          "a\xe0\xa3\xa2"
          "b",
          2, 1, 3);                         // U+08E2, a format character since Unicode 9
    CHECK(small, "\xc9\xa4", 2, 33, 3);     // U+0264
    CHECK(small, "\xea\x9f\x8b", 2, 1, 3);  // U+A7CB, its capital since Unicode 16
    CHECK(small, "a\xe1\x9c\xb4", 2, 5, 3); // U+1734, no nonspacing mark since Unicode 14
    wordpiece_destroy(small);
}

static void t05_literal_special_tokens_are_taken_for_the_tokens(void **state)
{
    (void)state;
    struct wordpiece *small = read_small();
    CHECK(small, "a[MASK]b [SEP][PAD]", 2, 5, 4, 6, 3, 0, 3);
    CHECK(small, "[cls]", 2, 27, 29, 28, 3);
    CHECK(small, "[CLS", 2, 27, 29, 3);
    CHECK(small, "[[CLS]]", 2, 27, 2, 28, 3);
    CHECK(small, "&#91;CLS]", 2, 2, 3);
    wordpiece_destroy(small);
}

static void t06_dashes_and_shell_characters_are_ordinary_text(void **state)
{
    (void)state;
    struct wordpiece *small = read_small();
    CHECK(small, "--a", 2, 16, 16, 5, 3);
    CHECK(small, "-", 2, 16, 3);
    CHECK(small, "a'&&", 2, 5, 19, 18, 18, 3);
    wordpiece_destroy(small);
}

// Seconds of processor time for a text of byte_count bytes: the head, then bodies, the second half
// of it the tail's, if there is one.
static double time_of(const struct wordpiece *wordpiece, char *text, size_t byte_count,
                      const char *head, const char *body, char tail)
{
    size_t head_bytes = strlen(head), body_bytes = strlen(body);
    memcpy(text, head, head_bytes);
    for (size_t at = head_bytes; at < byte_count; at++)
        text[at] = body[(at - head_bytes) % body_bytes];
    if (tail)
        memset(text + byte_count / 2, tail, byte_count / 2);
    int32_t ids[256];
    uint32_t count;
    clock_t start = clock();
    assert_true(wordpiece_encode(wordpiece, text, byte_count, 256, ids, &count, NULL));
    return (double)(clock() - start) / CLOCKS_PER_SEC;
}

// Shapes on which a careless tokenizer takes quadratic time: ten times the text would take a
// hundred times as long. Allowed is thirty times, since a large text leaves the caches, and at
// least 1 s, since short times are noise.
static void t02_ten_megabytes_take_ten_times_as_long_as_one(void **state)
{
    (void)state;
    static const struct {
        const char *what, *head, *body;
        char tail;
    } cases[] = {
        {"one word", "", "a", 0},
        {"words", "", "a ", 0},
        {"line ends", "", "\n", 0},
        {"entities hidden in entities", "&", "amp;", 0},
        {"entities waiting for semicolons", "", "&#xff1b", ';'},
        {"unknown entities", "", "&aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa;", 0},
        {"marks in the wrong order", "a", "\xcc\x81\xcc\xa7", 0},
        {"ideographs", "", "\xe8\x82\xba", 0},
        {"mojibake", "", "\xc3\x83\xc6\x92\xc3\x82\xc2\xa9", 0},
        {"mojibake hidden in mojibake", "\xc3\x83", "\xc2\x83", 0},
        {"mojibake between ideographs", "", "\xc3\x83\xc2\xa9\xe8\x82\xba", 0},
        {"control characters", "", "\xc2\x81", 0},
        {"invalid UTF-8", "", "\xff", 0},
    };
    struct wordpiece *small = read_small();
    char *text = malloc(10000000);
    assert_non_null(text);
    for (size_t i = 0; i < COUNT(cases); i++) {
        double once = time_of(small, text, 1000000, cases[i].head, cases[i].body, cases[i].tail);
        double tenfold =
            time_of(small, text, 10000000, cases[i].head, cases[i].body, cases[i].tail);
        double allowed = 30 * once > 1 ? 30 * once : 1;
        printf("10 MB of %-34s %.2f s, 1 MB %.2f s, allowed %.2f\n", cases[i].what, tenfold, once,
               allowed);
        assert_true(tenfold < allowed);
    }
    free(text);
    wordpiece_destroy(small);
}

// ---- the published vocabulary -----------------------------------------------------------------

static struct wordpiece *read_published(const char *path)
{
    if (access(path, R_OK) != 0) {
        print_message("skipped: %s is not there\n", path);
        skip();
    }
    vkclip_error err = {0};
    struct wordpiece *wordpiece = wordpiece_create(path, true, &err);
    assert_string_equal(err.message, "");
    return wordpiece;
}

static void check_published(const struct wordpiece *biomedclip)
{
#define PHOTO 2, 1805, 1744, 42, 7745, 1685
    CHECK(biomedclip, "this is a photo of adenocarcinoma histopathology", PHOTO, 7804, 12997, 3);
    CHECK(biomedclip, "this is a photo of brain MRI", PHOTO, 2826, 4668, 3);
    CHECK(biomedclip, "this is a photo of covid line chart", PHOTO, 8550, 1713, 2838, 12527, 3);
    CHECK(biomedclip, "this is a photo of squamous cell carcinoma histopathology", PHOTO, 7622,
          1816, 3812, 12997, 3);
    CHECK(biomedclip, "this is a photo of immunohistochemistry histopathology", PHOTO, 7376, 12997,
          3);
    CHECK(biomedclip, "this is a photo of bone X-ray", PHOTO, 2951, 65, 16, 4895, 3);
    CHECK(biomedclip, "this is a photo of chest X-ray", PHOTO, 6429, 65, 16, 4895, 3);
    CHECK(biomedclip, "this is a photo of pie chart", PHOTO, 17410, 12527, 3);
    CHECK(biomedclip, "this is a photo of hematoxylin and eosin histopathology", PHOTO, 20049, 1690,
          7375, 12997, 3);
#undef PHOTO
    CHECK(biomedclip, "\"quoted\"", 2, 1, 2196, 14681, 1, 3);
    CHECK(biomedclip, "\xe2\x80\x9cquoted\xe2\x80\x9d", 2, 1, 2196, 14681, 1, 3);
    CHECK(biomedclip,
          "H&E \xc3\x97"
          "40",
          2, 49, 9, 46, 102, 6881, 3);
    CHECK(biomedclip, "cardiomegaly", 2, 22339, 3947, 7322, 1005, 3);
    CHECK(biomedclip, "pneumothorax", 2, 18860, 3);
    CHECK(biomedclip, "glioblastoma", 2, 15347, 3);
    CHECK(biomedclip,
          "37.5\xc2\xb0"
          "C \xc2\xb1 0.2",
          2, 3845, 17, 24, 8360, 87, 19, 17, 21, 3);
    CHECK(biomedclip, "Sj\xc3\xb6gren syndrome", 2, 22105, 3328, 3);
    CHECK(biomedclip, "\xce\xb2-catenin", 2, 228, 16, 10809, 3);
    CHECK(biomedclip, "\xe8\x82\xba\xe7\x82\x8e", 2, 1, 1, 3);
    char word[102] = {0};
    memset(word, 'a', 101);
    CHECK(biomedclip, word, 2, 1, 3);
}

static void published_prompts_give_the_published_ids(void **state)
{
    (void)state;
    struct wordpiece *text = read_published(PUBLISHED "vocab.txt");
    struct wordpiece *json = read_published(PUBLISHED "tokenizer.json");
    check_published(text);
    check_published(json);
    assert_int_equal(wordpiece_count(text), 28895);
    assert_true(wordpiece_equal(text, json));
    wordpiece_destroy(text);
    wordpiece_destroy(json);
}

static void v03_vocabularies_that_are_easily_mistaken_are_told_apart(void **state)
{
    (void)state;
    struct wordpiece *small = read_small();
    assert_null(wordpiece_known_as(small));
    wordpiece_destroy(small);

    assert_null(wordpiece_known_by_hub(""));
    assert_null(wordpiece_known_by_hub("allenai/scibert_scivocab_uncased"));
    assert_string_equal(wordpiece_known_by_hub("bert-base-uncased"), "bert-base-uncased");
    static const struct {
        const char *path, *name;
    } cases[] = {
        {PUBLISHED "vocab.txt", "BiomedCLIP (PubMedBERT abstract)"},
        {PUBLISHED "tokenizer.json", "BiomedCLIP (PubMedBERT abstract)"},
        {"../shared/data/vocab/bert-base-uncased/vocab.txt", "bert-base-uncased"},
        {"../shared/data/vocab/pubmedbert-fulltext/vocab.txt", "PubMedBERT full text"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct wordpiece *wordpiece = read_published(cases[i].path);
        assert_string_equal(wordpiece_known_as(wordpiece), cases[i].name);
        wordpiece_destroy(wordpiece);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_split_into_the_longest_pieces),
        cmocka_unit_test(texts_that_are_not_cleaned_stay_as_they_are),
        cmocka_unit_test(accents_are_stripped_and_case_is_folded),
        cmocka_unit_test(ideographs_stand_alone),
        cmocka_unit_test(t01_empty_texts_of_every_kind_give_two_ids),
        cmocka_unit_test(t02_texts_are_cut_on_the_right_at_the_last_id_that_fits),
        cmocka_unit_test(t02_words_over_100_characters_are_unknown),
        cmocka_unit_test(t02_ten_megabytes_take_ten_times_as_long_as_one),
        cmocka_unit_test(t03_invalid_utf8_is_dropped),
        cmocka_unit_test(t04_invisible_characters_are_dropped_and_strange_spaces_are_spaces),
        cmocka_unit_test(t04_characters_newer_than_the_tokenizer_stay_what_they_are),
        cmocka_unit_test(t05_literal_special_tokens_are_taken_for_the_tokens),
        cmocka_unit_test(t06_dashes_and_shell_characters_are_ordinary_text),
        cmocka_unit_test(v03_vocabularies_that_are_easily_mistaken_are_told_apart),
        cmocka_unit_test(published_prompts_give_the_published_ids),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
