#include "session.h"

#include "model_path.h"
#include "report.h"

enum { PATH_BYTES = 4096 + 64 };

const char *const session_precisions[] = {
    [VKCLIP_PRECISION_DEFAULT] = "auto",
    [VKCLIP_PRECISION_FP32] = "fp32",
    [VKCLIP_PRECISION_FP16] = "fp16",
    [VKCLIP_PRECISION_INT8] = "int8",
    NULL,
};

bool session_check_options(const struct command *command, const struct session_options *options)
{
    if (options->is_quiet && options->is_verbose) {
        options_refuse(command, "--quiet and --verbose contradict each other");
        return false;
    }
    if (options->device && !options->device[0]) {
        options_refuse(command, "--device is empty");
        return false;
    }
    report_init((struct report_settings){options->is_quiet, options->is_verbose});
    return true;
}

static enum exit_status check_needs(const struct session *session, enum session_needs needs)
{
    const vkclip_model_facts *facts = vkclip_model_get_facts(session->model);
    bool lacks_images = needs == NEEDS_IMAGES && facts->image_size_px == 0;
    bool lacks_texts = needs == NEEDS_TEXTS && facts->context_tokens == 0;
    if (!lacks_images && !lacks_texts)
        return STATUS_FINE;
    report_error("the model has no %s tower (%s)", lacks_images ? "image" : "text", facts->family);
    return STATUS_UNUSABLE;
}

enum exit_status session_open_model(struct session *session, const struct session_options *options,
                                    vkclip_model_parts parts)
{
    char found[PATH_BYTES];
    const char *path = options->model;
    *session = (struct session){0};
    if (!path && !options->is_synthetic) {
        if (!model_path_find(found, sizeof found)) {
            report_error("no model");
            report_hint("tools/fetch_model.sh downloads BiomedCLIP; -m MODEL or $VKCLIP_MODEL "
                        "names another");
            return STATUS_UNUSABLE;
        }
        path = found;
    }
    vkclip_error err = {0};
    session->model = options->is_synthetic ? vkclip_model_open_synthetic(&err)
                                           : vkclip_model_open(path, parts, &report_log, &err);
    // Whatever is wrong with a model, it is not the command line.
    if (!session->model && err.status == VKCLIP_ERROR_ARGUMENT)
        err.status = VKCLIP_ERROR_MODEL;
    return session->model ? check_needs(session, options->needs) : report_failure(&err);
}

void session_hint_devices(void)
{
    uint32_t count = 0;
    if (vkclip_devices(NULL, 0, &count, NULL) && count > 0) {
        report_hint("'vkclip devices' lists what is there");
        return;
    }
#if defined(__APPLE__)
    report_hint("brew install molten-vk vulkan-loader");
#elif defined(_WIN32)
    report_hint("the driver from the maker of your GPU brings Vulkan");
#else
    report_hint("Debian, Ubuntu: apt install libvulkan1 mesa-vulkan-drivers; Fedora: dnf install "
                "vulkan-loader mesa-vulkan-drivers; Arch: pacman -S vulkan-icd-loader "
                "vulkan-swrast");
#endif
}

enum exit_status session_open_engine(struct session *session, const struct session_options *options)
{
    char cache[PATH_BYTES];
    vkclip_error err = {0};
    session->engine = vkclip_engine_create(
        session->model,
        &(vkclip_engine_params){
            .device = options->device,
            .precision = (vkclip_precision)options->precision,
            .max_images = options->batch,
            .cache_directory = cache_directory_find(cache, sizeof cache) ? cache : NULL,
            .allows_failed_device = options->is_forced,
            .log = report_log,
        },
        &err);
    if (!session->engine) {
        enum exit_status status = report_failure(&err);
        if (err.status == VKCLIP_ERROR_DEVICE)
            session_hint_devices();
        return status;
    }
    return STATUS_FINE;
}

enum exit_status session_open(struct session *session, const struct session_options *options)
{
    enum exit_status status = session_open_model(session, options, VKCLIP_MODEL_WHOLE);
    return status == STATUS_FINE ? session_open_engine(session, options) : status;
}

void session_close(struct session *session)
{
    vkclip_engine_destroy(session->engine);
    vkclip_model_close(session->model);
    *session = (struct session){0};
}
