// golden.h: reads the recorded answers of tests/golden (tools/reference/make_goldens.py).
#ifndef VKCLIP_TEST_GOLDEN_H
#define VKCLIP_TEST_GOLDEN_H

#include <stdint.h>

#include "vkclip.h"

#define GOLDEN_MOST_TEXTS    16
#define GOLDEN_MOST_PICTURES 8

struct golden {
    struct cJSON *json;
    uint32_t picture_count, text_count, width;
    char pictures[GOLDEN_MOST_PICTURES][160]; // paths from the repository root
    int32_t *ids;                             // of all texts, one after the other
    uint32_t lengths[GOLDEN_MOST_TEXTS];
    const char *texts[GOLDEN_MOST_TEXTS]; // NULL where the golden has ids alone
    float *image_embeddings, *text_embeddings;
    float *logits; // [pictures, texts]
};

// Fails the running test when the file is not there or not as expected.
void golden_open(struct golden *golden, const char *path);
void golden_close(struct golden *golden);

// Compares unit vectors with the recorded ones, as both the largest difference and the cosine,
// and prints the worst of each.
void golden_check(const char *what, const float *got, const float *want, uint32_t count,
                  uint32_t width, double tolerance, double least_cosine);

#endif
