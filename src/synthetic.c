// synthetic.c: a table of names and shapes -> an opened model.
#include "synthetic.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"

// ---- BiomedCLIP's tensors ----------------------------------------------------------------------

enum { LAYERS = 12, WIDTH = 768, HIDDEN = 3072, WORDS = 30522, PLACES = 512 };

struct lister {
    struct synthetic_table *table;
    uint32_t count;
    char prefix[48]; // of the names that follow
};

static bool ends_with(const char *text, const char *end)
{
    size_t text_bytes = strlen(text), end_bytes = strlen(end);
    return text_bytes >= end_bytes && strcmp(text + text_bytes - end_bytes, end) == 0;
}

static float matrix_scale(uint64_t cols)
{
    float scale = 1.0f;
    while (scale * scale * (float)cols > 3.0f)
        scale *= 0.5f;
    return scale;
}

static struct weight_seed seed_of(const char *name, uint32_t place, uint64_t cols)
{
    bool is_norm = strstr(name, "norm") || strstr(name, "LayerNorm");
    bool is_bias = ends_with(name, ".bias");
    if (strcmp(name, "logit_scale") == 0)
        return (struct weight_seed){place, 0.0f, 4.4454f};
    if (is_norm)
        return is_bias ? (struct weight_seed){place, 0.125f, 0.0f}
                       : (struct weight_seed){place, 0.25f, 1.0f};
    if (is_bias)
        return (struct weight_seed){place, 0.0625f, 0.0f};
    if (strstr(name, "cls_token") || strstr(name, "pos_embed") || strstr(name, "_embeddings."))
        return (struct weight_seed){place, 0.5f, 0.0f};
    bool is_sharp = strstr(name, ".query.") || strstr(name, ".key.");
    return (struct weight_seed){place, (is_sharp ? 2.0f : 1.0f) * matrix_scale(cols), 0.0f};
}

static void add(struct lister *lister, const char *name, uint32_t rank, const uint32_t *shape)
{
    const uint32_t place = lister->count++;
    char *full_name = lister->table->names[place];
    snprintf(full_name, sizeof *lister->table->names, "%s%s", lister->prefix, name);
    uint64_t cols = 1;
    for (uint32_t i = 1; i < rank; i++)
        cols *= shape[i];
    struct weight *item = &lister->table->items[place];
    *item = (struct weight){
        .name = full_name,
        .type = strcmp(name, "position_ids") == 0 ? WEIGHT_I64 : WEIGHT_F32,
        .rank = rank,
        .element_count = cols * (rank ? shape[0] : 1),
        .seed = seed_of(full_name, place, cols),
    };
    for (uint32_t i = 0; i < rank; i++)
        item->shape[i] = shape[i];
}

static void add_matrix(struct lister *lister, const char *name, uint32_t rows, uint32_t cols)
{
    add(lister, name, 2, (uint32_t[]){rows, cols});
}

// A weight and a bias: a linear layer, or a normalization when cols is 0.
static void add_layer(struct lister *lister, const char *name, uint32_t rows, uint32_t cols)
{
    char full[40];
    snprintf(full, sizeof full, "%s.weight", name);
    add(lister, full, cols ? 2 : 1, (uint32_t[]){rows, cols});
    snprintf(full, sizeof full, "%s.bias", name);
    add(lister, full, 1, &rows);
}

static void begin(struct lister *lister, const char *prefix)
{
    snprintf(lister->prefix, sizeof lister->prefix, "%s", prefix);
}

static void begin_layer(struct lister *lister, const char *prefix, unsigned layer)
{
    snprintf(lister->prefix, sizeof lister->prefix, "%s%u.", prefix, layer);
}

static void list_image_tower(struct lister *lister)
{
    begin(lister, "visual.trunk.");
    add(lister, "cls_token", 3, (uint32_t[]){1, 1, WIDTH});
    add(lister, "pos_embed", 3, (uint32_t[]){1, 197, WIDTH});
    add(lister, "patch_embed.proj.weight", 4, (uint32_t[]){WIDTH, 3, 16, 16});
    add(lister, "patch_embed.proj.bias", 1, (uint32_t[]){WIDTH});
    for (unsigned block = 0; block < LAYERS; block++) {
        begin_layer(lister, "visual.trunk.blocks.", block);
        add_layer(lister, "norm1", WIDTH, 0);
        add_layer(lister, "attn.qkv", 3 * WIDTH, WIDTH);
        add_layer(lister, "attn.proj", WIDTH, WIDTH);
        add_layer(lister, "norm2", WIDTH, 0);
        add_layer(lister, "mlp.fc1", HIDDEN, WIDTH);
        add_layer(lister, "mlp.fc2", WIDTH, HIDDEN);
    }
    begin(lister, "visual.trunk.");
    add_layer(lister, "norm", WIDTH, 0);
    begin(lister, "visual.head.");
    add_matrix(lister, "proj.weight", 512, WIDTH);
}

