// engine.h: what the files of the top floor share.
#ifndef VKCLIP_ENGINE_H
#define VKCLIP_ENGINE_H

#include "host/weights.h"
#include "host/wordpiece.h"
#include "model/bert.h"
#include "model/config.h"
#include "model/vit.h"
#include "vkclip.h"

// Immutable once opened.
struct vkclip_model {
    vkclip_model_facts facts;
    struct config config;
    struct wordpiece *wordpiece;
    // Only where the model was opened whole.
    bool is_whole;
    struct weights weights;
    struct vit vit; // sizes alone; an engine adds device memory to its own copy
    struct bert bert;
};

// Images computed at once: what a caller may ask for.
#define ENGINE_MAX_IMAGES 256

// A plan with its inputs' sizes.
struct tower_plan {
    struct plan *plan;
    struct plan_limits limits;
};

struct vkclip_engine {
    const vkclip_model *model;
    vkclip_engine_facts facts;
    vkclip_log log;
    struct gpu *gpu;
    struct kernels kernels;
    struct vit vit;
    struct bert bert;
    struct weight_memory weights;
    struct gpu_buffer *arena; // activations of whichever plan runs
    struct tower_plan images;
    struct tower_plan texts;
    struct tower_plan few_texts;                // one or two labels: narrow tiles
    struct gpu_buffer *pixels, *tokens, *tiles; // inputs of a run
    struct gpu_buffer *out;                     // embeddings of a run
    uint8_t *pictures;                          // decoded, before they go to the device
    bool is_profiling;
    vkclip_kernel_time times[KERNEL_COUNT];
};

static inline uint32_t min_u32(uint64_t a, uint64_t b)
{
    return (uint32_t)(a < b ? a : b);
}

// Reads the sizes of both towers off the opened weights and checks every tensor's name and shape.
bool model_check_weights(vkclip_model *model, const vkclip_log *log, vkclip_error *err);

// Names every tensor of both towers, for either pass of the loader.
void model_load(struct vit *vit, struct bert *bert, struct loader *loader);

#endif
