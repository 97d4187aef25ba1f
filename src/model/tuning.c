// tuning.c: choosing by measured times, and keeping the measurements as text.
#include "model/tuning.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/config.h"

vkclip_precision tuning_precision(const vkclip_device_facts *device, vkclip_precision wanted)
{
    if (wanted != VKCLIP_PRECISION_DEFAULT)
        return wanted;
    bool is_gpu = device->kind != VKCLIP_DEVICE_SOFTWARE;
    return is_gpu && device->has_fp16_storage ? VKCLIP_PRECISION_FP16 : VKCLIP_PRECISION_FP32;
}

uint32_t tuning_linear_classes(const vkclip_tuning *tuning)
{
    return tuning->precision == VKCLIP_PRECISION_FP16 ? 2 * LINEAR_CLASSES : LINEAR_CLASSES;
}

void tuning_init(vkclip_tuning *tuning, vkclip_precision precision)
{
    static const char *const of_linear[] = {
        "few rows",         "some rows",         "many rows",
        "few rows to fp32", "some rows to fp32", "many rows to fp32",
    };
    static const char *const of_attention[TUNING_ATTENTION_CLASSES] = {
        "attention, text",
        "attention, image",
    };
    *tuning = (vkclip_tuning){.precision = precision};
    const uint32_t linear = tuning_linear_classes(tuning);
    tuning->class_count = linear + TUNING_ATTENTION_CLASSES;
    for (uint32_t i = 0; i < tuning->class_count; i++)
        snprintf(tuning->classes[i], sizeof tuning->classes[i], "%s",
                 i < linear ? of_linear[i] : of_attention[i - linear]);
}

vkclip_tuning_variant *tuning_add(vkclip_tuning *tuning, const char *name)
{
    const bool is_attention = attention_variant_find(name) != NULL;
    vkclip_tuning_variant *row = &tuning->variants[tuning->variant_count++];
    *row = (vkclip_tuning_variant){
        .first_class = is_attention ? tuning_linear_classes(tuning) : 0,
        .class_count = is_attention ? TUNING_ATTENTION_CLASSES : tuning_linear_classes(tuning),
    };
    snprintf(row->name, sizeof row->name, "%s", name);
    return row;
}

// Whether two variants may be chosen for classes of the same kernel.
static bool agree(const vkclip_tuning_variant *a, const vkclip_tuning_variant *b)
{
    const struct linear_variant *of_a = linear_variant_find(a->name);
    const struct linear_variant *of_b = linear_variant_find(b->name);
    return a == b || (of_a && of_b && linear_variants_agree(of_a, of_b));
}

// The fastest of a family in a class: its index, or variant_count.
static uint32_t fastest(const vkclip_tuning *tuning, uint32_t of_class,
                        const vkclip_tuning_variant *family)
{
    uint32_t best = tuning->variant_count;
    for (uint32_t i = 0; i < tuning->variant_count; i++) {
        const double time = tuning->variants[i].microseconds[of_class];
        if (time > 0.0 && agree(&tuning->variants[i], family) &&
            (best == tuning->variant_count || time < tuning->variants[best].microseconds[of_class]))
            best = i;
    }
    return best;
}

// For count classes from the first on, at most LINEAR_CLASSES.
static bool choose_family(vkclip_tuning *tuning, uint32_t first, uint32_t count)
{
    double least = 0.0;
    for (uint32_t i = 0; i < tuning->variant_count; i++) {
        uint32_t best[LINEAR_CLASSES];
        double product = 1.0;
        for (uint32_t c = 0; c < count; c++) {
            best[c] = fastest(tuning, first + c, &tuning->variants[i]);
            product *= best[c] < tuning->variant_count
                           ? tuning->variants[best[c]].microseconds[first + c]
                           : 0.0;
        }
        if (product <= 0.0 || (least > 0.0 && product >= least))
            continue;
        least = product;
        memcpy(tuning->chosen + first, best, count * sizeof *best);
    }
    return least > 0.0;
}

uint32_t tuning_choose(vkclip_tuning *tuning)
{
    const uint32_t linear = tuning_linear_classes(tuning);
    for (uint32_t first = 0; first < linear; first += LINEAR_CLASSES)
        if (!choose_family(tuning, first, LINEAR_CLASSES))
            return first;
    return choose_family(tuning, linear, TUNING_ATTENTION_CLASSES) ? tuning->class_count : linear;
}

