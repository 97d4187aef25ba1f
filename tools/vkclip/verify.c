// verify.c: vkclip verify, whether a device computes right.
#include <math.h>

#include "devices.h"
#include "model_path.h"
#include "output.h"
#include "progress.h"
#include "report.h"
#include "session.h"

static const char *boolean(bool value)
{
    return value ? "true" : "false";
}

static void add_check_json(struct text *text, const vkclip_check *check)
{
    text_add(text, "  {\"name\": \"%s\", \"precision\": \"%s\", \"cases\": %u, \"worst_case\": ",
             check->name, session_precisions[check->precision], check->case_count);
    text_add_json(text, check->worst_case);
    // JSON has no infinity.
    if (isfinite(check->worst))
        text_add(text, ", \"worst\": %.9g", check->worst);
    else
        text_add(text, ", \"worst\": null");
    text_add(text, ", \"allowed\": %.9g, \"repeatable\": %s, \"contained\": %s, \"passed\": %s}",
             check->allowed, boolean(check->is_repeatable), boolean(check->is_contained),
             boolean(check->is_passed));
}

static void print_json(struct text *text, const vkclip_verify_report *report,
                       const vkclip_error *err)
{
    text_add(text, "{\"vkclip\": \"%s\", \"passed\": %s, \"error\": ", vkclip_version(),
             boolean(err->status == VKCLIP_OK));
    if (err->status == VKCLIP_OK)
        text_add(text, "null");
    else
        text_add_json(text, err->message);
    text_add(text, ",\n \"device\": {");
    devices_add_json(text, &report->device);
    text_add(text, "},\n \"checks\": [\n");
    for (uint32_t i = 0; i < report->check_count; i++) {
        add_check_json(text, &report->checks[i]);
        text_add(text, i + 1 < report->check_count ? ",\n" : "\n");
    }
    text_add(text, " ]}\n");
}

static void print_table(struct text *text, const vkclip_verify_report *report,
                        const vkclip_error *err)
{
    (void)err; // is reported on standard error
    text_add_plain(text, report->device.name);
    text_add(text, ", ");
    text_add_plain(text, report->device.driver);
    text_add(text, ", Vulkan %s, vkclip %s\n\n", report->device.api, vkclip_version());
    text_add(text, "      %-26s  %5s  %9s  %9s\n", "kernel or tower", "cases", "worst", "allowed");
    for (uint32_t i = 0; i < report->check_count; i++) {
        const vkclip_check *check = &report->checks[i];
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

static void show(void *user, uint32_t done, uint32_t total)
{
    (void)user;
    if (done == 0)
        progress_begin("checks", total);
    else
        progress_show(done);
}

static enum exit_status verify(const struct session_options *common, bool is_json)
{
    char cache[4096];
    vkclip_verify_report report;
    vkclip_error err = {0};
    vkclip_verify(
        &(vkclip_verify_params){
            .device = common->device,
            .precision = (vkclip_precision)common->precision,
            .cache_directory = cache_directory_find(cache, sizeof cache) ? cache : NULL,
            .log = report_log,
            .progress = show,
        },
        &report, &err);
    progress_hide();
    if (report.check_count > 0) {
        struct text text = {0};
        (is_json ? print_json : print_table)(&text, &report, &err);
        output_write(&text);
    }
    if (err.status == VKCLIP_OK)
        return STATUS_FINE;
    enum exit_status status = report_failure(&err);
    if (err.status == VKCLIP_ERROR_DEVICE)
        session_hint_devices();
    return err.status == VKCLIP_ERROR_NUMBERS ? STATUS_INPUT : status;
}

static enum exit_status run(const struct command *command, int count, char **arguments)
{
    struct session_options common = {0};
    bool is_json = false;
    const struct option options[] = {
        SESSION_DEVICE_OPTION(common),
        {.name = "precision",
         .argument = "PRECISION",
         .number = &common.precision,
         .choices = session_precisions,
         .help = "auto, fp32 or fp16; auto is both where the device stores fp16"},
        {.name = "json", .flag = &is_json, .help = "print one JSON object, to send in"},
        SESSION_REPORT_OPTIONS(common),
    };
    enum exit_status status;
    if (!options_parse(command, options, COUNT(options), &count, arguments, &status))
        return status;
    if (!session_check_options(command, &common))
        return STATUS_USAGE;
    if (count > 0)
        return options_refuse(command, "'%s' is not expected here", arguments[0]);
    return verify(&common, is_json);
}

const struct command verify_command = {
    .name = "verify",
    .usage = "[-d DEVICE] [--json]",
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
        "exit status: 0 all passed, 1 some failed, 3 no usable device, 4 the device was lost\n",
    .examples = "  vkclip verify\n"
                "  vkclip verify -d 1 --precision fp16\n"
                "  vkclip verify --json > verify.json\n",
    .run = run,
};
