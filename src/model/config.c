// Two JSON files -> struct config. Only fields that change the result are looked at; the many
// that steer training are not.
#include "model/config.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "host/file.h"
#include "host/vocabulary.h"

// The published files have 780 and 383 bytes.
#define MOST_BYTES (UINT64_C(1) << 20)

// cJSON recurses; published files are 4 deep.
#define MOST_DEPTH 32

// Of one object, so that looking for a key given twice stays quick. Published ones have 24.
#define MOST_KEYS 500

#define MOST_IMAGE_PX      4096
#define MOST_TOKENS        65535
#define MOST_EMBEDDING     65536
#define MOST_HEADS         1024
#define DEFAULT_BERT_HEADS 12 // transformers configuration_bert.py

// open_clip constants.py, OPENAI_DATASET_MEAN and _STD; BiomedCLIP's file says the same.
static const float default_mean[3] = {0.48145466f, 0.4578275f, 0.40821073f};
static const float default_std[3] = {0.26862954f, 0.26130258f, 0.27577711f};

struct document {
    const char *path;
    uint8_t *bytes;
    cJSON *root;
    vkclip_error *err;
};

// One object of a document, and its name in messages.
struct section {
    struct document *document;
    const cJSON *object; // may be NULL: all is absent
    const char *name;    // "vision_cfg." or ""
};

// ---- documents -------------------------------------------------------------------------------

static bool refuse(struct document *document, const char *what)
{
    return fail(document->err, VKCLIP_ERROR_FILE, "%s: %s", document->path, what);
}

// How deep brackets nest outside strings; exact for JSON, and for anything else an upper bound of
// how deep a parser gets.
static int nesting(const char *text)
{
    int depth = 0, deepest = 0;
    bool is_string = false;
    for (; *text; text++) {
        if (is_string && *text == '\\' && text[1])
            text++;
        else if (*text == '"')
            is_string = !is_string;
        else if (!is_string && (*text == '{' || *text == '['))
            deepest = ++depth > deepest ? depth : deepest;
        else if (!is_string && (*text == '}' || *text == ']'))
            depth--;
    }
    return deepest;
}

// cJSON takes the first of two equal keys, Python the last: such a file means nothing certain.
static bool check_keys(struct document *document, const cJSON *object)
{
    int count = 0;
    for (const cJSON *a = object->child; a; a = a->next) {
        if (++count > MOST_KEYS)
            return refuse(document, "an object has too many keys");
        for (const cJSON *b = object->child; b != a; b = b->next)
            if (strcmp(a->string, b->string) == 0)
                return fail(document->err, VKCLIP_ERROR_FILE, "%s: the key \"%s\" is there twice",
                            document->path, a->string);
    }
    return true;
}

static bool document_open(struct document *document, const char *path, vkclip_error *err)
{
    size_t byte_count;
    *document = (struct document){.path = path, .err = err};
    if (!file_load(path, MOST_BYTES, &document->bytes, &byte_count, err))
        return false;
    const char *text = (const char *)document->bytes;
    if (strlen(text) != byte_count || !vocabulary_is_utf8(text, byte_count))
        return refuse(document, "is not UTF-8 text");
    if (nesting(text) > MOST_DEPTH)
        return refuse(document, "its JSON is nested too deep");

    const char *end = NULL;
    document->root = cJSON_ParseWithLengthOpts(text, byte_count + 1, &end, true);
    if (!document->root)
        return fail(err, VKCLIP_ERROR_FILE, "%s: byte %lld is not JSON", path,
                    end ? (long long)(end - text) : 0LL);
    if (!cJSON_IsObject(document->root))
        return refuse(document, "is not a JSON object");
    return check_keys(document, document->root);
}

static void document_close(struct document *document)
{
    cJSON_Delete(document->root);
    free(document->bytes);
}

// ---- fields ----------------------------------------------------------------------------------

// An absent object leaves an empty section.
static bool open_section(struct document *document, const cJSON *parent, const char *key,
                         const char *name, struct section *section)
{
    const cJSON *object = cJSON_GetObjectItemCaseSensitive(parent, key);
    *section = (struct section){document, object, name};
    if (!object)
        return true;
    if (!cJSON_IsObject(object))
        return fail(document->err, VKCLIP_ERROR_FILE, "%s: \"%s\" is not an object", document->path,
                    key);
    return check_keys(document, object);
}

static const cJSON *get(const struct section *section, const char *key)
{
    return cJSON_GetObjectItemCaseSensitive(section->object, key);
}

static bool refuse_kind(const struct section *section, const char *key, const char *kind)
{
    return fail(section->document->err, VKCLIP_ERROR_FILE, "%s: %s%s is not %s",
                section->document->path, section->name, key, kind);
}

