// Reads tokenizer.json of Hugging Face's tokenizers library, and the pair of vocab.json and
// merges.txt from which transformers makes it. Only what CLIP's files say is accepted; where a
// field asks for something else, the ids would silently differ.
#include "host/bpe_files.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "host/file.h"

// How a text is split into words, as every CLIP's tokenizer.json says, some of them with the two
// special tokens before it. bpe.c does it.
#define SPLIT_PATTERN "'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+"

static bool refuse(const char *path, const char *what, vkclip_error *err)
{
    return fail(err, VKCLIP_ERROR_FILE, "%s: %s", path, what);
}

static const cJSON *get(const cJSON *object, const char *key)
{
    return cJSON_GetObjectItemCaseSensitive(object, key);
}

static cJSON *open_json(const char *path, vkclip_error *err)
{
    uint8_t *bytes;
    size_t byte_count;
    if (!file_load(path, VOCABULARY_MOST_BYTES, &bytes, &byte_count, err))
        return NULL;
    cJSON *root = vocabulary_parse_json(path, (const char *)bytes, byte_count, err);
    free(bytes);
    return root;
}

// ---- merges -----------------------------------------------------------------------------------

struct reading {
    struct merges *merges; // has room for what is read
    const struct vocabulary *vocabulary;
    const char *path;
    const char *unit; // what merges are counted in: "line" from 1, "merge" from 0
    vkclip_error *err;
};

static bool allocate(struct reading *reading, size_t capacity)
{
    struct merges *merges = reading->merges;
    if (capacity > VOCABULARY_MOST_TOKENS)
        return fail(reading->err, VKCLIP_ERROR_FILE, "%s: %zu merges, at most %u are accepted",
                    reading->path, capacity, VOCABULARY_MOST_TOKENS);
    merges->at = calloc(capacity + 1, sizeof *merges->at); // none at all is no failure
    if (!merges->at)
        return fail(reading->err, VKCLIP_ERROR_MEMORY, "%s: no memory for the merges",
                    reading->path);
    return true;
}

static bool add_pair(struct reading *reading, uint32_t number, const char *left, const char *right)
{
    const struct vocabulary *vocabulary = reading->vocabulary;
    const struct merge merge = {
        .left = vocabulary_find_text(vocabulary, "", left),
        .right = vocabulary_find_text(vocabulary, "", right),
        .joined = vocabulary_find_text(vocabulary, left, right),
    };
    if (merge.left < 0 || merge.right < 0)
        return fail(reading->err, VKCLIP_ERROR_FILE,
                    "%s: %s %u joins '%s', which is no token of the vocabulary", reading->path,
                    reading->unit, number, merge.left < 0 ? left : right);
    if (merge.joined < 0)
        return fail(reading->err, VKCLIP_ERROR_FILE,
                    "%s: %s %u makes '%s%s', which is no token of the vocabulary", reading->path,
                    reading->unit, number, left, right);
    reading->merges->at[reading->merges->count++] = merge;
    return true;
}

// Adds a merge written as two tokens with a space between.
static bool add_text(struct reading *reading, uint32_t number, char *text)
{
    char *space = strchr(text, ' ');
    if (!space || space == text || !space[1] || strchr(space + 1, ' '))
        return fail(reading->err, VKCLIP_ERROR_FILE, "%s: %s %u is not two tokens and one space",
                    reading->path, reading->unit, number);
    *space = 0;
    return add_pair(reading, number, text, space + 1);
}

static bool read_lines(struct reading *reading, char *bytes, size_t byte_count)
{
    struct vocabulary_lines lines;
    char *line;
    size_t line_bytes;
    uint32_t count = vocabulary_lines_begin(&lines, reading->path, bytes, byte_count);
    if (!vocabulary_lines_next(&lines, &line, &line_bytes, reading->err))
        return false;
    // CLIP's readers skip the first line, whatever it is.
    if (!line || strncmp(line, "#version", 8) != 0)
        return refuse(reading->path, "line 1 does not begin with #version; is this merges.txt?",
                      reading->err);
    if (!allocate(reading, count))
        return false;
    for (;;) {
        if (!vocabulary_lines_next(&lines, &line, &line_bytes, reading->err))
            return false;
        if (!line)
            return true;
        if (!add_text(reading, lines.number, line))
            return false;
    }
}

// Each merge is a text, or, from version 0.20 of tokenizers, a list of two.
static bool read_list(struct reading *reading, cJSON *list)
{
    if (!cJSON_IsArray(list))
        return refuse(reading->path, "model.merges is not a list", reading->err);
    if (!allocate(reading, (size_t)cJSON_GetArraySize(list)))
        return false;
    cJSON *entry;
    cJSON_ArrayForEach(entry, list)
    {
        uint32_t number = reading->merges->count;
        char *text = cJSON_GetStringValue(entry);
        const char *left = cJSON_GetStringValue(cJSON_GetArrayItem(entry, 0));
        const char *right = cJSON_GetStringValue(cJSON_GetArrayItem(entry, 1));
        bool is_pair = cJSON_IsArray(entry) && cJSON_GetArraySize(entry) == 2 && left && right;
        if (!text && !is_pair)
            return fail(reading->err, VKCLIP_ERROR_FILE,
                        "%s: merge %u is neither a text nor a list of two texts", reading->path,
                        number);
        if (text ? !add_text(reading, number, text) : !add_pair(reading, number, left, right))
            return false;
    }
    return true;
}

// ---- tokenizer.json ---------------------------------------------------------------------------

