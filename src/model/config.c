// The JSON files of a model -> struct config. Only fields that change the result are looked at; the
// many that steer training are not. open_clip's are read here, those of others in config_hub.c.
#include "model/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/config_fields.h"
#include "model/config_hub.h"

const float config_openai_mean[3] = {0.48145466f, 0.4578275f, 0.40821073f};
const float config_openai_std[3] = {0.26862954f, 0.26130258f, 0.27577711f};

#define MOST_EMBEDDING 65536
#define MOST_HEADS     1024

// ---- what each section must say --------------------------------------------------------------

// timm's larger models do not have heads of 64 columns, and the number is in no tensor's shape.
static uint32_t heads_of(const char *timm_name)
{
    static const char *const sixteen[] = {"vit_huge_", "vit_giant_", "vit_gigantic_",
                                          "vit_so400m_"};
    for (size_t i = 0; i < sizeof sixteen / sizeof *sixteen; i++)
        if (strncmp(timm_name, sixteen[i], strlen(sixteen[i])) == 0)
            return 16;
    return 0;
}

void config_read_timm_name(struct image_config *image, const char *name)
{
    const bool is_clip = strstr(name, "_clip_") != NULL;
    image->blocks = (struct encoder_config){
        .heads = heads_of(name),
        .norm_epsilon = is_clip ? CONFIG_CLIP_NORM_EPSILON : CONFIG_TIMM_NORM_EPSILON,
        .activation = strstr(name, "quickgelu") ? ACTIVATION_QUICK_GELU : ACTIVATION_GELU,
    };
}

// The weights tell every other variant by its tensors.
bool config_is_timm_vit(const char *name)
{
    return strncmp(name, "vit_", 4) == 0 || strncmp(name, "deit_", 5) == 0 ||
           strncmp(name, "deit3_", 6) == 0;
}

static bool read_timm_vision(struct config *config, const struct section *section, const char *name)
{
    if (!config_is_timm_vit(name))
        return fail(section->document->err, VKCLIP_ERROR_MODEL,
                    "%s: vision_cfg.timm_model_name is \"%s\"; supported: vit_*, deit_*",
                    section->document->path, name);
    config->image.scheme = IMAGE_TIMM_IN_OPEN_CLIP;
    config_read_timm_name(&config->image, name);
    // "" leaves timm's default, which for these models is the class token.
    return field_want_text(section, "timm_pool", "avg", "", "token") &&
           field_want_text(section, "timm_proj", "linear", "linear", "linear");
}

// open_clip's own transformer: OpenAI's.
static bool read_clip_vision(struct config *config, const struct section *section)
{
    uint32_t width, head_width;
    if (!cJSON_IsNumber(field_get(section, "layers"))) // a ResNet has a list
        return fail(section->document->err, VKCLIP_ERROR_MODEL,
                    "%s: neither vision_cfg.timm_model_name nor a number of vision_cfg.layers; "
                    "supported: vision transformers",
                    section->document->path);
    config->image.scheme = IMAGE_OPEN_CLIP;
    if (!field_get_count(section, "width", 768, MOST_EMBEDDING, &width) ||
        !field_get_count(section, "head_width", 64, MOST_EMBEDDING, &head_width))
        return false;
    config->image.blocks.heads = width / head_width;
    return field_want_off(section, "global_average_pool") &&
           field_want_off(section, "attentional_pool") &&
           field_want_off(section, "input_patchnorm") && field_want_off(section, "no_ln_pre") &&
           field_want_off(section, "final_ln_after_pool") &&
           field_want_text(section, "pool_type", "tok", "tok", "tok");
}

static bool read_vision(struct config *config, const struct section *section)
{
    const char *name = field_text(section, "timm_model_name");
    return field_get_square(section, "image_size", 224, &config->image.size_px) &&
           (name ? read_timm_vision(config, section, name) : read_clip_vision(config, section));
}

// The spelling from before November 2023 is taken where the new one is absent.
static bool want_either_text(const struct section *section, const char *key, const char *old_key,
                             const char *fallback, const char *one, const char *other)
{
    bool is_old = !field_get(section, key) && field_get(section, old_key);
    return field_want_text(section, is_old ? old_key : key, fallback, one, other);
}

static bool read_bert_text(struct config *config, const struct section *section)
{
    config->text.scheme = TEXT_BERT_IN_OPEN_CLIP;
    config->text.blocks = (struct encoder_config){
        .norm_epsilon = CONFIG_BERT_NORM_EPSILON,
        .activation = ACTIVATION_GELU,
    };
    const char *tokenizer = cJSON_GetStringValue(field_get(section, "hf_tokenizer_name"));
    if (tokenizer && strlen(tokenizer) < sizeof config->text.tokenizer_name)
        strcpy(config->text.tokenizer_name, tokenizer);
    return want_either_text(section, "hf_proj_type", "proj", "mlp", "mlp", "linear") &&
           want_either_text(section, "hf_pooler_type", "pooler_type", "mean_pooler",
                            "cls_last_hidden_state_pooler", "cls_last_hidden_state_pooler");
}

