// wordpiece.h: text -> token ids, as open_clip's HFTokenizer, or transformers itself, gives them
// with a BERT vocabulary.
#ifndef VKCLIP_HOST_WORDPIECE_H
#define VKCLIP_HOST_WORDPIECE_H

#include "base/error.h"

struct wordpiece; // immutable after creation

// Reads a vocabulary: vocab.txt (one token a line) or tokenizer.json (told by content). Special
// token ids are read by name, [PAD] [UNK] [CLS] [SEP] [MASK]; [MASK] may be missing. Where
// cleans, texts are cleaned first as open_clip does it (text_clean.h); transformers does not.
//
// Returns NULL and fails with VKCLIP_ERROR_FILE (file and line) or VKCLIP_ERROR_MEMORY.
struct wordpiece *wordpiece_create(const char *path, bool cleans, vkclip_error *err);

void wordpiece_destroy(struct wordpiece *wordpiece);

uint32_t wordpiece_count(const struct wordpiece *wordpiece);

// The id of a token, or -1.
int32_t wordpiece_find(const struct wordpiece *wordpiece, const char *token);

// The model whose vocabulary this is, to the last token, or NULL for one that is not known:
// "BiomedCLIP (PubMedBERT abstract)", "bert-base-uncased" or "PubMedBERT full text". The last two
// have as many tokens as BiomedCLIP has embedding rows, so that using one by mistake gives wrong
// numbers and nothing else would say so.
const char *wordpiece_known_as(const struct wordpiece *wordpiece);

// The same names by what the Hugging Face Hub calls their model, or NULL.
const char *wordpiece_known_by_hub(const char *hub_name);

// Whether two vocabularies have the same tokens under the same ids.
bool wordpiece_equal(const struct wordpiece *a, const struct wordpiece *b);

// Writes [CLS] pieces... [SEP], at most max_ids (>= 2) of them; what is longer is cut on the
// right. Time is linear in byte_count. Fails only with VKCLIP_ERROR_MEMORY.
//
//   text   [byte_count] any bytes; invalid UTF-8 becomes U+FFFD
//   ids    [max_ids] caller's
//
// Thread safety: safe.
bool wordpiece_encode(const struct wordpiece *wordpiece, const char *text, size_t byte_count,
                      uint32_t max_ids, int32_t *ids, uint32_t *count, vkclip_error *err);

#endif
