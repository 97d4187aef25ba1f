// Configurations as the hub of Hugging Face has them: config.json of transformers, with those of
// its image processors and of sentence_transformers beside it, or of timm.
#include "model/config_hub.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_HEADS   1024
#define MOST_CLASSES 100000
#define MOST_PX      4096

// ---- encoders --------------------------------------------------------------------------------

// What transformers' own defaults are, where config.json does not say.
struct encoder_defaults {
    uint32_t heads;
    float norm_epsilon;
    const char *activation;
};

static bool read_encoder(struct encoder_config *blocks, const struct section *section,
                         const struct encoder_defaults *defaults)
{
    const char *activation = field_text(section, "hidden_act");
    bool is_quick = strcmp(activation ? activation : defaults->activation, "quick_gelu") == 0;
    blocks->activation = is_quick ? ACTIVATION_QUICK_GELU : ACTIVATION_GELU;
    return field_want_text(section, "hidden_act", defaults->activation, "gelu", "quick_gelu") &&
           field_get_fraction(section, "layer_norm_eps", defaults->norm_epsilon,
                              &blocks->norm_epsilon) &&
           field_get_count(section, "num_attention_heads", defaults->heads, MOST_HEADS,
                           &blocks->heads);
}

bool config_read_bert(struct encoder_config *blocks, const struct section *bert)
{
    static const struct encoder_defaults defaults = {12, CONFIG_BERT_NORM_EPSILON, "gelu"};
    return field_want_text(bert, "hidden_act", "gelu", "gelu", "gelu") &&
           read_encoder(blocks, bert, &defaults) &&
           field_want_text(bert, "position_embedding_type", "absolute", "absolute", "absolute") &&
           field_want_off(bert, "is_decoder");
}

// ---- pictures --------------------------------------------------------------------------------

// How a processor treats pictures where its file does not say.
struct picture_defaults {
    const float *mean, *std;
    uint32_t resized_px; // 0: the size of the model
    bool is_squashed, is_bilinear;
};

static const float half[3] = {0.5f, 0.5f, 0.5f};
static const float imagenet_mean[3] = {0.485f, 0.456f, 0.406f};
static const float imagenet_std[3] = {0.229f, 0.224f, 0.225f};

static const struct picture_defaults vit_pictures = {half, half, 0, true, true};
static const struct picture_defaults clip_pictures = {config_openai_mean, config_openai_std, 0,
                                                      false, false};
static const struct picture_defaults dinov2_pictures = {imagenet_mean, imagenet_std, 256, false,
                                                        false};

// "size": a side, or height and width, or the shortest edge. A side alone means squares to ViT's
// processor, and the shortest edge to CLIP's.
static bool read_size(struct resize_target *resize, struct document *document)
{
    const struct section root = section_of_root(document);
    struct section size;
    uint32_t width;
    if (!cJSON_IsObject(field_get(&root, "size")))
        return field_get_count(&root, "size", resize->resized_px, MOST_PX, &resize->resized_px);
    if (!section_open(document, document->root, "size", "size.", &size))
        return false;
    resize->is_squashed = !field_get(&size, "shortest_edge");
    if (!resize->is_squashed)
        return field_get_count(&size, "shortest_edge", 0, MOST_PX, &resize->resized_px);
    if (!field_get_count(&size, "height", 0, MOST_PX, &resize->resized_px) ||
        !field_get_count(&size, "width", 0, MOST_PX, &width))
        return false;
    if (width != resize->resized_px)
        return fail(document->err, VKCLIP_ERROR_MODEL,
                    "%s: size is %u by %u; supported: squares, the shortest edge", document->path,
                    resize->resized_px, width);
    return true;
}

static bool read_crop(uint32_t *side_px, bool is_squashed, struct document *document)
{
    const struct section root = section_of_root(document);
    struct section crop;
    bool is_cropped;
    if (!field_get_switch(&root, "do_center_crop", !is_squashed, &is_cropped))
        return false;
    if (!is_cropped)
        return true;
    if (!cJSON_IsObject(field_get(&root, "crop_size")))
        return field_get_square(&root, "crop_size", 224, side_px);
    return section_open(document, document->root, "crop_size", "crop_size.", &crop) &&
           field_get_count(&crop, "height", 0, MOST_PX, side_px);
}

