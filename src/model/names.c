#include "model/names.h"

#include <stdio.h>

// timm vision_transformer.py; the original DINOv2 has the same names but for its registers.
#define TIMM_BLOCKS                                                                       \
    .layers = "blocks.", .qkv = {"attn.qkv."}, .output = "attn.proj.", .norm1 = "norm1.", \
    .norm2 = "norm2.", .fc1 = "mlp.fc1.", .fc2 = "mlp.fc2.", .scale1 = "ls1.gamma",       \
    .scale2 = "ls2.gamma"
#define TIMM_PARTS                                                             \
    .blocks = {TIMM_BLOCKS}, .patch = "patch_embed.proj.", .cls = "cls_token", \
    .positions = "pos_embed", .registers = {"reg_token", "register_tokens"},   \
    .norm_before = "norm_pre.", .norm = "norm.", .norm_after_mean = "fc_norm."

// open_clip transformer.py, ResidualAttentionBlock.
#define OPEN_CLIP_BLOCKS                                                                      \
    .layers = "transformer.resblocks.", .qkv = {"attn.in_proj_"}, .output = "attn.out_proj.", \
    .norm1 = "ln_1.", .norm2 = "ln_2.", .fc1 = "mlp.c_fc.", .fc2 = "mlp.c_proj."

// transformers modeling_clip.py, CLIPEncoderLayer.
#define HF_CLIP_BLOCKS                                                                 \
    .layers = "encoder.layers.",                                                       \
    .qkv = {"self_attn.q_proj.", "self_attn.k_proj.", "self_attn.v_proj."},            \
    .output = "self_attn.out_proj.", .norm1 = "layer_norm1.", .norm2 = "layer_norm2.", \
    .fc1 = "mlp.fc1.", .fc2 = "mlp.fc2."

// transformers modeling_vit.py and modeling_dinov2.py have this in common.
#define HF_VIT_ATTENTION                                              \
    .layers = "encoder.layer.",                                       \
    .qkv = {"attention.attention.query.", "attention.attention.key.", \
            "attention.attention.value."},                            \
    .output = "attention.output.dense."
#define HF_VIT_EMBEDDINGS                                                                       \
    .patch = "embeddings.patch_embeddings.projection.", .cls = "embeddings.cls_token",          \
    .positions = "embeddings.position_embeddings", .registers = {"embeddings.register_tokens"}, \
    .norm = "layernorm."

// transformers modeling_bert.py. Its pooler, and the heads it was pretrained with, give no
// embedding.
#define BERT_PARTS                                                                               \
    .blocks = {.layers = "encoder.layer.",                                                       \
               .qkv = {"attention.self.query.", "attention.self.key.", "attention.self.value."}, \
               .output = "attention.output.dense.",                                              \
               .norm1 = "attention.output.LayerNorm.",                                           \
               .norm2 = "output.LayerNorm.",                                                     \
               .fc1 = "intermediate.dense.",                                                     \
               .fc2 = "output.dense."},                                                          \
    .words = "embeddings.word_embeddings.weight",                                                \
    .positions = "embeddings.position_embeddings.weight",                                        \
    .types = "embeddings.token_type_embeddings.weight", .norm_before = "embeddings.LayerNorm.",  \
    .is_post_norm = true

