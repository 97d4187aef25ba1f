// What Hugging Face's BertTokenizerFast does with a text, cleaned or not: split at literal
// special tokens, normalise, split into words, and look the words up piece by piece.
//
// Sources: tokenizers 0.15, normalizers/bert.rs, pre_tokenizers/bert.rs, models/wordpiece/mod.rs;
// transformers 4.35 tokenization_bert_fast.py.
#include "host/wordpiece.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "host/encoding.h"
#include "host/wordpiece_files.h"

#define LONGEST_WORD 100 // characters; a longer word is one [UNK]

struct wordpiece {
    struct vocabulary vocabulary;
    bool cleans;
    int32_t unk, cls, sep;
};

struct encoder {
    const struct wordpiece *wordpiece;
    struct encoding encoding;
    struct points normal, spare;
    int32_t word[LONGEST_WORD];
    size_t word_length; // may exceed LONGEST_WORD
};

// Finds a special token, which is also found in raw text.
static bool find_special(struct vocabulary *vocabulary, const char *path, const char *name,
                         int32_t *id, vkclip_error *err)
{
    *id = vocabulary_find_text(vocabulary, "", name);
    if (*id < 0)
        return fail(err, VKCLIP_ERROR_FILE, "%s: no token %s; is this a BERT vocabulary?", path,
                    name);
    for (uint32_t i = 0; i < vocabulary->added_count; i++)
        if (vocabulary->added[i] == *id)
            return true;
    if (vocabulary->added_count < VOCABULARY_MOST_ADDED)
        vocabulary->added[vocabulary->added_count++] = *id;
    return true;
}

struct wordpiece *wordpiece_create(const char *path, bool cleans, vkclip_error *err)
{
    struct wordpiece *wordpiece = calloc(1, sizeof *wordpiece);
    if (!wordpiece) {
        fail(err, VKCLIP_ERROR_MEMORY, "%s: no memory for the vocabulary", path);
        return NULL;
    }
    wordpiece->cleans = cleans;
    struct vocabulary *vocabulary = &wordpiece->vocabulary;
    int32_t pad, mask;
    if (wordpiece_read(vocabulary, path, err) &&
        find_special(vocabulary, path, "[PAD]", &pad, err) &&
        find_special(vocabulary, path, "[UNK]", &wordpiece->unk, err) &&
        find_special(vocabulary, path, "[CLS]", &wordpiece->cls, err) &&
        find_special(vocabulary, path, "[SEP]", &wordpiece->sep, err) &&
        (vocabulary_find_text(vocabulary, "", "[MASK]") < 0 ||
         find_special(vocabulary, path, "[MASK]", &mask, err)))
        return wordpiece;
    wordpiece_destroy(wordpiece);
    return NULL;
}

void wordpiece_destroy(struct wordpiece *wordpiece)
{
    if (!wordpiece)
        return;
    vocabulary_finish(&wordpiece->vocabulary);
    free(wordpiece);
}

bool wordpiece_equal(const struct wordpiece *a, const struct wordpiece *b)
{
    return vocabulary_equal(&a->vocabulary, &b->vocabulary);
}

uint32_t wordpiece_count(const struct wordpiece *wordpiece)
{
    return wordpiece->vocabulary.count;
}

int32_t wordpiece_find(const struct wordpiece *wordpiece, const char *token)
{
    return vocabulary_find_text(&wordpiece->vocabulary, "", token);
}

// Of all tokens, each with its zero byte, in the order of their ids.
static uint64_t hash_of_all(const struct vocabulary *vocabulary)
{
    uint64_t hash = VOCABULARY_HASH_START;
    for (uint32_t id = 0; id < vocabulary->count; id++)
        hash = vocabulary_hash(hash, vocabulary->tokens[id].text,
                               vocabulary->tokens[id].byte_count + 1);
    return hash;
}

static const struct known {
    const char *name, *hub_names[2];
    uint64_t hash;
} known[] = {
    {"BiomedCLIP (PubMedBERT abstract)",
     {"microsoft/BiomedNLP-BiomedBERT-base-uncased-abstract",
      "microsoft/BiomedNLP-PubMedBERT-base-uncased-abstract"},
     UINT64_C(0x7b7026bb7133d2c1)},
    {"bert-base-uncased",
     {"bert-base-uncased", "google-bert/bert-base-uncased"},
     UINT64_C(0x67eefeca1ea522f0)},
    {"PubMedBERT full text",
     {"microsoft/BiomedNLP-BiomedBERT-base-uncased-abstract-fulltext",
      "microsoft/BiomedNLP-PubMedBERT-base-uncased-abstract-fulltext"},
     UINT64_C(0xc18ec40e79dac857)},
};

