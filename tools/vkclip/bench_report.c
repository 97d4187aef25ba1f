// bench_report.c: what was measured, as tables for people and as JSON.
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "bench.h"

static double rate(double amount, double time)
{
    return time > 0.0 ? amount / time : 0.0;
}

static double tokens_per_s(const struct bench_row *row)
{
    return rate((double)row->batch * row->tokens, row->median_s);
}

static double profile_milliseconds(const struct bench_profile *profile)
{
    double sum = 0.0;
    for (uint32_t i = 0; i < profile->count; i++)
        sum += profile->kernels[i].milliseconds;
    return sum;
}

static double gflop_per_s(const vkclip_kernel_time *kernel)
{
    return rate(kernel->gflop, kernel->milliseconds * 1e-3);
}

static double gigabytes_per_s(const vkclip_kernel_time *kernel)
{
    return rate(kernel->gigabytes, kernel->milliseconds * 1e-3);
}

static const char *const arithmetics[] = {
    [VKCLIP_ARITHMETIC_FP32] = "fp32",
    [VKCLIP_ARITHMETIC_MATRIX] = "matrix",
    [VKCLIP_ARITHMETIC_DOT4] = "dot4",
};

// How near a kernel is to the nearer of its two roofs, and to which.
struct nearness {
    const char *roof;
    double fraction;
};

static struct nearness nearest_roof(const vkclip_roof *roof, const vkclip_kernel_time *kernel)
{
    const double gflops[] = {
        [VKCLIP_ARITHMETIC_FP32] = roof->fp32_gflops,
        [VKCLIP_ARITHMETIC_MATRIX] = roof->matrix_gflops,
        [VKCLIP_ARITHMETIC_DOT4] = roof->dot4_gops,
    };
    const double computed = rate(gflop_per_s(kernel), gflops[kernel->arithmetic]);
    const double moved = rate(gigabytes_per_s(kernel), fmax(roof->read_gbs, roof->copy_gbs));
    return computed > moved ? (struct nearness){arithmetics[kernel->arithmetic], computed}
                            : (struct nearness){"memory", moved};
}

// How long somebody waits for the first embedding of a process, and for what.
struct first {
    struct {
        const char *name;
        double seconds;
    } parts[6];
    double total_s;
};

static struct first first_embedding(const struct bench *bench)
{
    const vkclip_engine_facts *engine = vkclip_engine_get_facts(bench->session.engine);
    struct first first = {
        .parts = {{"open", bench->open_s},
                  {"device", engine->device_s},
                  {"pipelines", engine->pipelines_s},
                  {"weights", engine->weights_s},
                  {"plan", engine->plan_s},
                  {"first_run",
                   bench->first_image_s > 0.0 ? bench->first_image_s : bench->first_text_s}},
    };
    for (size_t i = 0; i < COUNT(first.parts); i++)
        first.total_s += first.parts[i].seconds;
    return first;
}

// ---- tables ----------------------------------------------------------------------------------

static void add_head(struct text *text, const struct bench *bench)
{
    const vkclip_engine_facts *engine = vkclip_engine_get_facts(bench->session.engine);
    text_add(text, "device   ");
    text_add_plain(text, engine->device.name);
    text_add(text, ", Vulkan %s\ndriver   ", engine->device.api);
    text_add_plain(text, engine->device.driver);
    text_add(text, "\nvkclip   %s, %s, %s\n", vkclip_version(),
             session_precisions[engine->precision], engine->variants);
    text_add(text,
             "checked  a small model against open_clip; each run and batch, to the bit, against "
             "each input alone\n");
    text_add(text, "memory   %.0f MB of the device for weights, %.0f MB for activations\n",
             (double)engine->weights_bytes * 1e-6, (double)engine->arena_bytes * 1e-6);
    text_add(text, "         peak memory of the process %.0f MB\n",
             (double)bench->peak_memory_bytes * 1e-6);
}

static void add_first(struct text *text, const struct bench *bench)
{
    const struct first first = first_embedding(bench);
    const vkclip_engine_facts *engine = vkclip_engine_get_facts(bench->session.engine);
    text_add(text, "\n%-24s", "first embedding, s");
    for (size_t i = 0; i < COUNT(first.parts); i++)
        text_add(text, "  %9s", i + 1 < COUNT(first.parts) ? first.parts[i].name : "first run");
    text_add(text, "\n  after %-16.3f", first.total_s);
    for (size_t i = 0; i < COUNT(first.parts); i++)
        text_add(text, "  %9.3f", first.parts[i].seconds);
    text_add(text, "\n  weights: %.3f to read, %.3f to convert, %.3f to upload\n", engine->read_s,
             engine->convert_s, engine->upload_s);
}

