// variant.h: the tiny model of tests/golden, damaged on purpose, in a folder of its own.
#ifndef VKCLIP_TEST_VARIANT_H
#define VKCLIP_TEST_VARIANT_H

#include <stddef.h>

struct variant {
    char directory[64];
    unsigned char *weights; // the safetensors file
    size_t weights_bytes;
};

// Copies configuration and vocabulary, and takes the weights into memory.
void variant_begin(struct variant *variant);

// Replaces text of the header by text of the same length, once. Fails the test where it is not.
void variant_replace(struct variant *variant, const char *old_text, const char *new_text);

// Adds a tensor of no elements to the header.
void variant_append_empty(struct variant *variant, const char *tensor, const char *shape);

// Sets all elements of an F32 tensor.
void variant_fill(struct variant *variant, const char *tensor, float value);

// Writes a side file in place of what was copied.
void variant_write(const struct variant *variant, const char *name, const char *text);

// Writes the weights as model.safetensors.
void variant_end(const struct variant *variant);

void variant_remove(struct variant *variant);

#endif
