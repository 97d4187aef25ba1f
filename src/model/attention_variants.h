// attention_variants.h: the ways attention can be computed.
#ifndef VKCLIP_MODEL_ATTENTION_VARIANTS_H
#define VKCLIP_MODEL_ATTENTION_VARIANTS_H

#include "base/error.h"

enum attention_method {
    ATTENTION_ALONE,  // every lane for itself, without barriers
    ATTENTION_SHARED, // lanes share queries, and keys go through shared memory
    ATTENTION_MATRIX, // on cooperative matrices
};

struct attention_variant {
    // Method, queries a workgroup computes, or subgroups that have as many as a matrix has rows,
    // and keys at a time.
    const char *name;
    enum attention_method method;
    uint32_t lanes;      // a workgroup; subgroups, for ATTENTION_MATRIX
    uint32_t sharing;    // lanes that share four queries; of no use to ATTENTION_MATRIX
    uint32_t block_keys; // keys at a time
};

// Queries a workgroup computes on a device.
uint32_t attention_variant_rows(const struct attention_variant *variant,
                                const vkclip_device_facts *device);

// Whether a device can have the variant, by its limits.
bool attention_variant_fits(const struct attention_variant *variant,
                            const vkclip_device_facts *device, vkclip_precision precision,
                            uint32_t head_dim);

// Whether it is worth trying where it fits: barriers are dear to a software driver, and lanes alone
// take more registers than a GPU has.
bool attention_variant_suits(const struct attention_variant *variant,
                             const vkclip_device_facts *device);

// The variant for heads of so many columns: wide ones get smaller tiles, so that they fit in the
// shared memory that Vulkan guarantees.
struct attention_variant attention_variant_for(const struct attention_variant *variant,
                                               uint32_t head_dim);

// All of them, in the order in which they are tried. find: NULL where there is none of that name.
extern const struct attention_variant attention_variants[];
extern const uint32_t attention_variant_count;
const struct attention_variant *attention_variant_find(const char *name);

#endif
