// Reads vocab.txt, and tokenizer.json, the one file in which Hugging Face's tokenizers library
// keeps everything. Of the latter only the kind that BERT uses is accepted; where a field asks for
// something else, the ids would silently differ.
#include "host/wordpiece_files.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "host/file.h"

static bool refuse(const char *path, const char *what, vkclip_error *err)
{
    return fail(err, VKCLIP_ERROR_FILE, "%s: %s", path, what);
}

// ---- vocab.txt --------------------------------------------------------------------------------

// One token a line, the first is id 0. The tokens stay in bytes.
static bool read_lines(struct vocabulary *vocabulary, const char *path, char *bytes,
                       size_t byte_count, vkclip_error *err)
{
    struct vocabulary_lines lines;
    uint32_t capacity = vocabulary_lines_begin(&lines, path, bytes, byte_count);
    if (capacity == 0)
        return refuse(path, "is empty", err);
    vocabulary->tokens = calloc(capacity, sizeof *vocabulary->tokens);
    if (!vocabulary->tokens)
        return fail(err, VKCLIP_ERROR_MEMORY, "%s: no memory for the vocabulary", path);

    for (;;) {
        char *line;
        size_t line_bytes;
        if (!vocabulary_lines_next(&lines, &line, &line_bytes, err))
            return false;
        if (!line)
            return true;
        vocabulary->tokens[vocabulary->count++] =
            (struct token){.text = line, .byte_count = (uint32_t)line_bytes};
    }
}

// ---- tokenizer.json ---------------------------------------------------------------------------

static bool check_normalizer(const cJSON *root, const char *path, vkclip_error *err)
{
    const cJSON *normalizer = cJSON_GetObjectItemCaseSensitive(root, "normalizer");
    if (!vocabulary_json_is_text(normalizer, "type", "BertNormalizer"))
        return refuse(path, "normalizer.type is not BertNormalizer", err);
    if (!cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(normalizer, "lowercase")))
        return refuse(path, "normalizer.lowercase is not true; cased models are not supported",
                      err);
    if (vocabulary_json_is_false(normalizer, "clean_text"))
        return refuse(path, "normalizer.clean_text is false", err);
    if (vocabulary_json_is_false(normalizer, "handle_chinese_chars"))
        return refuse(path, "normalizer.handle_chinese_chars is false", err);
    if (vocabulary_json_is_false(normalizer, "strip_accents")) // null means: as lowercase
        return refuse(path, "normalizer.strip_accents is false", err);
    if (!vocabulary_json_is_text(cJSON_GetObjectItemCaseSensitive(root, "pre_tokenizer"), "type",
                                 "BertPreTokenizer"))
        return refuse(path, "pre_tokenizer.type is not BertPreTokenizer", err);
    return true;
}

static bool check_model(const cJSON *model, const char *path, vkclip_error *err)
{
    // Files of old versions have no type here.
    if (cJSON_GetObjectItemCaseSensitive(model, "type") &&
        !vocabulary_json_is_text(model, "type", "WordPiece"))
        return refuse(path, "model.type is not WordPiece", err);
    if (!vocabulary_json_is_text(model, "unk_token", "[UNK]"))
        return refuse(path, "model.unk_token is not [UNK]", err);
    if (!vocabulary_json_is_text(model, "continuing_subword_prefix", "##"))
        return refuse(path, "model.continuing_subword_prefix is not ##", err);
    const cJSON *most = cJSON_GetObjectItemCaseSensitive(model, "max_input_chars_per_word");
    if (!cJSON_IsNumber(most) || most->valuedouble != 100)
        return refuse(path, "model.max_input_chars_per_word is not 100", err);
    if (!cJSON_IsObject(cJSON_GetObjectItemCaseSensitive(model, "vocab")))
        return refuse(path, "model.vocab is not an object", err);
    return true;
}

static bool check_added(const cJSON *added, const char *path, vkclip_error *err)
{
    const cJSON *entry;
    cJSON_ArrayForEach(entry, added)
    {
        const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(entry, "content"));
        if (!vocabulary_json_is_false(entry, "single_word") ||
            !vocabulary_json_is_false(entry, "lstrip") ||
            !vocabulary_json_is_false(entry, "rstrip") ||
            !vocabulary_json_is_false(entry, "normalized"))
            return fail(err, VKCLIP_ERROR_FILE,
                        "%s: added token '%s' is single_word, lstrip, rstrip or normalized", path,
                        text);
    }
    return true;
}

static bool read_json(struct vocabulary *vocabulary, const char *path, const char *bytes,
                      size_t byte_count, vkclip_error *err)
{
    cJSON *root = vocabulary_parse_json(path, bytes, byte_count, err);
    const cJSON *model = cJSON_GetObjectItemCaseSensitive(root, "model");
    const cJSON *added = cJSON_GetObjectItemCaseSensitive(root, "added_tokens");
    bool is_read =
        root && check_normalizer(root, path, err) && check_model(model, path, err) &&
        vocabulary_read_json(vocabulary, path, cJSON_GetObjectItemCaseSensitive(model, "vocab"),
                             added, err) &&
        check_added(added, path, err);
    cJSON_Delete(root);
    return is_read;
}

// ---- either kind ------------------------------------------------------------------------------

static bool starts_like_json(const char *bytes)
{
    bytes += strspn(bytes, " \t\r\n");
    return *bytes == '{' && bytes[1 + strspn(bytes + 1, " \t\r\n")] == '"';
}

bool wordpiece_read(struct vocabulary *vocabulary, const char *path, vkclip_error *err)
{
    uint8_t *file;
    size_t byte_count;
    if (!file_load(path, VOCABULARY_MOST_BYTES, &file, &byte_count, err))
        return false;

    char *bytes = (char *)file;
    if (byte_count >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0) { // byte order mark
        bytes += 3;
        byte_count -= 3;
    }
    bool is_read;
    if (starts_like_json(bytes)) {
        is_read = read_json(vocabulary, path, bytes, byte_count, err);
        free(file);
    } else {
        vocabulary->storage = file;
        is_read = read_lines(vocabulary, path, bytes, byte_count, err);
    }
    return is_read && vocabulary_index(vocabulary, path, err);
}
