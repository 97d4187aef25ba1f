// devices.c: vkclip devices, the Vulkan devices of this machine.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "devices.h"
#include "model_path.h"
#include "output.h"
#include "report.h"
#include "session.h"
#include "tune.h"

static const char *const kinds[] = {
    [VKCLIP_DEVICE_OTHER] = "other",       [VKCLIP_DEVICE_INTEGRATED] = "integrated",
    [VKCLIP_DEVICE_DISCRETE] = "discrete", [VKCLIP_DEVICE_VIRTUAL] = "virtual",
    [VKCLIP_DEVICE_SOFTWARE] = "software",
};

static const char *boolean(bool value)
{
    return value ? "true" : "false";
}

void devices_add_json(struct text *text, const vkclip_device_facts *device)
{
    text_add(text, "\"name\": ");
    text_add_json(text, device->name);
    text_add(text, ", \"type\": \"%s\", \"driver\": ", kinds[device->kind]);
    text_add_json(text, device->driver);
    text_add(text, ", \"vulkan\": ");
    text_add_json(text, device->api);
    text_add(text,
             ", \"vendor_id\": %u, \"device_id\": %u, \"memory_bytes\": %" PRIu64
             ", \"storage_range_bytes\": %" PRIu64,
             device->vendor_id, device->device_id, device->memory_bytes,
             device->storage_range_bytes);
    text_add(text,
             ", \"shared_memory_bytes\": %u, \"workgroup_width\": %u, \"subgroup_width\": %u, ",
             device->shared_memory_bytes, device->workgroup_width, device->subgroup_width);
    text_add(text, "\"matrix\": [%u, %u, %u], ", device->matrix_rows, device->matrix_cols,
             device->matrix_depth);
    text_add(text, "\"fp16_storage\": %s, \"fp16_arithmetic\": %s, \"dot4\": %s, \"quads\": %s, ",
             boolean(device->has_fp16_storage), boolean(device->has_fp16_arithmetic),
             boolean(device->has_dot4), boolean(device->has_quads));
    text_add(text, "\"fast_dot4\": %s, ", boolean(device->has_fast_dot4));
    text_add(text, "\"timestamps\": %s, \"usable\": %s, \"default\": %s",
             boolean(device->has_timestamps), boolean(device->is_usable),
             boolean(device->is_default));
    if (!device->is_usable) {
        text_add(text, ", \"unusable\": ");
        text_add_json(text, device->unusable);
    }
}

// What is remembered of a device in one precision; false where it was not tuned.
static bool read_tuning(uint32_t index, vkclip_precision precision, vkclip_tuning *tuning)
{
    char choice[16], cache[4096];
    vkclip_error unused;
    snprintf(choice, sizeof choice, "%u", index);
    return cache_directory_find(cache, sizeof cache) &&
           vkclip_tuning_read(&(vkclip_tune_params){.device = choice,
                                                    .precision = precision,
                                                    .cache_directory = cache},
                              tuning, &unused) &&
           tuning->variant_count > 0;
}

// fp16 last, where a device may not have it.
static const vkclip_precision precisions[] = {VKCLIP_PRECISION_FP32, VKCLIP_PRECISION_INT8,
                                              VKCLIP_PRECISION_FP16};

static size_t precision_count(const vkclip_device_facts *device)
{
    return !device->is_usable ? 0 : device->has_fp16_storage ? 3 : 2;
}

static void add_tuning_json(struct text *text, const vkclip_device_facts *device, uint32_t index)
{
    vkclip_tuning tuning;
    uint32_t added = 0;
    text_add(text, ", \"tuned\": [");
    for (size_t i = 0; i < precision_count(device); i++)
        if (read_tuning(index, precisions[i], &tuning)) {
            text_add(text, added++ ? ", " : "");
            tune_add_json(text, &tuning);
        }
    text_add(text, "]");
}

static void print_tunings(struct text *text, const vkclip_device_facts *devices, uint32_t count)
{
    vkclip_tuning tuning;
    for (uint32_t i = 0; i < count; i++) {
        bool is_tuned = false;
        for (size_t p = 0; p < precision_count(&devices[i]); p++)
            if (read_tuning(i, precisions[p], &tuning)) {
                text_add(text, "\ndevice %u, ", i);
                tune_add_table(text, &tuning);
                is_tuned = true;
            }
        if (!is_tuned && devices[i].is_usable)
            text_add(text, "\ndevice %u was not tuned: 'vkclip tune -d %u' does that\n", i, i);
    }
}