#define KNOWN_COUNT (sizeof known / sizeof *known)

const char *wordpiece_known_as(const struct wordpiece *wordpiece)
{
    uint64_t hash = hash_of_all(&wordpiece->vocabulary);
    for (size_t i = 0; i < KNOWN_COUNT; i++)
        if (known[i].hash == hash)
            return known[i].name;
    return NULL;
}

const char *wordpiece_known_by_hub(const char *hub_name)
{
    for (size_t i = 0; i < KNOWN_COUNT; i++)
        if (strcmp(known[i].hub_names[0], hub_name) == 0 ||
            strcmp(known[i].hub_names[1], hub_name) == 0)
            return known[i].name;
    return NULL;
}

// ---- words to ids -----------------------------------------------------------------------------

// The longest token that the word begins with at `start`, or -1. ends[i] is the byte where
// character i ends.
static int32_t match_longest(const struct vocabulary *vocabulary, const char *bytes,
                             const size_t *ends, size_t length, size_t *start)
{
    const char *prefix = *start > 0 ? "##" : "";
    size_t first = *start > 0 ? ends[*start - 1] : 0, from = first;
    uint64_t hashes[LONGEST_WORD];
    uint64_t hash = vocabulary_hash(VOCABULARY_HASH_START, prefix, strlen(prefix));
    size_t end = *start;
    for (; end < length && ends[end] - first <= vocabulary->longest_bytes; end++) {
        hash = vocabulary_hash(hash, bytes + from, ends[end] - from);
        from = ends[end];
        hashes[end] = hash;
    }
    for (; end > *start; end--) {
        int32_t id = vocabulary_find(vocabulary, hashes[end - 1], prefix, bytes + first,
                                     ends[end - 1] - first);
        if (id >= 0) {
            *start = end;
            return id;
        }
    }
    return -1;
}

// Ends the word, if there is one: all its pieces, or a single [UNK].
static void end_word(struct encoder *encoder)
{
    size_t length = encoder->word_length;
    encoder->word_length = 0;
    if (length == 0)
        return;
    if (length > LONGEST_WORD) {
        encoding_put(&encoder->encoding, encoder->wordpiece->unk);
        return;
    }

    char bytes[4 * LONGEST_WORD];
    size_t ends[LONGEST_WORD], byte_count = 0;
    for (size_t i = 0; i < length; i++) {
        byte_count +=
            (size_t)utf8proc_encode_char(encoder->word[i], (utf8proc_uint8_t *)bytes + byte_count);
        ends[i] = byte_count;
    }

    int32_t pieces[LONGEST_WORD];
    size_t piece_count = 0;
    for (size_t start = 0; start < length;) {
        int32_t id = match_longest(&encoder->wordpiece->vocabulary, bytes, ends, length, &start);
        if (id < 0) {
            encoding_put(&encoder->encoding, encoder->wordpiece->unk);
            return;
        }
        pieces[piece_count++] = id;
    }
    for (size_t i = 0; i < piece_count; i++)
        encoding_put(&encoder->encoding, pieces[i]);
}

static void put_character(struct encoder *encoder, int32_t point)
{
    if (encoder->word_length < LONGEST_WORD)
        encoder->word[encoder->word_length] = point;
    encoder->word_length++;
}

// ---- text to words ----------------------------------------------------------------------------

// The blocks that BertNormalizer puts spaces around. The last gap, 2B820..2B91F, is in the Rust
// code and not in the Python one, where the blocks of extension E begin at 2B820.
static bool is_ideograph(int32_t point)
{
    return (point >= 0x4e00 && point <= 0x9fff) || (point >= 0x3400 && point <= 0x4dbf) ||
           (point >= 0x20000 && point <= 0x2a6df) || (point >= 0x2a700 && point <= 0x2b81f) ||
           (point >= 0x2b920 && point <= 0x2ceaf) || (point >= 0xf900 && point <= 0xfaff) ||
           (point >= 0x2f800 && point <= 0x2fa1f);
}

