// model_check.h: whether a model gives on a device what it gave elsewhere.
#ifndef VKCLIP_MODEL_CHECK_H
#define VKCLIP_MODEL_CHECK_H

#include "published.h"
#include "vkclip.h"

struct model_check_params {
    const char *model;    // directory or weights file
    const char *examples; // directory of the published pictures; NULL: the golden beside the model
    const char *device;   // as in vkclip_engine_params
    const char *cache_directory;
    vkclip_precision precisions[2];
    size_t precision_count;
};

// Two towers, or the published probabilities alone, in two precisions.
#define MODEL_CHECK_MOST 4

struct model_report {
    char against[4200]; // what was compared with: a golden's path, or in words
    uint32_t check_count;
    vkclip_check checks[MODEL_CHECK_MOST];
    bool is_published; // then each check has its comparison
    struct published_comparison comparisons[2];
};

// Compares with the published probabilities where example pictures are given, which only the
// published weights pass the door to, else with vkclip_golden.json beside the model.
//
//   report  filled as far as it came, even on failure
//
// Returns true when everything is as it should be. Fails with VKCLIP_ERROR_NUMBERS when something
// is not, naming the first, with VKCLIP_ERROR_FILE when there is nothing to compare with, or as
// vkclip_model_open, vkclip_engine_create and vkclip_embed_images do.
bool model_check(const struct model_check_params *params, struct model_report *report,
                 vkclip_error *err);

#endif
