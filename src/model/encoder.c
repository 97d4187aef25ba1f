// encoder.c: transformer blocks.
//
//   pre-norm   x += attention(norm1(x)); x += mlp(norm2(x))          ViT, CLIP
//   post-norm  x = norm1(x + attention(x)); x = norm2(x + mlp(x))    BERT
//   attention  q, k, v = linear; softmax(q k^T / sqrt(columns of a head)) v; linear
//   mlp        linear -> GELU or QuickGELU -> linear
//
// Source: timm vision_transformer.py, Block.forward(); Hugging Face modeling_bert.py,
// BertLayer.forward(); open_clip transformer.py, ResidualAttentionBlock.forward().
#include "model/encoder.h"

#include <math.h>

bool encoder_measure(struct encoder *encoder, const struct weights *weights,
                     const struct encoder_place *place, const struct encoder_config *config,
                     const char *tower, vkclip_error *err)
{
    const struct block_names *names = place->names;
    const struct tensor_name fc1 = name_in_block(place->prefix, names, 0, names->fc1);
    const uint32_t width = encoder->width;
    encoder->heads = config->heads ? config->heads : width / CONFIG_HEAD_DIM;
    encoder->hidden =
        loader_measure(weights, name_of(fc1.text, "weight", "").text, 2, 0, 4 * width);
    encoder->layers =
        loader_count_layers(weights, name_of(place->prefix, names->layers, "").text,
                            name_of(".", names->output, "weight").text, ENCODER_MOST_LAYERS);
    encoder->norm_epsilon = config->norm_epsilon;
    encoder->activation = config->activation;
    encoder->has_scale =
        names->scale1 &&
        weights_find(weights, name_in_block(place->prefix, names, 0, names->scale1).text);

    if (encoder->layers == 0 || encoder->layers > ENCODER_MOST_LAYERS)
        return fail(err, VKCLIP_ERROR_MODEL, "%s: %s tower of %u layers, 1 to %d are supported",
                    weights->path, tower, encoder->layers, ENCODER_MOST_LAYERS);
    if (encoder->hidden > 65536)
        return fail(err, VKCLIP_ERROR_MODEL, "%s: the %s tower is too large", weights->path, tower);
    if (width == 0 || width > 16384 || !config_heads_fit(width, encoder->heads) ||
        encoder->hidden == 0 || encoder->hidden % 4 != 0)
        return fail(err, VKCLIP_ERROR_MODEL,
                    "%s: %s tower of width %u, %u heads, hidden width %u is not supported",
                    weights->path, tower, width, encoder->heads, encoder->hidden);
    return true;
}

static void load_block(struct encoder_block *block, const struct encoder *encoder,
                       struct loader *loader, const struct encoder_place *place, uint32_t index)
{
    const struct block_names *names = place->names;
    const uint32_t width = encoder->width, hidden = encoder->hidden;
    const struct {
        const char *name, *gain;
        uint32_t in_cols, out_cols;
        struct linear_weights *out;
    } linears[] = {
        {names->output, names->scale1, width, width, &block->output},
        {names->fc1, NULL, width, hidden, &block->fc1},
        {names->fc2, names->scale2, hidden, width, &block->fc2},
    };
    struct tensor_name qkv[3];
    struct linear_source stacked = {.in_cols = width, .out_cols = 3 * width, .has_bias = true};
    for (int i = 0; i < 3 && names->qkv[i]; i++) {
        qkv[i] = name_in_block(place->prefix, names, index, names->qkv[i]);
        stacked.names[i] = qkv[i].text;
    }
    loader_linear(loader, &stacked, &block->qkv);
    for (size_t i = 0; i < sizeof linears / sizeof *linears; i++) {
        struct tensor_name name = name_in_block(place->prefix, names, index, linears[i].name), gain;
        struct linear_source source = {.names = {name.text},
                                       .in_cols = linears[i].in_cols,
                                       .out_cols = linears[i].out_cols,
                                       .has_bias = true};
        if (linears[i].gain && encoder->has_scale) {
            gain = name_in_block(place->prefix, names, index, linears[i].gain);
            source.gain = gain.text;
        }
        loader_linear(loader, &source, linears[i].out);
    }
    loader_norm(loader, name_in_block(place->prefix, names, index, names->norm1).text, width,
                &block->norm1);
    loader_norm(loader, name_in_block(place->prefix, names, index, names->norm2).text, width,
                &block->norm2);
}

void encoder_load(struct encoder *encoder, struct loader *loader, const struct encoder_place *place)
{
    for (uint32_t i = 0; i < encoder->layers; i++)
        load_block(&encoder->blocks[i], encoder, loader, place, i);
}

static struct encoder_rows plan_block(const struct encoder *encoder, const struct encoder_block *w,
                                      struct plan *plan, struct encoder_rows rows,
                                      struct gpu_range tiles, bool wants_all_rows)
{
    const bool is_post = encoder->is_post_norm;
    const float epsilon = encoder->norm_epsilon;
    const struct plan_linear_options scale_q = {
        .scaled_cols = encoder->width,
        .scale = 1.0f / sqrtf((float)(encoder->width / encoder->heads)),
    };
    const struct plan_attention_options attention = {
        .head_count = encoder->heads,
        .is_causal = encoder->is_causal,
        .rows = wants_all_rows ? ROWS_TOKENS : ROWS_SEQUENCES,
    };
    struct tensor x = rows.x, h = rows.h;

    if (!is_post)
        h = plan_layernorm(plan, x, &w->norm1, epsilon);
    h = plan_linear(plan, h, &w->qkv, &scale_q);    // [tokens, 3 * width]
    h = plan_attention(plan, h, tiles, &attention); // [tokens, width], or [sequences, width]
    if (!wants_all_rows)
        x = plan_first_rows(x); // from here on
    plan_linear_add(plan, h, &w->output, x);

    h = is_post ? plan_layernorm_replace(plan, x, &w->norm1, epsilon)
                : plan_layernorm(plan, x, &w->norm2, epsilon);
    h = plan_linear(plan, h, &w->fc1,
                    &(struct plan_linear_options){.activation = encoder->activation});
    plan_linear_add(plan, h, &w->fc2, x);
    if (is_post)
        h = plan_layernorm_replace(plan, x, &w->norm2, epsilon);
    return (struct encoder_rows){x, h};
}

struct encoder_rows encoder_plan(const struct encoder *encoder, struct plan *plan,
                                 struct encoder_rows rows, struct gpu_range tiles,
                                 bool wants_all_rows)
{
    for (uint32_t i = 0; i < encoder->layers; i++)
        rows = plan_block(encoder, &encoder->blocks[i], plan, rows, tiles,
                          wants_all_rows || i + 1 < encoder->layers);
    return rows;
}
