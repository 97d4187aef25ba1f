// What Hugging Face's BertTokenizerFast does with a cleaned text (text_clean.h): split at literal
// special tokens, normalise, split into words, and look the words up piece by piece.
//
// Sources: tokenizers 0.15, normalizers/bert.rs, pre_tokenizers/bert.rs, models/wordpiece/mod.rs;
// transformers 4.35 tokenization_bert_fast.py.
#include "host/wordpiece.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "host/text_clean.h"
#include "host/vocabulary.h"

#define LONGEST_WORD 100 // characters; a longer word is one [UNK]

struct wordpiece {
    struct vocabulary vocabulary;
};

struct encoder {
    const struct vocabulary *vocabulary;
    int32_t *ids;
    uint32_t count, max_ids; // one id is kept free for [SEP]
    struct text_cleaner cleaner;
    struct points clean, normal, spare;
    int32_t word[LONGEST_WORD];
    size_t word_length; // may exceed LONGEST_WORD
};

struct wordpiece *wordpiece_create(const char *path, vkclip_error *err)
{
    struct wordpiece *wordpiece = malloc(sizeof *wordpiece);
    if (!wordpiece) {
        fail(err, VKCLIP_ERROR_MEMORY, "%s: no memory for the vocabulary", path);
        return NULL;
    }
    if (!vocabulary_init(&wordpiece->vocabulary, path, err)) {
        free(wordpiece);
        return NULL;
    }
    return wordpiece;
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
    if (a->vocabulary.count != b->vocabulary.count)
        return false;
    for (uint32_t i = 0; i < a->vocabulary.count; i++) {
        const struct token *x = &a->vocabulary.tokens[i], *y = &b->vocabulary.tokens[i];
        if (x->byte_count != y->byte_count || memcmp(x->text, y->text, x->byte_count) != 0)
            return false;
    }
    return true;
}

uint32_t wordpiece_count(const struct wordpiece *wordpiece)
{
    return wordpiece->vocabulary.count;
}

int32_t wordpiece_find(const struct wordpiece *wordpiece, const char *token)
{
    size_t byte_count = strlen(token);
    uint64_t hash = vocabulary_hash(VOCABULARY_HASH_START, token, byte_count);
    return vocabulary_find(&wordpiece->vocabulary, hash, "", token, byte_count);
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

static bool is_full(const struct encoder *encoder)
{
    return encoder->count + 1 >= encoder->max_ids;
}

static void put_id(struct encoder *encoder, int32_t id)
{
    if (!is_full(encoder))
        encoder->ids[encoder->count++] = id;
}

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
        put_id(encoder, encoder->vocabulary->unk);
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
        int32_t id = match_longest(encoder->vocabulary, bytes, ends, length, &start);
        if (id < 0) {
            put_id(encoder, encoder->vocabulary->unk);
            return;
        }
        pieces[piece_count++] = id;
    }
    for (size_t i = 0; i < piece_count; i++)
        put_id(encoder, pieces[i]);
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

// BertNormalizer: clean, space out ideographs, strip accents. The marks that stay are brought
// into the order of NFD here; leaving the others out first does not change it.
static void normalise(struct encoder *encoder, const int32_t *text, size_t count)
{
    struct points *normal = &encoder->normal;
    normal->count = 0;
    for (size_t i = 0; i < count; i++) {
        int32_t point = text[i];
        // Only the spaces that are no control characters, and tab and line ends, reach this.
        if (unicode_is_space(point)) {
            points_push(normal, ' ');
        } else if (unicode_is_removed(point)) {
            continue;
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
    for (size_t i = 0; i < encoder->normal.count && !is_full(encoder); i++) {
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
        int32_t added = find_added(encoder->vocabulary, line->at + i, line->count - i, &length);
        if (added < 0) {
            i++;
            continue;
        }
        if (i > first)
            encode_plain(encoder, line->at + first, i - first);
        put_id(encoder, added);
        i += length;
        first = i;
    }
    if (line->count > first)
        encode_plain(encoder, line->at + first, line->count - first);
}

// Line by line, since no step looks across a line end; what follows the last id that fits is
// not looked at.
static void encode_lines(struct encoder *encoder, const char *text, size_t byte_count)
{
    while (byte_count > 0 && !is_full(encoder) && !encoder->clean.is_broken) {
        size_t used = text_clean_line(&encoder->cleaner, text, byte_count, &encoder->clean);
        encode_line(encoder, &encoder->clean);
        text += used;
        byte_count -= used;
    }
}

bool wordpiece_encode(const struct wordpiece *wordpiece, const char *text, size_t byte_count,
                      uint32_t max_ids, int32_t *ids, uint32_t *count, vkclip_error *err)
{
    struct encoder encoder = {
        .vocabulary = &wordpiece->vocabulary,
        .ids = ids,
        .max_ids = max_ids,
    };
    text_cleaner_init(&encoder.cleaner);
    put_id(&encoder, wordpiece->vocabulary.cls);
    encode_lines(&encoder, text, byte_count);
    ids[encoder.count++] = wordpiece->vocabulary.sep;
    *count = encoder.count;

    bool is_broken = encoder.clean.is_broken | encoder.normal.is_broken | encoder.spare.is_broken;
    text_cleaner_finish(&encoder.cleaner);
    points_finish(&encoder.clean);
    points_finish(&encoder.normal);
    points_finish(&encoder.spare);
    if (is_broken)
        return fail(err, VKCLIP_ERROR_MEMORY, "no memory to tokenize a text of %zu bytes",
                    byte_count);
    return true;
}
