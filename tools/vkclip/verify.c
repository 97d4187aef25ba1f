// verify.c: vkclip verify, whether a device computes right, and a model on it.
#include <math.h>

#include "devices.h"
#include "model_check.h"
#include "model_path.h"
#include "output.h"
#include "progress.h"
#include "report.h"
#include "session.h"

static const char *boolean(bool value)
{
    return value ? "true" : "false";
}

struct verification {
    struct session_options common;
    const char *examples;
    bool is_json;
    vkclip_verify_report device;
    struct model_report model; // of common.model, where there is one and the device passed
    vkclip_error err;
};

// ---- JSON ------------------------------------------------------------------------------------

// JSON has no infinity.
static void add_number_json(struct text *text, const char *name, double value)
{
    if (isfinite(value))
        text_add(text, ", \"%s\": %.9g", name, value);
    else
        text_add(text, ", \"%s\": null", name);
}

static void add_checks_json(struct text *text, const vkclip_check *checks, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const vkclip_check *check = &checks[i];
        text_add(text, "  {\"name\": \"%s\", \"precision\": \"%s\", \"cases\": %u, ", check->name,
                 session_precisions[check->precision], check->case_count);
        text_add(text, "\"worst_case\": ");
        text_add_json(text, check->worst_case);
        add_number_json(text, "worst", check->worst);
        text_add(text, ", \"allowed\": %.9g, \"repeatable\": %s, \"contained\": %s, ",
                 check->allowed, boolean(check->is_repeatable), boolean(check->is_contained));
        text_add(text, "\"passed\": %s}%s\n", boolean(check->is_passed), i + 1 < count ? "," : "");
    }
}

static void add_comparison_json(struct text *text, const char *precision,
                                const struct published_comparison *comparison, bool is_last)
{
    for (uint32_t picture = 0; picture < published.picture_count; picture++)
        for (uint32_t label = 0; label < published.label_count; label++) {
            bool is_end = is_last && picture + 1 == published.picture_count &&
                          label + 1 == published.label_count;
            text_add(text, "  {\"precision\": \"%s\", \"picture\": \"%s\", \"label\": \"%s\"",
                     precision, published.pictures[picture], published.labels[label]);
            add_number_json(text, "published", published.probabilities[picture][label]);
            add_number_json(text, "ours", comparison->ours[picture][label]);
            add_number_json(text, "log_difference", comparison->differences[picture][label]);
            text_add(text, "}%s\n", is_end ? "" : ",");
        }
}

static void add_model_json(struct text *text, const struct verification *verification)
{
    const struct model_report *model = &verification->model;
    text_add(text, ",\n \"model\": {\"path\": ");
    text_add_json(text, verification->common.model);
    text_add(text, ", \"against\": ");
    text_add_json(text, model->against);
    text_add(text, ", \"checks\": [\n");
    add_checks_json(text, model->checks, model->check_count);
    text_add(text, " ]");
    if (model->is_published) {
        text_add(text, ", \"probabilities\": [\n");
        for (uint32_t i = 0; i < model->check_count; i++)
            add_comparison_json(text, session_precisions[model->checks[i].precision],
                                &model->comparisons[i], i + 1 == model->check_count);
        text_add(text, " ]");
    }
    text_add(text, "}");
}

static void print_json(struct text *text, const struct verification *verification)
{
    const vkclip_verify_report *device = &verification->device;
    const vkclip_error *err = &verification->err;
    text_add(text, "{\"vkclip\": \"%s\", \"passed\": %s, \"error\": ", vkclip_version(),
             boolean(err->status == VKCLIP_OK));
    if (err->status == VKCLIP_OK)
        text_add(text, "null");
    else
        text_add_json(text, err->message);
    text_add(text, ",\n \"device\": {");
    devices_add_json(text, &device->device);
    text_add(text, "},\n \"checks\": [\n");
    add_checks_json(text, device->checks, device->check_count);
    text_add(text, " ]");
    if (verification->common.model)
        add_model_json(text, verification);
    text_add(text, "}\n");
}

// ---- tables ----------------------------------------------------------------------------------

static void add_checks(struct text *text, const char *what, const vkclip_check *checks,
                       uint32_t count)
{
    text_add(text, "\n      %-26s  %5s  %9s  %9s\n", what, "cases", "worst", "allowed");
    for (uint32_t i = 0; i < count; i++) {
        const vkclip_check *check = &checks[i];
        text_add(text, "%s  %-26s  %5u  %9.1e  %9.1e  %s", session_precisions[check->precision],
                 check->name, check->case_count, check->worst, check->allowed,
                 check->is_passed ? "PASS" : "FAIL");
        if (!check->is_passed)
            text_add(text, ": %s%s%s", check->worst_case,
                     check->is_contained ? "" : ", writes where it should not",
                     check->is_repeatable ? "" : ", other bits the second time");
        text_add(text, "\n");
    }
}

static void add_comparison(struct text *text, const char *precision,
                           const struct published_comparison *comparison)
{
    text_add(text, "\n%-4s  %-44s  %11s  %11s  %10s\n", precision, "probability of", "published",
             "ours", "ln ratio");
    for (uint32_t picture = 0; picture < published.picture_count; picture++) {
        text_add(text, "%s\n", published.pictures[picture]);
        for (uint32_t label = 0; label < published.label_count; label++)
            text_add(text, "      %-44s  %11.5e  %11.5e  %+10.4f\n", published.labels[label],
                     published.probabilities[picture][label], comparison->ours[picture][label],
                     comparison->differences[picture][label]);
    }
}

