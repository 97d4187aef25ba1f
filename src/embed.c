// embed.c: batches of images and texts -> runs that fit -> embeddings.
#include "engine.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

// ---- runs ------------------------------------------------------------------------------------

// Cuts the sequences of a run into attention tiles: first the [CLS] query of each, which is all
// the last layer computes, then the other queries.
static void make_tiles(vkclip_engine *engine, const uint32_t *lengths, uint32_t count,
                       struct plan_run *run)
{
    struct attention_tile *tiles = gpu_buffer_address(engine->tiles);
    const uint32_t width = engine->kernels.shapes[KERNEL_ATTENTION].rows;
    uint32_t body_row = count;
    *run = (struct plan_run){.counts.sequences = count, .tile_count = count};
    for (uint32_t i = 0; i < count; i++) {
        uint32_t body = lengths[i] - 1;
        struct attention_tile tile = {
            .query_row = i,
            .query_count = 1,
            .cls_row = i,
            .body_row = body_row,
            .key_count = lengths[i],
        };
        tiles[i] = tile;
        for (uint32_t first = 0; first < body; first += width) {
            tile.query_row = body_row + first;
            tile.query_count = min_u32(width, body - first);
            tiles[run->tile_count++] = tile;
        }
        body_row += body;
        run->cls_pairs += lengths[i];
        run->attention_pairs += (double)lengths[i] * lengths[i];
    }
    run->counts.tokens = body_row;
}

// A device that computes rightly leaves unit vectors, to a few units in the last place, or zeros
// for a model that gives zeros. This costs nothing and sees most of what a broken device does.
static bool check_embedding(const vkclip_engine *engine, const float *embedding, vkclip_error *err)
{
    double squares = 0.0;
    for (uint32_t i = 0; i < engine->vit.sizes.embedding_width; i++)
        squares += (double)embedding[i] * (double)embedding[i];
    if (!isfinite(squares))
        return fail(err, VKCLIP_ERROR_NUMBERS, "an embedding is not finite%s",
                    engine->facts.precision == VKCLIP_PRECISION_FP16 ? ": try fp32" : "");
    if (squares != 0.0 && fabs(squares - 1.0) > 1e-4)
        return fail(err, VKCLIP_ERROR_NUMBERS,
                    "%s computes wrongly: an embedding has length %g, not 1",
                    engine->facts.device.name, sqrt(squares));
    return true;
}

// Runs a tower on what lies in its inputs and copies the embeddings out.
static bool run_tower(vkclip_engine *engine, const struct tower_plan *t, const struct plan_run *run,
                      float *embeddings, vkclip_error *err)
{
    if (!plan_run(t->plan, run, err))
        return false;
    if (engine->is_profiling)
        plan_add_times(t->plan, engine->times);

    const uint32_t width = engine->vit.sizes.embedding_width;
    const float *out = gpu_buffer_address(engine->out);
    memcpy(embeddings, out, (size_t)run->counts.sequences * width * sizeof *out);
    for (uint32_t i = 0; i < run->counts.sequences; i++)
        if (!check_embedding(engine, embeddings + (size_t)i * width, err))
            return false;
    return true;
}

static bool run_images(vkclip_engine *engine, const uint8_t *pixels, uint32_t count,
                       float *embeddings, vkclip_error *err)
{
    const size_t side = engine->vit.sizes.image_size_px;
    uint32_t lengths[ENGINE_MAX_IMAGES];
    for (uint32_t i = 0; i < count; i++)
        lengths[i] = vit_tokens(&engine->vit);
    memcpy(gpu_buffer_address(engine->pixels), pixels, count * side * side * 3);
    struct plan_run run;
    make_tiles(engine, lengths, count, &run);
    return run_tower(engine, &engine->images, &run, embeddings, err);
}

bool vkclip_embed_pixels(vkclip_engine *engine, const uint8_t *pixels, size_t count,
                         float *embeddings, vkclip_error *err)
{
    if (!engine || !pixels || !embeddings || count == 0)
        return fail(err, VKCLIP_ERROR_ARGUMENT, "vkclip_embed_pixels: nothing to embed");
    if (!gpu_check_alive(engine->gpu, err))
        return false;
    const size_t side = engine->vit.sizes.image_size_px;
    const size_t width = engine->vit.sizes.embedding_width;
    for (size_t done = 0; done < count;) {
        uint32_t now = min_u32(count - done, engine->images.limits.sequences);
        if (!run_images(engine, pixels + done * side * side * 3, now, embeddings + done * width,
                        err))
            return false;
        done += now;
    }
    return true;
}

bool vkclip_embed_images(vkclip_engine *engine, const vkclip_image *images, size_t count,
                         float *embeddings, vkclip_error *errors, vkclip_error *err)
{
    if (!engine || !images || !embeddings || count == 0)
        return fail(err, VKCLIP_ERROR_ARGUMENT, "vkclip_embed_images: nothing to embed");
    if (!gpu_check_alive(engine->gpu, err))
        return false;
    const size_t side = engine->vit.sizes.image_size_px;
    const size_t width = engine->vit.sizes.embedding_width;
    const size_t picture_bytes = side * side * 3;
    for (size_t done = 0; done < count;) {
        uint32_t now = min_u32(count - done, engine->images.limits.sequences);
        bool is_read[ENGINE_MAX_IMAGES];
        for (uint32_t i = 0; i < now; i++) {
            vkclip_error reason = {0};
            uint8_t *picture = engine->pictures + i * picture_bytes;
            is_read[i] = vkclip_preprocess(engine->model, &images[done + i], picture, &reason);
            if (!is_read[i] && !errors) {
                if (err)
                    *err = reason;
                return false;
            }
            if (errors)
                errors[done + i] = reason;
            if (!is_read[i])
                memset(picture, 0, picture_bytes);
        }
        if (!run_images(engine, engine->pictures, now, embeddings + done * width, err))
            return false;
        for (uint32_t i = 0; i < now; i++)
            if (!is_read[i])
                memset(embeddings + (done + i) * width, 0, width * sizeof *embeddings);
        done += now;
    }
    return true;
}