// Pillow's numbers for its filters.
static bool read_filter(struct resize_target *resize, const struct section *root)
{
    enum { BILINEAR = 2, BICUBIC = 3 };
    uint32_t filter;
    if (!field_get_count(root, "resample", resize->is_bilinear ? BILINEAR : BICUBIC, 6, &filter))
        return false;
    if (filter != BILINEAR && filter != BICUBIC)
        return fail(root->document->err, VKCLIP_ERROR_MODEL,
                    "%s: resample is %u; supported: 2 (bilinear), 3 (bicubic)",
                    root->document->path, filter);
    resize->is_bilinear = filter == BILINEAR;
    return true;
}

static bool read_processor(struct image_config *image, struct document *document)
{
    const struct section root = section_of_root(document);
    uint32_t side_px = 0;
    if (!field_get_colour(&root, "image_mean", image->mean, false, image->mean) ||
        !field_get_colour(&root, "image_std", image->std, true, image->std) ||
        !read_size(&image->resize, document) ||
        !read_crop(&side_px, image->resize.is_squashed, document) ||
        !read_filter(&image->resize, &root))
        return false;
    image->resize.side_px = side_px ? side_px : image->resize.resized_px;
    if (!image->resize.is_squashed && !side_px)
        return fail(document->err, VKCLIP_ERROR_MODEL,
                    "%s: do_center_crop is off; supported: a crop, or a size of height and width",
                    document->path);
    return true;
}

// The tower sees what the processor leaves of a picture; where they differ, the tower's positions
// must fit (DINOv2 is trained on 518 pixels and used on 224).
static bool read_pictures(struct config *config, const struct config_files *files,
                          const struct picture_defaults *defaults, vkclip_error *err)
{
    struct image_config *image = &config->image;
    memcpy(image->mean, defaults->mean, sizeof image->mean);
    memcpy(image->std, defaults->std, sizeof image->std);
    const bool is_fixed = image->position_fit == POSITIONS_FIXED;
    image->resize = (struct resize_target){
        .side_px = is_fixed ? image->size_px : 224,
        .resized_px = defaults->resized_px ? defaults->resized_px : image->size_px,
        .is_squashed = defaults->is_squashed,
        .is_bilinear = defaults->is_bilinear,
        .rounds_down = true, // image_transforms.py, center_crop()
    };
    if (files->preprocessor) {
        struct document document;
        bool is_read = document_open(&document, files->preprocessor, false, err) &&
                       read_processor(image, &document);
        document_close(&document);
        if (!is_read)
            return false;
    }
    const uint32_t side_px = image->resize.side_px;
    if (is_fixed && side_px != image->size_px)
        return fail(err, VKCLIP_ERROR_MODEL, "%s: pictures of %u pixels, the model wants %u",
                    files->preprocessor, side_px, image->size_px);
    if (image->resize.resized_px < side_px)
        return fail(err, VKCLIP_ERROR_MODEL, "%s: pictures of %u pixels are cropped to %u",
                    files->preprocessor, image->resize.resized_px, side_px);
    image->size_px = side_px;
    return true;
}

// ---- classes ---------------------------------------------------------------------------------

static bool make_classes(struct image_config *image, int count, struct document *document)
{
    if (count < 1 || count > MOST_CLASSES)
        return fail(document->err, VKCLIP_ERROR_FILE, "%s: %d classes, 1 to %d are accepted",
                    document->path, count, MOST_CLASSES);
    image->classes = calloc((size_t)count, sizeof *image->classes);
    if (!image->classes)
        return fail(document->err, VKCLIP_ERROR_MEMORY, "no memory for %d classes", count);
    image->class_count = (uint32_t)count;
    return true;
}

static bool name_class(struct image_config *image, uint32_t index, const char *name,
                       struct document *document)
{
    if (index >= image->class_count || !name || image->classes[index])
        return fail(document->err, VKCLIP_ERROR_FILE,
                    "%s: the names of classes are not one for each from 0 on", document->path);
    image->classes[index] = strdup(name);
    if (!image->classes[index])
        return fail(document->err, VKCLIP_ERROR_MEMORY, "no memory for the names of classes");
    return true;
}

// "id2label": {"0": "tench", ...}
static bool read_id2label(struct image_config *image, const struct section *root)
{
    const cJSON *names = field_get(root, "id2label"), *entry;
    if (!names)
        return true;
    if (!make_classes(image, cJSON_GetArraySize(names), root->document))
        return false;
    cJSON_ArrayForEach(entry, names)
    {
        char *end = NULL;
        unsigned long index = entry->string ? strtoul(entry->string, &end, 10) : 0;
        bool is_number = end && end != entry->string && !*end && index < MOST_CLASSES;
        if (!name_class(image, is_number ? (uint32_t)index : MOST_CLASSES,
                        cJSON_GetStringValue(entry), root->document))
            return false;
    }
    return true;
}

