// What open_clip's SimpleTokenizer does with a cleaned text (text_clean.h): small letters, split
// into words, each word into bytes, and bytes joined by rank.
//
// Source: open_clip 2.23.0 tokenizer.py, SimpleTokenizer.
//
// Unicode versions: SimpleTokenizer has the letters and numbers of the regex module, and case and
// NFC of the Python it runs in; we take everything from utf8proc (Debian 12: Unicode 15).
// tools/reference/compare_bpe.py counts the code points whose ids differ for that.
#include "host/bpe.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "host/bpe_files.h"
#include "host/encoding.h"
#include "host/letters.h"

#define END_OF_WORD "</w>"

// As they are taken in a text, whatever the vocabulary calls them.
static const char start_of_text[] = "<start_of_text>", end_of_text[] = "<end_of_text>";

struct bpe {
    struct vocabulary vocabulary;
    struct merges merges;
    int32_t inner[256], final[256]; // ids of single bytes, of those that end a word
    int32_t start, end;             // ids that begin and end a text
};

struct encoder {
    const struct bpe *bpe;
    struct encoding encoding;
    struct points lower;
    struct word word;
    bool is_broken;
};

// ---- creation ---------------------------------------------------------------------------------

// The sign that stands for a byte in a vocabulary: the byte itself taken for Latin-1, or, where
// that is a space or a control character, one from U+0100 on.
// Source: open_clip tokenizer.py, bytes_to_unicode().
static int32_t byte_sign(int byte)
{
    if ((byte >= '!' && byte <= '~') || (byte >= 0xa1 && byte != 0xad))
        return byte;
    if (byte <= ' ')
        return 0x100 + byte;
    return byte == 0xad ? 0x143 : 0x121 + byte - 0x7f;
}

static bool find_bytes(struct bpe *bpe, const char *path, vkclip_error *err)
{
    for (int byte = 0; byte < 256; byte++) {
        char sign[8] = {0};
        utf8proc_encode_char(byte_sign(byte), (utf8proc_uint8_t *)sign);
        bpe->inner[byte] = vocabulary_find_text(&bpe->vocabulary, "", sign);
        bpe->final[byte] = vocabulary_find_text(&bpe->vocabulary, sign, END_OF_WORD);
        if (bpe->inner[byte] < 0 || bpe->final[byte] < 0)
            return fail(err, VKCLIP_ERROR_FILE,
                        "%s: no token '%s%s' for byte %d; is this a CLIP vocabulary?", path, sign,
                        bpe->inner[byte] < 0 ? "" : END_OF_WORD, byte);
    }
    return true;
}

static bool find_special(const struct vocabulary *vocabulary, const char *path, const char *name,
                         const char *other, int32_t *id, vkclip_error *err)
{
    *id = vocabulary_find_text(vocabulary, "", name);
    if (*id < 0)
        *id = vocabulary_find_text(vocabulary, "", other);
    if (*id < 0)
        return fail(err, VKCLIP_ERROR_FILE, "%s: no token %s or %s; is this a CLIP vocabulary?",
                    path, name, other);
    return true;
}

// Tokens that a text would be split at. SimpleTokenizer knows the two special ones alone.
static bool check_added(const struct bpe *bpe, const char *path, vkclip_error *err)
{
    const struct vocabulary *vocabulary = &bpe->vocabulary;
    for (uint32_t i = 0; i < vocabulary->added_count; i++) {
        int32_t id = vocabulary->added[i];
        if (id != bpe->start && id != bpe->end)
            return fail(err, VKCLIP_ERROR_FILE, "%s: added token '%s' is not supported", path,
                        vocabulary->tokens[id].text);
    }
    return true;
}

struct bpe *bpe_create(const char *path, const char *merges_path, vkclip_error *err)
{
    struct bpe *bpe = calloc(1, sizeof *bpe);
    if (!bpe) {
        fail(err, VKCLIP_ERROR_MEMORY, "%s: no memory for the vocabulary", path);
        return NULL;
    }
    const struct vocabulary *vocabulary = &bpe->vocabulary;
    if (bpe_read(&bpe->vocabulary, &bpe->merges, path, merges_path, err) &&
        find_bytes(bpe, path, err) &&
        find_special(vocabulary, path, "<|startoftext|>", start_of_text, &bpe->start, err) &&
        find_special(vocabulary, path, "<|endoftext|>", end_of_text, &bpe->end, err) &&
        check_added(bpe, path, err))
        return bpe;
    bpe_destroy(bpe);
    return NULL;
}

void bpe_destroy(struct bpe *bpe)
{
    if (!bpe)
        return;
    vocabulary_finish(&bpe->vocabulary);
    merges_finish(&bpe->merges);
    free(bpe);
}

uint32_t bpe_count(const struct bpe *bpe)
{
    return bpe->vocabulary.count;
}

int32_t bpe_end_of_text(const struct bpe *bpe)
{
    return bpe->end;
}

bool bpe_equal(const struct bpe *a, const struct bpe *b)
{
    const struct merges *x = &a->merges, *y = &b->merges;
    return vocabulary_equal(&a->vocabulary, &b->vocabulary) && x->count == y->count &&
           memcmp(x->at, y->at, x->count * sizeof *x->at) == 0;
}

