// open_engine.h: a model and its engine, for tests that stand for a user of the library.
#ifndef VKCLIP_TEST_OPEN_ENGINE_H
#define VKCLIP_TEST_OPEN_ENGINE_H

#include <string.h>

#include "test.h"
#include "vkclip.h"

static inline void print_log(void *user, vkclip_log_level level, const char *message)
{
    (void)user;
    if (level <= VKCLIP_LOG_WARNING)
        printf("log: %s\n", message);
}

static const vkclip_log log_to_output = {print_log, NULL};

// NULL where the device does not store fp16; anything else that goes wrong fails the test. Without
// a path the model is the synthetic one.
static inline vkclip_engine *open_engine(const char *path, vkclip_precision precision,
                                         uint32_t max_images, vkclip_model **model)
{
    vkclip_error err;
    *model = path ? vkclip_model_open(path, VKCLIP_MODEL_WHOLE, &log_to_output, &err)
                  : vkclip_model_open_synthetic(&err);
    if (!*model)
        fail_msg("%s", err.message);
    vkclip_engine *engine = vkclip_engine_create(*model,
                                                 &(vkclip_engine_params){
                                                     .precision = precision,
                                                     .max_images = max_images,
                                                     .log = log_to_output,
                                                 },
                                                 &err);
    if (!engine && precision == VKCLIP_PRECISION_FP16 && strstr(err.message, "fp16")) {
        printf("skipped: %s\n", err.message);
        vkclip_model_close(*model);
        return NULL;
    }
    if (!engine)
        fail_msg("%s", err.message);
    return engine;
}

#endif