// "label_names": ["n01440764", ...], and what they mean in "label_descriptions".
static bool read_label_names(struct image_config *image, const struct section *section)
{
    const cJSON *names = field_get(section, "label_names"), *entry;
    const cJSON *meanings = field_get(section, "label_descriptions");
    if (!names || cJSON_IsNull(names))
        return true;
    if (!make_classes(image, cJSON_GetArraySize(names), section->document))
        return false;
    uint32_t index = 0;
    cJSON_ArrayForEach(entry, names)
    {
        const char *name = cJSON_GetStringValue(entry);
        const cJSON *meaning = name ? cJSON_GetObjectItemCaseSensitive(meanings, name) : NULL;
        if (cJSON_IsString(meaning))
            name = meaning->valuestring;
        if (!name_class(image, index++, name, section->document))
            return false;
    }
    return true;
}

// ---- timm ------------------------------------------------------------------------------------

static bool read_timm_crop(struct image_config *image, const struct section *section)
{
    float kept;
    const char *mode = field_text(section, "crop_mode");
    if (!field_get_fraction(section, "crop_pct", 0.875f, &kept) ||
        !field_want_text(section, "crop_mode", "center", "center", "squash") ||
        !field_want_text(section, "interpolation", "bicubic", "bicubic", "bilinear"))
        return false;
    const char *filter = field_text(section, "interpolation");
    const cJSON *exact = field_get(section, "crop_pct"); // not rounded to a float
    double resized = floor(image->size_px / (exact ? exact->valuedouble : 0.875));
    if (!(resized >= image->size_px && resized <= 4.0 * MOST_PX))
        return field_refuse_kind(section, "crop_pct", "a number from 0.25 to 1");
    image->resize = (struct resize_target){
        .side_px = image->size_px,
        .resized_px = (uint32_t)resized,
        .is_squashed = mode && strcmp(mode, "squash") == 0,
        .is_bilinear = filter && strcmp(filter, "bilinear") == 0,
    };
    return field_get_colour(section, "mean", imagenet_mean, false, image->mean) &&
           field_get_colour(section, "std", imagenet_std, true, image->std);
}

// "input_size": [3, 224, 224]
static bool read_timm_size(struct image_config *image, const struct section *section)
{
    const cJSON *size = field_get(section, "input_size");
    double channels = 3, height = 224, width = 224;
    if (cJSON_GetArraySize(size) == 3) {
        channels = size->child->valuedouble;
        height = size->child->next->valuedouble;
        width = size->child->next->next->valuedouble;
    }
    if ((size && cJSON_GetArraySize(size) != 3) || channels != 3 || height != width ||
        !(height >= 1 && height <= MOST_PX) || floor(height) != height)
        return field_refuse_kind(section, "input_size", "three channels of a square");
    image->size_px = (uint32_t)height;
    return true;
}

static bool read_timm(struct config *config, struct document *document, const char *name)
{
    const struct section root = section_of_root(document);
    struct section pretrained;
    struct image_config *image = &config->image;
    if (!config_is_timm_vit(name))
        return fail(document->err, VKCLIP_ERROR_MODEL,
                    "%s: architecture is \"%s\"; supported: vit_*, deit_*", document->path, name);
    image->scheme = IMAGE_TIMM;
    image->position_fit = POSITIONS_SMOOTH;
    config_read_timm_name(image, name);
    if (!section_open(document, document->root, "pretrained_cfg", "pretrained_cfg.", &pretrained))
        return false;
    if (!pretrained.object)
        pretrained = root; // files of old versions are flat
    const char *pool = field_text(&root, "global_pool");
    image->pooling = pool && strcmp(pool, "avg") == 0 ? POOLING_MEAN : POOLING_FIRST;
    snprintf(config->evidence, sizeof config->evidence, "config.json, architecture \"%.60s\"",
             name);
    return field_want_text(&root, "global_pool", "token", "token", "avg") &&
           read_timm_size(image, &pretrained) && read_timm_crop(image, &pretrained) &&
           read_label_names(image, &pretrained);
}

// ---- sentence_transformers -------------------------------------------------------------------

