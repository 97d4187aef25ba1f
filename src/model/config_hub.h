// config_hub.h: what the two halves of the configuration reader share.
#ifndef VKCLIP_MODEL_CONFIG_HUB_H
#define VKCLIP_MODEL_CONFIG_HUB_H

#include "model/config.h"
#include "model/config_fields.h"

#define CONFIG_MOST_TOKENS 65535

// open_clip constants.py, OPENAI_DATASET_MEAN and _STD; BiomedCLIP's file says the same.
extern const float config_openai_mean[3], config_openai_std[3];

// Models of transformers, sentence_transformers and timm, told by config.json.
bool config_read_hub(struct config *config, const struct config_files *files, vkclip_error *err);

// Heads, epsilon and activation of a BERT; anything else that is unlike BERT is refused.
bool config_read_bert(struct encoder_config *blocks, const struct section *bert);

// What only the name of one of timm's models tells.
bool config_is_timm_vit(const char *name);
void config_read_timm_name(struct image_config *image, const char *name);

#endif
