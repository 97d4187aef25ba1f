// config.h: what a model's side files say that its weights cannot, and the facts about BiomedCLIP
// that are easy to get wrong, beside the constants that hold them.
//
// Owns no sizes that tensor shapes give (widths, depths, rows): vit.c and text_tower.c read those
// off the weights. Which family a model is of is decided here, by its side files alone, and what
// asks for another graph than ours is refused here, since the weights of, say, a QuickGELU model
// have the very same names and shapes.
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

#include "host/resize.h"
#include "model/names.h"
#include "model/positions.h"
#include "shared/kernel_args.h"

// Columns of one attention head where no file gives the number of heads: every BERT of Google's
// sizes, timm's vision transformers from tiny to large, and OpenAI's.
#define CONFIG_HEAD_DIM 64

// The attention kernel keeps a query and its sum in registers, 2 * columns of them.
#define CONFIG_MOST_HEAD_DIM 128

// timm vision_transformer.py builds its norms with 1e-6; PyTorch's own default, which CLIP has, is
// 1e-5.
#define CONFIG_TIMM_NORM_EPSILON 1e-6f
#define CONFIG_CLIP_NORM_EPSILON 1e-5f

// transformers configuration_bert.py and configuration_vit.py, where config.json does not say.
// Below fp16's smallest number, so these norms are computed in fp32 always.
#define CONFIG_BERT_NORM_EPSILON 1e-12f

// open_clip's default where the file names no context_length. BiomedCLIP's says 256.
#define CONFIG_CONTEXT_TOKENS 77

// BiomedCLIP was trained with 256 tokens; the configuration of its conversions for transformers
// says 512, the rows of the table.
#define CONFIG_BIOMEDCLIP_TOKENS 256

struct encoder_config {
    uint32_t heads; // 0: width / CONFIG_HEAD_DIM
    float norm_epsilon;
    uint32_t activation; // ACTIVATION_...
};

// Where a tower's embedding is read from.
enum pooling {
    POOLING_FIRST, // the row among the first: [CLS], or the last token where attention is causal
    POOLING_MEAN,  // all tokens of a text, all patches of a picture
};

struct image_config {
    enum image_scheme scheme; // IMAGE_NONE: there is no image tower, and the rest is 0
    uint32_t size_px;         // side of the square the tower sees
    struct resize_target resize;
    float mean[3], std[3]; // of R, G, B, for values in 0..1
    enum pooling pooling;
    enum position_fit position_fit;
    struct encoder_config blocks;
    uint32_t class_count; // of the classifier; 0 where no file says
    char **classes;       // [class_count] names of malloc; NULL where no file has them
};

struct text_config {
    enum text_scheme scheme;  // TEXT_NONE: there is no text tower, and the rest is 0
    uint32_t context_tokens;  // [CLS] and [SEP] included
    char tokenizer_name[128]; // what open_clip would fetch the vocabulary by; "" where not said
    bool is_cleaned;          // as open_clip does it, before it is tokenized
    bool is_unit;             // embeddings are of unit length
    enum pooling pooling;
    struct encoder_config blocks;
};

struct config {
    struct image_config image;
    struct text_config text;
    uint32_t embedding_width; // 0 where no file says
    char evidence[160];       // which field of which file told the family
};

// Whether the kernels can cut a width into that many heads.
static inline bool config_heads_fit(uint32_t width, uint32_t heads)
{
    return heads > 0 && width % heads == 0 && width / heads % 4 == 0 && width / heads > 0 &&
           width / heads <= CONFIG_MOST_HEAD_DIM;
}

// The side files of a model; NULL for one that is not there.
struct config_files {
    const char *open_clip; // open_clip_config.json
    const char *model;     // config.json: the text tower's where there is open_clip's, else of all
    const char *preprocessor; // preprocessor_config.json, of transformers
    const char *tokenizer;    // tokenizer_config.json, of transformers
    // Of sentence_transformers.
    const char *modules;  // modules.json
    const char *pooling;  // 1_Pooling/config.json
    const char *sentence; // sentence_bert_config.json
};

// Reads the published configuration: open_clip's, with the names of its fields from before or
// after November 2023, and with or without the outer model_cfg; else that of transformers or timm.
//
// Fails with VKCLIP_ERROR_FILE when a file cannot be read or is not JSON as it should be, with
// VKCLIP_ERROR_MODEL when it asks for what is not supported, naming the field, what it says and
// what is supported. config_finish frees what was read, after a failure too.
//
// Source: open_clip factory.py, model.py (CLIPVisionCfg, CLIPTextCfg), transform.py
// (PreprocessCfg); transformers configuration_{bert,clip,vit,dinov2}.py and image_processing_*.py;
// timm data/config.py; sentence_transformers models/{Transformer,Pooling,Normalize}.py.
bool config_read(struct config *config, const struct config_files *files, vkclip_error *err);

// Accepts a zeroed object.
void config_finish(struct config *config);

#endif