static bool read_pooling(struct text_config *text, struct document *document)
{
    const struct section root = section_of_root(document);
    bool is_cls, is_mean;
    if (!field_get_switch(&root, "pooling_mode_cls_token", false, &is_cls) ||
        !field_get_switch(&root, "pooling_mode_mean_tokens", true, &is_mean) ||
        !field_want_off(&root, "pooling_mode_max_tokens") ||
        !field_want_off(&root, "pooling_mode_mean_sqrt_len_tokens") ||
        !field_want_off(&root, "pooling_mode_weightedmean_tokens") ||
        !field_want_off(&root, "pooling_mode_lasttoken"))
        return false;
    if (is_cls == is_mean)
        return fail(document->err, VKCLIP_ERROR_MODEL,
                    "%s: pooling_mode_cls_token and pooling_mode_mean_tokens are both %s; "
                    "supported: one of them",
                    document->path, is_cls ? "true" : "false");
    text->pooling = is_mean ? POOLING_MEAN : POOLING_FIRST;
    return true;
}

// A list of {"type": "sentence_transformers.models.Pooling", ...}
static bool read_modules(struct text_config *text, struct document *document)
{
    const cJSON *module;
    text->is_unit = false;
    cJSON_ArrayForEach(module, document->root)
    {
        const char *type = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(module, "type"));
        const char *last = type ? strrchr(type, '.') : NULL;
        const char *name = last ? last + 1 : "nothing";
        if (strcmp(name, "Normalize") == 0)
            text->is_unit = true;
        else if (strcmp(name, "Transformer") != 0 && strcmp(name, "Pooling") != 0)
            return fail(document->err, VKCLIP_ERROR_MODEL,
                        "%s: a module of type %s; supported: Transformer, Pooling, Normalize",
                        document->path, name);
    }
    return true;
}

static bool read_sentence(struct text_config *text, struct document *document)
{
    const struct section root = section_of_root(document);
    uint32_t most;
    if (cJSON_IsNull(field_get(&root, "max_seq_length")))
        return true;
    if (!field_get_count(&root, "max_seq_length", text->context_tokens, CONFIG_MOST_TOKENS, &most))
        return false;
    if (most >= 2 && most < text->context_tokens)
        text->context_tokens = most;
    return true;
}

// A vocabulary alone does not tell a cased model.
static bool read_tokenizer(struct text_config *text, struct document *document)
{
    (void)text;
    const struct section root = section_of_root(document);
    bool is_lowered;
    if (!field_get_switch(&root, "do_lower_case", true, &is_lowered))
        return false;
    if (!is_lowered)
        return fail(document->err, VKCLIP_ERROR_MODEL,
                    "%s: do_lower_case is false; cased models are not supported", document->path);
    return true;
}

static bool read_beside(struct text_config *text, const char *path, bool is_list,
                        bool (*read)(struct text_config *, struct document *), vkclip_error *err)
{
    struct document document;
    if (!path)
        return true;
    bool is_read = document_open(&document, path, is_list, err) && read(text, &document);
    document_close(&document);
    return is_read;
}

// Without modules.json a BERT is taken as sentence_transformers takes it, by the mean, but to unit
// length, as all embeddings here.
static bool read_bert(struct config *config, struct document *document,
                      const struct config_files *files)
{
    const struct section root = section_of_root(document);
    struct text_config *text = &config->text;
    text->scheme = TEXT_BERT;
    text->is_unit = true;
    text->pooling = POOLING_MEAN;
    return config_read_bert(&text->blocks, &root) &&
           field_get_count(&root, "max_position_embeddings", 512, CONFIG_MOST_TOKENS,
                           &text->context_tokens) &&
           read_beside(text, files->modules, true, read_modules, document->err) &&
           read_beside(text, files->pooling, false, read_pooling, document->err) &&
           read_beside(text, files->sentence, false, read_sentence, document->err) &&
           read_beside(text, files->tokenizer, false, read_tokenizer, document->err);
}

// ---- transformers ----------------------------------------------------------------------------

static bool read_vit(struct config *config, struct document *document,
                     const struct config_files *files)
{
    static const struct encoder_defaults defaults = {12, CONFIG_BERT_NORM_EPSILON, "gelu"};
    const struct section root = section_of_root(document);
    bool has_bias;
    config->image.scheme = IMAGE_HF_VIT;
    if (!field_get_switch(&root, "qkv_bias", true, &has_bias))
        return false;
    if (!has_bias)
        return fail(document->err, VKCLIP_ERROR_MODEL, "%s: qkv_bias is false; supported: true",
                    document->path);
    return read_encoder(&config->image.blocks, &root, &defaults) &&
           field_get_square(&root, "image_size", 224, &config->image.size_px) &&
           read_id2label(&config->image, &root) &&
           read_pictures(config, files, &vit_pictures, document->err);
}

