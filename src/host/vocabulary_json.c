// Reads what the JSON files of Hugging Face's tokenizers have in common: tokens and their ids.
#include "host/vocabulary.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

bool vocabulary_json_is_text(const cJSON *object, const char *key, const char *wanted)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));
    return text && strcmp(text, wanted) == 0;
}

bool vocabulary_json_is_false(const cJSON *object, const char *key)
{
    return cJSON_IsFalse(cJSON_GetObjectItemCaseSensitive(object, key));
}

cJSON *vocabulary_parse_json(const char *path, const char *bytes, size_t byte_count,
                             vkclip_error *err)
{
    // cJSON ends a string at an escaped zero, which would make two names out of one.
    if (memchr(bytes, 0, byte_count) || strstr(bytes, "\\u0000")) {
        fail(err, VKCLIP_ERROR_FILE, "%s: holds a zero character", path);
        return NULL;
    }
    if (!vocabulary_is_utf8(bytes, byte_count)) {
        fail(err, VKCLIP_ERROR_FILE, "%s: is not valid UTF-8", path);
        return NULL;
    }
    const char *stop = bytes;
    cJSON *root = cJSON_ParseWithLengthOpts(bytes, byte_count + 1, &stop, true);
    if (!root)
        fail(err, VKCLIP_ERROR_FILE, "%s: is not valid JSON, or too deep, at byte %zu", path,
             (size_t)(stop - bytes));
    return root;
}

// Reads a whole number from 0 to VOCABULARY_MOST_TOKENS - 1.
static bool get_id(const cJSON *number, uint32_t *id)
{
    if (!cJSON_IsNumber(number) || !(number->valuedouble >= 0) ||
        number->valuedouble >= VOCABULARY_MOST_TOKENS)
        return false;
    *id = (uint32_t)number->valuedouble;
    return (double)*id == number->valuedouble;
}

// Puts a token at its id; tokens has room for capacity of them.
static bool place_token(struct vocabulary *vocabulary, uint32_t capacity, const char *path,
                        const char *text, const cJSON *number, vkclip_error *err)
{
    uint32_t id;
    if (!text || !*text)
        return fail(err, VKCLIP_ERROR_FILE, "%s: a token is empty or not a text", path);
    if (!get_id(number, &id) || id >= capacity)
        return fail(err, VKCLIP_ERROR_FILE, "%s: the id of token '%s' is not one of 0 to %u", path,
                    text, capacity - 1);
    struct token *token = &vocabulary->tokens[id];
    if (token->text && strcmp(token->text, text) != 0)
        return fail(err, VKCLIP_ERROR_FILE, "%s: tokens '%s' and '%s' have the same id %u", path,
                    token->text, text, id);
    if (!token->text)
        vocabulary->count++;
    *token = (struct token){.text = text, .byte_count = (uint32_t)strlen(text)};
    return true;
}

static bool read_added(struct vocabulary *vocabulary, uint32_t capacity, const char *path,
                       const cJSON *added, vkclip_error *err)
{
    const cJSON *entry;
    cJSON_ArrayForEach(entry, added)
    {
        const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(entry, "content"));
        const cJSON *id = cJSON_GetObjectItemCaseSensitive(entry, "id");
        if (!place_token(vocabulary, capacity, path, text, id, err))
            return false;
        if (vocabulary->added_count == VOCABULARY_MOST_ADDED)
            return fail(err, VKCLIP_ERROR_FILE, "%s: more than %d added tokens", path,
                        VOCABULARY_MOST_ADDED);
        vocabulary->added[vocabulary->added_count++] = id->valueint;
    }
    return true;
}

// Moves the tokens out of the JSON tree, into storage.
static bool copy_tokens(struct vocabulary *vocabulary, const char *path, vkclip_error *err)
{
    size_t bytes = 0;
    for (uint32_t id = 0; id < vocabulary->count; id++) {
        if (!vocabulary->tokens[id].text)
            return fail(err, VKCLIP_ERROR_FILE, "%s: %u tokens, but none has id %u", path,
                        vocabulary->count, id);
        bytes += vocabulary->tokens[id].byte_count + 1;
    }
    vocabulary->storage = malloc(bytes);
    if (!vocabulary->storage)
        return fail(err, VKCLIP_ERROR_MEMORY, "%s: no memory for the vocabulary", path);
    char *next = (char *)vocabulary->storage;
    for (uint32_t id = 0; id < vocabulary->count; id++) {
        struct token *token = &vocabulary->tokens[id];
        memcpy(next, token->text, token->byte_count + 1);
        token->text = next;
        next += token->byte_count + 1;
    }
    return true;
}

bool vocabulary_read_json(struct vocabulary *vocabulary, const char *path, const cJSON *tokens,
                          const cJSON *added, vkclip_error *err)
{
    const cJSON *entry;
    size_t capacity = 0;
    cJSON_ArrayForEach(entry, tokens) capacity++;
    cJSON_ArrayForEach(entry, added) capacity++;
    if (capacity == 0 || capacity > VOCABULARY_MOST_TOKENS)
        return fail(err, VKCLIP_ERROR_FILE, "%s: %zu tokens, expected 1 to %u", path, capacity,
                    VOCABULARY_MOST_TOKENS);
    vocabulary->tokens = calloc(capacity, sizeof *vocabulary->tokens);
    if (!vocabulary->tokens)
        return fail(err, VKCLIP_ERROR_MEMORY, "%s: no memory for the vocabulary", path);

    cJSON_ArrayForEach(entry, tokens)
    {
        if (!place_token(vocabulary, (uint32_t)capacity, path, entry->string, entry, err))
            return false;
    }
    return read_added(vocabulary, (uint32_t)capacity, path, added, err) &&
           copy_tokens(vocabulary, path, err);
}
