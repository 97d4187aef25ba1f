// bench.c: vkclip bench, how fast a model runs here, and where the time goes.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "images.h"
#include "output.h"
#include "platform.h"
#include "report.h"
#include "session.h"

enum {
    TEXT_TOKENS = 11, // "this is a photo of adenocarcinoma histopathology" and its like
    TEXTS_AT_ONCE = 32,
    KERNELS_MOST = 16,
    RUNS_MOST = 1000,
};

struct measurement {
    const char *what; // "image", "text"
    size_t batch;
    double median_s;
};

struct profile {
    vkclip_kernel_time kernels[KERNELS_MOST];
    uint32_t count;
};

struct bench {
    struct session_options common;
    uint32_t runs;
    bool is_json;

    struct session session;
    double ready_s; // from opening the model to the end of vkclip_engine_create
    size_t image_batch, text_batch;
    uint8_t *pixels;   // [image_batch, side, side, 3]
    int32_t *ids;      // [text_batch * TEXT_TOKENS]
    uint32_t *lengths; // [text_batch]
    float *embeddings; // [larger batch, embedding_width]
    struct measurement measurements[4];
    size_t measurement_count;
    struct profile image_profile, text_profile;
};

// Source: Marsaglia, Xorshift RNGs, 2003: the triple 13, 17, 5.
static uint32_t next_random(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

static bool prepare(struct bench *bench)
{
    const vkclip_model_facts *model = vkclip_model_get_facts(bench->session.model);
    const vkclip_engine_facts *engine = vkclip_engine_get_facts(bench->session.engine);
    size_t image_bytes = (size_t)model->image_size_px * model->image_size_px * 3;
    bench->image_batch = engine->max_images;
    bench->text_batch = TEXTS_AT_ONCE;
    size_t rows = engine->max_images > TEXTS_AT_ONCE ? engine->max_images : TEXTS_AT_ONCE;

    bench->pixels = calloc(bench->image_batch + 1, image_bytes + 1);
    bench->ids = calloc(bench->text_batch * TEXT_TOKENS, sizeof *bench->ids);
    bench->lengths = calloc(bench->text_batch, sizeof *bench->lengths);
    bench->embeddings = calloc(rows, model->embedding_width * sizeof(float));
    if (!bench->pixels || !bench->ids || !bench->lengths || !bench->embeddings)
        return false;

    uint32_t state = 2463534242u;
    uint32_t tokens = model->context_tokens < TEXT_TOKENS ? model->context_tokens : TEXT_TOKENS;
    for (size_t i = 0; i < bench->image_batch * image_bytes; i++)
        bench->pixels[i] = (uint8_t)(next_random(&state) >> 24);
    for (size_t i = 0; tokens && i < bench->text_batch * TEXT_TOKENS; i++)
        bench->ids[i] = (int32_t)(next_random(&state) % model->vocabulary_rows);
    for (size_t i = 0; i < bench->text_batch; i++)
        bench->lengths[i] = tokens;
    return true;
}

static bool embed_once(struct bench *bench, bool is_image, size_t batch, vkclip_error *err)
{
    vkclip_engine *engine = bench->session.engine;
    return is_image ? vkclip_embed_pixels(engine, bench->pixels, batch, bench->embeddings, err)
                    : vkclip_embed_tokens(engine, bench->ids, bench->lengths, batch,
                                          bench->embeddings, err);
}

static int compare_doubles(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return left < right ? -1 : left > right;
}

// One warm-up, then the median of the runs.
static bool measure(struct bench *bench, bool is_image, size_t batch, vkclip_error *err)
{
    double seconds[RUNS_MOST];
    if (!embed_once(bench, is_image, batch, err))
        return false;
    for (uint32_t i = 0; i < bench->runs; i++) {
        double start = vkclip_clock_seconds();
        if (!embed_once(bench, is_image, batch, err))
            return false;
        seconds[i] = vkclip_clock_seconds() - start;
    }
    qsort(seconds, bench->runs, sizeof *seconds, compare_doubles);
    size_t middle = bench->runs / 2;
    double median =
        bench->runs % 2 ? seconds[middle] : (seconds[middle - 1] + seconds[middle]) / 2.0;
    bench->measurements[bench->measurement_count++] =
        (struct measurement){is_image ? "image" : "text", batch, median};
    return true;
}

// As many images as the engine takes at once, but no more than a run of some seconds: a software
// driver needs seconds for each.
static size_t affordable_batch(const struct bench *bench)
{
    double batch = 4.0 / bench->measurements[0].median_s;
    return batch >= (double)bench->image_batch ? bench->image_batch
           : batch < 1.0                       ? 1
                                               : (size_t)batch;
}

// A device without timestamps leaves the profile empty.
static bool profile(struct bench *bench, bool is_image, struct profile *result, vkclip_error *err)
{
    if (!vkclip_engine_get_facts(bench->session.engine)->device.has_timestamps)
        return true;
    if (!vkclip_profile_begin(bench->session.engine, err))
        return false;
    size_t batch = is_image ? bench->image_batch : bench->text_batch;
    vkclip_error unused;
    bool is_done = embed_once(bench, is_image, batch, err);
    return vkclip_profile_end(bench->session.engine, result->kernels, KERNELS_MOST, &result->count,
                              is_done ? err : &unused) &&
           is_done;
}

static double profile_milliseconds(const struct profile *profile)
{
    double sum = 0.0;
    for (uint32_t i = 0; i < profile->count; i++)
        sum += profile->kernels[i].milliseconds;
    return sum;
}

static double rate(double amount, double time)
{
    return time > 0.0 ? amount / time : 0.0;
}

static void add_profile_table(struct text *text, const char *what, size_t batch,
                              const struct profile *profile)
{
    double sum = profile_milliseconds(profile);
    if (profile->count == 0)
        return;
    text_add(text, "\n%-20s %6s %10s %7s %9s   (batch of %zu)\n", what, "calls", "ms", "share",
             "GFLOP/s", batch);
    for (uint32_t i = 0; i < profile->count; i++) {
        const vkclip_kernel_time *kernel = &profile->kernels[i];
        text_add(text, "  %-18s %6u %10.3f %5.1f %% %9.1f\n", kernel->kernel, kernel->calls,
                 kernel->milliseconds, 100.0 * rate(kernel->milliseconds, sum),
                 rate(kernel->gflop, kernel->milliseconds * 1e-3));
    }
}

static void print_table(struct text *text, const struct bench *bench)
{
    const vkclip_engine_facts *facts = vkclip_engine_get_facts(bench->session.engine);
    text_add(text, "device       ");
    text_add_plain(text, facts->device.name);
    text_add(text, "\ndriver       ");
    text_add_plain(text, facts->device.driver);
    text_add(text, "\nprecision    %s\n", session_precisions[facts->precision]);
    text_add(text, "ready after  %.3f s\n", bench->ready_s);
    for (size_t i = 0; i < bench->measurement_count; i++) {
        const struct measurement *m = &bench->measurements[i];
        text_add(text, "%-6s x %-4zu %.3f s, %.2f a second\n", m->what, m->batch, m->median_s,
                 rate((double)m->batch, m->median_s));
    }
    text_add(text,
             "peak memory  %.0f MB of the process, of the device %.0f MB for weights and "
             "%.0f MB for activations\n",
             (double)platform_peak_memory_bytes() * 1e-6, (double)facts->weights_bytes * 1e-6,
             (double)facts->arena_bytes * 1e-6);
    add_profile_table(text, "image kernels", bench->image_batch, &bench->image_profile);
    add_profile_table(text, "text kernels", bench->text_batch, &bench->text_profile);
}

static void add_profile_json(struct text *text, const char *what, size_t batch,
                             const struct profile *profile)
{
    text_add(text, ", \"%s_kernels\": {\"batch\": %zu, \"kernels\": [", what, batch);
    for (uint32_t i = 0; i < profile->count; i++) {
        const vkclip_kernel_time *kernel = &profile->kernels[i];
        text_add(text, i ? ", {\"kernel\": " : "{\"kernel\": ");
        text_add_json(text, kernel->kernel);
        text_add(text, ", \"calls\": %u, \"milliseconds\": %.9g, \"gflop\": %.9g}", kernel->calls,
                 kernel->milliseconds, kernel->gflop);
    }
    text_add(text, "]}");
}

static void print_json(struct text *text, const struct bench *bench)
{
    const vkclip_engine_facts *facts = vkclip_engine_get_facts(bench->session.engine);
    text_add(text, "{\"version\": \"%s\", \"device\": ", vkclip_version());
    text_add_json(text, facts->device.name);
    text_add(text, ", \"driver\": ");
    text_add_json(text, facts->device.driver);
    text_add(text, ", \"precision\": \"%s\", \"ready_s\": %.9g, \"runs\": %u",
             session_precisions[facts->precision], bench->ready_s, bench->runs);
    text_add(text,
             ", \"peak_memory_bytes\": %" PRIu64 ", \"weights_bytes\": %" PRIu64
             ", \"arena_bytes\": %" PRIu64 ", \"measurements\": [",
             platform_peak_memory_bytes(), facts->weights_bytes, facts->arena_bytes);
    for (size_t i = 0; i < bench->measurement_count; i++) {
        const struct measurement *m = &bench->measurements[i];
        text_add(text, "%s{\"what\": \"%s\", \"batch\": %zu, \"median_s\": %.9g, \"per_s\": %.9g}",
                 i ? ", " : "", m->what, m->batch, m->median_s,
                 rate((double)m->batch, m->median_s));
    }
    text_add(text, "]");
    add_profile_json(text, "image", bench->image_batch, &bench->image_profile);
    add_profile_json(text, "text", bench->text_batch, &bench->text_profile);
    text_add(text, "}\n");
}

static bool measure_images(struct bench *bench, vkclip_error *err)
{
    if (!measure(bench, true, 1, err))
        return false;
    if (bench->common.batch == 0)
        bench->image_batch = affordable_batch(bench);
    return (bench->image_batch == 1 || measure(bench, true, bench->image_batch, err)) &&
           profile(bench, true, &bench->image_profile, err);
}

static bool measure_texts(struct bench *bench, vkclip_error *err)
{
    return measure(bench, false, 1, err) && measure(bench, false, bench->text_batch, err) &&
           profile(bench, false, &bench->text_profile, err);
}

static enum exit_status run_bench(struct bench *bench)
{
    double start = vkclip_clock_seconds();
    enum exit_status status = session_open(&bench->session, &bench->common);
    if (status != STATUS_FINE)
        return status;
    bench->ready_s = vkclip_clock_seconds() - start;
    if (!prepare(bench))
        return report_out_of_memory();

    vkclip_error err = {0};
    const vkclip_model_facts *facts = vkclip_model_get_facts(bench->session.model);
    if ((facts->image_size_px && !measure_images(bench, &err)) ||
        (facts->context_tokens && !measure_texts(bench, &err)))
        return report_failure(&err);

    struct text text = {0};
    (bench->is_json ? print_json : print_table)(&text, bench);
    output_write(&text);
    return STATUS_FINE;
}

static enum exit_status run(const struct command *command, int count, char **arguments)
{
    struct bench bench = {.runs = 5};
    const struct option options[] = {
        {.name = "runs",
         .argument = "N",
         .number = &bench.runs,
         .least = 1,
         .most = RUNS_MOST,
         .help = "times are medians of N runs; default: 5"},
        {.name = "json", .flag = &bench.is_json, .help = "print one JSON object"},
        SESSION_ENGINE_OPTIONS(bench.common),
    };
    enum exit_status status;
    if (!options_parse(command, options, COUNT(options), &count, arguments, &status))
        return status;
    if (!session_check_options(command, &bench.common))
        return STATUS_USAGE;
    if (count > 0)
        return options_refuse(command, "'%s' is not expected here", arguments[0]);

    status = run_bench(&bench);
    free(bench.pixels);
    free(bench.ids);
    free(bench.lengths);
    free(bench.embeddings);
    session_close(&bench.session);
    return status;
}

const struct command bench_command = {
    .name = "bench",
    .usage = "-m MODEL [--batch N] [--runs N] [--json] [options]",
    .summary = "Measures speed and memory, kernel by kernel.",
    .notes =
        "One picture of random pixels and a batch of them, one text of 11 tokens and a batch of\n"
        "them. Without --batch the images are as many as are computed at once, or as take four\n"
        "seconds. GFLOP/s counts matrix products only.\n\n" SESSION_NOTES,
    .examples = "  vkclip bench\n"
                "  vkclip bench --batch 8 --runs 20 --json\n",
    .run = run,
};