static bool read_dinov2(struct config *config, struct document *document,
                        const struct config_files *files)
{
    static const struct encoder_defaults defaults = {12, 1e-6f, "gelu"};
    const struct section root = section_of_root(document);
    config->image.scheme = IMAGE_HF_DINOV2;
    config->image.position_fit = POSITIONS_DINOV2;
    return read_encoder(&config->image.blocks, &root, &defaults) &&
           field_want_off(&root, "use_swiglu_ffn") &&
           field_get_square(&root, "image_size", 224, &config->image.size_px) &&
           read_pictures(config, files, &dinov2_pictures, document->err);
}

// OpenAI's CLIP, or BiomedCLIP in its names, which says so in the types of its two halves.
static bool read_clip(struct config *config, struct document *document,
                      const struct config_files *files)
{
    static const struct encoder_defaults image_defaults = {12, CONFIG_CLIP_NORM_EPSILON,
                                                           "quick_gelu"};
    static const struct encoder_defaults text_defaults = {8, CONFIG_CLIP_NORM_EPSILON,
                                                          "quick_gelu"};
    const struct section root = section_of_root(document);
    struct section vision, text;
    struct text_config *t = &config->text;
    if (!section_open(document, document->root, "vision_config", "vision_config.", &vision) ||
        !section_open(document, document->root, "text_config", "text_config.", &text))
        return false;
    const char *type = field_text(&text, "model_type");
    const bool is_bert = type && strcmp(type, "bert") == 0;
    config->image.scheme = IMAGE_HF_CLIP;
    t->scheme = is_bert ? TEXT_HF_BIOMEDCLIP : TEXT_HF_CLIP;
    t->is_unit = true;
    if (!field_want_text(&text, "model_type", "clip_text_model", "clip_text_model", "bert") ||
        !read_encoder(&config->image.blocks, &vision, &image_defaults) ||
        !field_get_square(&vision, "image_size", 224, &config->image.size_px) ||
        !(is_bert ? config_read_bert(&t->blocks, &text)
                  : read_encoder(&t->blocks, &text, &text_defaults)) ||
        !field_get_count(&text, "max_position_embeddings", 77, CONFIG_MOST_TOKENS,
                         &t->context_tokens) ||
        !field_get_count(&root, "projection_dim", 512, 65536, &config->embedding_width))
        return false;
    if (is_bert && t->context_tokens > CONFIG_BIOMEDCLIP_TOKENS)
        t->context_tokens = CONFIG_BIOMEDCLIP_TOKENS;
    return read_pictures(config, files, &clip_pictures, document->err);
}

static bool read_model(struct config *config, struct document *document,
                       const struct config_files *files)
{
    static const struct {
        const char *type;
        bool (*read)(struct config *, struct document *, const struct config_files *);
    } types[] = {
        {"bert", read_bert},
        {"clip", read_clip},
        {"vit", read_vit},
        {"dinov2", read_dinov2},
        {"dinov2_with_registers", read_dinov2},
    };
    const struct section root = section_of_root(document);
    const char *type = field_text(&root, "model_type");
    const char *architecture = field_text(&root, "architecture");
    if (!type && architecture)
        return read_timm(config, document, architecture);
    for (size_t i = 0; type && i < sizeof types / sizeof *types; i++)
        if (strcmp(type, types[i].type) == 0) {
            snprintf(config->evidence, sizeof config->evidence, "config.json, model_type \"%s\"",
                     type);
            return types[i].read(config, document, files);
        }
    return fail(document->err, VKCLIP_ERROR_MODEL,
                "%s: %s%s%s; supported: \"bert\", \"clip\", \"vit\", \"dinov2\", or timm's "
                "\"architecture\"",
                document->path, type ? "model_type is \"" : "no model_type", type ? type : "",
                type ? "\"" : "");
}

bool config_read_hub(struct config *config, const struct config_files *files, vkclip_error *err)
{
    struct document document;
    bool is_read =
        document_open(&document, files->model, false, err) && read_model(config, &document, files);
    document_close(&document);
    if (is_read && config->text.scheme != TEXT_NONE && config->text.context_tokens < 2)
        return fail(err, VKCLIP_ERROR_MODEL, "%s: texts of 1 token; a beginning and an end are 2",
                    files->model);
    return is_read;
}