static bool read_clip_text(struct config *config, const struct section *section)
{
    config->text.scheme = TEXT_OPEN_CLIP;
    return field_get_count(section, "heads", 8, MOST_HEADS, &config->text.blocks.heads) &&
           field_want_off(section, "embed_cls") && field_want_off(section, "no_causal_mask") &&
           field_want_off(section, "proj_bias") &&
           field_want_text(section, "pool_type", "argmax", "argmax", "argmax");
}

static bool read_text(struct config *config, const struct section *section)
{
    if (!field_get_count(section, "context_length", CONFIG_CONTEXT_TOKENS, CONFIG_MOST_TOKENS,
                         &config->text.context_tokens))
        return false;
    if (config->text.context_tokens < 2)
        return fail(section->document->err, VKCLIP_ERROR_MODEL,
                    "%s: text_cfg.context_length is 1; a beginning and an end alone are 2",
                    section->document->path);
    config->text.is_cleaned = config->text.is_unit = true;
    return field_text(section, "hf_model_name") ? read_bert_text(config, section)
                                                : read_clip_text(config, section);
}

static bool read_preprocess(struct config *config, const struct section *section)
{
    uint32_t size_px;
    if (!field_get_colour(section, "mean", config_openai_mean, false, config->image.mean) ||
        !field_get_colour(section, "std", config_openai_std, true, config->image.std) ||
        !field_want_text(section, "mode", "RGB", "RGB", "RGB") ||
        !field_want_text(section, "interpolation", "bicubic", "bicubic", "bicubic") ||
        !field_want_text(section, "resize_mode", "shortest", "shortest", "shortest") ||
        !field_get_square(section, "size", config->image.size_px, &size_px))
        return false;
    if (size_px != config->image.size_px)
        return fail(section->document->err, VKCLIP_ERROR_MODEL,
                    "%s: preprocess_cfg.size is %u, vision_cfg.image_size %u",
                    section->document->path, size_px, config->image.size_px);
    config->image.resize = (struct resize_target){.side_px = size_px, .resized_px = size_px};
    return true;
}

// quick_gelu means open_clip's own transformers, and says nothing of others.
static bool read_activation(struct config *config, const struct section *model)
{
    bool is_quick;
    if (config->image.scheme != IMAGE_OPEN_CLIP && config->text.scheme != TEXT_OPEN_CLIP)
        return field_want_off(model, "quick_gelu");
    if (!field_get_switch(model, "quick_gelu", false, &is_quick))
        return false;
    const uint32_t activation = is_quick ? ACTIVATION_QUICK_GELU : ACTIVATION_GELU;
    struct encoder_config *encoders[] = {&config->image.blocks, &config->text.blocks};
    bool is_clip[] = {config->image.scheme == IMAGE_OPEN_CLIP,
                      config->text.scheme == TEXT_OPEN_CLIP};
    for (int i = 0; i < 2; i++)
        if (is_clip[i]) {
            encoders[i]->activation = activation;
            encoders[i]->norm_epsilon = CONFIG_CLIP_NORM_EPSILON;
        }
    return true;
}

static bool read_open_clip(struct config *config, struct document *document)
{
    struct section outer = section_of_root(document), model, vision, text, preprocess;
    if (!section_open(document, document->root, "model_cfg", "model_cfg.", &model))
        return false;
    if (!model.object)
        model = outer; // files for open_clip's own list of models are flat
    return section_open(document, model.object, "vision_cfg", "vision_cfg.", &vision) &&
           section_open(document, model.object, "text_cfg", "text_cfg.", &text) &&
           section_open(document, document->root, "preprocess_cfg", "preprocess_cfg.",
                        &preprocess) &&
           field_get_count(&model, "embed_dim", 0, MOST_EMBEDDING, &config->embedding_width) &&
           read_vision(config, &vision) && read_text(config, &text) &&
           read_activation(config, &model) && read_preprocess(config, &preprocess);
}

// Of the text tower, beside open_clip's own file.
static bool read_bert_beside(struct config *config, struct document *document)
{
    const struct section bert = section_of_root(document);
    return config->text.scheme != TEXT_BERT_IN_OPEN_CLIP ||
           (field_want_text(&bert, "model_type", "bert", "bert", "bert") &&
            config_read_bert(&config->text.blocks, &bert));
}

bool config_read(struct config *config, const struct config_files *files, vkclip_error *err)
{
    struct document document;
    *config = (struct config){0};
    if (!files->open_clip)
        return config_read_hub(config, files, err);

    snprintf(config->evidence, sizeof config->evidence, "open_clip_config.json");
    bool is_read =
        document_open(&document, files->open_clip, false, err) && read_open_clip(config, &document);
    document_close(&document);
    if (!is_read || !files->model)
        return is_read;

    is_read =
        document_open(&document, files->model, false, err) && read_bert_beside(config, &document);
    document_close(&document);
    return is_read;
}

void config_finish(struct config *config)
{
    for (uint32_t i = 0; config->image.classes && i < config->image.class_count; i++)
        free(config->image.classes[i]);
    free(config->image.classes);
    *config = (struct config){0};
}
