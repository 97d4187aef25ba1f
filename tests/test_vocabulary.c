// Defends the two kinds of vocabulary file, and their refusal.
#include "wordpiece_file.h"

// The file is refused with a message that names it and holds `reason`.
static void refuse_bytes(const char *bytes, size_t byte_count, const char *reason)
{
    write_file(bytes, byte_count);
    vkclip_error err = {0};
    assert_null(wordpiece_create(file_name, true, &err));
    assert_int_equal(err.status, VKCLIP_ERROR_FILE);
    if (!strstr(err.message, reason) || !strstr(err.message, file_name))
        print_error("got '%s', expected '%s'\n", err.message, reason);
    assert_non_null(strstr(err.message, reason));
    assert_non_null(strstr(err.message, file_name));
}

static void refuse(const char *text, const char *reason)
{
    refuse_bytes(text, strlen(text), reason);
}

// ---- vocab.txt --------------------------------------------------------------------------------

static void v01_line_ends_and_byte_order_marks_of_other_systems_are_accepted(void **state)
{
    (void)state;
    static const char *const files[] = {
        "[PAD]\n[UNK]\n[CLS]\n[SEP]\na",
        "[PAD]\r\n[UNK]\r\n[CLS]\r\n[SEP]\r\na\r\n",
        "\xef\xbb\xbf[PAD]\n[UNK]\n[CLS]\n[SEP]\na\n",
        "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\n\n\r\n",
    };
    for (size_t i = 0; i < COUNT(files); i++) {
        struct wordpiece *wordpiece = read_bytes(files[i], strlen(files[i]));
        assert_int_equal(wordpiece_count(wordpiece), 5);
        assert_int_equal(wordpiece_find(wordpiece, "[PAD]"), 0);
        assert_int_equal(wordpiece_find(wordpiece, "a"), 4);
        assert_int_equal(wordpiece_find(wordpiece, "[MASK]"), -1);
        wordpiece_destroy(wordpiece);
    }
}

static void v01_damaged_vocabularies_are_refused_by_line(void **state)
{
    (void)state;
    refuse("", "is empty");
    refuse("\n\n\n", "is empty");
    refuse("[PAD]\n\n[CLS]\n", "line 2 is empty");
    refuse("[PAD]\n[UNK]\n\xff\n", "line 3 is not valid UTF-8");
    refuse_bytes("[PAD]\n[U\0NK]\n", 13, "line 2 has a zero byte");
    refuse("[PAD]\n[UNK]\na\n[PAD]\n", "tokens 0 and 3 (counted from 0) are both '[PAD]'");
}

static void v01_vocabularies_of_absurd_size_are_refused(void **state)
{
    (void)state;
    size_t byte_count = 20000000; // 10^7 lines
    char *lines = malloc(byte_count);
    assert_non_null(lines);
    for (size_t i = 0; i < byte_count; i++)
        lines[i] = i % 2 ? '\n' : 'a';
    refuse_bytes(lines, byte_count, "line 1048577 is beyond the 1048576 accepted");
    memset(lines, 'a', byte_count);
    refuse_bytes(lines, byte_count, "line 1 has 20000000 bytes");
    free(lines);

    write_file("a", 1);
    assert_int_equal(truncate(file_name, (off_t)1 << 30), 0); // one line of 1 GB
    vkclip_error err;
    assert_null(wordpiece_create(file_name, true, &err));
    assert_non_null(strstr(err.message, "at most 67108864 are accepted"));
}

static void v03_special_tokens_are_found_by_name_or_missed_by_name(void **state)
{
    (void)state;
    const char *text = "a\nb\n[MASK]\n[SEP]\n[CLS]\n[UNK]\n[PAD]\n";
    struct wordpiece *wordpiece = read_bytes(text, strlen(text));
    CHECK(wordpiece, "a q[MASK]", 4, 0, 5, 2, 3);
    wordpiece_destroy(wordpiece);
    refuse("[UNK]\n[CLS]\n[SEP]\n", "no token [PAD]");
    refuse("[PAD]\n[CLS]\n[SEP]\n", "no token [UNK]");
    refuse("[PAD]\n[UNK]\n[SEP]\n", "no token [CLS]");
    refuse("[PAD]\n[UNK]\n[CLS]\n", "no token [SEP]");
    refuse("<s>\n<pad>\n</s>\n<unk>\n", "is this a BERT vocabulary?");
}

static void a_missing_vocabulary_is_named(void **state)
{
    (void)state;
    vkclip_error err;
    assert_null(wordpiece_create("/nonexistent/vocab.txt", true, &err));
    assert_int_equal(err.status, VKCLIP_ERROR_FILE);
    assert_non_null(strstr(err.message, "/nonexistent/vocab.txt"));
    assert_null(wordpiece_create("/tmp", true, NULL));
}

// ---- tokenizer.json ---------------------------------------------------------------------------

#define JSON_NORMALIZER                                                         \
    "\"normalizer\":{\"type\":\"BertNormalizer\",\"clean_text\":true,"          \
    "\"handle_chinese_chars\":true,\"strip_accents\":null,\"lowercase\":true}," \
    "\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"},"
#define JSON_MODEL                                               \
    "\"model\":{\"type\":\"WordPiece\",\"unk_token\":\"[UNK]\"," \
    "\"continuing_subword_prefix\":\"##\",\"max_input_chars_per_word\":100,\"vocab\":{"
#define JSON_TOKENS "\"[PAD]\":0,\"[UNK]\":1,\"[CLS]\":2,\"[SEP]\":3,\"a\":4,\"##b\":5"
#define JSON_ADDED(content, id, normalized)                                               \
    "\"added_tokens\":[{\"id\":" id ",\"content\":\"" content "\",\"single_word\":false," \
    "\"lstrip\":false,\"rstrip\":false,\"normalized\":" normalized ",\"special\":true}],"

