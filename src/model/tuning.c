// tuning.c: choosing by measured times, and keeping the measurements as text.
#include "model/tuning.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

vkclip_precision tuning_precision(const vkclip_device_facts *device, vkclip_precision wanted)
{
    if (wanted != VKCLIP_PRECISION_DEFAULT)
        return wanted;
    bool is_gpu = device->kind != VKCLIP_DEVICE_SOFTWARE;
    return is_gpu && device->has_fp16_storage ? VKCLIP_PRECISION_FP16 : VKCLIP_PRECISION_FP32;
}

void tuning_init(vkclip_tuning *tuning, vkclip_precision precision)
{
    static const char *const names[VKCLIP_TUNING_MOST_CLASSES] = {
        "few rows",         "some rows",         "many rows",
        "few rows to fp32", "some rows to fp32", "many rows to fp32",
    };
    bool is_half = precision == VKCLIP_PRECISION_FP16;
    *tuning = (vkclip_tuning){
        .precision = precision,
        .class_count = is_half ? 2 * LINEAR_CLASSES : LINEAR_CLASSES,
    };
    for (uint32_t i = 0; i < tuning->class_count; i++)
        snprintf(tuning->classes[i], sizeof tuning->classes[i], "%s", names[i]);
}

// The fastest of a family in a class: its index, or variant_count.
static uint32_t fastest(const vkclip_tuning *tuning, uint32_t of_class,
                        const struct linear_variant *family)
{
    uint32_t best = tuning->variant_count;
    for (uint32_t i = 0; i < tuning->variant_count; i++) {
        const double time = tuning->variants[i].microseconds[of_class];
        const struct linear_variant *variant = linear_variant_find(tuning->variants[i].name);
        if (time > 0.0 && linear_variants_agree(variant, family) &&
            (best == tuning->variant_count || time < tuning->variants[best].microseconds[of_class]))
            best = i;
    }
    return best;
}

// For LINEAR_CLASSES classes from the first on.
static bool choose_family(vkclip_tuning *tuning, uint32_t first)
{
    double least = 0.0;
    for (uint32_t i = 0; i < tuning->variant_count; i++) {
        const struct linear_variant *family = linear_variant_find(tuning->variants[i].name);
        uint32_t best[LINEAR_CLASSES];
        double product = 1.0;
        for (uint32_t c = 0; c < LINEAR_CLASSES; c++) {
            best[c] = fastest(tuning, first + c, family);
            product *= best[c] < tuning->variant_count
                           ? tuning->variants[best[c]].microseconds[first + c]
                           : 0.0;
        }
        if (product <= 0.0 || (least > 0.0 && product >= least))
            continue;
        least = product;
        memcpy(tuning->chosen + first, best, sizeof best);
    }
    return least > 0.0;
}

bool tuning_choose(vkclip_tuning *tuning)
{
    bool is_chosen = true;
    for (uint32_t first = 0; first < tuning->class_count; first += LINEAR_CLASSES)
        is_chosen = choose_family(tuning, first) && is_chosen;
    return is_chosen;
}

// ---- text ------------------------------------------------------------------------------------
//
//   vkclip tuning MARK
//   variant 0 0 0 0 0 0 NAME REASON      microseconds of each class; REASON may be empty
//   chosen 0 0 0 0 0 0

#define TEXT_BYTES 16384

bool tuning_write(const struct gpu *gpu, const char *directory, const vkclip_tuning *tuning,
                  vkclip_error *err)
{
    char mark[KERNELS_MARK_BYTES];
    char *text = malloc(TEXT_BYTES);
    if (!text)
        return fail(err, VKCLIP_ERROR_MEMORY, "no memory for what was measured");
    kernels_linear_mark(mark);
    size_t used = (size_t)snprintf(text, TEXT_BYTES, "vkclip tuning %s\n", mark);
    for (uint32_t i = 0; i < tuning->variant_count; i++) {
        const vkclip_tuning_variant *v = &tuning->variants[i];
        const double *us = v->microseconds;
        used += (size_t)snprintf(text + used, TEXT_BYTES - used,
                                 "variant %.9g %.9g %.9g %.9g %.9g %.9g %s %s\n", us[0], us[1],
                                 us[2], us[3], us[4], us[5], v->name, v->reason);
    }
    const uint32_t *chosen = tuning->chosen;
    snprintf(text + used, TEXT_BYTES - used, "chosen %u %u %u %u %u %u\n", chosen[0], chosen[1],
             chosen[2], chosen[3], chosen[4], chosen[5]);
    bool is_written = gpu_note_write(gpu, directory, tuning->precision, GPU_NOTE_TUNED, text, err);
    free(text);
    return is_written;
}