static bool check_model(const cJSON *model, const char *path, vkclip_error *err)
{
    const cJSON *prefix = get(model, "continuing_subword_prefix");
    // Files of old versions have no type here.
    if (get(model, "type") && !vocabulary_json_is_text(model, "type", "BPE"))
        return refuse(path, "model.type is not BPE", err);
    if (!vocabulary_json_is_text(model, "end_of_word_suffix", "</w>"))
        return refuse(path, "model.end_of_word_suffix is not </w>; is this a CLIP vocabulary?",
                      err);
    if (prefix && !cJSON_IsNull(prefix) &&
        !vocabulary_json_is_text(model, "continuing_subword_prefix", ""))
        return refuse(path, "model.continuing_subword_prefix is not empty", err);
    if (get(model, "dropout") && !cJSON_IsNull(get(model, "dropout")))
        return refuse(path, "model.dropout is not null", err);
    if (get(model, "ignore_merges") && !vocabulary_json_is_false(model, "ignore_merges"))
        return refuse(path, "model.ignore_merges is not false", err);
    if (!cJSON_IsObject(get(model, "vocab")))
        return refuse(path, "model.vocab is not an object", err);
    return true;
}

// NFC, spaces, small letters: open_clip does all of it and more (text_clean.h), in this order.
static bool check_normalizer(const cJSON *normalizer, const char *path, vkclip_error *err)
{
    const cJSON *list = get(normalizer, "normalizers"), *step;
    bool is_lower = false;
    if (!vocabulary_json_is_text(normalizer, "type", "Sequence"))
        return refuse(path, "normalizer.type is not Sequence", err);
    cJSON_ArrayForEach(step, list)
    {
        bool is_space = vocabulary_json_is_text(step, "type", "Replace") &&
                        vocabulary_json_is_text(get(step, "pattern"), "Regex", "\\s+") &&
                        vocabulary_json_is_text(step, "content", " ");
        bool is_lowercase = vocabulary_json_is_text(step, "type", "Lowercase");
        is_lower |= is_lowercase;
        if (!is_space && !is_lowercase && !vocabulary_json_is_text(step, "type", "NFC"))
            return refuse(path, "normalizer does more than NFC, collapsing spaces and Lowercase",
                          err);
    }
    if (!is_lower)
        return refuse(path, "normalizer has no Lowercase; cased models are not supported", err);
    return true;
}

static bool ends_in(const char *text, const char *end)
{
    size_t byte_count = text ? strlen(text) : 0, end_bytes = strlen(end);
    return byte_count >= end_bytes && strcmp(text + byte_count - end_bytes, end) == 0;
}

static bool check_pre_tokenizer(const cJSON *pre_tokenizer, const char *path, vkclip_error *err)
{
    const cJSON *list = get(pre_tokenizer, "pretokenizers");
    const cJSON *split = cJSON_GetArrayItem(list, 0), *bytes = cJSON_GetArrayItem(list, 1);
    if (!vocabulary_json_is_text(pre_tokenizer, "type", "Sequence") ||
        cJSON_GetArraySize(list) != 2 || !vocabulary_json_is_text(split, "type", "Split") ||
        !vocabulary_json_is_text(bytes, "type", "ByteLevel"))
        return refuse(path, "pre_tokenizer is not Split and ByteLevel", err);
    if (!vocabulary_json_is_text(split, "behavior", "Removed") ||
        !cJSON_IsTrue(get(split, "invert")))
        return refuse(path, "pre_tokenizer keeps what is between words", err);
    if (!ends_in(cJSON_GetStringValue(get(get(split, "pattern"), "Regex")), SPLIT_PATTERN))
        return refuse(path, "pre_tokenizer splits words by another pattern than CLIP's", err);
    if (!vocabulary_json_is_false(bytes, "add_prefix_space"))
        return refuse(path, "pre_tokenizer.add_prefix_space is not false", err);
    return true;
}

// ---- either kind ------------------------------------------------------------------------------

static bool read_tokenizer(struct reading *reading, struct vocabulary *vocabulary, cJSON *root)
{
    const char *path = reading->path;
    const cJSON *model = get(root, "model");
    reading->unit = "merge";
    return check_model(model, path, reading->err) &&
           check_normalizer(get(root, "normalizer"), path, reading->err) &&
           check_pre_tokenizer(get(root, "pre_tokenizer"), path, reading->err) &&
           vocabulary_read_json(vocabulary, path, get(model, "vocab"), get(root, "added_tokens"),
                                reading->err) &&
           vocabulary_index(vocabulary, path, reading->err) &&
           read_list(reading, cJSON_GetObjectItemCaseSensitive(model, "merges"));
}

static bool read_pair(struct reading *reading, struct vocabulary *vocabulary, const char *path,
                      const cJSON *root)
{
    uint8_t *bytes;
    size_t byte_count;
    if (!cJSON_IsObject(root))
        return refuse(path, "is not a JSON object", reading->err);
    if (!vocabulary_read_json(vocabulary, path, root, NULL, reading->err) ||
        !vocabulary_index(vocabulary, path, reading->err) ||
        !file_load(reading->path, VOCABULARY_MOST_BYTES, &bytes, &byte_count, reading->err))
        return false;
    reading->unit = "line";
    bool is_read = read_lines(reading, (char *)bytes, byte_count);
    free(bytes);
    return is_read;
}

bool bpe_read(struct vocabulary *vocabulary, struct merges *merges, const char *path,
              const char *merges_path, vkclip_error *err)
{
    struct reading reading = {
        .merges = merges,
        .vocabulary = vocabulary,
        .path = merges_path ? merges_path : path,
        .err = err,
    };
    cJSON *root = open_json(path, err);
    bool is_read = root && (merges_path ? read_pair(&reading, vocabulary, path, root)
                                        : read_tokenizer(&reading, vocabulary, root));
    cJSON_Delete(root);
    return is_read && merges_index(merges, reading.path, err);
}
