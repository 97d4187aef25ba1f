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
    char config[MAX_PATH_BYTES + 64];
    char bert_config[MAX_PATH_BYTES + 64];
    char vocabulary[MAX_PATH_BYTES + 64];
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
    if (!find_file(paths->config, sizeof paths->config, directory, "open_clip_config.json"))
        return fail(err, VKCLIP_ERROR_FILE, "%s: no open_clip_config.json there", directory);
    find_file(paths->bert_config, sizeof paths->bert_config, directory, "config.json");
    find_file(paths->vocabulary, sizeof paths->vocabulary, directory, "vocab.txt");
    find_file(paths->tokenizer, sizeof paths->tokenizer, directory, "tokenizer.json");
    if (!paths->vocabulary[0] && !paths->tokenizer[0])
        return fail(err, VKCLIP_ERROR_FILE, "%s: neither vocab.txt nor tokenizer.json there",
                    directory);
    return true;
}

// Where both spellings of the vocabulary are there, they must be one vocabulary.
static bool open_vocabulary(vkclip_model *model, const struct model_paths *paths,
                            const vkclip_log *log, vkclip_error *err)
{
    bool has_list = paths->vocabulary[0] != '\0';
    model->wordpiece = wordpiece_create(has_list ? paths->vocabulary : paths->tokenizer, err);
    if (!model->wordpiece)
        return false;
    if (has_list && paths->tokenizer[0]) {
        struct wordpiece *other = wordpiece_create(paths->tokenizer, err);
        if (!other)
            return false;
        bool is_same = wordpiece_equal(model->wordpiece, other);
        wordpiece_destroy(other);
        if (!is_same)
            return fail(err, VKCLIP_ERROR_FILE, "%s: vocab.txt and tokenizer.json disagree",
                        paths->directory);
    }
    const char *known_as = wordpiece_known_as(model->wordpiece);
    if (known_as && strncmp(known_as, "BiomedCLIP", 10) != 0)
        log_line(log, VKCLIP_LOG_WARNING,
                 "%s: this is the vocabulary of %s, which is not BiomedCLIP's", paths->directory,
                 known_as);
    model->facts.vocabulary_count = wordpiece_count(model->wordpiece);
    return true;
}

void model_load(struct vit *vit, struct bert *bert, struct loader *loader)
{
    vit_load(vit, loader);
    bert_load(bert, loader);
}

static bool check_towers(const vkclip_model *model, vkclip_error *err)
{
    const struct vit_sizes *image = &model->vit.sizes;
    const struct bert_sizes *text = &model->bert.sizes;
    const char *path = model->weights.path;
    if (image->embedding_width != text->embedding_width)
        return fail(err, VKCLIP_ERROR_MODEL, "%s: image embeddings of %u, text embeddings of %u",
                    path, image->embedding_width, text->embedding_width);
    if (model->config.embedding_width != image->embedding_width)
        return fail(err, VKCLIP_ERROR_MODEL, "%s: embeddings of %u, the configuration says %u",
                    path, image->embedding_width, model->config.embedding_width);
    if (image->width / image->heads != text->width / text->heads)
        return fail(err, VKCLIP_ERROR_MODEL,
                    "%s: heads of %u and %u columns; one size is supported", path,
                    image->width / image->heads, text->width / text->heads);
    if (model->facts.vocabulary_count > text->vocabulary_rows)
        return fail(err, VKCLIP_ERROR_MODEL,
                    "%s: the vocabulary has %u tokens, the token embedding only %u rows", path,
                    model->facts.vocabulary_count, text->vocabulary_rows);
    return true;
}

static void note_sizes(vkclip_model *model, const struct loader *loader, float logit_scale)
{
    vkclip_model_facts *facts = &model->facts;
    const struct vit_sizes *image = &model->vit.sizes;
    const struct bert_sizes *text = &model->bert.sizes;
    facts->embedding_width = image->embedding_width;
    facts->patch_size_px = image->patch_size_px;
    facts->image_width = image->width;
    facts->image_layers = image->layers;
    facts->image_heads = image->heads;
    facts->text_width = text->width;
    facts->text_layers = text->layers;
    facts->text_heads = text->heads;
    facts->vocabulary_rows = text->vocabulary_rows;
    facts->tensor_count = model->weights.count;
    facts->parameter_count = loader->parameter_count;
    facts->file_bytes = model->weights.file_bytes;
    facts->logit_scale = expf(logit_scale);
}

