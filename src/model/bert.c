// bert.c: the text tower, a BERT encoder with a small projection.
//
//   tokens [t] of n texts, one after the other, no padding
//   -> words + positions + token type 0 -> norm -> [t, 768]
//   -> 12 layers: x = norm(x + attention(x)); x = norm(x + mlp(x))
//   -> [CLS] row -> linear 640 -> GELU -> linear 512, no biases -> unit length
//
// Sizes are BiomedCLIP's; the code takes them from the weights. BERT's own pooler is not part of
// the model. Padding is left out because a masked key has weight exactly 0 and only the [CLS]
// row is read. The last layer computes only the [CLS] rows after its attention.
// Source: Hugging Face modeling_bert.py, BertModel.forward(); open_clip hf_model.py,
// HFTextEncoder.forward() and ClsLastHiddenStatePooler.
#include "model/bert.h"

#include <math.h>
#include <stdio.h>

#define TRANSFORMER "text.transformer."

// open_clip calls the projection text.proj where it is one layer, text.proj.0 and .2 where two; the
// hidden width of two is the mean of both ends.
static void measure_projection(struct bert_sizes *s, const struct weights *weights,
                               const struct config *config)
{
    const bool is_single = weights_find(weights, "text.proj.weight") != NULL;
    const char *last = is_single ? "text.proj.weight" : "text.proj.2.weight";
    s->embedding_width = loader_measure(weights, last, 2, 0, config->embedding_width);
    s->projection_hidden =
        is_single ? 0 : loader_measure(weights, last, 2, 1, (s->width + s->embedding_width) / 2);
}

bool bert_measure(struct bert *bert, const struct weights *weights, const struct config *config,
                  vkclip_error *err)
{
    static const char words[] = TRANSFORMER "embeddings.word_embeddings.weight";
    static const char positions[] = TRANSFORMER "embeddings.position_embeddings.weight";
    static const char types[] = TRANSFORMER "embeddings.token_type_embeddings.weight";
    static const char fc1[] = TRANSFORMER "encoder.layer.0.intermediate.dense.weight";
    struct bert_sizes *s = &bert->sizes;
    s->vocabulary_rows = loader_measure(weights, words, 2, 0, 0);
    s->width = loader_measure(weights, words, 2, 1, 0);
    if (s->width == 0)
        return fail(err, VKCLIP_ERROR_MODEL,
                    "%s: no matrix '%s': not a CLIP with a BERT text tower", weights->path, words);
    s->positions = loader_measure(weights, positions, 2, 0, config->context_tokens);
    s->token_types = loader_measure(weights, types, 2, 0, 2);
    s->hidden = loader_measure(weights, fc1, 2, 0, 4 * s->width);
    measure_projection(s, weights, config);
    s->heads = config->text_heads ? config->text_heads : s->width / CONFIG_HEAD_DIM;
    s->layers = loader_count_layers(weights, TRANSFORMER "encoder.layer.",
                                    ".output.LayerNorm.weight", BERT_MAX_LAYERS);
    bert->norm_epsilon = config->text_norm_epsilon;

    if (s->layers == 0 || s->layers > BERT_MAX_LAYERS)
        return fail(err, VKCLIP_ERROR_MODEL, "%s: text tower of %u layers, 1 to %d are supported",
                    weights->path, s->layers, BERT_MAX_LAYERS);
    if (s->vocabulary_rows > 4000000 || s->positions > 1000000 || s->token_types > 1000000 ||
        s->hidden > 65536 || s->projection_hidden > 65536 || s->embedding_width > 65536)
        return fail(err, VKCLIP_ERROR_MODEL, "%s: the text tower is too large", weights->path);
    if (s->width > 16384 || !config_heads_fit(s->width, s->heads) || s->hidden == 0 ||
        s->hidden % 4 != 0 || s->projection_hidden % 4 != 0 || s->token_types == 0 ||
        s->vocabulary_rows == 0 || s->embedding_width == 0)
        return fail(err, VKCLIP_ERROR_MODEL,
                    "%s: text tower of width %u, %u heads, hidden width %u is not supported",
                    weights->path, s->width, s->heads, s->hidden);
    if (s->positions < config->context_tokens)
        return fail(err, VKCLIP_ERROR_MODEL, "%s: %u positions, the configuration wants %u",
                    weights->path, s->positions, config->context_tokens);
    return true;
}

