// model_files.c: a directory or a weights file -> an opened model.
#include "engine.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/disk.h"
#include "host/resize.h"

// By the names open_clip and Hugging Face publish, preferred first.
static const char *const weights_names[] = {
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.bin",
    "model.safetensors",
    "pytorch_model.bin",
};

#define MAX_PATH_BYTES 4200

struct model_paths {
    char directory[MAX_PATH_BYTES];
    char weights[MAX_PATH_BYTES + 64];
    char open_clip_config[MAX_PATH_BYTES + 64];
    char config[MAX_PATH_BYTES + 64];
    char preprocessor[MAX_PATH_BYTES + 64];
    char tokenizer_config[MAX_PATH_BYTES + 64];
    char modules[MAX_PATH_BYTES + 64];
    char pooling[MAX_PATH_BYTES + 64];
    char sentence[MAX_PATH_BYTES + 64];
    char vocab_txt[MAX_PATH_BYTES + 64];
    char vocab_json[MAX_PATH_BYTES + 64];
    char merges[MAX_PATH_BYTES + 64];
    char tokenizer[MAX_PATH_BYTES + 64];
};

static bool exists(const char *path)
{
    struct stat facts;
    return disk_stat(path, &facts);
}

// Joins; an absent file leaves an empty path.
static bool find_file(char *out, size_t out_bytes, const char *directory, const char *name)
{
    snprintf(out, out_bytes, "%s/%s", directory, name);
    if (exists(out))
        return true;
    out[0] = '\0';
    return false;
}

static bool split_path(struct model_paths *paths, const char *path, vkclip_error *err)
{
    struct stat facts;
    if (strlen(path) >= MAX_PATH_BYTES)
        return fail(err, VKCLIP_ERROR_FILE, "a model path of %zu bytes is too long", strlen(path));
    if (!disk_stat(path, &facts))
        return fail(err, VKCLIP_ERROR_FILE, "%s: No such file or directory", path);

    strcpy(paths->directory, path);
    if (S_ISDIR(facts.st_mode))
        return true;
    if (!S_ISREG(facts.st_mode))
        return fail(err, VKCLIP_ERROR_FILE, "%s: is not a regular file or a directory", path);
    strcpy(paths->weights, path);
    size_t directory_bytes = disk_directory_bytes(path);
    if (directory_bytes)
        paths->directory[directory_bytes] = '\0';
    else
        strcpy(paths->directory, ".");
    return true;
}

static bool find_files(struct model_paths *paths, const char *path, vkclip_model_parts parts,
                       vkclip_error *err)
{
    *paths = (struct model_paths){0};
    if (!split_path(paths, path, err))
        return false;
    const char *directory = paths->directory;
    for (size_t i = 0; i < sizeof weights_names / sizeof *weights_names && !paths->weights[0]; i++)
        find_file(paths->weights, sizeof paths->weights, directory, weights_names[i]);
    if (parts == VKCLIP_MODEL_WHOLE && !paths->weights[0])
        return fail(err, VKCLIP_ERROR_FILE, "%s: no weights there (%s, %s, %s or %s)", directory,
                    weights_names[0], weights_names[1], weights_names[2], weights_names[3]);
    const struct {
        char *path;
        const char *name;
    } side_files[] = {
        {paths->open_clip_config, "open_clip_config.json"},
        {paths->config, "config.json"},
        {paths->preprocessor, "preprocessor_config.json"},
        {paths->tokenizer_config, "tokenizer_config.json"},
        {paths->modules, "modules.json"},
        {paths->pooling, "1_Pooling/config.json"},
        {paths->sentence, "sentence_bert_config.json"},
        {paths->vocab_txt, "vocab.txt"},
        {paths->vocab_json, "vocab.json"},
        {paths->merges, "merges.txt"},
        {paths->tokenizer, "tokenizer.json"},
    };
    for (size_t i = 0; i < sizeof side_files / sizeof *side_files; i++)
        find_file(side_files[i].path, sizeof paths->config, directory, side_files[i].name);
    if (!paths->open_clip_config[0] && !paths->config[0])
        return fail(err, VKCLIP_ERROR_FILE, "%s: no open_clip_config.json or config.json there",
                    directory);
    return true;
}