bool model_check_weights(vkclip_model *model, const vkclip_log *log, vkclip_error *err)
{
    if (!vit_measure(&model->vit, &model->weights, &model->config, err) ||
        !bert_measure(&model->bert, &model->weights, &model->config, err))
        return false;

    struct loader loader;
    float logit_scale = 0.0f;
    if (!loader_init(&loader, &model->weights, sizeof(float), log, err))
        return false;
    model_load(&model->vit, &model->bert, &loader);
    loader_scalar(&loader, "logit_scale", &logit_scale);
    if (weights_find(&model->weights, "logit_bias"))
        log_line(log, VKCLIP_LOG_WARNING, "%s: logit_bias is not used, a softmax cancels it",
                 model->weights.path);
    loader_ignore(&loader, "logit_bias");
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
    if (!find_files(paths, path, parts, err) ||
        !config_read(&model->config, paths->config,
                     paths->bert_config[0] ? paths->bert_config : NULL, err) ||
        !open_vocabulary(model, paths, log, err))
        goto failed;
    model->facts.image_size_px = model->config.image_size_px;
    model->facts.context_tokens = model->config.context_tokens;
    model->is_whole = parts == VKCLIP_MODEL_WHOLE;
    if (model->is_whole && (!weights_open(&model->weights, paths->weights, err) ||
                            !model_check_weights(model, log, err)))
        goto failed;
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
    wordpiece_destroy(model->wordpiece);
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
    return weights_sha256(&model->weights, hex, err);
}

bool vkclip_tokenize(const vkclip_model *model, const char *text, int32_t *ids, uint32_t capacity,
                     uint32_t *count, vkclip_error *err)
{
    if (!model || !text || !ids || !count)
        return fail(err, VKCLIP_ERROR_ARGUMENT, "vkclip_tokenize: a NULL argument");
    if (capacity < model->config.context_tokens)
        return fail(err, VKCLIP_ERROR_ARGUMENT, "vkclip_tokenize: room for %u ids, %u are needed",
                    capacity, model->config.context_tokens);
    return wordpiece_encode(model->wordpiece, text, strlen(text), model->config.context_tokens, ids,
                            count, err);
}

bool vkclip_preprocess_file(const vkclip_model *model, const char *path, uint8_t *pixels,
                            vkclip_error *err)
{
    if (!model || !path || !pixels)
        return fail(err, VKCLIP_ERROR_ARGUMENT, "vkclip_preprocess_file: a NULL argument");
    struct image image = {0};
    bool is_done = image_open(&image, path, err) &&
                   resize_to_square(&image, model->config.image_size_px, pixels, err);
    image_close(&image);
    return is_done;
}

bool vkclip_preprocess_memory(const vkclip_model *model, const void *bytes, size_t byte_count,
                              const char *name, uint8_t *pixels, vkclip_error *err)
{
    if (!model || !bytes || !name || !pixels)
        return fail(err, VKCLIP_ERROR_ARGUMENT, "vkclip_preprocess_memory: a NULL argument");
    struct image image = {0};
    bool is_done = image_decode(&image, bytes, byte_count, name, err) &&
                   resize_to_square(&image, model->config.image_size_px, pixels, err);
    image_close(&image);
    return is_done;
}

void vkclip_pixels_to_tensor(const vkclip_model *model, const uint8_t *pixels, size_t count,
                             float *tensor)
{
    const size_t side = model->config.image_size_px, values = 3 * side * side;
    for (size_t i = 0; i < count; i++)
        normalize_pixels(pixels + i * values, model->config.image_size_px, model->config.mean,
                         model->config.std, tensor + i * values);
}
