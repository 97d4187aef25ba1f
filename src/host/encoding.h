// encoding.h: what every tokenizer does alike: a text is read line by line, ids are written while
// they fit, and the last one ends the text.
#ifndef VKCLIP_HOST_ENCODING_H
#define VKCLIP_HOST_ENCODING_H

#include "base/error.h"
#include "host/text_clean.h"

struct encoding {
    // What the caller gives; the rest starts from zero.
    const char *text; // [byte_count]
    size_t byte_count;
    bool cleans;      // as open_clip does it: text_clean.h
    int32_t *ids;     // [max_ids] caller's
    uint32_t max_ids; // at least 2

    uint32_t count;
    struct points line; // the one read last
    struct text_cleaner cleaner;
    size_t read_bytes; // of the text
};

// Starts with the id that begins a text.
void encoding_begin(struct encoding *encoding, int32_t first);

// Writes an id, where it fits; room for the last one is kept free.
void encoding_put(struct encoding *encoding, int32_t id);

bool encoding_is_full(const struct encoding *encoding);

// Reads the next line, which no step looks beyond but the repair of mojibake, seen to by
// text_clean.h. Returns false after the last, and as soon as no id fits any more.
bool encoding_next_line(struct encoding *encoding);

// Writes the id that ends a text, frees the lines. is_broken: the tokenizer ran out of memory.
// Fails only with VKCLIP_ERROR_MEMORY.
bool encoding_end(struct encoding *encoding, int32_t last, bool is_broken, uint32_t *count,
                  vkclip_error *err);

#endif