// ---- text ------------------------------------------------------------------------------------
//
//   vkclip tuning MARK
//   variant NAME 0 0 0 0 0 0 0 0 REASON      microseconds of each class; REASON may be empty
//   chosen 0 0 0 0 0 0 0 0

#define TEXT_BYTES 16384

static size_t write_variant(const vkclip_tuning_variant *variant, char *text, size_t text_bytes)
{
    size_t used = (size_t)snprintf(text, text_bytes, "variant %s", variant->name);
    for (uint32_t i = 0; i < VKCLIP_TUNING_MOST_CLASSES; i++)
        used += (size_t)snprintf(text + used, text_bytes - used, " %.9g", variant->microseconds[i]);
    return used + (size_t)snprintf(text + used, text_bytes - used, " %s\n", variant->reason);
}

bool tuning_write(const struct gpu *gpu, const char *directory, const vkclip_tuning *tuning,
                  vkclip_error *err)
{
    char mark[KERNELS_MARK_BYTES];
    char *text = malloc(TEXT_BYTES);
    if (!text)
        return fail(err, VKCLIP_ERROR_MEMORY, "no memory for what was measured");
    kernels_mark(mark);
    size_t used = (size_t)snprintf(text, TEXT_BYTES, "vkclip tuning %s\n", mark);
    for (uint32_t i = 0; i < tuning->variant_count; i++)
        used += write_variant(&tuning->variants[i], text + used, TEXT_BYTES - used);
    used += (size_t)snprintf(text + used, TEXT_BYTES - used, "chosen");
    for (uint32_t i = 0; i < VKCLIP_TUNING_MOST_CLASSES; i++)
        used += (size_t)snprintf(text + used, TEXT_BYTES - used, " %u", tuning->chosen[i]);
    snprintf(text + used, TEXT_BYTES - used, "\n");
    bool is_written = gpu_note_write(gpu, directory, tuning->precision, GPU_NOTE_TUNED, text, err);
    free(text);
    return is_written;
}

static bool parse_variant(const char *line, vkclip_tuning *tuning)
{
    char name[32];
    int length = 0;
    if (tuning->variant_count == VKCLIP_TUNING_MOST_VARIANTS ||
        sscanf(line, "variant %31s%n", name, &length) != 1 ||
        (!linear_variant_find(name) && !attention_variant_find(name)))
        return false;
    vkclip_tuning_variant *variant = tuning_add(tuning, name);
    for (uint32_t i = 0; i < VKCLIP_TUNING_MOST_CLASSES; i++) {
        char *end;
        line += length;
        variant->microseconds[i] = strtod(line, &end);
        length = (int)(end - line);
        if (length == 0)
            return false;
    }
    snprintf(variant->reason, sizeof variant->reason, "%s",
             line[length] == ' ' ? line + length + 1 : "");
    return true;
}

static bool parse_chosen(const char *line, vkclip_tuning *tuning)
{
    line += strlen("chosen");
    for (uint32_t i = 0; i < VKCLIP_TUNING_MOST_CLASSES; i++) {
        int length;
        if (sscanf(line, " %u%n", &tuning->chosen[i], &length) != 1 ||
            tuning->chosen[i] >= tuning->variant_count)
            return false;
        line += length;
    }
    return true;
}

static bool parse(char *text, vkclip_tuning *tuning)
{
    char mark[KERNELS_MARK_BYTES], head[64];
    kernels_mark(mark);
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
    const uint32_t linear = tuning_linear_classes(tuning);
    for (uint32_t i = 0; i < linear; i++) {
        const struct linear_variant **slot = &slots[i / LINEAR_CLASSES][i % LINEAR_CLASSES];
        *slot = linear_variant_find(tuning->variants[tuning->chosen[i]].name);
        if (!*slot || !linear_variant_fits(*slot, device, tuning->precision) ||
            !linear_variants_agree(*slot, slots[i / LINEAR_CLASSES][0]))
            return false;
    }
    found.attention = attention_variant_find(tuning->variants[tuning->chosen[linear]].name);
    *choice = found;
    return found.attention &&
           attention_variant_fits(found.attention, device, tuning->precision, CONFIG_HEAD_DIM);
}

bool tuning_read_choice(const struct gpu *gpu, const char *directory, vkclip_precision precision,
                        struct kernels_choice *choice)
{
    vkclip_tuning tuning;
    return directory && tuning_read(gpu, directory, precision, &tuning) &&
           get_choice(&tuning, gpu_get_facts(gpu), choice);
}
