// pickle.h: what torch.save pickles, as inert values.
//
// A pickle is a program. This interpreter knows the opcodes that torch.save writes for tensors in
// containers, looks no name up and calls nothing: a REDUCE of one of a handful of known names
// makes a value of a fixed kind here, and any other name is refused.
#ifndef VKCLIP_HOST_PICKLE_H
#define VKCLIP_HOST_PICKLE_H

#include "host/weights.h"

// BiomedCLIP's has 46,600 bytes. Values take 16 bytes each and the three lists 4 to 12, so the
// whole stays below 48 MiB whatever the pickle says.
#define PICKLE_MOST_BYTES  (16U << 20)
#define PICKLE_MOST_VALUES (1U << 19)

enum value_kind {
    VALUE_NONE,
    VALUE_BOOL,
    VALUE_INTEGER, // integer
    VALUE_FLOAT,
    VALUE_TEXT,    // text
    VALUE_GLOBAL,  // global
    VALUE_TUPLE,   // first and count, of pickle.parts
    VALUE_LIST,    // what is in it is not kept
    VALUE_DICT,    // first and last, of pickle.pairs
    VALUE_STORAGE, // first and count: its persistent id
    VALUE_TENSOR,  // first and count: the arguments of _rebuild_tensor_v2
    VALUE_OTHER,   // known to be harmless, and of no use
};

// Names that may be in a pickle.
enum pickle_global {
    GLOBAL_ORDERED_DICT,
    GLOBAL_REBUILD_TENSOR,
    GLOBAL_REBUILD_PARAMETER,
    GLOBAL_SIZE,
    GLOBAL_STORAGE, // GLOBAL_STORAGE + enum weight_type
};

#define NO_PAIR UINT32_MAX

struct value {
    enum value_kind kind;
    uint32_t count; // of bytes or parts
    union {
        int64_t integer;
        uint32_t global; // enum pickle_global
        uint32_t text;   // place in pickle.bytes
        struct {
            uint32_t first, last;
        };
    };
};

struct pair {
    uint32_t key, item; // of pickle.values
    uint32_t next;      // or NO_PAIR
};

struct pickle {
    const char *path;
    const uint8_t *bytes; // the caller's, must outlive the pickle
    uint32_t byte_count, at;
    struct value *values;
    uint32_t value_count, value_capacity;
    uint32_t *parts; // of tuples
    uint32_t part_count, part_capacity;
    struct pair *pairs; // of dicts
    uint32_t pair_count, pair_capacity;
    uint32_t *stack;
    uint32_t stack_count, stack_capacity;
    uint32_t *memo; // value + 1, 0 is empty
    uint32_t memo_capacity;
    uint32_t root;
    vkclip_error *err;
};

// Runs the program.
//
//   path   for messages
//   bytes  [byte_count] the pickle, at most PICKLE_MOST_BYTES
//
// Tensors come out with arguments of the right number and kinds, not yet of sensible values.
// Fails with VKCLIP_ERROR_FILE, naming the byte of the pickle, or VKCLIP_ERROR_MEMORY.
// Source: Python's pickletools.py; torch/_weights_only_unpickler.py for what is harmless.
bool pickle_read(struct pickle *pickle, const char *path, const uint8_t *bytes, size_t byte_count,
                 vkclip_error *err);

// Accepts a zeroed or half-read object.
void pickle_finish(struct pickle *pickle);

// Part i of a tuple, storage or tensor.
const struct value *pickle_part(const struct pickle *pickle, const struct value *value, uint32_t i);

// Whether a value is this text.
bool pickle_is_text(const struct pickle *pickle, const struct value *value, const char *text);

// What a dict has under a text; the last one, as in Python. NULL when there is none.
const struct value *pickle_get(const struct pickle *pickle, const struct value *dict,
                               const char *key);

#endif
