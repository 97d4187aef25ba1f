// bench_measure.c: the same call until it is warm, then measured; every result checked.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "report.h"

// ---- inputs ----------------------------------------------------------------------------------

// Pictures or texts of one length that differ, and what each embeds to when it is alone. Batches
// beyond BENCH_MOST_BATCH repeat them.
struct inputs {
    vkclip_engine *engine;
    bool is_image;
    uint32_t tokens;
    uint32_t capacity;
    uint8_t *pixels;   // [capacity, side, side, 3]
    int32_t *ids;      // [capacity * tokens]
    uint32_t *lengths; // [capacity]
    size_t input_size; // bytes of a picture, or ids of a text
    size_t width;
    float *alone; // [BENCH_MOST_BATCH, width], the first alone_count
    uint32_t alone_count;
    float *embeddings; // [capacity, width] of the last run
};

// Source: Marsaglia, Xorshift RNGs, 2003: the triple 13, 17, 5.
static uint32_t next_random(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

static void inputs_finish(struct inputs *inputs)
{
    free(inputs->pixels);
    free(inputs->ids);
    free(inputs->lengths);
    free(inputs->alone);
    free(inputs->embeddings);
}

static void fill(struct inputs *inputs, const vkclip_model_facts *model)
{
    uint32_t state = 2463534242u;
    const size_t count = inputs->capacity * inputs->input_size;
    const size_t distinct = BENCH_MOST_BATCH * inputs->input_size;
    for (size_t i = 0; inputs->is_image && i < count; i++)
        inputs->pixels[i] =
            i < distinct ? (uint8_t)(next_random(&state) >> 24) : inputs->pixels[i - distinct];
    for (size_t i = 0; !inputs->is_image && i < count; i++)
        inputs->ids[i] = i < distinct ? (int32_t)(next_random(&state) % model->vocabulary_rows)
                                      : inputs->ids[i - distinct];
    for (size_t i = 0; i < inputs->capacity; i++)
        inputs->lengths[i] = inputs->tokens;
}

// tokens of each text; 0: pictures.
static bool inputs_init(struct inputs *inputs, const struct bench *bench, uint32_t tokens,
                        uint32_t capacity, vkclip_error *err)
{
    const vkclip_model_facts *model = vkclip_model_get_facts(bench->session.model);
    const size_t picture_bytes = (size_t)model->image_size_px * model->image_size_px * 3;
    *inputs = (struct inputs){
        .engine = bench->session.engine,
        .is_image = tokens == 0,
        .tokens = tokens,
        .capacity = capacity,
        .input_size = tokens ? tokens : picture_bytes,
        .width = model->embedding_width,
    };
    inputs->pixels = calloc(inputs->is_image ? capacity : 1, picture_bytes + 1);
    inputs->ids = calloc(capacity, (tokens + 1) * sizeof *inputs->ids);
    inputs->lengths = calloc(capacity, sizeof *inputs->lengths);
    inputs->alone = calloc(BENCH_MOST_BATCH, inputs->width * sizeof *inputs->alone);
    inputs->embeddings = calloc(capacity, inputs->width * sizeof *inputs->embeddings);
    if (inputs->pixels && inputs->ids && inputs->lengths && inputs->alone && inputs->embeddings) {
        fill(inputs, model);
        return true;
    }
    inputs_finish(inputs);
    return report_fill(err, VKCLIP_ERROR_MEMORY, "out of memory");
}

static bool embed(const struct inputs *inputs, uint32_t first, uint32_t count, float *embeddings,
                  vkclip_error *err)
{
    const size_t start = first * inputs->input_size;
    return inputs->is_image
               ? vkclip_embed_pixels(inputs->engine, inputs->pixels + start, count, embeddings, err)
               : vkclip_embed_tokens(inputs->engine, inputs->ids + start, inputs->lengths, count,
                                     embeddings, err);
}

// ---- checks ----------------------------------------------------------------------------------

// What the first of the inputs embed to, each alone. That it is finite and of unit length is what
// the library looks at in every call.
static bool embed_alone(struct inputs *inputs, uint32_t count, vkclip_error *err)
{
    if (count > BENCH_MOST_BATCH)
        count = BENCH_MOST_BATCH;
    for (; inputs->alone_count < count; inputs->alone_count++)
        if (!embed(inputs, inputs->alone_count, 1,
                   inputs->alone + inputs->alone_count * inputs->width, err))
            return false;
    return true;
}

static bool check_run(const struct inputs *inputs, uint32_t count, vkclip_error *err)
{
    for (uint32_t i = 0; i < count; i++) {
        const float *want = inputs->alone + i % BENCH_MOST_BATCH * inputs->width;
        if (memcmp(inputs->embeddings + i * inputs->width, want, inputs->width * sizeof *want) != 0)
            return report_fill(err, VKCLIP_ERROR_NUMBERS,
                               "no speed is told: %s %u of %u has other bits than alone",
                               inputs->is_image ? "picture" : "text", i + 1, count);
    }
    return true;
}

// ---- statistics ------------------------------------------------------------------------------

static int compare_doubles(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return left < right ? -1 : left > right;
}

// Of sorted values, between two of them where it falls there.
static double quantile(const double *sorted, uint32_t count, double fraction)
{
    double place = fraction * (count - 1);
    uint32_t below = (uint32_t)place;
    uint32_t above = below + 1 < count ? below + 1 : below;
    return sorted[below] + (place - below) * (sorted[above] - sorted[below]);
}

// One checked run of a row.
static bool time_run(const struct inputs *inputs, uint32_t batch, double *seconds,
                     vkclip_error *err)
{
    double start = vkclip_clock_seconds();
    if (!embed(inputs, 0, batch, inputs->embeddings, err))
        return false;
    *seconds = vkclip_clock_seconds() - start;
    return check_run(inputs, batch, err);
}

// Runs until three successive medians of three agree within 2 %, or for BENCH_WARM_SECONDS.
static bool warm_up(const struct inputs *inputs, struct bench_row *row, vkclip_error *err)
{
    double medians[3] = {0}, seconds[3];
    const double end = vkclip_clock_seconds() + BENCH_WARM_SECONDS;
    for (uint32_t run = 0; !row->is_warm && (run == 0 || vkclip_clock_seconds() < end); run++) {
        if (!time_run(inputs, row->batch, &seconds[run % 3], err))
            return false;
        if (run % 3 < 2)
            continue;
        qsort(seconds, 3, sizeof *seconds, compare_doubles);
        medians[run / 3 % 3] = seconds[1];
        double least = fmin(fmin(medians[0], medians[1]), medians[2]);
        double most = fmax(fmax(medians[0], medians[1]), medians[2]);
        row->is_warm = least > 0.0 && most <= 1.02 * least;
    }
    return true;
}

static bool measure_row(struct bench *bench, const struct inputs *inputs, struct bench_row *row,
                        vkclip_error *err)
{
    double seconds[BENCH_MOST_RUNS];
    if (!warm_up(inputs, row, err))
        return false;
    const double end = vkclip_clock_seconds() + BENCH_ROW_SECONDS;
    while (row->run_count < bench->run_count &&
           (row->run_count < 3 || vkclip_clock_seconds() < end))
        if (!time_run(inputs, row->batch, &seconds[row->run_count++], err))
            return false;
    qsort(seconds, row->run_count, sizeof *seconds, compare_doubles);
    row->median_s = quantile(seconds, row->run_count, 0.5);
    row->p10_s = quantile(seconds, row->run_count, 0.1);
    row->p90_s = quantile(seconds, row->run_count, 0.9);
    return true;
}

// ---- sweeps ----------------------------------------------------------------------------------

static bool add_row(struct bench *bench, struct inputs *inputs, uint32_t batch, vkclip_error *err)
{
    struct bench_row *row = &bench->rows[bench->row_count];
    *row =
        (struct bench_row){.is_image = inputs->is_image, .batch = batch, .tokens = inputs->tokens};
    if (!embed_alone(inputs, batch, err) || !measure_row(bench, inputs, row, err))
        return false;
    bench->row_count++;
    return true;
}

// Whether a run that is so many times the last row's takes no longer than a run may.
static bool is_affordable(struct bench *bench, double factor)
{
    bool is_short = bench->rows[bench->row_count - 1].median_s * factor <= BENCH_RUN_SECONDS;
    bench->is_cut = bench->is_cut || !is_short;
    return is_short;
}

// From one to BENCH_MOST_BATCH at once, or as many as were asked for.
static bool sweep_batches(struct bench *bench, struct inputs *inputs, vkclip_error *err)
{
    if (bench->common.batch)
        return add_row(bench, inputs, bench->common.batch, err);
    for (uint32_t batch = 1; batch <= BENCH_MOST_BATCH; batch *= 2)
        if (batch > 1 && !is_affordable(bench, 2.0))
            break;
        else if (!add_row(bench, inputs, batch, err))
            return false;
    return true;
}

// A device without timestamps leaves the profile empty.
static bool profile(const struct bench *bench, const struct inputs *inputs,
                    struct bench_profile *result, vkclip_error *err)
{
    vkclip_engine *engine = bench->session.engine;
    if (!vkclip_engine_get_facts(engine)->device.has_timestamps)
        return true;
    if (!vkclip_profile_begin(engine, err))
        return false;
    vkclip_error unused;
    result->batch = bench->rows[bench->row_count - 1].batch;
    bool is_done = embed(inputs, 0, result->batch, inputs->embeddings, err);
    return vkclip_profile_end(engine, result->kernels, BENCH_MOST_KERNELS, &result->count,
                              is_done ? err : &unused) &&
           is_done && check_run(inputs, result->batch, err);
}

// The first call, a sweep, and where the time goes in its last row. tokens as in inputs_init.
static bool measure_tower(struct bench *bench, uint32_t tokens, double *first_s,
                          struct bench_profile *result, vkclip_error *err)
{
    struct inputs inputs;
    const uint32_t capacity = bench->common.batch ? bench->common.batch : BENCH_MOST_BATCH;
    if (!inputs_init(&inputs, bench, tokens, capacity, err))
        return false;
    double start = vkclip_clock_seconds();
    bool is_done = embed_alone(&inputs, 1, err);
    *first_s = vkclip_clock_seconds() - start;
    is_done = is_done && sweep_batches(bench, &inputs, err) && profile(bench, &inputs, result, err);
    inputs_finish(&inputs);
    return is_done;
}

// Single texts, from short to as long as the model takes.
static bool sweep_lengths(struct bench *bench, uint32_t most, vkclip_error *err)
{
    for (uint32_t tokens = 8; tokens <= 256 && tokens <= most; tokens *= 2) {
        struct inputs inputs;
        if (tokens > 8 && !is_affordable(bench, 2.0))
            break;
        if (!inputs_init(&inputs, bench, tokens, 1, err))
            return false;
        bool is_done = add_row(bench, &inputs, 1, err);
        inputs_finish(&inputs);
        if (!is_done)
            return false;
    }
    return true;
}

bool bench_measure(struct bench *bench, vkclip_error *err)
{
    const vkclip_model_facts *model = vkclip_model_get_facts(bench->session.model);
    const uint32_t longest = model->context_tokens;
    const uint32_t label = longest < BENCH_LABEL_TOKENS ? longest : BENCH_LABEL_TOKENS;
    return (!model->image_size_px ||
            measure_tower(bench, 0, &bench->first_image_s, &bench->images, err)) &&
           (!longest || (measure_tower(bench, label, &bench->first_text_s, &bench->texts, err) &&
                         sweep_lengths(bench, longest, err)));
}
