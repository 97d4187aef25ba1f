// Defends what is accepted as the vocabulary of a byte pair encoding, and the refusal of the rest.
#include "bpe_file.h"

static void expect_refusal(const char *path, const char *merges_path, const char *named,
                           const char *reason)
{
    vkclip_error err = {0};
    assert_null(bpe_create(path, merges_path, &err));
    assert_int_equal(err.status, VKCLIP_ERROR_FILE);
    if (!strstr(err.message, reason) || !strstr(err.message, named))
        print_error("got '%s', expected '%s'\n", err.message, reason);
    assert_non_null(strstr(err.message, reason));
    assert_non_null(strstr(err.message, named));
}

static void refuse_merges(const char *lines, size_t byte_count, const char *reason)
{
    write_file(second_name, lines, byte_count);
    expect_refusal(GOLDEN "vocab.json", second_name, second_name, reason);
}

#define REFUSE_MERGES(lines, reason) refuse_merges(lines, sizeof(lines) - 1, reason)

static void refuse_vocabulary(const char *text, const char *reason)
{
    write_file(first_name, text, strlen(text));
    expect_refusal(first_name, GOLDEN "merges.txt", first_name, reason);
}

// The golden tokenizer.json with one place changed.
static void refuse_changed(const char *old_part, const char *new_part, const char *reason)
{
    char *text = read_file(GOLDEN "tokenizer.json");
    write_replaced(first_name, text, old_part, new_part);
    free(text);
    expect_refusal(first_name, NULL, first_name, reason);
}

static void accept_changed(const char *old_part, const char *new_part)
{
    char *text = read_file(GOLDEN "tokenizer.json");
    write_replaced(first_name, text, old_part, new_part);
    free(text);
    struct bpe *bpe = open_bpe(first_name, NULL);
    struct bpe *other = open_bpe(GOLDEN "vocab.json", GOLDEN "merges.txt");
    assert_true(bpe_equal(bpe, other));
    bpe_destroy(bpe);
    bpe_destroy(other);
}

// ---- merges.txt -------------------------------------------------------------------------------

static void line_ends_of_other_systems_are_accepted(void **state)
{
    (void)state;
    static const char lines[] = "#version: 0.2\r\nr e\r\nr o\r\n\r\n";
    write_file(second_name, lines, strlen(lines));
    struct bpe *bpe = open_bpe(GOLDEN "vocab.json", second_name);
    int32_t ids[5];
    uint32_t count;
    assert_true(bpe_encode(bpe, "rero", 4, 5, ids, &count, NULL));
    assert_int_equal(count, 5); // re r o</w>: the last letter is another token
    bpe_destroy(bpe);
}

static void a_list_without_merges_leaves_bytes(void **state)
{
    (void)state;
    write_file(second_name, "#version: 0.2\n", 14);
    struct bpe *bpe = open_bpe(GOLDEN "vocab.json", second_name);
    struct bpe *other = open_bpe(GOLDEN "vocab.json", GOLDEN "merges.txt");
    assert_false(bpe_equal(bpe, other));
    int32_t ids[9];
    uint32_t count;
    assert_true(bpe_encode(bpe, "The", 3, 9, ids, &count, NULL));
    const int32_t want[] = {712, 83, 71, 324, 713};
    assert_int_equal(count, 5);
    assert_memory_equal(ids, want, sizeof want);
    bpe_destroy(bpe);
    bpe_destroy(other);
}

