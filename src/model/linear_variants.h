// linear_variants.h: the ways linear can be computed, and which a device gets before it is tuned.
#ifndef VKCLIP_MODEL_LINEAR_VARIANTS_H
#define VKCLIP_MODEL_LINEAR_VARIANTS_H

#include "base/error.h"

enum vendor {
    VENDOR_AMD = 0x1002,
    VENDOR_IMAGINATION = 0x1010,
    VENDOR_APPLE = 0x106b,
    VENDOR_NVIDIA = 0x10de,
    VENDOR_BROADCOM = 0x14e4,
    VENDOR_QUALCOMM = 0x5143,
    VENDOR_INTEL = 0x8086,
    VENDOR_MESA = 0x10005, // so Mesa's driver of Apple's GPUs, Honeykrisp, names itself
};

enum linear_method {
    LINEAR_DIRECT,  // operands straight from memory
    LINEAR_STRIPED, // the same, neighbouring columns in neighbouring lanes
    LINEAR_QUADS,   // straight from memory, four lanes share what they load
    LINEAR_STAGED,  // through shared memory
    LINEAR_MATRIX,  // on cooperative matrices
    LINEAR_DOT4,    // in int8, four products at once: directly
    LINEAR_DOT4_STAGED,
};

struct linear_variant {
    const char *name; // method and tile: rows x columns of the output a workgroup computes
    enum linear_method method;
    uint32_t lanes;                // a workgroup; subgroups, for LINEAR_MATRIX
    uint32_t tile_rows, tile_cols; // of outputs that a lane, or subgroup, computes
    uint32_t across;               // lanes, or subgroups, side by side along the columns
    uint32_t parts;                // lanes that share an output
};

// How many rows a run may have. Each class has its own variant.
#define LINEAR_FEW_ROWS  64
#define LINEAR_SOME_ROWS 256
enum linear_class {
    LINEAR_FEW,  // a text or a few labels
    LINEAR_SOME, // an image, the longest text
    LINEAR_MANY,
    LINEAR_CLASSES,
};

enum linear_class linear_class_of(uint32_t rows);

// Variants of one family add the products of an output in the same order, so that their results are
// the same to the bit. All classes of a kernel take theirs from one family, since an embedding must
// not depend on the batch it is computed in.
bool linear_variants_agree(const struct linear_variant *a, const struct linear_variant *b);

bool linear_variant_is_staged(const struct linear_variant *variant);
bool linear_variant_is_dot4(const struct linear_variant *variant);

// Whether a device can have the variant, by its limits.
bool linear_variant_fits(const struct linear_variant *variant, const vkclip_device_facts *device,
                         vkclip_precision precision);

// Whether it fits and is worth trying: a software driver gains nothing from many lanes and
// barriers, and a GPU leaves lanes idle where a workgroup has few.
bool linear_variant_suits(const struct linear_variant *variant, const vkclip_device_facts *device,
                          vkclip_precision precision);

// Workgroups count this many rows and columns.
uint32_t linear_variant_rows(const struct linear_variant *variant);
uint32_t linear_variant_cols(const struct linear_variant *variant);

// Names of what the GPUs of a vendor get untuned in fp32 and fp16, for each class; NULL where its
// compiler was not asked. Of one family.
const char *const *linear_defaults_of(uint32_t vendor_id);

// All of them, in the order in which they are tried.
extern const struct linear_variant linear_variants[];
extern const uint32_t linear_variant_count;

// Those for products of few columns, which no tower has; kernels_narrow_choice takes them.
extern const struct linear_variant linear_narrow_variants[];
extern const uint32_t linear_narrow_count;

// Of either; NULL where there is none of that name.
const struct linear_variant *linear_variant_find(const char *name);

#endif
