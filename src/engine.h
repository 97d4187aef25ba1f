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

// Names every tensor of both towers, for either pass of the loader.
void model_load(struct vit *vit, struct bert *bert, struct loader *loader);

#endif