static const char *or_null(const char *path)
{
    return path[0] ? path : NULL;
}

static bool read_config(vkclip_model *model, const struct model_paths *paths, vkclip_error *err)
{
    const struct config_files files = {
        .open_clip = or_null(paths->open_clip_config),
        .model = or_null(paths->config),
        .preprocessor = or_null(paths->preprocessor),
        .tokenizer = or_null(paths->tokenizer_config),
        .modules = or_null(paths->modules),
        .pooling = or_null(paths->pooling),
        .sentence = or_null(paths->sentence),
    };
    if (!config_read(&model->config, &files, err))
        return false;
    model->facts.image_size_px = model->config.image.size_px;
    model->facts.context_tokens = model->config.text.context_tokens;
    return true;
}

// The right tokens under wrong ids give wrong numbers and no error, so the vocabulary is held to
// what the configuration says of it. One that was changed, for a fine-tune maybe, is only warned
// of.
static bool check_vocabulary(const vkclip_model *model, const struct model_paths *paths,
                             const vkclip_log *log, vkclip_error *err)
{
    const char *has = tokenizer_known_as(model->tokenizer);
    const char *wants = tokenizer_known_by_hub(model->config.text.tokenizer_name);
    if (has && wants && strcmp(has, wants) != 0)
        return fail(err, VKCLIP_ERROR_FILE,
                    "%s: the vocabulary is that of %s, open_clip_config.json asks for that of %s",
                    paths->directory, has, wants);
    if (wants && !has)
        log_line(log, VKCLIP_LOG_WARNING,
                 "%s: the vocabulary is not that of %s, which open_clip_config.json asks for",
                 paths->directory, wants);
    if (has && !wants && model_has_images(model) && strncmp(has, "BiomedCLIP", 10) != 0)
        log_line(log, VKCLIP_LOG_WARNING,
                 "%s: this is the vocabulary of %s, which is not BiomedCLIP's", paths->directory,
                 has);
    return true;
}

// A CLIP's vocabulary may be left away, as open_clip does it: texts are then given as token ids.
static bool open_vocabulary(vkclip_model *model, const struct model_paths *paths,
                            const vkclip_log *log, vkclip_error *err)
{
    const struct tokenizer_files files = {
        .directory = paths->directory,
        .vocab_txt = or_null(paths->vocab_txt),
        .vocab_json = or_null(paths->vocab_json),
        .merges_txt = or_null(paths->merges),
        .tokenizer_json = or_null(paths->tokenizer),
    };
    const bool is_clip = text_names[model->config.text.scheme].is_causal;
    const enum tokenizer_kind kind = is_clip ? TOKENIZER_BPE : TOKENIZER_WORDPIECE;
    if (!model_has_texts(model) || (is_clip && !tokenizer_is_there(kind, &files)))
        return true;
    model->tokenizer = tokenizer_create(kind, &files, model->config.text.is_cleaned, err);
    if (!model->tokenizer)
        return false;
    model->facts.vocabulary_count = tokenizer_count(model->tokenizer);
    return check_vocabulary(model, paths, log, err);
}

void model_load(const vkclip_model *model, struct vit *vit, struct text_tower *text,
                struct loader *loader)
{
    if (model_has_images(model))
        vit_load(vit, loader);
    if (model_has_texts(model))
        text_load(text, loader);
}

// What only a model of both towers can contradict itself in.
static bool check_pair(const vkclip_model *model, vkclip_error *err)
{
    const struct vit *image = &model->vit;
    const struct text_tower *text = &model->text;
    const uint32_t image_head = image->encoder.width / image->encoder.heads;
    const uint32_t text_head = text->encoder.width / text->encoder.heads;
    const char *path = model->weights.path;
    if (image->embedding_width != text->embedding_width)
        return fail(err, VKCLIP_ERROR_MODEL, "%s: image embeddings of %u, text embeddings of %u",
                    path, image->embedding_width, text->embedding_width);
    if (image_head != text_head)
        return fail(err, VKCLIP_ERROR_MODEL,
                    "%s: heads of %u and %u columns; one size is supported", path, image_head,
                    text_head);
    return true;
}

