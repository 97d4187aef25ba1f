// vocabulary.h: the tokens of a tokenizer and their ids, and what the files that hold them have in
// common.
#ifndef VKCLIP_HOST_VOCABULARY_H
#define VKCLIP_HOST_VOCABULARY_H

#include "base/error.h"

#define VOCABULARY_MOST_BYTES  (UINT64_C(64) << 20) // of a file; the published one has 225,062
#define VOCABULARY_MOST_TOKENS (UINT32_C(1) << 20)
#define VOCABULARY_MOST_ADDED  64 // tokens that are found in raw text

struct cJSON;

struct token {
    const char *text; // ends in a zero byte
    uint32_t byte_count;
};

struct vocabulary {
    uint8_t *storage;     // the file, or copies; tokens point into it
    struct token *tokens; // [count], by id
    uint32_t count;
    uint32_t longest_bytes; // of any token
    uint32_t *slots;        // [slot_count] hash table of id + 1, 0 is empty
    uint32_t slot_count;    // a power of two

    // Tokens that the text is split at before anything else is done to it.
    int32_t added[VOCABULARY_MOST_ADDED];
    uint32_t added_count;
};

// Makes the tokens that a reader has put in place findable. Fails with VKCLIP_ERROR_FILE when two
// are the same, with VKCLIP_ERROR_MEMORY.
bool vocabulary_index(struct vocabulary *vocabulary, const char *path, vkclip_error *err);

// Accepts a zeroed or half-built vocabulary.
void vocabulary_finish(struct vocabulary *vocabulary);

// A running hash, so that all beginnings of a word are hashed in one pass.
#define VOCABULARY_HASH_START UINT64_C(0xcbf29ce484222325)
uint64_t vocabulary_hash(uint64_t hash, const char *bytes, size_t byte_count);

// Finds the token that is prefix and text together, whose hash is given. Returns its id, or -1.
int32_t vocabulary_find(const struct vocabulary *vocabulary, uint64_t hash, const char *prefix,
                        const char *text, size_t byte_count);

// The same for two texts that end in a zero byte.
int32_t vocabulary_find_text(const struct vocabulary *vocabulary, const char *prefix,
                             const char *text);

// Whether two vocabularies have the same tokens under the same ids.
bool vocabulary_equal(const struct vocabulary *a, const struct vocabulary *b);

// ---- for readers of files ---------------------------------------------------------------------

bool vocabulary_is_utf8(const char *bytes, size_t byte_count);

// A text file of one entry a line, held in memory that may be written to.
struct vocabulary_lines {
    const char *path;
    char *next, *end;
    uint32_t number; // of the line read last, from 1
};

// Starts at the first line. Empty lines at the end of the file, as editors leave them, are none.
// Returns how many lines there are, at most VOCABULARY_MOST_TOKENS, 0 in an empty file.
uint32_t vocabulary_lines_begin(struct vocabulary_lines *lines, const char *path, char *bytes,
                                size_t byte_count);

// Reads the next line and puts a zero byte behind it, in the place of its line end; *line is NULL
// after the last. Fails with VKCLIP_ERROR_FILE, naming the line, when it is empty, too long, not
// valid UTF-8, holds a zero byte or is one too many.
bool vocabulary_lines_next(struct vocabulary_lines *lines, char **line, size_t *byte_count,
                           vkclip_error *err);

// Parses a file that one of Hugging Face's libraries wrote; bytes end in a zero byte, which is not
// counted. Returns NULL and fails with VKCLIP_ERROR_FILE, naming the byte.
struct cJSON *vocabulary_parse_json(const char *path, const char *bytes, size_t byte_count,
                                    vkclip_error *err);

// Fills tokens, storage and added.
//
//   tokens  an object, {"token": id, ...}
//   added   tokenizer.json's list of added_tokens, or NULL
//
// Fails with VKCLIP_ERROR_FILE, naming the token, when the ids are not those from 0 to count - 1,
// with VKCLIP_ERROR_MEMORY.
bool vocabulary_read_json(struct vocabulary *vocabulary, const char *path,
                          const struct cJSON *tokens, const struct cJSON *added, vkclip_error *err);

// Whether a field of a JSON object is this text, or is false.
bool vocabulary_json_is_text(const struct cJSON *object, const char *key, const char *wanted);
bool vocabulary_json_is_false(const struct cJSON *object, const char *key);

#endif
