// embed.c: batches of images and texts -> runs that fit -> embeddings.
#include "engine.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

// ---- runs ------------------------------------------------------------------------------------

static void make_tiles(vkclip_engine *engine, const uint32_t *lengths, uint32_t count,
                       struct plan_run *run)
{
    *run = (struct plan_run){
        .counts.sequences = count,
        .tile_count = plan_cut_tiles(gpu_buffer_address(engine->tiles), lengths, count,
                                     engine->kernels.shapes[KERNEL_ATTENTION].rows),
    };
    for (uint32_t i = 0; i < count; i++) {
        run->counts.tokens += lengths[i];
        run->first_pairs += lengths[i];
        run->attention_pairs += (double)lengths[i] * lengths[i];
    }
}

// A device that computes rightly leaves unit vectors, to a few units in the last place, or zeros
// for a model that gives zeros. This costs nothing and sees most of what a broken device does.
static bool check_row(const vkclip_engine *engine, const float *row, uint32_t cols, bool is_unit,
                      vkclip_error *err)
{
    double squares = 0.0;
    for (uint32_t i = 0; i < cols; i++)
        squares += (double)row[i] * (double)row[i];
    if (!isfinite(squares))
        return fail(err, VKCLIP_ERROR_NUMBERS, "an embedding is not finite%s",
                    engine->facts.precision == VKCLIP_PRECISION_FP32 ? "" : ": try fp32");
    if (is_unit && squares != 0.0 && fabs(squares - 1.0) > 1e-4)
        return fail(err, VKCLIP_ERROR_NUMBERS,
                    "%s computes wrongly: an embedding has length %g, not 1",
                    engine->facts.device.name, sqrt(squares));
    return true;
}

// What is read after a run: a row a sequence.
struct results {
    const struct gpu_buffer *buffer;
    uint32_t cols;
    bool is_unit;
};

static struct results embeddings_of(const vkclip_engine *engine, bool is_unit)
{
    return (struct results){engine->out, engine->model->facts.embedding_width, is_unit};
}

static struct results logits_of(const vkclip_engine *engine)
{
    return (struct results){engine->logits, engine->vit.class_count, false};
}

// Runs a tower on what lies in its inputs and copies the results out.
static bool run_tower(vkclip_engine *engine, const struct tower_plan *t, const struct plan_run *run,
                      const struct results *results, float *rows, vkclip_error *err)
{
    if (!plan_run(t->plan, run, err))
        return false;
    if (engine->is_profiling)
        plan_add_times(t->plan, engine->times);

    const size_t cols = results->cols;
    memcpy(rows, gpu_buffer_address(results->buffer), run->counts.sequences * cols * sizeof *rows);
    for (uint32_t i = 0; i < run->counts.sequences; i++)
        if (!check_row(engine, rows + i * cols, results->cols, results->is_unit, err))
            return false;
    return true;
}

// ---- images ----------------------------------------------------------------------------------

static void place_pixels(vkclip_engine *engine, const uint8_t *pixels, uint32_t count)
{
    const size_t side = engine->vit.image_size_px;
    plan_pack_pixels(gpu_buffer_address(engine->pixels), pixels, count * side * side * 3);
}

// Runs the tower on the images that were placed.
static bool run_images(vkclip_engine *engine, uint32_t count, const struct results *results,
                       float *rows, vkclip_error *err)
{
    uint32_t lengths[ENGINE_MAX_IMAGES] = {0};
    for (uint32_t i = 0; i < count; i++)
        lengths[i] = vit_tokens(&engine->vit);
    struct plan_run run;
    make_tiles(engine, lengths, count, &run);
    return run_tower(engine, count == 1 ? &engine->one_image : &engine->images, &run, results, rows,
                     err);
}