static bool parse_variant(const char *line, vkclip_tuning *tuning)
{
    if (tuning->variant_count == VKCLIP_TUNING_MOST_VARIANTS)
        return false;
    vkclip_tuning_variant *v = &tuning->variants[tuning->variant_count];
    double *us = v->microseconds;
    int fields = sscanf(line, "variant %lf %lf %lf %lf %lf %lf %31s %159[^\n]", &us[0], &us[1],
                        &us[2], &us[3], &us[4], &us[5], v->name, v->reason);
    tuning->variant_count++;
    return fields >= 7 && linear_variant_find(v->name);
}

static bool parse_chosen(const char *line, vkclip_tuning *tuning)
{
    uint32_t *chosen = tuning->chosen;
    if (sscanf(line, "chosen %u %u %u %u %u %u", &chosen[0], &chosen[1], &chosen[2], &chosen[3],
               &chosen[4], &chosen[5]) != VKCLIP_TUNING_MOST_CLASSES)
        return false;
    for (uint32_t i = 0; i < VKCLIP_TUNING_MOST_CLASSES; i++)
        if (chosen[i] >= tuning->variant_count)
            return false;
    return true;
}

static bool parse(char *text, vkclip_tuning *tuning)
{
    char mark[KERNELS_MARK_BYTES], head[64];
    kernels_linear_mark(mark);
    snprintf(head, sizeof head, "vkclip tuning %s\n", mark);
    if (strncmp(text, head, strlen(head)) != 0)
        return false;
    for (char *line = text + strlen(head); line && *line;) {
        char *end = strchr(line, '\n');
        if (end)
            *end = '\0';
        if (strncmp(line, "chosen ", 7) == 0)
            return parse_chosen(line, tuning);
        if (!parse_variant(line, tuning))
            return false;
        line = end ? end + 1 : NULL;
    }
    return false; // cut short
}

bool tuning_read(const struct gpu *gpu, const char *directory, vkclip_precision precision,
                 vkclip_tuning *tuning)
{
    char *text = malloc(TEXT_BYTES);
    tuning_init(tuning, precision);
    bool is_read = text &&
                   gpu_note_read(gpu, directory, precision, GPU_NOTE_TUNED, text, TEXT_BYTES) &&
                   parse(text, tuning);
    free(text);
    if (!is_read)
        tuning->variant_count = 0;
    return is_read;
}

static bool get_choice(const vkclip_tuning *tuning, const vkclip_device_facts *device,
                       struct kernels_choice *choice)
{
    struct kernels_choice found = {0};
    const struct linear_variant **slots[] = {found.linear, found.linear_f32};
    for (uint32_t i = 0; i < tuning->class_count; i++) {
        const struct linear_variant **slot = &slots[i / LINEAR_CLASSES][i % LINEAR_CLASSES];
        *slot = linear_variant_find(tuning->variants[tuning->chosen[i]].name);
        if (!*slot || !linear_variant_fits(*slot, device, tuning->precision) ||
            !linear_variants_agree(*slot, slots[i / LINEAR_CLASSES][0]))
            return false;
    }
    *choice = found;
    return true;
}

bool tuning_read_choice(const struct gpu *gpu, const char *directory, vkclip_precision precision,
                        struct kernels_choice *choice)
{
    vkclip_tuning tuning;
    return directory && tuning_read(gpu, directory, precision, &tuning) &&
           get_choice(&tuning, gpu_get_facts(gpu), choice);
}