static void v04_tokenizer_json_gives_the_ids_of_vocab_txt(void **state)
{
    (void)state;
    static const char json[] =
        "{" JSON_ADDED("[CLS]", "2", "false") JSON_NORMALIZER JSON_MODEL JSON_TOKENS "}}}";
    static const char lines[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\n##b\n";
    static const char other[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\n##c\n";
    static const char fewer[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\n";
    struct wordpiece *a = read_bytes(json, strlen(json)), *b = read_bytes(lines, strlen(lines));
    CHECK(a, "AB [CLS]", 2, 4, 5, 2, 3);
    CHECK(b, "AB [CLS]", 2, 4, 5, 2, 3);
    assert_true(wordpiece_equal(a, b));
    wordpiece_destroy(b);

    b = read_bytes(other, strlen(other));
    assert_false(wordpiece_equal(a, b));
    wordpiece_destroy(b);

    b = read_bytes(fewer, strlen(fewer));
    assert_false(wordpiece_equal(a, b));
    wordpiece_destroy(b);
    wordpiece_destroy(a);
}

static void added_tokens_may_follow_the_vocabulary(void **state)
{
    (void)state;
    static const char json[] =
        "{" JSON_ADDED("<dose>", "6", "false") JSON_NORMALIZER JSON_MODEL JSON_TOKENS "}}}";
    struct wordpiece *wordpiece = read_bytes(json, strlen(json));
    CHECK(wordpiece, "a<dose>a<Dose>", 2, 4, 6, 4, 1, 1, 1, 3);
    wordpiece_destroy(wordpiece);
}

static void v01_damaged_tokenizer_json_is_refused(void **state)
{
    (void)state;
    refuse("{\"model\":", "is not valid JSON");
    refuse("{\"a\":1} x", "is not valid JSON");
    refuse("{\"a\":\"\\u0000\"}", "holds a zero character");
    refuse_bytes("{\"a\"\0:1}", 8, "holds a zero character");
    refuse("{" JSON_NORMALIZER JSON_MODEL "}}}", "0 tokens");
    refuse("{" JSON_NORMALIZER JSON_MODEL JSON_TOKENS ",\"b\":7}}}", "the id of token 'b'");
    refuse("{" JSON_NORMALIZER JSON_MODEL JSON_TOKENS ",\"b\":5}}}",
           "tokens '##b' and 'b' have the same id 5");
    refuse("{" JSON_NORMALIZER JSON_MODEL JSON_TOKENS ",\"a\":6}}}", "are both 'a'");
    refuse("{" JSON_NORMALIZER JSON_MODEL JSON_TOKENS ",\"b\":5.5}}}", "the id of token 'b'");
    refuse("{" JSON_NORMALIZER JSON_MODEL JSON_TOKENS ",\"b\":-1}}}", "the id of token 'b'");
    refuse("{" JSON_NORMALIZER JSON_MODEL JSON_TOKENS ",\"b\":1e99}}}", "the id of token 'b'");
    refuse("{" JSON_NORMALIZER JSON_MODEL JSON_TOKENS ",\"b\":\"6\"}}}", "the id of token 'b'");
    refuse("{" JSON_NORMALIZER JSON_MODEL JSON_TOKENS ",\"\xff\":6}}}", "not valid UTF-8");
    refuse("{" JSON_ADDED("a", "4", "true") JSON_NORMALIZER JSON_MODEL JSON_TOKENS "}}}",
           "added token 'a'");
    refuse("{" JSON_ADDED("c", "3", "false") JSON_NORMALIZER JSON_MODEL JSON_TOKENS "}}}",
           "tokens '[SEP]' and 'c' have the same id 3");

    char deep[5000];
    memset(deep, '[', sizeof deep);
    memcpy(deep, "{\"a\":", 5);
    refuse_bytes(deep, sizeof deep, "too deep");
}

static void tokenizer_json_of_another_kind_is_refused_by_field(void **state)
{
    (void)state;
    refuse("{\"model\":{\"type\":\"BPE\"}}", "normalizer.type is not BertNormalizer");
    refuse("{\"normalizer\":{\"type\":\"BertNormalizer\",\"lowercase\":false}}",
           "cased models are not supported");
    refuse("{\"normalizer\":{\"type\":\"BertNormalizer\",\"lowercase\":true,"
           "\"strip_accents\":false}}",
           "normalizer.strip_accents is false");
    refuse("{" JSON_NORMALIZER "\"model\":{\"type\":\"BPE\"}}", "model.type is not WordPiece");
    refuse("{" JSON_NORMALIZER "\"model\":{\"unk_token\":\"<unk>\"}}",
           "model.unk_token is not [UNK]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(v01_line_ends_and_byte_order_marks_of_other_systems_are_accepted),
        cmocka_unit_test(v01_damaged_vocabularies_are_refused_by_line),
        cmocka_unit_test(v01_vocabularies_of_absurd_size_are_refused),
        cmocka_unit_test(v01_damaged_tokenizer_json_is_refused),
        cmocka_unit_test(v03_special_tokens_are_found_by_name_or_missed_by_name),
        cmocka_unit_test(v04_tokenizer_json_gives_the_ids_of_vocab_txt),
        cmocka_unit_test(a_missing_vocabulary_is_named),
        cmocka_unit_test(added_tokens_may_follow_the_vocabulary),
        cmocka_unit_test(tokenizer_json_of_another_kind_is_refused_by_field),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