static bool check_image_tower(const vkclip_engine *engine, vkclip_error *err)
{
    if (!model_has_images(engine->model))
        return fail(err, VKCLIP_ERROR_MODEL, "%s: the model has no image tower",
                    engine->model->weights.path);
    return gpu_check_alive(engine->gpu, err);
}

static bool check_classifier(const vkclip_engine *engine, vkclip_error *err)
{
    if (!engine->vit.class_count)
        return fail(err, VKCLIP_ERROR_MODEL, "%s: the model has no classifier",
                    engine->model->weights.path);
    return gpu_check_alive(engine->gpu, err);
}

static bool run_pixels(vkclip_engine *engine, const uint8_t *pixels, size_t count,
                       const struct results *results, float *rows, vkclip_error *err)
{
    const size_t side = engine->vit.image_size_px;
    for (size_t done = 0; done < count;) {
        uint32_t now = min_u32(count - done, engine->images.limits.sequences);
        place_pixels(engine, pixels + done * side * side * 3, now);
        if (!run_images(engine, now, results, rows + done * results->cols, err))
            return false;
        done += now;
    }
    return true;
}

bool vkclip_embed_pixels(vkclip_engine *engine, const uint8_t *pixels, size_t count,
                         float *embeddings, vkclip_error *err)
{
    if (!engine || !pixels || !embeddings || count == 0)
        return fail(err, VKCLIP_ERROR_ARGUMENT, "vkclip_embed_pixels: nothing to embed");
    const struct results results = embeddings_of(engine, true);
    return check_image_tower(engine, err) &&
           run_pixels(engine, pixels, count, &results, embeddings, err);
}

bool vkclip_classify_pixels(vkclip_engine *engine, const uint8_t *pixels, size_t count,
                            float *logits, vkclip_error *err)
{
    if (!engine || !pixels || !logits || count == 0)
        return fail(err, VKCLIP_ERROR_ARGUMENT, "vkclip_classify_pixels: nothing to classify");
    const struct results results = logits_of(engine);
    return check_classifier(engine, err) &&
           run_pixels(engine, pixels, count, &results, logits, err);
}

// While the device computes a batch the pictures of the next are read. Those of this batch have
// left engine->pictures by then, so memory holds the pixels of two batches.
static bool run_encoded(vkclip_engine *engine, const vkclip_image *images, size_t count,
                        const struct results *results, float *rows, vkclip_error *errors,
                        vkclip_error *err)
{
    struct pictures *pictures = &engine->pictures;
    const size_t cols = results->cols;
    const uint32_t most = engine->images.limits.sequences;
    uint32_t now = min_u32(count, most);
    pictures_begin(pictures, images, now);
    pictures_end(pictures);
    for (size_t done = 0; done < count;) {
        bool is_read[ENGINE_MAX_IMAGES];
        if (!pictures_report(pictures, is_read, errors ? errors + done : NULL, err))
            return false;
        place_pixels(engine, pictures->pixels, now);
        const uint32_t next = min_u32(count - done - now, most);
        pictures_begin(pictures, images + done + now, next);
        bool is_run = run_images(engine, now, results, rows + done * cols, err);
        pictures_end(pictures);
        if (!is_run)
            return false;
        for (uint32_t i = 0; i < now; i++)
            if (!is_read[i])
                memset(rows + (done + i) * cols, 0, cols * sizeof *rows);
        done += now;
        now = next;
    }
    return true;
}

bool vkclip_embed_images(vkclip_engine *engine, const vkclip_image *images, size_t count,
                         float *embeddings, vkclip_error *errors, vkclip_error *err)
{
    if (!engine || !images || !embeddings || count == 0)
        return fail(err, VKCLIP_ERROR_ARGUMENT, "vkclip_embed_images: nothing to embed");
    const struct results results = embeddings_of(engine, true);
    return check_image_tower(engine, err) &&
           run_encoded(engine, images, count, &results, embeddings, errors, err);
}

