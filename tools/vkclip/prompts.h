// prompts.h: several sentences that say the same, as one embedding.
#ifndef VKCLIP_PROMPTS_H
#define VKCLIP_PROMPTS_H

#include <stdbool.h>
#include <stddef.h>

#include "vkclip.h"

// Embeds sentences, word for word, and averages them as vkclip_embed_labels does.
//
//   embedding  [embedding_width] unit length, caller's
bool prompts_embed(vkclip_engine *engine, const char *const *sentences, size_t count,
                   float *embedding, vkclip_error *err);

#endif
