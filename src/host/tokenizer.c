#include "host/tokenizer.h"

#include <stdlib.h>

#include "host/bpe.h"
#include "host/wordpiece.h"

struct tokenizer {
    struct wordpiece *wordpiece; // or
    struct bpe *bpe;
};

void tokenizer_destroy(struct tokenizer *tokenizer)
{
    if (!tokenizer)
        return;
    wordpiece_destroy(tokenizer->wordpiece);
    bpe_destroy(tokenizer->bpe);
    free(tokenizer);
}

static bool has_pair(const struct tokenizer_files *files)
{
    return files->vocab_json && files->merges_txt;
}

bool tokenizer_is_there(enum tokenizer_kind kind, const struct tokenizer_files *files)
{
    return files->tokenizer_json ||
           (kind == TOKENIZER_BPE ? has_pair(files) : files->vocab_txt != NULL);
}

static struct wordpiece *open_wordpiece(const struct tokenizer_files *files, bool cleans,
                                        vkclip_error *err)
{
    const char *path = files->vocab_txt ? files->vocab_txt : files->tokenizer_json;
    struct wordpiece *wordpiece = wordpiece_create(path, cleans, err);
    if (!wordpiece || !files->vocab_txt || !files->tokenizer_json)
        return wordpiece;
    struct wordpiece *other = wordpiece_create(files->tokenizer_json, cleans, err);
    bool is_same = other && wordpiece_equal(wordpiece, other);
    if (other && !is_same)
        fail(err, VKCLIP_ERROR_FILE, "%s: vocab.txt and tokenizer.json disagree", files->directory);
    wordpiece_destroy(other);
    if (is_same)
        return wordpiece;
    wordpiece_destroy(wordpiece);
    return NULL;
}

static struct bpe *open_bpe(const struct tokenizer_files *files, vkclip_error *err)
{
    struct bpe *bpe = has_pair(files) ? bpe_create(files->vocab_json, files->merges_txt, err)
                                      : bpe_create(files->tokenizer_json, NULL, err);
    if (!bpe || !has_pair(files) || !files->tokenizer_json)
        return bpe;
    struct bpe *other = bpe_create(files->tokenizer_json, NULL, err);
    bool is_same = other && bpe_equal(bpe, other);
    if (other && !is_same)
        fail(err, VKCLIP_ERROR_FILE, "%s: vocab.json with merges.txt and tokenizer.json disagree",
             files->directory);
    bpe_destroy(other);
    if (is_same)
        return bpe;
    bpe_destroy(bpe);
    return NULL;
}

struct tokenizer *tokenizer_create(enum tokenizer_kind kind, const struct tokenizer_files *files,
                                   bool cleans, vkclip_error *err)
{
    if (!tokenizer_is_there(kind, files)) {
        fail(err, VKCLIP_ERROR_FILE, "%s: neither %s nor tokenizer.json there", files->directory,
             kind == TOKENIZER_BPE ? "vocab.json with merges.txt" : "vocab.txt");
        return NULL;
    }
    struct tokenizer *tokenizer = calloc(1, sizeof *tokenizer);
    if (!tokenizer) {
        fail(err, VKCLIP_ERROR_MEMORY, "%s: no memory for the vocabulary", files->directory);
        return NULL;
    }
    if (kind == TOKENIZER_BPE)
        tokenizer->bpe = open_bpe(files, err);
    else
        tokenizer->wordpiece = open_wordpiece(files, cleans, err);
    if (tokenizer->bpe || tokenizer->wordpiece)
        return tokenizer;
    tokenizer_destroy(tokenizer);
    return NULL;
}

uint32_t tokenizer_count(const struct tokenizer *tokenizer)
{
    return tokenizer->bpe ? bpe_count(tokenizer->bpe) : wordpiece_count(tokenizer->wordpiece);
}

const char *tokenizer_known_as(const struct tokenizer *tokenizer)
{
    return tokenizer->bpe ? NULL : wordpiece_known_as(tokenizer->wordpiece);
}

const char *tokenizer_known_by_hub(const char *hub_name)
{
    return wordpiece_known_by_hub(hub_name);
}

bool tokenizer_encode(const struct tokenizer *tokenizer, const char *text, size_t byte_count,
                      uint32_t max_ids, int32_t *ids, uint32_t *count, vkclip_error *err)
{
    return tokenizer->bpe
               ? bpe_encode(tokenizer->bpe, text, byte_count, max_ids, ids, count, err)
               : wordpiece_encode(tokenizer->wordpiece, text, byte_count, max_ids, ids, count, err);
}

uint32_t tokenizer_embedded_count(const struct tokenizer *tokenizer, const int32_t *ids,
                                  uint32_t count)
{
    for (uint32_t i = 0; tokenizer->bpe && i < count; i++)
        if (ids[i] == bpe_end_of_text(tokenizer->bpe))
            return i + 1;
    return count;
}
