// cases.h: what every kernel is tried on: sizes around its tiles, the sizes of the model, and
// values that break what is computed carelessly.
//
// Bounds have reasons, written where they are: roundings of 2^-24 in f32, times the length of a
// sum, and one to fp16 where the output is stored so (rig_rounding).
#ifndef VKCLIP_VERIFY_CASES_H
#define VKCLIP_VERIFY_CASES_H

#include "verify/rig.h"

enum case_group {
    CASES_LINEAR_SIZES,
    CASES_LINEAR_ENDINGS, // bias, scale, GELU, QuickGELU, gain, addition, f32 output
    CASES_LINEAR_DEPTH,
    CASES_GELU,     // and QuickGELU
    CASES_QUANTIZE, // in int8; elsewhere there is nothing to compare
    CASES_LAYERNORM,
    CASES_NORMALIZE,
    CASES_ATTENTION,
    CASES_ATTENTION_CAUSAL,
    CASES_ATTENTION_SMALL, // for heads of another width than the models'
    CASES_MEAN,
    CASES_PATCHIFY,
    CASES_EMBED_TOKENS,
    CASES_TOP_K,
    CASES_COUNT,
};

// Runs a group; every comparison is reported. Fails only where a case could not be run.
bool cases_run(struct rig *rig, enum case_group group, vkclip_error *err);

#endif