// The field must be one of two texts, which may be the same. fallback is what its absence means to
// the program that wrote the file.
static bool want_text(const struct section *section, const char *key, const char *fallback,
                      const char *one, const char *other)
{
    const cJSON *item = get(section, key);
    const char *text = item ? cJSON_GetStringValue(item) : fallback;
    if (item && !text && !cJSON_IsNull(item))
        return refuse_kind(section, key, "a text");
    if (text && (strcmp(text, one) == 0 || strcmp(text, other) == 0))
        return true;
    bool is_one = strcmp(one, other) == 0;
    return fail(section->document->err, VKCLIP_ERROR_MODEL,
                "%s: %s%s is %s%s%s%s; supported: \"%s\"%s%s%s", section->document->path,
                section->name, key, item ? "" : "absent, which means ", text ? "\"" : "",
                text ? text : "null", text ? "\"" : "", one, is_one ? "" : ", \"",
                is_one ? "" : other, is_one ? "" : "\"");
}

// A switch that must be off.
static bool want_off(const struct section *section, const char *key)
{
    const cJSON *item = get(section, key);
    if (!item || cJSON_IsNull(item) || cJSON_IsFalse(item))
        return true;
    if (!cJSON_IsTrue(item))
        return refuse_kind(section, key, "true or false");
    return fail(section->document->err, VKCLIP_ERROR_MODEL, "%s: %s%s is true; supported: false",
                section->document->path, section->name, key);
}

// A whole number from 1 to most. fallback is for an absent field; 0: it may not be absent.
static bool get_count(const struct section *section, const char *key, const cJSON *item,
                      uint32_t fallback, uint32_t most, uint32_t *out)
{
    *out = fallback;
    if (!item && fallback)
        return true;
    double value = cJSON_IsNumber(item) ? item->valuedouble : NAN;
    if (!(value >= 1 && value <= most && floor(value) == value))
        return fail(section->document->err, VKCLIP_ERROR_FILE,
                    "%s: %s%s is %s whole number from 1 to %u", section->document->path,
                    section->name, key, item ? "not a" : "absent, wanted a", most);
    *out = (uint32_t)value;
    return true;
}

// A side in pixels, or the list of two that some writers make of it.
static bool get_square(const struct section *section, const char *key, uint32_t fallback,
                       uint32_t *out)
{
    const cJSON *item = get(section, key);
    uint32_t width;
    if (!cJSON_IsArray(item))
        return get_count(section, key, item, fallback, MOST_IMAGE_PX, out);
    if (cJSON_GetArraySize(item) != 2)
        return refuse_kind(section, key, "one side or two");
    if (!get_count(section, key, item->child, fallback, MOST_IMAGE_PX, out) ||
        !get_count(section, key, item->child->next, fallback, MOST_IMAGE_PX, &width))
        return false;
    if (*out != width)
        return fail(section->document->err, VKCLIP_ERROR_MODEL,
                    "%s: %s%s is %u by %u; supported: squares", section->document->path,
                    section->name, key, *out, width);
    return true;
}

static bool get_colour(const struct section *section, const char *key, const float fallback[3],
                       bool is_divisor, float out[3])
{
    memcpy(out, fallback, 3 * sizeof *out);
    const cJSON *item = get(section, key);
    if (!item)
        return true;
    if (!cJSON_IsArray(item) || cJSON_GetArraySize(item) != 3)
        return refuse_kind(section, key, "a list of three numbers");
    const cJSON *number = item->child;
    for (int i = 0; i < 3; i++, number = number->next) {
        double value = cJSON_IsNumber(number) ? number->valuedouble : NAN;
        if (!(fabs(value) <= 1000) || (is_divisor && !(value >= 1e-6)))
            return refuse_kind(section, key,
                               is_divisor ? "three positive numbers" : "three sensible numbers");
        out[i] = (float)value;
    }
    return true;
}

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

static bool read_vision(struct config *config, const struct section *section)
{
    struct document *document = section->document;
    const char *name = cJSON_GetStringValue(get(section, "timm_model_name"));
    if (!name)
        return fail(document->err, VKCLIP_ERROR_MODEL,
                    "%s: no vision_cfg.timm_model_name; supported: timm's vision transformers",
                    document->path);
    // The weights tell every other variant by its tensors; this one only has another activation.
    if ((strncmp(name, "vit_", 4) != 0 && strncmp(name, "deit_", 5) != 0) ||
        strstr(name, "quickgelu"))
        return fail(document->err, VKCLIP_ERROR_MODEL,
                    "%s: vision_cfg.timm_model_name is \"%s\"; supported: vit_* with GELU",
                    document->path, name);
    config->image_heads = heads_of(name);
    config->image_norm_epsilon = CONFIG_IMAGE_NORM_EPSILON;
    // "" leaves timm's default, which for these models is the class token.
    return get_square(section, "image_size", 224, &config->image_size_px) &&
           want_text(section, "timm_pool", "avg", "", "token") &&
           want_text(section, "timm_proj", "linear", "linear", "linear");
}

