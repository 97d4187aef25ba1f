// tune.c: vkclip tune, which kernels are fastest on a device, and what was found before.
#include <stdio.h>

#include "model_path.h"
#include "output.h"
#include "progress.h"
#include "report.h"
#include "session.h"
#include "tune.h"

struct tune {
    struct session_options common;
    bool is_forgetting, is_json;
    vkclip_tuning tuning;
};

static bool is_chosen(const vkclip_tuning *tuning, uint32_t of_class, uint32_t variant)
{
    return tuning->chosen[of_class] == variant;
}

static bool is_any_timed(const vkclip_tuning *tuning)
{
    bool is_any = false;
    for (uint32_t i = 0; i < tuning->variant_count; i++)
        is_any = is_any || !tuning->variants[i].reason[0];
    return is_any;
}

// Variants that were tried in the same classes, a table for each kind.
static void add_kind(struct text *text, const vkclip_tuning *tuning, uint32_t first_class)
{
    bool has_head = false;
    for (uint32_t i = 0; i < tuning->variant_count; i++) {
        const vkclip_tuning_variant *variant = &tuning->variants[i];
        const uint32_t end = first_class + variant->class_count;
        if (variant->first_class != first_class)
            continue;
        if (!has_head) {
            text_add(text, "%-18s", session_precisions[tuning->precision]);
            for (uint32_t c = first_class; c < end; c++)
                text_add(text, "  %17s", tuning->classes[c]);
            text_add(text, "\n");
            has_head = true;
        }
        text_add(text, "  %-16s", variant->name);
        for (uint32_t c = first_class; !variant->reason[0] && c < end; c++)
            text_add(text, "  %13.3f ms%c", variant->microseconds[c] * 1e-3,
                     is_chosen(tuning, c, i) ? '*' : ' ');
        if (variant->reason[0]) {
            text_add(text, "  ");
            text_add_plain(text, variant->reason);
        }
        text_add(text, "\n");
    }
}

void tune_add_table(struct text *text, const vkclip_tuning *tuning)
{
    for (uint32_t c = 0; c < tuning->class_count; c++)
        add_kind(text, tuning, c);
    if (is_any_timed(tuning))
        text_add(text, "* is chosen; all classes of rows add in the same order\n");
}

void tune_add_json(struct text *text, const vkclip_tuning *tuning)
{
    text_add(text, "{\"precision\": \"%s\", \"classes\": [", session_precisions[tuning->precision]);
    for (uint32_t c = 0; is_any_timed(tuning) && c < tuning->class_count; c++)
        text_add(text, "%s{\"class\": \"%s\", \"chosen\": \"%s\"}", c ? ", " : "",
                 tuning->classes[c], tuning->variants[tuning->chosen[c]].name);
    text_add(text, "], \"variants\": [");
    for (uint32_t i = 0; i < tuning->variant_count; i++) {
        const vkclip_tuning_variant *variant = &tuning->variants[i];
        const uint32_t first = variant->first_class, end = first + variant->class_count;
        text_add(text, "%s{\"variant\": ", i ? ", " : "");
        text_add_json(text, variant->name);
        if (variant->reason[0]) {
            text_add(text, ", \"struck\": ");
            text_add_json(text, variant->reason);
        } else {
            text_add(text, ", \"microseconds\": {");
            for (uint32_t c = first; c < end; c++)
                text_add(text, "%s\"%s\": %.9g", c > first ? ", " : "", tuning->classes[c],
                         variant->microseconds[c]);
            text_add(text, "}");
        }
        text_add(text, "}");
    }
    text_add(text, "]}");
}

static void show(void *user, uint32_t done, uint32_t total)
{
    (void)user;
    if (done == 0)
        progress_begin("variants", total);
    else
        progress_show(done);
}

static enum exit_status tune(struct tune *tune)
{
    char cache[4096];
    vkclip_error err = {0};
    if (!cache_directory_find(cache, sizeof cache)) {
        report_error("there is no cache directory to remember in: set HOME or XDG_CACHE_HOME");
        return STATUS_INPUT;
    }
    const vkclip_tune_params params = {
        .device = tune->common.device,
        .precision = (vkclip_precision)tune->common.precision,
        .cache_directory = cache,
        .log = report_log,
        .progress = show,
    };
    bool is_done = tune->is_forgetting ? vkclip_tuning_forget(&params, &err)
                                       : vkclip_tune(&params, &tune->tuning, &err);
    progress_hide();
    if (tune->tuning.variant_count > 0 && (is_done || err.status == VKCLIP_ERROR_NUMBERS)) {
        struct text text = {0};
        (tune->is_json ? tune_add_json : tune_add_table)(&text, &tune->tuning);
        if (tune->is_json)
            text_add(&text, "\n");
        output_write(&text);
    }
    if (is_done)
        return STATUS_FINE;
    enum exit_status status = report_failure(&err);
    if (err.status == VKCLIP_ERROR_DEVICE)
        session_hint_devices();
    if (err.status == VKCLIP_ERROR_LOST)
        report_remark("the variant that did it is left out when 'vkclip tune' is run again");
    return err.status == VKCLIP_ERROR_NUMBERS ? STATUS_INPUT : status;
}

static enum exit_status run(const struct command *command, int count, char **arguments)
{
    struct tune of = {0};
    const struct option options[] = {
        SESSION_DEVICE_OPTION(of.common),
        {.name = "precision",
         .argument = "PRECISION",
         .number = &of.common.precision,
         .choices = session_precisions,
         .help = "auto, fp32, fp16 or int8; auto is fp16 on GPUs that store it, else fp32"},
        {.name = "forget",
         .flag = &of.is_forgetting,
         .help = "go back to what the device had before it was tuned"},
        {.name = "json", .flag = &of.is_json, .help = "print one JSON object"},
        SESSION_REPORT_OPTIONS(of.common),
    };
    enum exit_status status;
    if (!options_parse(command, options, COUNT(options), &count, arguments, &status))
        return status;
    if (!session_check_options(command, &of.common))
        return STATUS_USAGE;
    if (count > 0)
        return options_refuse(command, "'%s' is not expected here", arguments[0]);
    return tune(&of);
}

const struct command tune_command = {
    .name = "tune",
    .usage = "[-d DEVICE] [--precision PRECISION] [--forget] [--json]",
    .summary = "Finds the kernels that are fastest on a device.",
    .notes =
        "Times the ways to compute matrix products, for few rows as of a text, for those of an\n"
        "image, and for many, and those to compute attention. Each is first held against\n"
        "arithmetic in double precision, twice for the same bits; what is wrong, or does not\n"
        "compile, is struck off, and what ends the program is not tried again. The result is\n"
        "remembered for the device, its driver and this version of vkclip, and the other commands\n"
        "use it; 'vkclip devices -v' shows it. The times are of one layer of BiomedCLIP. No model\n"
        "is needed.\n",
    .examples = "  vkclip tune\n"
                "  vkclip tune -d 1 --precision fp32\n"
                "  vkclip tune --forget\n",
    .run = run,
};
