// text_tower.c: the text tower.
//
//   BERT   tokens [t] of n texts, one after the other, no padding
//          -> words + positions + token type 0 -> norm -> [t, 768]
//          -> 12 post-norm layers (encoder.c)
//          -> [CLS] row -> linear 640 -> GELU -> linear 512, no biases -> unit length
//   CLIP   words + positions -> 12 pre-norm layers, causal -> last row -> norm -> linear
//
// Sizes are BiomedCLIP's; the code takes them from the weights. BERT's own pooler is not part of
// the model. Sentence encoders have no projection, and the mean of all rows in place of [CLS].
// Padding is left out because a masked key has weight exactly 0, and what follows the last row of
// CLIP is not seen by it. Where one row is read the last layer computes no other after its
// attention.
// Source: Hugging Face modeling_bert.py, BertModel.forward(); open_clip hf_model.py,
// HFTextEncoder.forward() and ClsLastHiddenStatePooler, and model.py, CLIP.encode_text();
// sentence_transformers Pooling.py.
#include "model/text_tower.h"

#include <stdlib.h>

static const struct text_names *names_in(const struct text_tower *text)
{
    return &text_names[text->scheme];
}

static struct encoder_place blocks_of(const struct text_tower *text)
{
    return (struct encoder_place){text->prefix, &names_in(text)->blocks};
}

static struct tensor_name part(const struct text_tower *text, const char *name)
{
    return name_of(text->prefix, name, "");
}

// ---- sizes -----------------------------------------------------------------------------------

// The output of a projection: [in, out] under its own name, [out, in] as a weight.
static uint32_t measure_outputs(const struct weights *weights, const char *name, uint32_t otherwise)
{
    const bool is_turned = weights_find(weights, name) != NULL;
    return loader_measure(weights, is_turned ? name : name_of(name, "weight", "").text, 2,
                          is_turned ? 1 : 0, otherwise);
}

// One layer, or two with GELU between; the hidden width of two is the mean of both ends.
static void measure_projection(struct text_tower *text, const struct weights *weights,
                               const struct config *config)
{
    const struct text_names *names = names_in(text);
    const uint32_t width = text->encoder.width;
    const bool is_one =
        names->projection && (!names->projections[0] || weights_find(weights, names->projection) ||
                              weights_find(weights, name_of(names->projection, "weight", "").text));
    text->projection_layers = is_one ? 1 : names->projections[0] ? 2 : 0;
    text->embedding_width = width;
    if (text->projection_layers)
        text->embedding_width = measure_outputs(
            weights, is_one ? names->projection : names->projections[1], config->embedding_width);
    if (text->projection_layers == 2)
        text->projection_hidden =
            loader_measure(weights, name_of(names->projections[1], "weight", "").text, 2, 1,
                           (width + text->embedding_width) / 2);
}

static bool check_sizes(const struct text_tower *text, const struct config *config,
                        const char *path, vkclip_error *err)
{
    if (text->vocabulary_rows > 4000000 || text->positions > 1000000 ||
        text->token_types > 1000000 || text->projection_hidden > 65536 ||
        text->embedding_width > 65536)
        return fail(err, VKCLIP_ERROR_MODEL, "%s: the text tower is too large", path);
    if (text->projection_hidden % 4 != 0 || text->vocabulary_rows == 0 ||
        text->embedding_width == 0)
        return fail(err, VKCLIP_ERROR_MODEL,
                    "%s: text tower of %u words, projection to %u by way of %u is not supported",
                    path, text->vocabulary_rows, text->embedding_width, text->projection_hidden);
    if (text->positions < config->text.context_tokens)
        return fail(err, VKCLIP_ERROR_MODEL, "%s: %u positions, the configuration wants %u", path,
                    text->positions, config->text.context_tokens);
    return true;
}

bool text_measure(struct text_tower *text, const struct weights *weights,
                  const struct config *config, vkclip_error *err)
{
    *text = (struct text_tower){.scheme = config->text.scheme};
    const struct text_names *names = names_in(text);
    text->prefix = names_find_prefix(weights, names->prefixes, names->words, "");
    if (!text->prefix)
        return fail(err, VKCLIP_ERROR_MODEL, "%s: no tensor '%s%s', which %s has", weights->path,
                    names->prefixes[0], names->words, names->title);

    const struct tensor_name words = part(text, names->words);
    const struct tensor_name positions = part(text, names->positions);
    text->vocabulary_rows = loader_measure(weights, words.text, 2, 0, 0);
    text->encoder.width = loader_measure(weights, words.text, 2, 1, 0);
    text->encoder.is_post_norm = names->is_post_norm;
    text->encoder.is_causal = names->is_causal;
    text->positions = loader_measure(weights, positions.text, 2, 0, config->text.context_tokens);
    if (names->types)
        text->token_types = loader_measure(weights, part(text, names->types).text, 2, 0, 2);
    text->pooling = config->text.pooling;
    text->is_unit = config->text.is_unit;
    const struct encoder_place blocks = blocks_of(text);
    if (!encoder_measure(&text->encoder, weights, &blocks, &config->text.blocks, "text", err))
        return false;
    measure_projection(text, weights, config);
    return check_sizes(text, config, weights->path, err);
}

