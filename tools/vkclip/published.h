// published.h: probabilities that were published with a model's weights, to compare ours with.
#ifndef VKCLIP_PUBLISHED_H
#define VKCLIP_PUBLISHED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PUBLISHED_MOST 9 // pictures, and labels

struct published {
    const char *model;
    uint64_t weights_bytes;
    const char *weights_sha256;
    const char *prompt; // goes before each label
    uint32_t picture_count, label_count;
    const char *pictures[PUBLISHED_MOST]; // file names
    const char *labels[PUBLISHED_MOST];
    double probabilities[PUBLISHED_MOST][PUBLISHED_MOST]; // [picture][label]
};

// BiomedCLIP's, the one model that has some.
extern const struct published published;

// What logarithms of probabilities, which are logits but for a sum, may differ by. The published
// run was most likely CUDA's, whose convolutions round their inputs to the 10 bits of TF32 unless
// told otherwise: 0.01 to 0.05 in logits, which are 85 cosines. Ours in fp16 adds up to 3e-4 in a
// cosine.
#define PUBLISHED_ALLOWED 0.05

struct published_comparison {
    double ours[PUBLISHED_MOST][PUBLISHED_MOST];
    double differences[PUBLISHED_MOST][PUBLISHED_MOST]; // of logarithms, ours less the published
    double worst;                                       // magnitude; infinite for what is no number
    uint32_t worst_picture, worst_label;
};

// Compares the logits of one picture. The comparison begins as zeros.
//
//   logits  [label_count]
void published_compare(const struct published *table, uint32_t picture, const float *logits,
                       struct published_comparison *comparison);

#endif