bool vkclip_classify_images(vkclip_engine *engine, const vkclip_image *images, size_t count,
                            float *logits, vkclip_error *errors, vkclip_error *err)
{
    if (!engine || !images || !logits || count == 0)
        return fail(err, VKCLIP_ERROR_ARGUMENT, "vkclip_classify_images: nothing to classify");
    const struct results results = logits_of(engine);
    return check_classifier(engine, err) &&
           run_encoded(engine, images, count, &results, logits, errors, err);
}

// ---- texts -----------------------------------------------------------------------------------

// Writes one text's rows: one token among the first rows of the run, the others behind those of
// the texts before.
static void place_tokens(vkclip_engine *engine, const int32_t *ids, uint32_t length, uint32_t text,
                         uint32_t body_row)
{
    struct token *tokens = gpu_buffer_address(engine->tokens);
    const uint32_t first = text_first_token(&engine->text, length);
    for (uint32_t i = 0; i < length; i++)
        tokens[i == first ? text : body_row++] =
            (struct token){.id = (uint32_t)ids[i], .position = i};
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
    const struct results results = embeddings_of(engine, engine->text.is_unit);
    return run_tower(engine, are_few ? &engine->few_texts : &engine->texts, &run, &results,
                     embeddings, err);
}

static bool check_text_tower(const vkclip_engine *engine, vkclip_error *err)
{
    if (!model_has_texts(engine->model))
        return fail(err, VKCLIP_ERROR_MODEL, "%s: the model has no text tower",
                    engine->model->weights.path);
    return gpu_check_alive(engine->gpu, err);
}

static bool check_tokens(const vkclip_engine *engine, const int32_t *ids, const uint32_t *lengths,
                         size_t count, vkclip_error *err)
{
    const uint32_t rows = engine->text.vocabulary_rows;
    const uint32_t most = engine->model->config.text.context_tokens;
    for (size_t i = 0; i < count; i++) {
        if (lengths[i] == 0 || lengths[i] > most)
            return fail(err, VKCLIP_ERROR_ARGUMENT, "text %zu has %u tokens, 1 to %u are accepted",
                        i, lengths[i], most);
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
    if (!check_text_tower(engine, err) || !check_tokens(engine, ids, lengths, count, err))
        return false;

    const struct plan_limits *limits = &engine->texts.limits;
    const size_t width = engine->model->facts.embedding_width;
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

// The ids of a text as far as the tower is to see them; there is room for all.
static bool tokenize(const vkclip_model *model, const char *text, int32_t *ids, uint32_t *length,
                     vkclip_error *err)
{
    if (!vkclip_tokenize(model, text, ids, model->config.text.context_tokens, length, err))
        return false;
    *length = tokenizer_embedded_count(model->tokenizer, ids, *length);
    return true;
}

bool vkclip_embed_texts(vkclip_engine *engine, const char *const *texts, size_t count,
                        float *embeddings, vkclip_error *err)
{
    if (!engine || !texts || !embeddings || count == 0)
        return fail(err, VKCLIP_ERROR_ARGUMENT, "vkclip_embed_texts: nothing to embed");
    if (!check_text_tower(engine, err))
        return false;
    const uint32_t longest = engine->model->config.text.context_tokens;
    const uint32_t at_once = engine->texts.limits.sequences;
    const size_t width = engine->model->facts.embedding_width;
    int32_t *ids = malloc((size_t)at_once * longest * sizeof *ids);
    uint32_t *lengths = malloc(at_once * sizeof *lengths);
    bool is_done = ids && lengths;
    if (!is_done)
        fail(err, VKCLIP_ERROR_MEMORY, "no memory for the tokens of %u texts", at_once);

    for (size_t done = 0; is_done && done < count;) {
        uint32_t now = min_u32(count - done, at_once);
        size_t tokens = 0;
        for (uint32_t i = 0; is_done && i < now; i++) {
            is_done = tokenize(engine->model, texts[done + i], ids + tokens, &lengths[i], err);
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
