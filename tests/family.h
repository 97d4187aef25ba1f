// family.h: the small models of tests/golden/families, made from their recorded shapes
// (tools/reference/make_family_goldens.py) in a folder of their own.
#ifndef VKCLIP_TEST_FAMILY_H
#define VKCLIP_TEST_FAMILY_H

#include <stdint.h>

#define FAMILY_PICTURES   3
#define FAMILY_MOST_TEXTS 8
#define FAMILY_NOISE      3

struct family {
    struct cJSON *json;
    char directory[64];
    uint32_t tensor_count;
};

// Reads the golden and writes side files and weights. Fails the running test where it cannot.
void family_begin(struct family *family, const char *name);
void family_end(struct family *family);

// A side file in place of the one that was written.
void family_write(const struct family *family, const char *name, const char *text);

// A side file as it lies in another directory.
void family_copy(const struct family *family, const char *directory, const char *name);

// Its pictures: [FAMILY_PICTURES, side, side, 3].
void family_pictures(const struct family *family, uint32_t side, uint8_t *pixels);

// Writes a picture of noise to resize, and tells the sha256 of the pixels it becomes; NULL where
// none was recorded.
void family_noise(const struct family *family, uint32_t index, const char *name);
const char *family_noise_sha256(const struct family *family, uint32_t index);

// Its texts, one after the other; returns how many.
uint32_t family_texts(const struct family *family, int32_t *ids, uint32_t *lengths);

// A recorded matrix of malloc; NULL where there is none. count: of its numbers.
float *family_rows(const struct family *family, const char *key, uint32_t *count);

#endif
