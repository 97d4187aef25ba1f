// unicode.h: text as code points, and the few Unicode operations the tokenizer stands on.
#ifndef VKCLIP_HOST_UNICODE_H
#define VKCLIP_HOST_UNICODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REPLACEMENT_POINT 0xfffd

// A growing list. When memory runs out, points are dropped and is_broken stays true, so that
// only the end of a chain of steps has to look.
struct points {
    int32_t *at;
    size_t count, capacity;
    bool is_broken;
};

void points_finish(struct points *points);

void points_push(struct points *points, int32_t point);

void points_append(struct points *points, const int32_t *from, size_t count);

void points_swap(struct points *a, struct points *b);

bool points_equal(const struct points *a, const struct points *b);

// Appends UTF-8; each byte that belongs to no valid sequence becomes U+FFFD.
void points_decode(struct points *points, const char *text, size_t byte_count);

// Writes the canonical decomposition of one point; returns how many points it has, at most 4.
size_t unicode_decompose(int32_t point, int32_t out[4]);

// Brings runs of combining marks into canonical order, in linear time.
void unicode_sort_marks(struct points *points, struct points *spare);

// Replaces a text by its NFC.
void unicode_compose(struct points *points, struct points *spare);

// What Python's str.isspace() and the regular expression \s take for a space.
bool unicode_is_space(int32_t point);

// In the sense of Python's regular expressions, but of utf8proc's version of Unicode: \d and \w.
bool unicode_is_digit(int32_t point);
bool unicode_is_word(int32_t point);

int32_t unicode_upper(int32_t point); // where it is one point

// Hugging Face's tokenizers library has categories of its own, those of Unicode 8 in whatever
// system; a character newer than that stays part of a word. So these look into unicode.inc.
bool unicode_is_removed(int32_t point);         // control, format, private use, U+FFFD
bool unicode_is_nonspacing_mark(int32_t point); // what stripping accents removes
bool unicode_is_punctuation(int32_t point);     // what BertPreTokenizer isolates
int32_t unicode_lower(int32_t point);           // of a decomposed text

#endif