static void damaged_merges_are_refused_by_line(void **state)
{
    (void)state;
#define VERSION "#version: 0.2\n"
    REFUSE_MERGES("", "does not begin with #version");
    REFUSE_MERGES("r e\nr o\n", "line 1 does not begin with #version; is this merges.txt?");
    REFUSE_MERGES(VERSION "r e\n\nr o\n", "line 3 is empty");
    REFUSE_MERGES(VERSION "re\n", "line 2 is not two tokens and one space");
    REFUSE_MERGES(VERSION "r e s\n", "line 2 is not two tokens and one space");
    REFUSE_MERGES(VERSION "r  e\n", "line 2 is not two tokens and one space");
    REFUSE_MERGES(VERSION " re\n", "line 2 is not two tokens and one space");
    REFUSE_MERGES(VERSION "re \n", "line 2 is not two tokens and one space");
    REFUSE_MERGES(VERSION "r e\nqqq e\n", "line 3 joins 'qqq', which is no token");
    REFUSE_MERGES(VERSION "r qqq\n", "line 2 joins 'qqq', which is no token");
    REFUSE_MERGES(VERSION "q q\n", "line 2 makes 'qq', which is no token");
    REFUSE_MERGES(VERSION "r e\nr o\nr e\n", "merges 0 and 2 (counted from 0) are of the same");
    REFUSE_MERGES(VERSION "r \xff\n", "line 2 is not valid UTF-8");
    REFUSE_MERGES(VERSION "r\0e\n", "line 2 has a zero byte");
    expect_refusal(GOLDEN "vocab.json", "/nonexistent/merges.txt", "/nonexistent/merges.txt", "");

    size_t byte_count = 20000000; // 5 million merges, all the same
    char *lines = malloc(byte_count);
    assert_non_null(lines);
    memcpy(lines, VERSION, strlen(VERSION));
    for (size_t i = strlen(VERSION); i < byte_count; i++)
        lines[i] = "r e\n"[(i - strlen(VERSION)) % 4];
    refuse_merges(lines, byte_count, "line 1048577 is beyond the 1048576 accepted");
    memset(lines + strlen(VERSION), 'a', byte_count - strlen(VERSION));
    refuse_merges(lines, byte_count, "line 2 has 19999986 bytes");
    free(lines);
#undef VERSION
    assert_int_equal(truncate(second_name, (off_t)1 << 30), 0);
    expect_refusal(GOLDEN "vocab.json", second_name, second_name, "at most 67108864 are accepted");
}

// ---- vocab.json -------------------------------------------------------------------------------

static void damaged_vocabularies_are_refused_by_token(void **state)
{
    (void)state;
    refuse_vocabulary("", "is not valid JSON");
    refuse_vocabulary("{\"a\":0", "is not valid JSON, or too deep, at byte 6");
    refuse_vocabulary("[\"a\"]", "is not a JSON object");
    refuse_vocabulary("{}", "0 tokens");
    refuse_vocabulary("{\"\":0}", "a token is empty");
    refuse_vocabulary("{\"a\":1}", "the id of token 'a' is not one of 0 to 0");
    refuse_vocabulary("{\"a\":0,\"b\":0}", "tokens 'a' and 'b' have the same id 0");
    refuse_vocabulary("{\"a\":0,\"a\":1}", "tokens 0 and 1 (counted from 0) are both 'a'");
    refuse_vocabulary("{\"\xff\":0}", "is not valid UTF-8");
    refuse_vocabulary("{\"a\\u0000\":0}", "holds a zero character");
    write_file(first_name, "{\"r\":0}", 7);
    expect_refusal(first_name, GOLDEN "merges.txt", "merges.txt", "line 2 joins '");
    expect_refusal("/nonexistent/vocab.json", GOLDEN "merges.txt", "/nonexistent/vocab.json", "");
}

