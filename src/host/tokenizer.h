// tokenizer.h: text -> token ids, by the tokenizer that a text tower has.
#ifndef VKCLIP_HOST_TOKENIZER_H
#define VKCLIP_HOST_TOKENIZER_H

#include "base/error.h"

struct tokenizer; // immutable after creation

enum tokenizer_kind {
    TOKENIZER_WORDPIECE, // BERT's: wordpiece.h
    TOKENIZER_BPE,       // OpenAI's CLIP's: bpe.h
};

// What a model's directory has of the files that hold a vocabulary; NULL: it is not there.
struct tokenizer_files {
    const char *directory;
    const char *vocab_txt;               // WordPiece
    const char *vocab_json, *merges_txt; // BPE
    const char *tokenizer_json;          // either, all in one file
};

// Whether the files hold a vocabulary of this kind.
bool tokenizer_is_there(enum tokenizer_kind kind, const struct tokenizer_files *files);

// Reads a vocabulary. Where tokenizer.json is there beside the others, all must be one vocabulary.
//
//   cleans  WordPiece: whether texts are cleaned as by open_clip; BPE does it always
//
// Returns NULL and fails with VKCLIP_ERROR_FILE when none is there, or a file is damaged, of
// another kind, or disagrees with another; with VKCLIP_ERROR_MEMORY.
struct tokenizer *tokenizer_create(enum tokenizer_kind kind, const struct tokenizer_files *files,
                                   bool cleans, vkclip_error *err);

// Accepts NULL.
void tokenizer_destroy(struct tokenizer *tokenizer);

uint32_t tokenizer_count(const struct tokenizer *tokenizer);

// The model whose vocabulary this is, where it is one that is taken for another; or NULL.
const char *tokenizer_known_as(const struct tokenizer *tokenizer);

// The same for the vocabulary that the hub has under that name; NULL for others.
const char *tokenizer_known_by_hub(const char *hub_name);

// As wordpiece_encode() and bpe_encode().
bool tokenizer_encode(const struct tokenizer *tokenizer, const char *text, size_t byte_count,
                      uint32_t max_ids, int32_t *ids, uint32_t *count, vkclip_error *err);

// How many of the ids a text tower is given: all, but those of CLIP only up to the first that ends
// a text, at which the embedding is read. A text may hold it literally.
// Source: open_clip model.py, CLIP.encode_text(): text.argmax(), the end being the last token.
uint32_t tokenizer_embedded_count(const struct tokenizer *tokenizer, const int32_t *ids,
                                  uint32_t count);

#endif
