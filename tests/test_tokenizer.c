// Defends which files a tokenizer is read from, and which of its ids a text tower sees.
#include "bpe_file.h"

#include "host/tokenizer.h"

#define BERT_JSON "tools/demo/model/tokenizer.json"
#define BERT_TXT  "tests/golden/tiny/vocab.txt"
#define BPE_JSON  GOLDEN "tokenizer.json"
#define BPE_PAIR  .vocab_json = GOLDEN "vocab.json", .merges_txt = GOLDEN "merges.txt"

#define FILES(...) (&(const struct tokenizer_files){.directory = "somewhere", __VA_ARGS__})

static struct tokenizer *open_files(enum tokenizer_kind kind, const struct tokenizer_files *files)
{
    vkclip_error err = {0};
    assert_true(tokenizer_is_there(kind, files));
    struct tokenizer *tokenizer = tokenizer_create(kind, files, true, &err);
    assert_string_equal(err.message, "");
    assert_non_null(tokenizer);
    return tokenizer;
}

static void expect(enum tokenizer_kind kind, const struct tokenizer_files *files, uint32_t count)
{
    struct tokenizer *tokenizer = open_files(kind, files);
    assert_int_equal(tokenizer_count(tokenizer), count);
    int32_t ids[8];
    uint32_t id_count;
    assert_true(tokenizer_encode(tokenizer, "", 0, 8, ids, &id_count, NULL));
    assert_int_equal(id_count, 2);
    assert_int_equal(ids[0], kind == TOKENIZER_BPE ? 712 : 2);
    tokenizer_destroy(tokenizer);
}

static void refuse(enum tokenizer_kind kind, const struct tokenizer_files *files,
                   const char *reason)
{
    vkclip_error err = {0};
    assert_null(tokenizer_create(kind, files, true, &err));
    assert_int_equal(err.status, VKCLIP_ERROR_FILE);
    if (!strstr(err.message, reason))
        print_error("got '%s', expected '%s'\n", err.message, reason);
    assert_non_null(strstr(err.message, reason));
}

static void any_of_the_files_will_do(void **state)
{
    (void)state;
    expect(TOKENIZER_WORDPIECE, FILES(.vocab_txt = BERT_TXT), 14);
    expect(TOKENIZER_WORDPIECE, FILES(.tokenizer_json = BERT_JSON), 160);
    expect(TOKENIZER_BPE, FILES(.tokenizer_json = BPE_JSON), 714);
    expect(TOKENIZER_BPE, FILES(BPE_PAIR), 714);
    expect(TOKENIZER_BPE, FILES(BPE_PAIR, .tokenizer_json = BPE_JSON), 714);
    // Half of a pair is none, and files of the other kind are not looked at.
    expect(TOKENIZER_BPE, FILES(.merges_txt = "/nonexistent", .tokenizer_json = BPE_JSON), 714);
    expect(TOKENIZER_WORDPIECE, FILES(BPE_PAIR, .vocab_txt = BERT_TXT), 14);
}

static void a_vocabulary_that_is_not_there_is_said(void **state)
{
    (void)state;
    refuse(TOKENIZER_WORDPIECE, FILES(BPE_PAIR), "somewhere: neither vocab.txt nor tokenizer.json");
    refuse(TOKENIZER_BPE, FILES(.vocab_json = GOLDEN "vocab.json"),
           "somewhere: neither vocab.json with merges.txt nor tokenizer.json there");
    refuse(TOKENIZER_BPE, FILES(.tokenizer_json = "/nonexistent"), "/nonexistent: ");
}

static void v3_vocabularies_of_the_other_kind_are_refused(void **state)
{
    (void)state;
    refuse(TOKENIZER_BPE, FILES(.tokenizer_json = BERT_JSON), "model.type is not BPE");
    refuse(TOKENIZER_WORDPIECE, FILES(.tokenizer_json = BPE_JSON),
           "normalizer.type is not BertNormalizer");
}

static void v4_vocabularies_that_disagree_are_refused(void **state)
{
    (void)state;
    write_file(second_name, "#version: 0.2\nr e\n", 18);
    refuse(TOKENIZER_BPE,
           FILES(.vocab_json = GOLDEN "vocab.json", .merges_txt = second_name,
                 .tokenizer_json = BPE_JSON),
           "somewhere: vocab.json with merges.txt and tokenizer.json disagree");
    refuse(TOKENIZER_BPE, FILES(BPE_PAIR, .tokenizer_json = BERT_JSON), "model.type is not BPE");
    refuse(TOKENIZER_WORDPIECE, FILES(.vocab_txt = BERT_TXT, .tokenizer_json = BERT_JSON),
           "somewhere: vocab.txt and tokenizer.json disagree");
}

// open_clip reads the embedding of a text at the first end, also where the text spells it.
static void a_tower_sees_a_text_up_to_its_first_end(void **state)
{
    (void)state;
    struct tokenizer *bpe = open_files(TOKENIZER_BPE, FILES(BPE_PAIR));
    struct tokenizer *wordpiece = open_files(TOKENIZER_WORDPIECE, FILES(.vocab_txt = BERT_TXT));
    const int32_t ids[] = {712, 320, 713, 320, 713};
    assert_int_equal(tokenizer_embedded_count(bpe, ids, 5), 3);
    assert_int_equal(tokenizer_embedded_count(bpe, ids, 2), 2);
    assert_int_equal(tokenizer_embedded_count(wordpiece, ids, 5), 5);
    tokenizer_destroy(bpe);
    tokenizer_destroy(wordpiece);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_of_the_files_will_do),
        cmocka_unit_test(a_vocabulary_that_is_not_there_is_said),
        cmocka_unit_test(v3_vocabularies_of_the_other_kind_are_refused),
        cmocka_unit_test(v4_vocabularies_that_disagree_are_refused),
        cmocka_unit_test(a_tower_sees_a_text_up_to_its_first_end),
    };
    return cmocka_run_group_tests(tests, make_files, remove_files);
}
