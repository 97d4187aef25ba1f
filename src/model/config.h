// config.h: what a model's side files say that its weights cannot, and the facts about BiomedCLIP
// that are easy to get wrong, beside the constants that hold them.
//
// Owns no sizes that tensor shapes give (widths, depths, rows): vit.c and bert.c read those off
// the weights. Configurations that ask for another graph than ours are refused here, since the
// weights of, say, a QuickGELU model have the very same names and shapes.
//
// What goes wrong quietly, when BiomedCLIP is taken for an ordinary CLIP or an ordinary BERT:
//
// - Special tokens are [PAD] 0, [UNK] 1, [CLS] 2, [SEP] 3, [MASK] 4, not 0 and 100 to 103 as in
//   bert-base-uncased. They are looked up by name (host/wordpiece.c), never written down.
// - The vocabulary has 28,895 tokens, the token embedding 30,522 rows. More rows than tokens is
//   right; the rest is never indexed.
// - The text feature is row 0 of the last layer. BERT's own pooler (dense and tanh) is absent, and
//   neither layer of the projection 768 -> 640 -> 512 has a bias.
// - The image tower has no norm before its first block, its patch convolution has a bias, and the
//   two towers' norms differ in epsilon (below).
// - GELU is the exact one, with erf, in both towers and in the text projection.
// - A text need not be padded to 256: positions count from 0, padded keys would get weight 0, and
//   only row 0 is read. So the context only limits the length.
// - Cosines are multiplied by exp(logit_scale), about 85.23: an error of 1e-3 in a cosine is 0.085
//   in a logit.
// - Pictures are resized in their own colour mode and become RGB after the crop (host/resize.c).
#ifndef VKCLIP_MODEL_CONFIG_H
#define VKCLIP_MODEL_CONFIG_H

#include "base/error.h"

// Columns of one attention head where no file gives the number of heads: every BERT of Google's
// sizes, and timm's vision transformers from tiny to large.
#define CONFIG_HEAD_DIM 64

// The attention kernel keeps a query and its sum in registers, 2 * columns of them.
#define CONFIG_MOST_HEAD_DIM 128

// timm vision_transformer.py builds its norms with 1e-6; PyTorch's own default would be 1e-5.
#define CONFIG_IMAGE_NORM_EPSILON 1e-6f

// transformers configuration_bert.py, where config.json does not say. Below fp16's smallest
// number, so these norms are computed in fp32 always.
#define CONFIG_TEXT_NORM_EPSILON 1e-12f

// open_clip's default where the file names no context_length. BiomedCLIP's says 256.
#define CONFIG_CONTEXT_TOKENS 77

struct config {
    uint32_t image_size_px;  // side of the square the image tower sees
    float mean[3], std[3];   // of R, G, B, for values in 0..1
    uint32_t context_tokens; // [CLS] and [SEP] included
    char tokenizer_name[128]; // what open_clip would fetch the vocabulary by; "" where not said
    uint32_t embedding_width;
    uint32_t image_heads; // 0: width / CONFIG_HEAD_DIM
    float image_norm_epsilon;
    uint32_t text_heads; // 0: width / CONFIG_HEAD_DIM
    float text_norm_epsilon;
};

// Whether the kernels can cut a width into that many heads.
static inline bool config_heads_fit(uint32_t width, uint32_t heads)
{
    return heads > 0 && width % heads == 0 && width / heads % 4 == 0 && width / heads > 0 &&
           width / heads <= CONFIG_MOST_HEAD_DIM;
}

// Reads the published configuration.
//
//   open_clip_config_path  open_clip_config.json, with the names of its fields from before or
//                          after November 2023, and with or without the outer model_cfg
//   bert_config_path       config.json of the text tower; NULL: transformers' defaults
//
// Fails with VKCLIP_ERROR_FILE when a file cannot be read or is not JSON as it should be, with
// VKCLIP_ERROR_MODEL when it asks for what is not supported, naming the field, what it says and
// what is supported.
//
// Source: open_clip factory.py, model.py (CLIPVisionCfg, CLIPTextCfg), transform.py
// (PreprocessCfg); transformers configuration_bert.py.
bool config_read(struct config *config, const char *open_clip_config_path,
                 const char *bert_config_path, vkclip_error *err);

#endif