static void list_text_tower(struct lister *lister)
{
    begin(lister, "text.transformer.embeddings.");
    add_matrix(lister, "position_ids", 1, PLACES);
    add_matrix(lister, "word_embeddings.weight", WORDS, WIDTH);
    add_matrix(lister, "position_embeddings.weight", PLACES, WIDTH);
    add_matrix(lister, "token_type_embeddings.weight", 2, WIDTH);
    add_layer(lister, "LayerNorm", WIDTH, 0);
    for (unsigned layer = 0; layer < LAYERS; layer++) {
        begin_layer(lister, "text.transformer.encoder.layer.", layer);
        add_layer(lister, "attention.self.query", WIDTH, WIDTH);
        add_layer(lister, "attention.self.key", WIDTH, WIDTH);
        add_layer(lister, "attention.self.value", WIDTH, WIDTH);
        add_layer(lister, "attention.output.dense", WIDTH, WIDTH);
        add_layer(lister, "attention.output.LayerNorm", WIDTH, 0);
        add_layer(lister, "intermediate.dense", HIDDEN, WIDTH);
        add_layer(lister, "output.dense", WIDTH, HIDDEN);
        add_layer(lister, "output.LayerNorm", WIDTH, 0);
    }
    begin(lister, "text.proj.");
    add_matrix(lister, "0.weight", 640, WIDTH);
    add_matrix(lister, "2.weight", 512, 640);
}

void synthetic_list(struct synthetic_table *table)
{
    struct lister lister = {.table = table};
    add(&lister, "logit_scale", 0, NULL);
    list_image_tower(&lister);
    list_text_tower(&lister);
}

// ---- models ----------------------------------------------------------------------------------

vkclip_model *synthetic_open(const struct synthetic *synthetic, vkclip_error *err)
{
    const uint32_t side_px = synthetic->image_size_px;
    vkclip_model *model = calloc(1, sizeof *model);
    if (!model) {
        fail(err, VKCLIP_ERROR_MEMORY, "no memory for a model");
        return NULL;
    }
    model->config = (struct config){
        .image = {.scheme = IMAGE_TIMM_IN_OPEN_CLIP,
                  .size_px = side_px,
                  .resize = {.side_px = side_px, .resized_px = side_px},
                  .mean = {0.48145466f, 0.4578275f, 0.40821073f},
                  .std = {0.26862954f, 0.26130258f, 0.27577711f},
                  .blocks = {0, CONFIG_TIMM_NORM_EPSILON, ACTIVATION_GELU}},
        .text = {.scheme = TEXT_BERT_IN_OPEN_CLIP,
                 .context_tokens = synthetic->context_tokens,
                 .is_unit = true,
                 .blocks = {0, CONFIG_BERT_NORM_EPSILON, ACTIVATION_GELU}},
        .embedding_width = synthetic->embedding_width,
        .evidence = "made from a seed",
    };
    model->facts.image_size_px = side_px;
    model->facts.context_tokens = synthetic->context_tokens;
    model->is_whole = true;
    if (weights_open_seeded(&model->weights, synthetic->name, synthetic->items,
                            synthetic->item_count, err) &&
        model_check_weights(model, NULL, err)) {
        model_note_family(model);
        return model;
    }
    vkclip_model_close(model);
    return NULL;
}

vkclip_model *vkclip_model_open_synthetic(vkclip_error *err)
{
    struct synthetic_table *table = malloc(sizeof *table);
    if (!table) {
        fail(err, VKCLIP_ERROR_MEMORY, "no memory for a table of tensors");
        return NULL;
    }
    synthetic_list(table);
    vkclip_model *model = synthetic_open(
        &(struct synthetic){
            .name = "synthetic model",
            .image_size_px = 224,
            .context_tokens = CONFIG_BIOMEDCLIP_TOKENS,
            .embedding_width = 512,
            .items = table->items,
            .item_count = SYNTHETIC_TENSORS,
        },
        err);
    free(table);
    return model;
}