// Writes one text's rows: [CLS] among the first rows of the run, the others behind those of the
// texts before.
static void place_tokens(vkclip_engine *engine, const int32_t *ids, uint32_t length, uint32_t text,
                         uint32_t body_row)
{
    struct token *tokens = gpu_buffer_address(engine->tokens);
    tokens[text] = (struct token){.id = (uint32_t)ids[0]};
    for (uint32_t i = 1; i < length; i++)
        tokens[body_row + i - 1] = (struct token){.id = (uint32_t)ids[i], .position = i};
}

static bool run_texts(vkclip_engine *engine, const int32_t *ids, const uint32_t *lengths,
                      uint32_t count, float *embeddings, vkclip_error *err)
{
    struct plan_run run;
    make_tiles(engine, lengths, count, &run);
    uint32_t body_row = count;
    for (uint32_t i = 0; i < count; i++) {
        place_tokens(engine, ids, lengths[i], i, body_row);
        ids += lengths[i];
        body_row += lengths[i] - 1;
    }
    const struct plan_limits *few = &engine->few_texts.limits;
    bool are_few = run.counts.tokens <= few->tokens && count <= few->sequences;
    return run_tower(engine, are_few ? &engine->few_texts : &engine->texts, &run, embeddings, err);
}

static bool check_tokens(const vkclip_engine *engine, const int32_t *ids, const uint32_t *lengths,
                         size_t count, vkclip_error *err)
{
    const uint32_t rows = engine->bert.sizes.vocabulary_rows;
    for (size_t i = 0; i < count; i++) {
        if (lengths[i] == 0 || lengths[i] > engine->model->config.context_tokens)
            return fail(err, VKCLIP_ERROR_ARGUMENT, "text %zu has %u tokens, 1 to %u are accepted",
                        i, lengths[i], engine->model->config.context_tokens);
        for (uint32_t j = 0; j < lengths[i]; j++, ids++)
            if (*ids < 0 || (uint32_t)*ids >= rows)
                return fail(err, VKCLIP_ERROR_ARGUMENT, "token %u of text %zu is %d of %u", j, i,
                            *ids, rows);
    }
    return true;
}

bool vkclip_embed_tokens(vkclip_engine *engine, const int32_t *ids, const uint32_t *lengths,
                         size_t count, float *embeddings, vkclip_error *err)
{
    if (!engine || !ids || !lengths || !embeddings || count == 0)
        return fail(err, VKCLIP_ERROR_ARGUMENT, "vkclip_embed_tokens: nothing to embed");
    if (!gpu_check_alive(engine->gpu, err) || !check_tokens(engine, ids, lengths, count, err))
        return false;

    const struct plan_limits *limits = &engine->texts.limits;
    const size_t width = engine->vit.sizes.embedding_width;
    for (size_t done = 0; done < count;) {
        uint32_t now = 0, tokens = 0;
        while (done + now < count && now < limits->sequences &&
               tokens + lengths[done + now] <= limits->tokens)
            tokens += lengths[done + now++];
        if (!run_texts(engine, ids, lengths + done, now, embeddings + done * width, err))
            return false;
        ids += tokens;
        done += now;
    }
    return true;
}

bool vkclip_embed_texts(vkclip_engine *engine, const char *const *texts, size_t count,
                        float *embeddings, vkclip_error *err)
{
    if (!engine || !texts || !embeddings || count == 0)
        return fail(err, VKCLIP_ERROR_ARGUMENT, "vkclip_embed_texts: nothing to embed");
    if (!gpu_check_alive(engine->gpu, err))
        return false;
    const uint32_t longest = engine->model->config.context_tokens;
    const uint32_t at_once = engine->texts.limits.sequences;
    const size_t width = engine->vit.sizes.embedding_width;
    int32_t *ids = malloc((size_t)at_once * longest * sizeof *ids);
    uint32_t *lengths = malloc(at_once * sizeof *lengths);
    bool is_done = ids && lengths;
    if (!is_done)
        fail(err, VKCLIP_ERROR_MEMORY, "no memory for the tokens of %u texts", at_once);

    for (size_t done = 0; is_done && done < count;) {
        uint32_t now = min_u32(count - done, at_once);
        size_t tokens = 0;
        for (uint32_t i = 0; is_done && i < now; i++) {
            is_done = vkclip_tokenize(engine->model, texts[done + i], ids + tokens, longest,
                                      &lengths[i], err);
            tokens += is_done ? lengths[i] : 0;
        }
        is_done = is_done &&
                  vkclip_embed_tokens(engine, ids, lengths, now, embeddings + done * width, err);
        done += now;
    }
    free(ids);
    free(lengths);
    return is_done;
}