static void print_json(struct text *text, const vkclip_device_facts *devices, uint32_t count,
                       bool is_verbose)
{
    text_add(text, "[\n");
    for (uint32_t i = 0; i < count; i++) {
        text_add(text, "  {\"index\": %u, ", i);
        devices_add_json(text, &devices[i]);
        if (is_verbose)
            add_tuning_json(text, &devices[i], i);
        text_add(text, i + 1 < count ? "},\n" : "}\n");
    }
    text_add(text, "]\n");
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

static void print_table(struct text *text, const vkclip_device_facts *devices, uint32_t count,
                        bool is_verbose)
{
    size_t name_width = sizeof "name" - 1, driver_width = sizeof "driver" - 1;
    for (uint32_t i = 0; i < count; i++) {
        name_width = larger(name_width, text_width(devices[i].name));
        driver_width = larger(driver_width, text_width(devices[i].driver));
    }
    text_add(text, "   #  ");
    text_add_padded(text, "name", name_width);
    text_add(text, "  %-10s  ", "type");
    text_add_padded(text, "driver", driver_width);
    text_add(text, "  %-8s  %9s  %8s  fp16\n", "Vulkan", "memory", "subgroup");
    for (uint32_t i = 0; i < count; i++) {
        const vkclip_device_facts *device = &devices[i];
        text_add(text, "%c %2u  ", device->is_default ? '*' : ' ', i);
        text_add_padded(text, device->name, name_width);
        text_add(text, "  %-10s  ", kinds[device->kind]);
        text_add_padded(text, device->driver, driver_width);
        text_add(text, "  %-8s  %5.1f GiB  %8u  %s\n", device->api,
                 (double)device->memory_bytes / (double)(1u << 30), device->subgroup_width,
                 device->has_fp16_storage ? "yes" : "no");
        if (!device->is_usable) {
            text_add(text, "      cannot be used: ");
            text_add_plain(text, device->unusable);
            text_add(text, "\n");
        }
    }
    text_add(text, "* is the default; -d INDEX or -d NAME chooses another\n");
    if (is_verbose)
        print_tunings(text, devices, count);
}

static enum exit_status list_devices(bool is_json, bool is_verbose)
{
    uint32_t capacity = 0;
    vkclip_error err = {0};
    if (!vkclip_devices(NULL, 0, &capacity, &err) || capacity == 0) {
        if (err.status == VKCLIP_OK)
            report_error("there is no Vulkan device");
        else
            report_error("%s", err.message);
        session_hint_devices();
        return STATUS_UNUSABLE;
    }
    vkclip_device_facts *devices = calloc(capacity, sizeof *devices);
    if (!devices)
        return report_out_of_memory();

    uint32_t count;
    if (!vkclip_devices(devices, capacity, &count, &err)) {
        free(devices);
        return report_failure(&err);
    }
    if (count > capacity) // one was plugged in just now
        count = capacity;
    struct text text = {0};
    (is_json ? print_json : print_table)(&text, devices, count, is_verbose);
    output_write(&text);
    free(devices);
    return STATUS_FINE;
}

static enum exit_status run(const struct command *command, int count, char **arguments)
{
    bool is_json = false, is_verbose = false;
    const struct option options[] = {
        {.name = "json", .flag = &is_json, .help = "print a JSON array"},
        {.name = "verbose",
         .letter = 'v',
         .flag = &is_verbose,
         .help = "show what 'vkclip tune' found, and how the others did"},
    };
    enum exit_status status;
    if (!options_parse(command, options, COUNT(options), &count, arguments, &status))
        return status;
    if (count > 0)
        return options_refuse(command, "'%s' is not expected here", arguments[0]);
    return list_devices(is_json, is_verbose);
}

const struct command devices_command = {
    .name = "devices",
    .usage = "[-v] [--json]",
    .summary = "Lists the Vulkan devices.",
    .examples = "  vkclip devices\n"
                "  vkclip devices --json\n",
    .run = run,
};