static bool check_towers(const vkclip_model *model, vkclip_error *err)
{
    const bool is_pair = model_has_images(model) && model_has_texts(model);
    const struct config *config = &model->config;
    const uint32_t width = model->facts.embedding_width, classes = model->vit.class_count;
    const char *path = model->weights.path;
    if (is_pair && !check_pair(model, err))
        return false;
    if (config->embedding_width && config->embedding_width != width)
        return fail(err, VKCLIP_ERROR_MODEL, "%s: embeddings of %u, the configuration says %u",
                    path, width, config->embedding_width);
    if (model->facts.vocabulary_count > model->text.vocabulary_rows)
        return fail(err, VKCLIP_ERROR_MODEL,
                    "%s: the vocabulary has %u tokens, the token embedding only %u rows", path,
                    model->facts.vocabulary_count, model->text.vocabulary_rows);
    if (classes && config->image.classes && classes != config->image.class_count)
        return fail(err, VKCLIP_ERROR_MODEL, "%s: %u classes, the configuration names %u", path,
                    classes, config->image.class_count);
    return true;
}

static void note_sizes(vkclip_model *model, const struct loader *loader, float logit_scale)
{
    vkclip_model_facts *facts = &model->facts;
    const struct vit *image = &model->vit;
    const struct text_tower *text = &model->text;
    facts->patch_size_px = image->patch_size_px;
    facts->image_width = image->encoder.width;
    facts->image_layers = image->encoder.layers;
    facts->image_heads = image->encoder.heads;
    facts->class_count = image->class_count;
    facts->text_width = text->encoder.width;
    facts->text_layers = text->encoder.layers;
    facts->text_heads = text->encoder.heads;
    facts->vocabulary_rows = text->vocabulary_rows;
    facts->tensor_count = model->weights.count;
    facts->parameter_count = loader->parameter_count;
    facts->file_bytes = model->weights.file_bytes;
    facts->logit_scale = expf(logit_scale);
}

// What makes an image and a text tower one model.
static void load_scale(const vkclip_model *model, struct loader *loader, const vkclip_log *log,
                       float *logit_scale)
{
    if (!model_has_images(model) || !model_has_texts(model))
        return;
    loader_scalar(loader, "logit_scale", logit_scale);
    if (weights_find(&model->weights, "logit_bias"))
        log_line(log, VKCLIP_LOG_WARNING, "%s: logit_bias is not used, a softmax cancels it",
                 model->weights.path);
    loader_ignore(loader, "logit_bias");
}

void model_note_family(vkclip_model *model)
{
    vkclip_model_facts *facts = &model->facts;
    const struct image_names *image = &image_names[model->config.image.scheme];
    const struct text_names *text = &text_names[model->config.text.scheme];
    const bool has_both = model_has_images(model) && model_has_texts(model);
    snprintf(facts->family, sizeof facts->family, "%s%s%s",
             model_has_images(model) ? image->title : "", has_both ? " and " : "",
             model_has_texts(model) ? text->title : "");
    int length = snprintf(facts->evidence, sizeof facts->evidence, "%s", model->config.evidence);
    char *rest = facts->evidence + length;
    size_t left = sizeof facts->evidence - (size_t)length;
    if (!model->is_whole)
        return;
    if (model_has_images(model)) {
        length =
            snprintf(rest, left, "; %s", name_of(model->vit.prefix, image->patch, "weight").text);
        rest += length;
        left -= (size_t)length;
    }
    if (model_has_texts(model))
        snprintf(rest, left, "; %s", name_of(model->text.prefix, text->words, "").text);
}

bool model_check_weights(vkclip_model *model, const vkclip_log *log, vkclip_error *err)
{
    const struct config *config = &model->config;
    if ((model_has_images(model) && !vit_measure(&model->vit, &model->weights, config, err)) ||
        (model_has_texts(model) && !text_measure(&model->text, &model->weights, config, err)))
        return false;
    model->facts.embedding_width =
        model_has_images(model) ? model->vit.embedding_width : model->text.embedding_width;

    struct loader loader;
    float logit_scale = 0.0f;
    if (!loader_init(&loader, &model->weights, VKCLIP_PRECISION_FP32, log, err))
        return false;
    model_load(model, &model->vit, &model->text, &loader);
    load_scale(model, &loader, log, &logit_scale);
    bool is_sound = loader_check(&loader, err) && check_towers(model, err);
    note_sizes(model, &loader, logit_scale);
    loader_finish(&loader);
    return is_sound;
}

