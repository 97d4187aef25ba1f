// kernels.h: the table of kernels as pipelines on one device.
//
// Owns which variant a device gets; plan.h owns what is computed with them.
#ifndef VKCLIP_MODEL_KERNELS_H
#define VKCLIP_MODEL_KERNELS_H

#include "gpu/gpu.h"
#include "model/attention_variants.h"
#include "model/linear_variants.h"

enum kernel {
    KERNEL_PATCHIFY,
    KERNEL_EMBED_TOKENS,
    KERNEL_LAYERNORM,
    KERNEL_QUANTIZE, // in int8, before every linear
    KERNEL_LINEAR,   // one for each class of rows, LINEAR_FEW and so on
    KERNEL_LINEAR_F32 =
        KERNEL_LINEAR + LINEAR_CLASSES, // in fp16, to f32: residual stream, embeddings
    KERNEL_ATTENTION = KERNEL_LINEAR_F32 + LINEAR_CLASSES,
    KERNEL_ATTENTION_CAUSAL,
    KERNEL_MEAN,
    KERNEL_NORMALIZE,
    KERNEL_TOP_K,
    KERNEL_COUNT,
};

// How the work of a kernel is cut into workgroups on this device, and what they compute with.
struct kernel_shape {
    uint32_t rows; // rows of the output a workgroup computes
    uint32_t cols; // columns, for linear and top_k
    vkclip_arithmetic arithmetic;
};

// Whose tiles to take; any run on any device.
enum kernels_tiles {
    TILES_SOFTWARE, // of drivers that compute on the CPU
    TILES_HARDWARE,
    TILES_SMALL, // of GPUs with few registers a lane
    TILES_COUNT,
};

// The variant of each class of KERNEL_LINEAR and of KERNEL_LINEAR_F32, of one family each, and of
// attention, the same for all runs: an embedding must not depend on its batch.
struct kernels_choice {
    const struct linear_variant *linear[LINEAR_CLASSES], *linear_f32[LINEAR_CLASSES];
    const struct attention_variant *attention;
};

// Which kernels are made; all but for tuning.
enum kernels_set { KERNELS_ALL, KERNELS_LINEAR, KERNELS_ATTENTION };

struct kernels {
    struct gpu *gpu;
    vkclip_precision precision; // any but DEFAULT
    uint32_t element_bytes;     // of words and of matmul inputs; in int8, before they are quantized
    struct kernel_shape shapes[KERNEL_COUNT];
    struct kernels_choice choice;
    struct gpu_pipeline *pipelines[KERNEL_COUNT]; // several may be one and the same
};

struct kernels_params {
    vkclip_precision precision; // any but DEFAULT
    enum kernels_tiles tiles;   // kernels_choose_tiles knows
    uint32_t head_dim;          // columns of a head, in both towers
    bool is_causal;             // some attention is
    bool has_mean;              // some sequences are averaged
    bool has_top_k;             // rows are searched
    enum kernels_set set;
    const struct kernels_choice *choice; // NULL: kernels_default_choice of these tiles
};

enum kernels_tiles kernels_choose_tiles(const vkclip_device_facts *device);

// What is safe and good without having been measured on the device.
struct kernels_choice kernels_default_choice(enum kernels_tiles tiles, vkclip_precision precision,
                                             const vkclip_device_facts *device);

// For a product of few columns with many rows, in which a wide tile would compute columns that are
// not there.
struct kernels_choice kernels_narrow_choice(enum kernels_tiles tiles,
                                            const vkclip_device_facts *device, uint32_t cols);

// Creates all pipelines.
//
// Fails with VKCLIP_ERROR_DEVICE when precision is FP16 and the device does not store it.
bool kernels_init(struct kernels *kernels, struct gpu *gpu, const struct kernels_params *params,
                  vkclip_error *err);

// Accepts a zeroed or half-built object.
void kernels_finish(struct kernels *kernels);

// What tells apart the shaders that were measured: hexadecimal digits and a zero.
#define KERNELS_MARK_BYTES 17
void kernels_mark(char mark[KERNELS_MARK_BYTES]);

// The kernel's name as it is reported, the same for all variants of one kernel.
const char *kernel_name(enum kernel kernel);

#endif