const struct image_names image_names[IMAGE_SCHEME_COUNT] = {
    [IMAGE_TIMM_IN_OPEN_CLIP] =
        {
            .title = "timm's ViT",
            .prefixes = {"visual.trunk."},
            TIMM_PARTS,
            .projection = "visual.head.proj.",
        },
    [IMAGE_TIMM] =
        {
            .title = "timm's ViT",
            .prefixes = {""},
            TIMM_PARTS,
            .classifier = "head.",
            .ignored = {"mask_token"},
        },
    [IMAGE_OPEN_CLIP] =
        {
            .title = "open_clip's ViT",
            .prefixes = {"visual."},
            .blocks = {OPEN_CLIP_BLOCKS},
            .patch = "conv1.",
            .cls = "class_embedding",
            .positions = "positional_embedding",
            .norm_before = "ln_pre.",
            .norm = "ln_post.",
            .projection = "visual.proj",
        },
    [IMAGE_HF_CLIP] =
        {
            .title = "the ViT of transformers' CLIP",
            .prefixes = {"vision_model."},
            .blocks = {HF_CLIP_BLOCKS},
            .patch = "embeddings.patch_embedding.",
            .cls = "embeddings.class_embedding",
            .positions = "embeddings.position_embedding.weight",
            .norm_before = "pre_layrnorm.", // sic
            .norm = "post_layernorm.",
            .projection = "visual_projection.",
            .ignored = {"embeddings.position_ids"},
        },
    [IMAGE_HF_VIT] =
        {
            .title = "transformers' ViT",
            .prefixes = {"vit.", ""},
            .blocks = {HF_VIT_ATTENTION, .norm1 = "layernorm_before.", .norm2 = "layernorm_after.",
                       .fc1 = "intermediate.dense.", .fc2 = "output.dense."},
            HF_VIT_EMBEDDINGS,
            .classifier = "classifier.",
            .ignored = {"pooler.", "embeddings.mask_token"},
        },
    [IMAGE_HF_DINOV2] =
        {
            .title = "transformers' DINOv2",
            .prefixes = {"dinov2.", "dinov2_with_registers.", ""},
            .blocks = {HF_VIT_ATTENTION, .norm1 = "norm1.", .norm2 = "norm2.", .fc1 = "mlp.fc1.",
                       .fc2 = "mlp.fc2.", .scale1 = "layer_scale1.lambda1",
                       .scale2 = "layer_scale2.lambda1"},
            HF_VIT_EMBEDDINGS,
            .ignored = {"embeddings.mask_token"},
        },
};

const struct text_names text_names[TEXT_SCHEME_COUNT] = {
    [TEXT_BERT_IN_OPEN_CLIP] =
        {
            .title = "transformers' BERT",
            .prefixes = {"text.transformer."},
            BERT_PARTS,
            .projection = "text.proj.",
            .projections = {"text.proj.0.", "text.proj.2."},
            .ignored = {"embeddings.position_ids"}, // 0, 1, 2, ...
        },
    [TEXT_BERT] =
        {
            .title = "transformers' BERT",
            .prefixes = {"bert.", ""},
            BERT_PARTS,
            .ignored = {"embeddings.position_ids", "pooler."},
            .other_head = "cls.",
        },
    [TEXT_HF_BIOMEDCLIP] =
        {
            .title = "BERT in the names of transformers' CLIP",
            .prefixes = {"text_model."},
            .blocks = {HF_CLIP_BLOCKS},
            .words = "embeddings.token_embedding.weight",
            .positions = "embeddings.position_embedding.weight",
            .types = "embeddings.token_type_embedding.weight",
            .norm_before = "embeddings.layer_norm.",
            .projections = {"text_projection.fc1.", "text_projection.fc2."},
            .is_post_norm = true,
            .ignored = {"embeddings.position_ids", "embeddings.token_type_ids"},
        },
    [TEXT_OPEN_CLIP] =
        {
            .title = "open_clip's text transformer",
            .prefixes = {""},
            .blocks = {OPEN_CLIP_BLOCKS},
            .words = "token_embedding.weight",
            .positions = "positional_embedding",
            .norm = "ln_final.",
            .projection = "text_projection",
            .is_causal = true,
            .ignored = {"attn_mask"},
        },
    [TEXT_HF_CLIP] =
        {
            .title = "the text transformer of transformers' CLIP",
            .prefixes = {"text_model."},
            .blocks = {HF_CLIP_BLOCKS},
            .words = "embeddings.token_embedding.weight",
            .positions = "embeddings.position_embedding.weight",
            .norm = "final_layer_norm.",
            .projection = "text_projection.",
            .is_causal = true,
            .ignored = {"embeddings.position_ids"},
        },
};

struct tensor_name name_of(const char *prefix, const char *part, const char *end)
{
    struct tensor_name name;
    snprintf(name.text, sizeof name.text, "%s%s%s", prefix, part, end);
    return name;
}

struct tensor_name name_in_block(const char *prefix, const struct block_names *names,
                                 uint32_t block, const char *part)
{
    struct tensor_name name;
    snprintf(name.text, sizeof name.text, "%s%s%u.%s", prefix, names->layers, block, part);
    return name;
}

const char *names_find_prefix(const struct weights *weights, const char *const prefixes[3],
                              const char *part, const char *end)
{
    for (int i = 0; i < 3 && prefixes[i]; i++)
        if (weights_find(weights, name_of(prefixes[i], part, end).text))
            return prefixes[i];
    return NULL;
}