vkclip_model *vkclip_model_open(const char *path, vkclip_model_parts parts, const vkclip_log *log,
                                vkclip_error *err)
{
    if (!path) {
        fail(err, VKCLIP_ERROR_ARGUMENT, "vkclip_model_open: no path");
        return NULL;
    }
    vkclip_model *model = calloc(1, sizeof *model);
    struct model_paths *paths = calloc(1, sizeof *paths);
    if (!model || !paths) {
        fail(err, VKCLIP_ERROR_MEMORY, "no memory for a model");
        goto failed;
    }
    model->weights.file = -1;
    if (!find_files(paths, path, parts, err) || !read_config(model, paths, err) ||
        !open_vocabulary(model, paths, log, err))
        goto failed;
    model->is_whole = parts == VKCLIP_MODEL_WHOLE;
    if (model->is_whole && (!weights_open(&model->weights, paths->weights, err) ||
                            !model_check_weights(model, log, err)))
        goto failed;
    model_note_family(model);
    free(paths);
    return model;

failed:
    free(paths);
    vkclip_model_close(model);
    return NULL;
}

void vkclip_model_close(vkclip_model *model)
{
    if (!model)
        return;
    if (model->is_whole)
        weights_close(&model->weights);
    tokenizer_destroy(model->tokenizer);
    config_finish(&model->config);
    free(model);
}

const vkclip_model_facts *vkclip_model_get_facts(const vkclip_model *model)
{
    return &model->facts;
}

bool vkclip_model_sha256(const vkclip_model *model, char hex[65], vkclip_error *err)
{
    if (!model || !hex || !model->is_whole)
        return fail(err, VKCLIP_ERROR_ARGUMENT,
                    "vkclip_model_sha256 wants a model opened with VKCLIP_MODEL_WHOLE");
    if (model->weights.is_seeded)
        return fail(err, VKCLIP_ERROR_ARGUMENT, "vkclip_model_sha256: a %s has no file",
                    model->weights.path);
    return weights_sha256(&model->weights, hex, err);
}

const char *vkclip_model_get_class(const vkclip_model *model, uint32_t index)
{
    const struct image_config *image = &model->config.image;
    return image->classes && index < image->class_count ? image->classes[index] : NULL;
}

bool vkclip_tokenize(const vkclip_model *model, const char *text, int32_t *ids, uint32_t capacity,
                     uint32_t *count, vkclip_error *err)
{
    if (!model || !text || !ids || !count)
        return fail(err, VKCLIP_ERROR_ARGUMENT, "vkclip_tokenize: a NULL argument");
    const uint32_t most = model->config.text.context_tokens;
    if (!model->tokenizer)
        return fail(err, VKCLIP_ERROR_MODEL, "the model has no %s",
                    model_has_texts(model) ? "vocabulary" : "text tower");
    if (capacity < most)
        return fail(err, VKCLIP_ERROR_ARGUMENT, "vkclip_tokenize: room for %u ids, %u are needed",
                    capacity, most);
    return tokenizer_encode(model->tokenizer, text, strlen(text), most, ids, count, err);
}

bool vkclip_preprocess(const vkclip_model *model, const vkclip_image *image, uint8_t *pixels,
                       vkclip_error *err)
{
    if (!model || !image || !image->path || !pixels)
        return fail(err, VKCLIP_ERROR_ARGUMENT, "vkclip_preprocess: a NULL argument");
    if (!model_has_images(model))
        return fail(err, VKCLIP_ERROR_MODEL, "the model has no image tower");
    struct image decoded = {0};
    bool is_done = image_open(&decoded, image, err) &&
                   resize_to_square(&decoded, &model->config.image.resize, pixels, err);
    image_close(&decoded);
    return is_done;
}

void vkclip_pixels_to_tensor(const vkclip_model *model, const uint8_t *pixels, size_t count,
                             float *tensor)
{
    const struct image_config *image = &model->config.image;
    const size_t side = image->size_px, values = 3 * side * side;
    for (size_t i = 0; i < count; i++)
        normalize_pixels(pixels + i * values, image->size_px, image->mean, image->std,
                         tensor + i * values);
}
