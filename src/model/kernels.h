// kernels.h: the table of kernels as pipelines on one device.
//
// Owns which variant a device gets; plan.h owns what is computed with them.
#ifndef VKCLIP_MODEL_KERNELS_H
#define VKCLIP_MODEL_KERNELS_H

#include "gpu/gpu.h"

enum kernel {
    KERNEL_PATCHIFY,
    KERNEL_EMBED_TOKENS,
    KERNEL_LAYERNORM,
    KERNEL_LINEAR,        // many rows
    KERNEL_LINEAR_NARROW, // few rows
    KERNEL_LINEAR_F32,    // in fp16, the same with an f32 output: residual stream, embeddings
    KERNEL_LINEAR_F32_NARROW,
    KERNEL_ATTENTION,
    KERNEL_ATTENTION_CAUSAL,
    KERNEL_MEAN,
    KERNEL_NORMALIZE,
    KERNEL_COUNT,
};

// How the work of a kernel is cut into workgroups on this device.
struct kernel_shape {
    uint32_t rows; // rows of the output a workgroup computes
    uint32_t cols; // columns, for linear
};

struct kernels {
    struct gpu *gpu;
    vkclip_precision precision; // FP32 or FP16
    uint32_t element_bytes;     // of weights and matmul inputs
    struct kernel_shape shapes[KERNEL_COUNT];
    struct gpu_pipeline *pipelines[KERNEL_COUNT];
};

// Whose tiles to take; any run on any device.
enum kernels_tiles {
    TILES_SOFTWARE, // of drivers that compute on the CPU
    TILES_HARDWARE,
    TILES_SMALL, // of GPUs with few registers a lane
    TILES_COUNT,
};

struct kernels_params {
    vkclip_precision precision; // FP32 or FP16
    enum kernels_tiles tiles;   // kernels_choose_tiles knows
    uint32_t head_dim;          // columns of a head, in both towers
    bool is_causal;             // some attention is
    bool has_mean;              // some sequences are averaged
};

enum kernels_tiles kernels_choose_tiles(const vkclip_device_facts *device);

// Creates all pipelines.
//
// Fails with VKCLIP_ERROR_DEVICE when precision is FP16 and the device does not store it.
bool kernels_init(struct kernels *kernels, struct gpu *gpu, const struct kernels_params *params,
                  vkclip_error *err);

// Accepts a zeroed or half-built object.
void kernels_finish(struct kernels *kernels);

// The kernel's name as it is reported, the same for all variants of one kernel.
const char *kernel_name(enum kernel kernel);

#endif
