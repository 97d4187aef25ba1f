// engine.h: what the files of the top floor share.
#ifndef VKCLIP_ENGINE_H
#define VKCLIP_ENGINE_H

#include "host/tokenizer.h"
#include "host/weights.h"
#include "model/config.h"
#include "model/text_tower.h"
#include "model/vit.h"
#include "pictures.h"
#include "vkclip.h"

// Immutable once opened.
struct vkclip_model {
    vkclip_model_facts facts;
    struct config config;
    struct tokenizer *tokenizer; // NULL where texts are given as token ids
    // Only where the model was opened whole.
    bool is_whole;
    struct weights weights;
    struct vit vit; // sizes alone; an engine adds device memory to its own copy
    struct text_tower text;
};

// Images computed at once: what a caller may ask for.
#define ENGINE_MAX_IMAGES 256

// A plan with its inputs' sizes; zeros where the model lacks the tower.
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
    struct text_tower text;
    struct weight_memory weights;
    struct gpu_buffer *arena; // activations of whichever plan runs
    struct tower_plan images, one_image;
    struct tower_plan texts, few_texts;
    struct gpu_buffer *pixels, *tokens, *tiles; // inputs of a run
    struct gpu_buffer *out, *logits;            // results of a run
    struct pictures pictures;                   // decoded, before they go to the device
    bool is_profiling;
    vkclip_kernel_time times[KERNEL_COUNT];
};

static inline uint32_t min_u32(uint64_t a, uint64_t b)
{
    return (uint32_t)(a < b ? a : b);
}

// Reads the sizes of both towers off the opened weights and checks every tensor's name and shape.
bool model_check_weights(vkclip_model *model, const vkclip_log *log, vkclip_error *err);

// Writes down which towers these are, and by what they were known.
void model_note_family(vkclip_model *model);

static inline bool model_has_images(const vkclip_model *model)
{
    return model->config.image.scheme != IMAGE_NONE;
}

static inline bool model_has_texts(const vkclip_model *model)
{
    return model->config.text.scheme != TEXT_NONE;
}

// Names every tensor of the towers there are, for either pass of the loader.
void model_load(const vkclip_model *model, struct vit *vit, struct text_tower *text,
                struct loader *loader);

#endif