static void print_tables(struct text *text, const struct verification *verification)
{
    const vkclip_verify_report *device = &verification->device;
    const struct model_report *model = &verification->model;
    text_add_plain(text, device->device.name);
    text_add(text, ", ");
    text_add_plain(text, device->device.driver);
    text_add(text, ", Vulkan %s, vkclip %s\n", device->device.api, vkclip_version());
    add_checks(text, "kernel or tower", device->checks, device->check_count);
    if (model->check_count == 0)
        return;
    text_add(text, "\n");
    text_add_plain(text, verification->common.model);
    text_add(text, " against ");
    text_add_plain(text, model->against);
    text_add(text, "\n");
    add_checks(text, model->is_published ? "" : "tower", model->checks, model->check_count);
    for (uint32_t i = 0; model->is_published && i < model->check_count; i++)
        add_comparison(text, session_precisions[model->checks[i].precision],
                       &model->comparisons[i]);
}

// ---- the command -----------------------------------------------------------------------------

static void show(void *user, uint32_t done, uint32_t total)
{
    (void)user;
    if (done == 0)
        progress_begin("checks", total);
    else
        progress_show(done);
}

// Checks the device, and then the model in the precisions that the device has.
static void check(struct verification *verification)
{
    char cache[4096];
    const struct session_options *common = &verification->common;
    const vkclip_verify_params params = {
        .device = common->device,
        .precision = (vkclip_precision)common->precision,
        .cache_directory = cache_directory_find(cache, sizeof cache) ? cache : NULL,
        .log = report_log,
        .progress = show,
    };
    bool is_sound = vkclip_verify(&params, &verification->device, &verification->err);
    progress_hide();
    if (!is_sound || !common->model)
        return;
    struct model_check_params model = {
        .model = common->model,
        .examples = verification->examples,
        .device = common->device,
        .cache_directory = params.cache_directory,
        .precisions = {VKCLIP_PRECISION_FP32, VKCLIP_PRECISION_FP16},
        .precision_count = verification->device.device.has_fp16_storage ? 2 : 1,
    };
    if (params.precision != VKCLIP_PRECISION_DEFAULT) {
        model.precisions[0] = params.precision;
        model.precision_count = 1;
    }
    model_check(&model, &verification->model, &verification->err);
}

static enum exit_status verify(struct verification *verification)
{
    const vkclip_error *err = &verification->err;
    check(verification);
    if (verification->device.check_count > 0) {
        struct text text = {0};
        (verification->is_json ? print_json : print_tables)(&text, verification);
        output_write(&text);
    }
    if (err->status == VKCLIP_OK)
        return STATUS_FINE;
    enum exit_status status = report_failure(err);
    if (err->status == VKCLIP_ERROR_DEVICE)
        session_hint_devices();
    return err->status == VKCLIP_ERROR_NUMBERS ? STATUS_INPUT : status;
}

static enum exit_status run(const struct command *command, int count, char **arguments)
{
    static struct verification verification; // too large for the stack
    struct session_options *common = &verification.common;
    const struct option options[] = {
        {.name = "model",
         .letter = 'm',
         .argument = "MODEL",
         .string = &common->model,
         .help = "check this model as well: a directory or weights file"},
        {.name = "examples",
         .argument = "DIR",
         .string = &verification.examples,
         .help = "the example pictures published with BiomedCLIP"},
        SESSION_DEVICE_OPTION(*common),
        {.name = "precision",
         .argument = "PRECISION",
         .number = &common->precision,
         .choices = session_precisions,
         .help = "auto, fp32, fp16 or int8; auto is fp32 and, where the device stores it, fp16"},
        {.name = "json",
         .flag = &verification.is_json,
         .help = "print one JSON object, to send in"},
        SESSION_REPORT_OPTIONS(*common),
    };
    enum exit_status status;
    if (!options_parse(command, options, COUNT(options), &count, arguments, &status))
        return status;
    if (!session_check_options(command, common))
        return STATUS_USAGE;
    if (count > 0)
        return options_refuse(command, "'%s' is not expected here", arguments[0]);
    if (verification.examples && !common->model)
        return options_refuse(command, "--examples needs -m, the published model");
    return verify(&verification);
}

const struct command verify_command = {
    .name = "verify",
    .usage = "[-m MODEL [--examples DIR]] [-d DEVICE] [--json]",
    .summary = "Checks that a device computes right.",
    .notes =
        "Runs every kernel that the device would be given against arithmetic in double precision,\n"
        "on sizes around its tiles and twice each, then both towers of a small built-in model\n"
        "against open_clip's embeddings. Errors are relative to max(1, |value|). No model is\n"
        "needed. A device that fails is remembered, for its driver and this version of vkclip: "
        "the\n"
        "other commands refuse it in that precision unless --force is given or verify passes "
        "again.\n"
        "\n"
        "With -m a model is checked too, on the device that passed: its towers against what the\n"
        "reference computed, which vkclip_golden.json beside the model holds; or with --examples,\n"
        "for the published weights of BiomedCLIP alone, the 81 probabilities that its authors\n"
        "printed for their nine example pictures. Logarithms may differ by 0.05.\n"
        "\n"
        "exit status: 0 all passed, 1 some failed, 3 no usable device or model, 4 the device was "
        "lost\n",
    .examples = "  vkclip verify\n"
                "  vkclip verify -d 1 --precision fp16\n"
                "  vkclip verify -m tools/demo/model\n"
                "  vkclip verify --json > verify.json\n",
    .run = run,
};