// ---- words to ids -----------------------------------------------------------------------------

static bool is_exactly(const int32_t *text, size_t length, const char *ascii)
{
    if (length != strlen(ascii))
        return false;
    for (size_t i = 0; i < length; i++)
        if (text[i] != ascii[i])
            return false;
    return true;
}

static size_t utf8_bytes(int32_t point)
{
    return point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
}

// Makes a word of bytes, the last of which has another token. Returns false when memory runs out.
static bool spell(struct word *word, const struct bpe *bpe, const int32_t *text, size_t length)
{
    size_t symbol_count = 0;
    for (size_t i = 0; i < length; i++)
        symbol_count += utf8_bytes(text[i]);
    if (!word_reserve(word, symbol_count))
        return false;
    word->count = 0;
    for (size_t i = 0; i < length; i++) {
        utf8proc_uint8_t bytes[4];
        utf8proc_ssize_t byte_count = utf8proc_encode_char(text[i], bytes);
        for (utf8proc_ssize_t j = 0; j < byte_count; j++) {
            bool is_last = i + 1 == length && j + 1 == byte_count;
            uint32_t at = word->count++;
            word->symbols[at] = (struct symbol){
                .id = is_last ? bpe->final[bytes[j]] : bpe->inner[bytes[j]],
                .previous = at ? at - 1 : WORD_NONE,
                .next = at + 1,
            };
        }
    }
    return true;
}

static void encode_word(struct encoder *encoder, const int32_t *text, size_t length)
{
    const struct bpe *bpe = encoder->bpe;
    struct word *word = &encoder->word;
    if (is_exactly(text, length, start_of_text)) {
        encoding_put(&encoder->encoding, bpe->start);
    } else if (is_exactly(text, length, end_of_text)) {
        encoding_put(&encoder->encoding, bpe->end);
    } else if (!spell(word, bpe, text, length)) {
        encoder->is_broken = true;
    } else {
        word_merge(word, &bpe->merges);
        for (uint32_t at = 0; at < word->count; at = word->symbols[at].next)
            encoding_put(&encoder->encoding, word->symbols[at].id);
    }
}

// ---- text to words ----------------------------------------------------------------------------

// How many points of the text are this ASCII word, or 0. The pattern ignores case, which in a text
// of small letters leaves one sign to be taken for another, the long s.
static size_t match(const int32_t *text, size_t count, const char *ascii)
{
    size_t length = strlen(ascii);
    if (length > count)
        return 0;
    for (size_t i = 0; i < length; i++)
        if (text[i] != ascii[i] && !(ascii[i] == 's' && text[i] == 0x17f))
            return 0;
    return length;
}

// U+0345, a mark, has a letter for its capital, so that the pattern, which ignores case, takes it
// neither for a letter nor for none: it is left out and parts two words.
static bool is_other(int32_t point)
{
    return !unicode_is_space(point) && !letters_is_letter(point) && !letters_is_number(point) &&
           point != 0x345;
}

static size_t match_run(const int32_t *text, size_t count, bool (*is_one)(int32_t))
{
    size_t length = 0;
    while (length < count && is_one(text[length]))
        length++;
    return length;
}

// The length of the word that the text begins with, 0 where it begins with none:
// <start_of_text>|<end_of_text>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+
static size_t match_word(const int32_t *text, size_t count)
{
    static const char *const words[] = {start_of_text, end_of_text, "'s",  "'t", "'re",
                                        "'ve",         "'m",        "'ll", "'d"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t length = match(text, count, words[i]);
        if (length > 0)
            return length;
    }
    if (letters_is_letter(*text))
        return match_run(text, count, letters_is_letter);
    if (letters_is_number(*text))
        return 1;
    return match_run(text, count, is_other);
}

static void encode_line(struct encoder *encoder, const struct points *line)
{
    struct points *lower = &encoder->lower;
    lower->count = 0;
    letters_lower(line, lower);
    for (size_t i = 0; i < lower->count && !encoding_is_full(&encoder->encoding);) {
        size_t length = match_word(lower->at + i, lower->count - i);
        if (length > 0)
            encode_word(encoder, lower->at + i, length);
        i += length > 0 ? length : 1;
    }
}

bool bpe_encode(const struct bpe *bpe, const char *text, size_t byte_count, uint32_t max_ids,
                int32_t *ids, uint32_t *count, vkclip_error *err)
{
    struct encoder encoder = {
        .bpe = bpe,
        .encoding =
            {
                .text = text,
                .byte_count = byte_count,
                .cleans = true,
                .ids = ids,
                .max_ids = max_ids,
            },
    };
    encoding_begin(&encoder.encoding, bpe->start);
    while (encoding_next_line(&encoder.encoding))
        encode_line(&encoder, &encoder.encoding.line);
    bool is_broken = encoder.is_broken | encoder.lower.is_broken;
    points_finish(&encoder.lower);
    word_finish(&encoder.word);
    return encoding_end(&encoder.encoding, bpe->end, is_broken, count, err);
}