static void add_rows(struct text *text, const struct bench *bench)
{
    bool has_cold = false;
    text_add(text, "\n%-24s  %9s  %9s  %9s  %4s  %9s  %9s\n", "warm runs, ms", "median", "p10",
             "p90", "n", "a second", "tokens/s");
    for (uint32_t i = 0; i < bench->row_count; i++) {
        const struct bench_row *row = &bench->rows[i];
        char name[40];
        if (row->is_image)
            snprintf(name, sizeof name, "image x %u", row->batch);
        else
            snprintf(name, sizeof name, "text x %u, %u tokens", row->batch, row->tokens);
        text_add(text, "  %-22s", name);
        text_add(text, "  %9.3f  %9.3f  %9.3f  %4u%c %9.2f", row->median_s * 1e3, row->p10_s * 1e3,
                 row->p90_s * 1e3, row->run_count, row->is_warm ? ' ' : '*',
                 rate(row->batch, row->median_s));
        if (row->tokens)
            text_add(text, "  %9.0f", tokens_per_s(row));
        text_add(text, "\n");
        has_cold = has_cold || !row->is_warm;
    }
    if (has_cold)
        text_add(text, "  * medians did not agree within 2 %% after %.0f s of warming up\n",
                 BENCH_WARM_SECONDS);
    if (bench->is_cut)
        text_add(text,
                 "  larger batches and longer texts, of more than %.0f s a run, are left out\n",
                 BENCH_RUN_SECONDS);
}

static void add_roof(struct text *text, const vkclip_roof *roof)
{
    if (roof->fp32_gflops == 0.0)
        return;
    text_add(text, "\nroof     fp32 %.1f GFLOP/s", roof->fp32_gflops);
    if (roof->fp16_gflops > 0.0)
        text_add(text, ", fp16 %.1f GFLOP/s", roof->fp16_gflops);
    if (roof->matrix_gflops > 0.0)
        text_add(text, ", matrix %.1f GFLOP/s", roof->matrix_gflops);
    if (roof->dot4_gops > 0.0)
        text_add(text, ", dot4 %.1f GOP/s", roof->dot4_gops);
    text_add(text, ", read %.1f GB/s, copy %.1f GB/s\n", roof->read_gbs, roof->copy_gbs);
}

static void add_profile(struct text *text, const char *what, const struct bench_profile *profile,
                        const vkclip_roof *roof)
{
    const double sum = profile_milliseconds(profile);
    char title[48];
    if (profile->count == 0)
        return;
    snprintf(title, sizeof title, "kernels of %s x %u", what, profile->batch);
    text_add(text, "\n%-24s  %9s  %9s  %9s  %9s  %9s  %9s\n", title, "calls", "ms", "share",
             "GFLOP/s", "GB/s", "of roof");
    for (uint32_t i = 0; i < profile->count; i++) {
        const vkclip_kernel_time *kernel = &profile->kernels[i];
        const struct nearness nearest = nearest_roof(roof, kernel);
        text_add(text, "  %-22s  %9u  %9.3f  %7.1f %%  %9.1f  %9.1f  %7.1f %% %s\n", kernel->kernel,
                 kernel->calls, kernel->milliseconds, 100.0 * rate(kernel->milliseconds, sum),
                 gflop_per_s(kernel), gigabytes_per_s(kernel), 100.0 * nearest.fraction,
                 nearest.roof);
    }
}

void bench_print_tables(struct text *text, const struct bench *bench)
{
    add_head(text, bench);
    add_first(text, bench);
    add_rows(text, bench);
    add_roof(text, &bench->roof);
    add_profile(text, "image", &bench->images, &bench->roof);
    add_profile(text, "text", &bench->texts, &bench->roof);
}

// ---- JSON ------------------------------------------------------------------------------------

