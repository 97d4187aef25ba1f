#include "glob.h"

#include <stddef.h>
#include <string.h>

// The end of a bracket that begins at pattern, or NULL where it has none.
static const char *find_bracket_end(const char *pattern)
{
    const char *first = pattern + 1 + (pattern[1] == '!');
    return *first ? strchr(first + 1, ']') : NULL; // a bracket first in the list is one of it
}

static bool bracket_matches(const char *pattern, const char *end, char c)
{
    bool is_negative = pattern[1] == '!', is_in = false;
    for (const char *at = pattern + 1 + is_negative; at < end; at++) {
        unsigned char low = (unsigned char)*at, high = low;
        if (at + 2 < end && at[1] == '-') {
            high = (unsigned char)at[2];
            at += 2;
        }
        is_in = is_in || ((unsigned char)c >= low && (unsigned char)c <= high);
    }
    return is_in != is_negative && c != '/';
}

// Whether the pattern's next piece, which is no star, fits c; how long that piece is.
static bool piece_matches(const char *pattern, char c, size_t *length)
{
    const char *end = *pattern == '[' ? find_bracket_end(pattern) : NULL;
    *length = 1;
    if (end) {
        *length = (size_t)(end - pattern) + 1;
        return bracket_matches(pattern, end, c);
    }
    if (*pattern == '?')
        return c != '/';
    if (*pattern == '\\' && pattern[1]) {
        *length = 2;
        return pattern[1] == c;
    }
    return *pattern == c;
}

// Where a star was seen, and the text that it has not taken yet. Later stars are tried first; a
// star that is followed by another of its kind need never be tried again.
struct star {
    const char *pattern, *text;
};

bool glob_matches(const char *pattern, const char *text)
{
    struct star single = {NULL, NULL}, both = {NULL, NULL};
    while (*text || *pattern) {
        size_t length;
        if (*pattern == '*') {
            bool is_double = pattern[1] == '*';
            pattern += is_double ? 2 : 1;
            if (is_double)
                both = (struct star){pattern, text};
            single = (struct star){is_double ? NULL : pattern, text};
            continue;
        }
        if (*text && *pattern && piece_matches(pattern, *text, &length)) {
            pattern += length;
            text++;
        } else if (single.pattern && *single.text && *single.text != '/') {
            pattern = single.pattern;
            text = ++single.text;
        } else if (both.pattern && *both.text) {
            single.pattern = NULL;
            pattern = both.pattern;
            text = ++both.text;
        } else {
            return false;
        }
    }
    return true;
}
