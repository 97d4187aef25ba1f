// bpe.h: text -> token ids, as open_clip's SimpleTokenizer gives them: the lower-casing byte pair
// encoding of OpenAI's CLIP.
#ifndef VKCLIP_HOST_BPE_H
#define VKCLIP_HOST_BPE_H

#include "base/error.h"

struct bpe; // immutable after creation

// Reads a vocabulary with its merges. The ids of the special tokens are read by name,
// <|startoftext|> and <|endoftext|>, or <start_of_text> and <end_of_text>.
//
//   path         tokenizer.json; vocab.json where merges_path is given
//   merges_path  merges.txt, or NULL
//
// Returns NULL and fails with VKCLIP_ERROR_FILE (file and line, merge or field) or
// VKCLIP_ERROR_MEMORY.
struct bpe *bpe_create(const char *path, const char *merges_path, vkclip_error *err);

void bpe_destroy(struct bpe *bpe);

uint32_t bpe_count(const struct bpe *bpe);

// The id that ends every text. Where a text holds it literally, it is there more than once; CLIP
// reads the embedding at the first.
int32_t bpe_end_of_text(const struct bpe *bpe);

// Whether two have the same tokens under the same ids and the same merges in the same order.
bool bpe_equal(const struct bpe *a, const struct bpe *b);

// Writes <start of text> tokens... <end of text>, at most max_ids (>= 2) of them; what is longer is
// cut on the right. Time is linear in byte_count, but n log n in the length of a word. Fails only
// with VKCLIP_ERROR_MEMORY.
//
//   text   [byte_count] any bytes; invalid UTF-8 becomes U+FFFD
//   ids    [max_ids] caller's
//
// Thread safety: safe.
bool bpe_encode(const struct bpe *bpe, const char *text, size_t byte_count, uint32_t max_ids,
                int32_t *ids, uint32_t *count, vkclip_error *err);

#endif
