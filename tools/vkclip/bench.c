// bench.c: vkclip bench, how fast a model runs here, and where the time goes.
#include "bench.h"

#include "model_path.h"
#include "output.h"
#include "platform.h"
#include "report.h"

// The same kernels on a small model, against what open_clip computed: bits that are the same in
// every run may be the same wrong ones.
static bool check_towers(const struct bench *bench, vkclip_error *err)
{
    static vkclip_verify_report report; // too large for the stack
    char cache[4096];
    vkclip_error reason = {0};
    const vkclip_verify_params params = {
        .device = bench->common.device,
        .precision = vkclip_engine_get_facts(bench->session.engine)->precision,
        .cache_directory = cache_directory_find(cache, sizeof cache) ? cache : NULL,
        .skips_kernels = true,
    };
    if (vkclip_verify(&params, &report, &reason))
        return true;
    return report_fill(err, reason.status, "no speed is told: %s", reason.message);
}

// A driver that cannot run these kernels may well run the others.
static bool measure_roof(struct bench *bench, vkclip_error *err)
{
    bench->peak_memory_bytes = platform_peak_memory_bytes();
    if (vkclip_roof_measure(bench->session.engine, &bench->roof, err))
        return true;
    bench->roof = (vkclip_roof){0};
    if (err->status == VKCLIP_ERROR_LOST)
        return false;
    report_remark("warning: there is no roof to compare with: %s", err->message);
    return true;
}

static enum exit_status run_bench(struct bench *bench)
{
    const double start = vkclip_clock_seconds();
    enum exit_status status =
        session_open_model(&bench->session, &bench->common, VKCLIP_MODEL_WHOLE);
    bench->open_s = vkclip_clock_seconds() - start;
    if (status == STATUS_FINE)
        status = session_open_engine(&bench->session, &bench->common);
    if (status != STATUS_FINE)
        return status;

    vkclip_error err = {0};
    if (!check_towers(bench, &err) || !bench_measure(bench, &err) || !check_towers(bench, &err) ||
        !measure_roof(bench, &err))
        return report_failure(&err);
    struct text text = {0};
    (bench->is_json ? bench_print_json : bench_print_tables)(&text, bench);
    output_write(&text);
    return STATUS_FINE;
}

static enum exit_status run(const struct command *command, int count, char **arguments)
{
    struct bench bench = {.run_count = 20};
    const struct option options[] = {
        {.name = "synthetic",
         .flag = &bench.common.is_synthetic,
         .help = "a model of BiomedCLIP's size made from a seed, instead of -m"},
        {.name = "runs",
         .argument = "N",
         .number = &bench.run_count,
         .least = 1,
         .most = BENCH_MOST_RUNS,
         .help = "measure N runs, as far as two seconds allow; default: 20"},
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
    if (bench.common.is_synthetic && bench.common.model)
        return options_refuse(command, "--synthetic and -m contradict each other");

    status = run_bench(&bench);
    session_close(&bench.session);
    return status;
}

const struct command bench_command = {
    .name = "bench",
    .usage = "[-m MODEL | --synthetic] [--batch N] [--runs N] [--json]",
    .summary = "Measures speed and memory, kernel by kernel.",
    .notes =
        "Pictures of random pixels and texts of 11 random tokens, 1 to 64 at once or as many as\n"
        "--batch says; then single texts of 8 to 256 tokens. A row is warmed up until three\n"
        "medians agree within 2 %, or for a second. A sweep ends where a run would take longer\n"
        "than that. Every run is checked: what is computed wrongly has no speed. GFLOP/s counts\n"
        "matrix products only, GB/s what must be moved at least: weights, inputs and outputs.\n"
        "'of roof' is how near the nearer of them comes to what the device did, in the same run,\n"
        "when it did nothing but multiply and add as the kernel does, or read or "
        "copy.\n\n" SESSION_ENGINE_NOTES,
    .examples = "  vkclip bench\n"
                "  vkclip bench --synthetic\n"
                "  vkclip bench --batch 8 --runs 50 --json\n",
    .run = run,
};