static void tokens_that_no_text_can_do_without_are_missed_by_name(void **state)
{
    (void)state;
    char *text = read_file(GOLDEN "vocab.json");
    write_file(second_name, "#version: 0.2\n", 14);
    static const struct {
        const char *token, *reason;
    } cases[] = {
        {"\"\xc4\xa0\":", "no token '\xc4\xa0' for byte 32; is this a CLIP vocabulary?"},
        {"\"\xc4\xa0</w>\":", "no token '\xc4\xa0</w>' for byte 32"},
        {"\"\xc5\x83\":", "for byte 173"},
        {"\"\xc3\xbf</w>\":", "for byte 255"},
        {"\"<|startoftext|>\":", "no token <|startoftext|> or <start_of_text>"},
        {"\"<|endoftext|>\":", "no token <|endoftext|> or <end_of_text>; is this a CLIP"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        write_replaced(first_name, text, cases[i].token, "\"another\":");
        expect_refusal(first_name, second_name, first_name, cases[i].reason);
    }
    free(text);
}

// ---- tokenizer.json ---------------------------------------------------------------------------

static void tokenizer_json_of_other_versions_is_accepted(void **state)
{
    (void)state;
    accept_changed("\"type\": \"BPE\",", "");
    accept_changed("\"continuing_subword_prefix\": \"\"", "\"continuing_subword_prefix\": null");
    accept_changed("\"dropout\": null", "\"ignore_merges\": false");
    accept_changed("\"r e\"", "[\"r\", \"e\"]"); // as of tokenizers 0.20
    accept_changed("'s|", "<\\\\|startoftext\\\\|>|<\\\\|endoftext\\\\|>|'s|"); // before 4.17
}

static void tokenizer_json_of_another_kind_is_refused_by_field(void **state)
{
    (void)state;
    refuse_changed("\"BPE\"", "\"WordPiece\"", "model.type is not BPE");
    refuse_changed("\"end_of_word_suffix\": \"</w>\"", "\"end_of_word_suffix\": null",
                   "model.end_of_word_suffix is not </w>; is this a CLIP vocabulary?");
    refuse_changed("\"continuing_subword_prefix\": \"\"", "\"continuing_subword_prefix\": \"##\"",
                   "model.continuing_subword_prefix is not empty");
    refuse_changed("\"dropout\": null", "\"dropout\": 0.1", "model.dropout is not null");
    refuse_changed("\"dropout\": null", "\"ignore_merges\": true", "model.ignore_merges");
    refuse_changed("\"vocab\": {", "\"vocab\": 1, \"other\": {", "model.vocab is not an object");
    refuse_changed("\"type\": \"Lowercase\"", "\"type\": \"NFC\"", "normalizer has no Lowercase");
    refuse_changed("\"type\": \"NFC\"", "\"type\": \"StripAccents\"", "normalizer does more than");
    refuse_changed("\"content\": \" \"", "\"content\": \"\"", "normalizer does more than");
    refuse_changed("\"normalizer\": {", "\"normalizer\": null, \"other\": {",
                   "normalizer.type is not Sequence");
    refuse_changed("[\\\\p{N}]|", "[\\\\p{N}]+|", "another pattern than CLIP's");
    refuse_changed("\"Removed\"", "\"Isolated\"", "pre_tokenizer keeps what is between words");
    refuse_changed("\"invert\": true", "\"invert\": false", "keeps what is between words");
    refuse_changed("\"type\": \"Split\"", "\"type\": \"Digits\"", "is not Split and ByteLevel");
    refuse_changed("\"add_prefix_space\": false", "\"add_prefix_space\": true",
                   "pre_tokenizer.add_prefix_space is not false");
    expect_refusal("tools/demo/model/tokenizer.json", NULL, "tokenizer.json",
                   "model.type is not BPE");
}

static void damaged_tokenizer_json_is_refused(void **state)
{
    (void)state;
    refuse_changed("\"version\"", "version", "is not valid JSON, or too deep, at byte ");
    refuse_changed("\"merges\": [", "\"merges\": 1, \"other\": [", "model.merges is not a list");
    refuse_changed("\"r e\"", "1", "merge 1 is neither a text nor a list of two texts");
    refuse_changed("\"r e\"", "{\"a\": \"r\", \"b\": \"e\"}",
                   "merge 1 is neither a text nor a list");
    refuse_changed("\"r o\"", "[\"r\"]", "merge 2 is neither a text nor a list of two texts");
    refuse_changed("\"r o\"", "[\"r\", \"o\", \"t\"]", "merge 2 is neither a text nor a list");
    refuse_changed("\"r o\"", "\"ro\"", "merge 2 is not two tokens and one space");
    refuse_changed("\"r o\"", "\"r e\"", "merges 1 and 2 (counted from 0) are of the same pair");
    refuse_changed("\"r o\"", "[\"qqq\", \"o\"]", "merge 2 joins 'qqq', which is no token");
    refuse_changed("\"r o\"", "\"q q\"", "merge 2 makes 'qq', which is no token");
    refuse_changed("\"!\": 0", "\"!\": 1", "have the same id 1");
    refuse_changed("\"!\": 0", "\"!\": -1", "the id of token '!'");
    refuse_changed("\"content\": \"<|startoftext|>\"", "\"content\": \"dose\"",
                   "have the same id 712");
    refuse_changed("\"id\": 712,\n      \"content\": \"<|startoftext|>\"",
                   "\"id\": 714,\n      \"content\": \"dose\"",
                   "added token 'dose' is not supported");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(line_ends_of_other_systems_are_accepted),
        cmocka_unit_test(a_list_without_merges_leaves_bytes),
        cmocka_unit_test(damaged_merges_are_refused_by_line),
        cmocka_unit_test(damaged_vocabularies_are_refused_by_token),
        cmocka_unit_test(tokens_that_no_text_can_do_without_are_missed_by_name),
        cmocka_unit_test(tokenizer_json_of_other_versions_is_accepted),
        cmocka_unit_test(tokenizer_json_of_another_kind_is_refused_by_field),
        cmocka_unit_test(damaged_tokenizer_json_is_refused),
    };
    return cmocka_run_group_tests(tests, make_files, remove_files);
}
