// vocabulary.h: the tokens of a WordPiece model and their ids, from vocab.txt or tokenizer.json.
#ifndef VKCLIP_HOST_VOCABULARY_H
#define VKCLIP_HOST_VOCABULARY_H

#include "base/error.h"

#define VOCABULARY_MOST_BYTES  (UINT64_C(64) << 20) // of a file; the published one has 225,062
#define VOCABULARY_MOST_TOKENS (UINT32_C(1) << 20)
#define VOCABULARY_MOST_ADDED  64 // tokens that are found in raw text

struct token {
    const char *text; // ends in a zero byte
    uint32_t byte_count;
};

struct vocabulary {
    uint8_t *storage;     // the file, or copies; tokens point into it
    struct token *tokens; // [count], by id
    uint32_t count;
    uint32_t longest_bytes;           // of any token, "##" included
    uint32_t *slots;                  // [slot_count] hash table of id + 1, 0 is empty
    uint32_t slot_count;              // a power of two
    int32_t pad, unk, cls, sep, mask; // mask may be -1

    // Tokens that the text is split at before anything else is done to it.
    int32_t added[VOCABULARY_MOST_ADDED];
    uint32_t added_count;
};

// Reads a vocabulary file of either kind. Fails with VKCLIP_ERROR_FILE, naming the line or the
// field, or VKCLIP_ERROR_MEMORY.
bool vocabulary_init(struct vocabulary *vocabulary, const char *path, vkclip_error *err);

// Accepts a zeroed or half-built vocabulary.
void vocabulary_finish(struct vocabulary *vocabulary);

// A running hash, so that all beginnings of a word are hashed in one pass.
#define VOCABULARY_HASH_START UINT64_C(0xcbf29ce484222325)
uint64_t vocabulary_hash(uint64_t hash, const char *bytes, size_t byte_count);

// Finds the token that is prefix and text together, whose hash is given. Returns its id, or -1.
int32_t vocabulary_find(const struct vocabulary *vocabulary, uint64_t hash, const char *prefix,
                        const char *text, size_t byte_count);

// For the two readers, vocabulary.c and vocabulary_json.c: fills tokens, storage and added from
// bytes, which end in a zero byte and stay the caller's unless the reader sets them to NULL.
bool vocabulary_read_json(struct vocabulary *vocabulary, const char *path, const char *bytes,
                          size_t byte_count, vkclip_error *err);
bool vocabulary_is_utf8(const char *bytes, size_t byte_count);

#endif