uint32_t text_first_token(const struct text_tower *text, uint32_t length)
{
    return text->encoder.is_causal ? length - 1 : 0;
}

// ---- weights ---------------------------------------------------------------------------------

// Positions, to which token type 0 is added: no text has another.
static void load_places(struct text_tower *text, struct loader *loader)
{
    const struct text_names *names = names_in(text);
    const uint32_t width = text->encoder.width, rows = text->positions;
    const size_t count = (size_t)rows * width;
    const size_t type_count = (size_t)text->token_types * width;
    float *table = NULL, *types = NULL;
    if (loader->gpu) {
        table = calloc(count, sizeof *table);
        types = calloc(type_count + width, sizeof *types);
        if (!table || !types) {
            fail(&loader->error, VKCLIP_ERROR_MEMORY, "no memory for positions");
            goto done;
        }
    }
    loader_rows(loader, part(text, names->positions).text, rows, width, table);
    if (names->types)
        loader_rows(loader, part(text, names->types).text, text->token_types, width, types);
    for (size_t i = 0; table && i < count; i++)
        table[i] += types[i % width];
    loader_floats(loader, table, count, &text->places);

done:
    free(table);
    free(types);
}

static void load_projection(struct text_tower *text, struct loader *loader)
{
    const struct text_names *names = names_in(text);
    const uint32_t width = text->encoder.width;
    const bool is_one = text->projection_layers == 1;
    if (text->projection_layers == 2)
        loader_linear(loader,
                      &(struct linear_source){.names = {names->projections[0]},
                                              .in_cols = width,
                                              .out_cols = text->projection_hidden},
                      &text->projection1);
    if (text->projection_layers)
        loader_linear(
            loader,
            &(struct linear_source){.names = {is_one ? names->projection : names->projections[1]},
                                    .in_cols = is_one ? width : text->projection_hidden,
                                    .out_cols = text->embedding_width},
            &text->projection2);
}

void text_load(struct text_tower *text, struct loader *loader)
{
    const struct text_names *names = names_in(text);
    const uint32_t width = text->encoder.width;
    const struct encoder_place blocks = blocks_of(text);
    loader_words(loader, part(text, names->words).text, text->vocabulary_rows, width, &text->words);
    load_places(text, loader);
    if (names->norm_before)
        loader_norm(loader, part(text, names->norm_before).text, width, &text->norm_before);
    encoder_load(&text->encoder, loader, &blocks);
    if (names->norm)
        loader_norm(loader, part(text, names->norm).text, width, &text->norm);
    load_projection(text, loader);
    for (int i = 0; i < 3 && names->ignored[i]; i++)
        loader_ignore(loader, part(text, names->ignored[i]).text);
    if (names->other_head)
        loader_ignore(loader, names->other_head);
}

// ---- forward pass ----------------------------------------------------------------------------

struct encoder_rows text_plan_blocks(const struct text_tower *text, struct plan *plan,
                                     struct gpu_range tokens, struct gpu_range tiles)
{
    struct encoder_rows rows = {.x = plan_embed_tokens(plan, tokens, &text->words, text->places)};
    if (names_in(text)->norm_before)
        rows.h =
            plan_layernorm_replace(plan, rows.x, &text->norm_before, text->encoder.norm_epsilon);
    return encoder_plan(&text->encoder, plan, rows, tiles, text->pooling == POOLING_MEAN);
}

void text_plan(const struct text_tower *text, struct plan *plan, struct gpu_range tokens,
               struct gpu_range tiles, struct gpu_range out)
{
    const struct encoder_rows rows = text_plan_blocks(text, plan, tokens, tiles);
    struct tensor x = rows.x, h = rows.h;
    if (text->pooling == POOLING_MEAN)
        x = plan_mean(plan, x, tiles, 0); // [sequences, width]
    if (names_in(text)->norm)
        h = plan_layernorm_replace(plan, x, &text->norm, text->encoder.norm_epsilon);
    if (text->projection_layers == 2)
        h = plan_linear(plan, h, &text->projection1,
                        &(struct plan_linear_options){.activation = ACTIVATION_GELU});
    if (text->projection_layers)
        x = plan_linear_f32(plan, h, &text->projection2); // [sequences, embedding]
    plan_normalize(plan, x, text->is_unit, out);
}