// The spelling from before November 2023 is taken where the new one is absent.
static bool want_either_text(const struct section *section, const char *key, const char *old_key,
                             const char *fallback, const char *one, const char *other)
{
    bool is_old = !get(section, key) && get(section, old_key);
    return want_text(section, is_old ? old_key : key, fallback, one, other);
}

static bool read_text(struct config *config, const struct section *section)
{
    struct document *document = section->document;
    if (!cJSON_GetStringValue(get(section, "hf_model_name")))
        return fail(document->err, VKCLIP_ERROR_MODEL,
                    "%s: no text_cfg.hf_model_name; supported: a BERT of transformers",
                    document->path);
    const char *tokenizer = cJSON_GetStringValue(get(section, "hf_tokenizer_name"));
    if (tokenizer && strlen(tokenizer) < sizeof config->tokenizer_name)
        strcpy(config->tokenizer_name, tokenizer);
    if (!get_count(section, "context_length", get(section, "context_length"), CONFIG_CONTEXT_TOKENS,
                   MOST_TOKENS, &config->context_tokens))
        return false;
    if (config->context_tokens < 2)
        return fail(document->err, VKCLIP_ERROR_MODEL,
                    "%s: text_cfg.context_length is 1; [CLS] and [SEP] alone are 2",
                    document->path);
    return want_either_text(section, "hf_proj_type", "proj", "mlp", "mlp", "linear") &&
           want_either_text(section, "hf_pooler_type", "pooler_type", "mean_pooler",
                            "cls_last_hidden_state_pooler", "cls_last_hidden_state_pooler");
}

static bool read_preprocess(struct config *config, const struct section *section)
{
    uint32_t size_px;
    if (!get_colour(section, "mean", default_mean, false, config->mean) ||
        !get_colour(section, "std", default_std, true, config->std) ||
        !want_text(section, "mode", "RGB", "RGB", "RGB") ||
        !want_text(section, "interpolation", "bicubic", "bicubic", "bicubic") ||
        !want_text(section, "resize_mode", "shortest", "shortest", "shortest") ||
        !get_square(section, "size", config->image_size_px, &size_px))
        return false;
    if (size_px != config->image_size_px)
        return fail(section->document->err, VKCLIP_ERROR_MODEL,
                    "%s: preprocess_cfg.size is %u, vision_cfg.image_size %u",
                    section->document->path, size_px, config->image_size_px);
    return true;
}

static bool read_open_clip(struct config *config, struct document *document)
{
    struct section outer = {document, document->root, ""}, model, vision, text, preprocess;
    if (!open_section(document, document->root, "model_cfg", "model_cfg.", &model))
        return false;
    if (!model.object)
        model = outer; // files for open_clip's own list of models are flat
    return open_section(document, model.object, "vision_cfg", "vision_cfg.", &vision) &&
           open_section(document, model.object, "text_cfg", "text_cfg.", &text) &&
           open_section(document, document->root, "preprocess_cfg", "preprocess_cfg.",
                        &preprocess) &&
           want_off(&model, "quick_gelu") &&
           get_count(&model, "embed_dim", get(&model, "embed_dim"), 0, MOST_EMBEDDING,
                     &config->embedding_width) &&
           read_vision(config, &vision) && read_text(config, &text) &&
           read_preprocess(config, &preprocess);
}

static bool read_bert(struct config *config, struct document *document)
{
    struct section bert = {document, document->root, ""};
    const cJSON *epsilon = get(&bert, "layer_norm_eps");
    if (epsilon &&
        !(cJSON_IsNumber(epsilon) && epsilon->valuedouble >= 0 && epsilon->valuedouble <= 1))
        return refuse_kind(&bert, "layer_norm_eps", "a number from 0 to 1");
    if (epsilon)
        config->text_norm_epsilon = (float)epsilon->valuedouble;
    return want_text(&bert, "model_type", "bert", "bert", "bert") &&
           want_text(&bert, "hidden_act", "gelu", "gelu", "gelu") &&
           want_text(&bert, "position_embedding_type", "absolute", "absolute", "absolute") &&
           want_off(&bert, "is_decoder") &&
           get_count(&bert, "num_attention_heads", get(&bert, "num_attention_heads"),
                     DEFAULT_BERT_HEADS, MOST_HEADS, &config->text_heads);
}

bool config_read(struct config *config, const char *open_clip_config_path,
                 const char *bert_config_path, vkclip_error *err)
{
    struct document document;
    *config = (struct config){.text_norm_epsilon = CONFIG_TEXT_NORM_EPSILON};
    bool is_read =
        document_open(&document, open_clip_config_path, err) && read_open_clip(config, &document);
    document_close(&document);
    if (!is_read || !bert_config_path)
        return is_read;

    is_read = document_open(&document, bert_config_path, err) && read_bert(config, &document);
    document_close(&document);
    return is_read;
}
