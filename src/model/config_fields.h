// config_fields.h: fields of JSON files, for the readers of configurations: a field is as it must
// be, or the file is refused, naming it.
#ifndef VKCLIP_MODEL_CONFIG_FIELDS_H
#define VKCLIP_MODEL_CONFIG_FIELDS_H

#include <cjson/cJSON.h>

#include "base/error.h"

struct document {
    const char *path;
    uint8_t *bytes;
    cJSON *root;
    vkclip_error *err;
};

// One object of a document, and its name in messages.
struct section {
    struct document *document;
    const cJSON *object; // may be NULL: all is absent
    const char *name;    // "vision_cfg." or ""
};

// Reads a file whose root is an object or, where is_list, an array. Fails with VKCLIP_ERROR_FILE.
bool document_open(struct document *document, const char *path, bool is_list, vkclip_error *err);

// Accepts a document that could not be opened.
void document_close(struct document *document);

// Refuses equal keys: cJSON takes the first, Python the last.
bool document_check_keys(struct document *document, const cJSON *object);

// An absent object leaves an empty section.
bool section_open(struct document *document, const cJSON *parent, const char *key, const char *name,
                  struct section *section);

struct section section_of_root(struct document *document);

// NULL where the field is absent.
const cJSON *field_get(const struct section *section, const char *key);
const char *field_text(const struct section *section, const char *key); // NULL too for no text

// "FILE: section.key is not <kind>".
bool field_refuse_kind(const struct section *section, const char *key, const char *kind);

// The field must be one of two texts, which may be the same. fallback is what its absence means to
// the program that wrote the file.
bool field_want_text(const struct section *section, const char *key, const char *fallback,
                     const char *one, const char *other);

// A switch that must be off.
bool field_want_off(const struct section *section, const char *key);

// A switch.
bool field_get_switch(const struct section *section, const char *key, bool fallback, bool *out);

// A whole number from 1 to most. fallback is for an absent field; 0: it may not be absent.
bool field_get_count(const struct section *section, const char *key, uint32_t fallback,
                     uint32_t most, uint32_t *out);

// A number from 0 to 1.
bool field_get_fraction(const struct section *section, const char *key, float fallback, float *out);

// A side in pixels, or the list of two that some writers make of it.
bool field_get_square(const struct section *section, const char *key, uint32_t fallback,
                      uint32_t *out);

// Three numbers, for R, G and B.
bool field_get_colour(const struct section *section, const char *key, const float fallback[3],
                      bool is_divisor, float out[3]);

#endif