static void add_rows_json(struct text *text, const struct bench *bench)
{
    text_add(text, ",\n \"measurements\": [");
    for (uint32_t i = 0; i < bench->row_count; i++) {
        const struct bench_row *row = &bench->rows[i];
        text_add(text, "%s\n  {\"what\": \"%s\", \"batch\": %u", i ? "," : "",
                 row->is_image ? "image" : "text", row->batch);
        if (row->tokens)
            text_add(text, ", \"tokens\": %u, \"tokens_per_s\": %.9g", row->tokens,
                     tokens_per_s(row));
        text_add(text,
                 ", \"runs\": %u, \"warm\": %s, \"median_s\": %.9g, \"p10_s\": %.9g, "
                 "\"p90_s\": %.9g, \"per_s\": %.9g}",
                 row->run_count, row->is_warm ? "true" : "false", row->median_s, row->p10_s,
                 row->p90_s, rate(row->batch, row->median_s));
    }
    text_add(text, "],\n \"cut\": %s", bench->is_cut ? "true" : "false");
}

static void add_profile_json(struct text *text, const char *what,
                             const struct bench_profile *profile, const vkclip_roof *roof)
{
    text_add(text, ",\n \"%s_kernels\": {\"batch\": %u, \"kernels\": [", what, profile->batch);
    for (uint32_t i = 0; i < profile->count; i++) {
        const vkclip_kernel_time *kernel = &profile->kernels[i];
        const struct nearness nearest = nearest_roof(roof, kernel);
        text_add(text, i ? ",\n  {\"kernel\": " : "\n  {\"kernel\": ");
        text_add_json(text, kernel->kernel);
        text_add(text,
                 ", \"arithmetic\": \"%s\", \"calls\": %u, \"milliseconds\": %.9g, "
                 "\"gflop\": %.9g, \"gigabytes\": %.9g, \"gflop_per_s\": %.9g, "
                 "\"gigabytes_per_s\": %.9g, \"roof\": \"%s\", "
                 "\"roof_fraction\": %.9g}",
                 arithmetics[kernel->arithmetic], kernel->calls, kernel->milliseconds,
                 kernel->gflop, kernel->gigabytes, gflop_per_s(kernel), gigabytes_per_s(kernel),
                 nearest.roof, nearest.fraction);
    }
    text_add(text, "]}");
}

void bench_print_json(struct text *text, const struct bench *bench)
{
    const vkclip_engine_facts *engine = vkclip_engine_get_facts(bench->session.engine);
    const struct first first = first_embedding(bench);
    text_add(text, "{\"version\": \"%s\",\n \"device\": ", vkclip_version());
    text_add_json(text, engine->device.name);
    text_add(text, ",\n \"driver\": ");
    text_add_json(text, engine->device.driver);
    text_add(text, ",\n \"vulkan\": ");
    text_add_json(text, engine->device.api);
    text_add(text,
             ",\n \"precision\": \"%s\",\n \"variants\": ", session_precisions[engine->precision]);
    text_add_json(text, engine->variants);
    text_add(text,
             ",\n \"synthetic\": %s, \"weights_bytes\": %" PRIu64 ", \"arena_bytes\": %" PRIu64
             ", \"peak_memory_bytes\": %" PRIu64,
             bench->common.is_synthetic ? "true" : "false", engine->weights_bytes,
             engine->arena_bytes, bench->peak_memory_bytes);
    text_add(text, ",\n \"first_embedding\": {\"total_s\": %.9g", first.total_s);
    for (size_t i = 0; i < COUNT(first.parts); i++)
        text_add(text, ", \"%s_s\": %.9g", first.parts[i].name, first.parts[i].seconds);
    text_add(text, ",\n  \"weights\": {\"read_s\": %.9g, \"convert_s\": %.9g, \"upload_s\": %.9g}",
             engine->read_s, engine->convert_s, engine->upload_s);
    text_add(text, "},\n \"first_image_s\": %.9g, \"first_text_s\": %.9g", bench->first_image_s,
             bench->first_text_s);
    add_rows_json(text, bench);
    text_add(text,
             ",\n \"roof\": {\"fp32_gflop_per_s\": %.9g, \"fp16_gflop_per_s\": %.9g, "
             "\"matrix_gflop_per_s\": %.9g, \"dot4_gop_per_s\": %.9g, "
             "\"read_gigabytes_per_s\": %.9g, \"copy_gigabytes_per_s\": %.9g}",
             bench->roof.fp32_gflops, bench->roof.fp16_gflops, bench->roof.matrix_gflops,
             bench->roof.dot4_gops, bench->roof.read_gbs, bench->roof.copy_gbs);
    add_profile_json(text, "image", &bench->images, &bench->roof);
    add_profile_json(text, "text", &bench->texts, &bench->roof);
    text_add(text, "}\n");
}