static void put_decomposed(struct points *out, int32_t point)
{
    int32_t parts[4];
    size_t count = unicode_decompose(point, parts);
    for (size_t i = 0; i < count; i++)
        if (!unicode_is_nonspacing_mark(parts[i]))
            points_push(out, parts[i]);
}

// Control characters that are spaces all the same.
static bool is_line_space(int32_t point)
{
    return point == '\t' || point == '\n' || point == '\r';
}

// BertNormalizer: clean, space out ideographs, strip accents. The marks that stay are brought
// into the order of NFD here; leaving the others out first does not change it.
static void normalise(struct encoder *encoder, const int32_t *text, size_t count)
{
    struct points *normal = &encoder->normal;
    normal->count = 0;
    for (size_t i = 0; i < count; i++) {
        int32_t point = text[i];
        if (unicode_is_removed(point) && !is_line_space(point)) {
            continue;
        } else if (unicode_is_space(point)) {
            points_push(normal, ' ');
        } else if (is_ideograph(point)) {
            points_push(normal, ' ');
            put_decomposed(normal, point);
            points_push(normal, ' ');
        } else {
            put_decomposed(normal, point);
        }
    }
    unicode_sort_marks(normal, &encoder->spare);
}

static void encode_plain(struct encoder *encoder, const int32_t *text, size_t count)
{
    normalise(encoder, text, count);
    for (size_t i = 0; i < encoder->normal.count && !encoding_is_full(&encoder->encoding); i++) {
        int32_t point = unicode_lower(encoder->normal.at[i]);
        if (point == ' ') {
            end_word(encoder);
        } else if (unicode_is_punctuation(point)) {
            end_word(encoder);
            put_character(encoder, point);
            end_word(encoder);
        } else {
            put_character(encoder, point);
        }
    }
    end_word(encoder);
}

// Whether the text begins with a token, letter by letter. Added tokens are compared before
// anything is normalised, so "[cls]" is no token.
static bool starts_with(const int32_t *text, size_t count, const struct token *token,
                        size_t *length)
{
    const utf8proc_uint8_t *bytes = (const utf8proc_uint8_t *)token->text;
    size_t left = token->byte_count;
    for (*length = 0; left > 0; ++*length) {
        utf8proc_int32_t point;
        utf8proc_ssize_t used = utf8proc_iterate(bytes, (utf8proc_ssize_t)left, &point);
        if (*length == count || text[*length] != point)
            return false;
        bytes += used;
        left -= (size_t)used;
    }
    return true;
}

// The longest added token at the start of the text, or -1.
static int32_t find_added(const struct vocabulary *vocabulary, const int32_t *text, size_t count,
                          size_t *length)
{
    int32_t found = -1;
    *length = 0;
    for (uint32_t i = 0; i < vocabulary->added_count; i++) {
        size_t other;
        if (starts_with(text, count, &vocabulary->tokens[vocabulary->added[i]], &other) &&
            other > *length) {
            *length = other;
            found = vocabulary->added[i];
        }
    }
    return found;
}

static void encode_line(struct encoder *encoder, const struct points *line)
{
    size_t first = 0; // of the text not yet encoded
    for (size_t i = 0; i < line->count;) {
        size_t length;
        int32_t added =
            find_added(&encoder->wordpiece->vocabulary, line->at + i, line->count - i, &length);
        if (added < 0) {
            i++;
            continue;
        }
        if (i > first)
            encode_plain(encoder, line->at + first, i - first);
        encoding_put(&encoder->encoding, added);
        i += length;
        first = i;
    }
    if (line->count > first)
        encode_plain(encoder, line->at + first, line->count - first);
}

bool wordpiece_encode(const struct wordpiece *wordpiece, const char *text, size_t byte_count,
                      uint32_t max_ids, int32_t *ids, uint32_t *count, vkclip_error *err)
{
    struct encoder encoder = {
        .wordpiece = wordpiece,
        .encoding =
            {
                .text = text,
                .byte_count = byte_count,
                .cleans = wordpiece->cleans,
                .ids = ids,
                .max_ids = max_ids,
            },
    };
    encoding_begin(&encoder.encoding, wordpiece->cls);
    while (encoding_next_line(&encoder.encoding))
        encode_line(&encoder, &encoder.encoding.line);
    bool is_broken = encoder.normal.is_broken | encoder.spare.is_broken;
    points_finish(&encoder.normal);
    points_finish(&encoder.spare);
    return encoding_end(&encoder.encoding, wordpiece->sep, is_broken, count, err);
}