static void load_layer(struct bert_layer *layer, const struct bert_sizes *s, struct loader *loader,
                       uint32_t index)
{
    char name[3][80];
    const char *names[] = {name[0], name[1], name[2]};
#define LAYER_NAME(i, part) \
    snprintf(name[i], sizeof name[i], TRANSFORMER "encoder.layer.%u." part, index)
    LAYER_NAME(0, "attention.self.query");
    LAYER_NAME(1, "attention.self.key");
    LAYER_NAME(2, "attention.self.value");
    loader_linear(loader, names, 3, s->width, s->width, true, &layer->qkv);
    LAYER_NAME(0, "attention.output.dense");
    loader_linear(loader, names, 1, s->width, s->width, true, &layer->output);
    LAYER_NAME(0, "attention.output.LayerNorm");
    loader_norm(loader, name[0], s->width, &layer->attention_norm);
    LAYER_NAME(0, "intermediate.dense");
    loader_linear(loader, names, 1, s->width, s->hidden, true, &layer->fc1);
    LAYER_NAME(0, "output.dense");
    loader_linear(loader, names, 1, s->hidden, s->width, true, &layer->fc2);
    LAYER_NAME(0, "output.LayerNorm");
    loader_norm(loader, name[0], s->width, &layer->output_norm);
#undef LAYER_NAME
}

void bert_load(struct bert *bert, struct loader *loader)
{
    const struct bert_sizes *s = &bert->sizes;
    const struct place_source type = {
        TRANSFORMER "embeddings.token_type_embeddings.weight", 2, {s->token_types, s->width}};
    loader_ignore(loader, TRANSFORMER "embeddings.position_ids"); // 0, 1, 2, ...
    loader_table(loader, TRANSFORMER "embeddings.word_embeddings.weight", s->vocabulary_rows,
                 s->width, &bert->words);
    loader_places(loader,
                  &(struct place_source){TRANSFORMER "embeddings.position_embeddings.weight",
                                         2,
                                         {s->positions, s->width}},
                  &type, &type, &bert->places);
    loader_norm(loader, TRANSFORMER "embeddings.LayerNorm", s->width, &bert->embedding_norm);
    for (uint32_t i = 0; i < s->layers; i++)
        load_layer(&bert->layers[i], s, loader, i);

    if (s->projection_hidden) {
        loader_linear(loader, (const char *[]){"text.proj.0"}, 1, s->width, s->projection_hidden,
                      false, &bert->projection1);
        loader_linear(loader, (const char *[]){"text.proj.2"}, 1, s->projection_hidden,
                      s->embedding_width, false, &bert->projection2);
    } else {
        loader_linear(loader, (const char *[]){"text.proj"}, 1, s->width, s->embedding_width, false,
                      &bert->projection2);
    }
}

// One post-norm layer. x is the f32 row, h the same as matmul input: x = norm(x + attention(h)),
// x = norm(x + mlp(h)).
static struct tensor plan_layer(const struct bert *bert, const struct bert_layer *w, bool is_last,
                                struct plan *plan, struct tensor *x, struct tensor h,
                                struct gpu_range tiles)
{
    const uint32_t width = bert->sizes.width, heads = bert->sizes.heads;
    const struct plan_linear_options scale_q = {
        .scaled_cols = width,
        .scale = 1.0f / sqrtf((float)(width / heads)),
    };

    h = plan_linear(plan, h, &w->qkv, &scale_q); // [tokens, 3 * width]
    if (is_last) {
        h = plan_attention_cls(plan, h, tiles, heads); // [sequences, width] from here on
        *x = plan_cls_rows(*x);
    } else {
        h = plan_attention(plan, h, tiles, heads); // [tokens, width]
    }
    plan_linear_add(plan, h, &w->output, *x);
    h = plan_layernorm_replace(plan, *x, &w->attention_norm, bert->norm_epsilon);

    h = plan_linear(plan, h, &w->fc1, &(struct plan_linear_options){.has_gelu = true});
    plan_linear_add(plan, h, &w->fc2, *x);
    return plan_layernorm_replace(plan, *x, &w->output_norm, bert->norm_epsilon);
}

struct tensor bert_plan(const struct bert *bert, struct plan *plan, struct gpu_range tokens,
                        struct gpu_range tiles, struct gpu_range out)
{
    const struct bert_sizes *s = &bert->sizes;
    struct tensor x = plan_embed_tokens(plan, tokens, bert->words, bert->places, s->width);
    struct tensor h = plan_layernorm_replace(plan, x, &bert->embedding_norm, bert->norm_epsilon);
    for (uint32_t i = 0; i < s->layers; i++)
        h = plan_layer(bert, &bert->layers[i], i + 1 == s->layers, plan, &x, h, tiles);

    if (s->projection_hidden)
        h = plan_linear(plan, h, &bert->projection1,
                        &(struct plan_linear_options){.has_gelu = true});
    h = plan_linear_f32(plan, h, &bert->projection2); // [sequences, embedding]
    plan_normalize(plan, h, out);
    return x;
}
