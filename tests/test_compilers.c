// Defends the baselines in tests/compilers, without a driver: each device has every kernel, so that
// one which was added is not forgotten; and what the GPUs of a vendor get untuned is of one family.
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/precision.h"
#include "model/kernels.h"

// tools/matrix/rows has one each.
static const char *const rows[] = {"amd",    "apple",   "intel",    "mali",
                                   "nvidia", "powervr", "qualcomm", "raspberrypi"};

enum { PART, PRECISION, KERNEL, VARIANT, ESTIMATE, CELLS = 8, MOST_LINES = 1024 };

static char text[256 * 1024];
static const char *cells[MOST_LINES][CELLS];

// Lines of a baseline, cut into cells where they lie.
static uint32_t read_baseline(const char *row)
{
    char path[64];
    snprintf(path, sizeof path, "tests/compilers/%s.csv", row);
    FILE *file = fopen(path, "r");
    if (!file)
        fail_msg("%s cannot be read", path);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    uint32_t count = 0;
    char *next = text;
    for (char *line = text; *line; line = next) {
        char *end = strchr(line, '\n');
        if (!end)
            fail_msg("%s: the last line has no end", path);
        *end = '\0';
        next = end + 1;
        if (line == text && strncmp(line, "# Mesa ", 7) != 0)
            fail_msg("%s: of no version of Mesa: %s", path, line);
        if (line == text)
            continue;
        assert_true(count < MOST_LINES);
        for (int i = 0; i < CELLS; i++) {
            cells[count][i] = line;
            line += strcspn(line, ",");
            if (*line != (i == CELLS - 1 ? '\0' : ','))
                fail_msg("%s: line %u has not %d cells", path, count + 2, CELLS);
            if (*line)
                *line++ = '\0';
        }
        count++;
    }
    assert_true(count > 1);
    assert_string_equal(cells[0][ESTIMATE], "estimate");
    return count;
}

static bool is_of(uint32_t line, const char *part, vkclip_precision precision)
{
    return strcmp(cells[line][PART], part) == 0 &&
           strcmp(cells[line][PRECISION], precision_name(precision)) == 0;
}

static bool has_kernel(uint32_t count, const char *part, vkclip_precision precision,
                       enum kernel kernel)
{
    const char *name = kernel_name(kernel);
    for (uint32_t i = 1; i < count; i++)
        if (is_of(i, part, precision) &&
            strncmp(cells[i][KERNEL], name, strlen(name)) == 0) // linear-few, attention-causal
            return true;
    return false;
}

static bool has_precision(uint32_t count, const char *part, vkclip_precision precision)
{
    for (uint32_t i = 1; i < count; i++)
        if (is_of(i, part, precision))
            return true;
    return false;
}

static void check_part(const char *row, uint32_t count, const char *part)
{
    static const vkclip_precision precisions[] = {VKCLIP_PRECISION_FP32, VKCLIP_PRECISION_FP16,
                                                  VKCLIP_PRECISION_INT8};
    for (size_t i = 0; i < COUNT(precisions); i++) {
        if (precisions[i] == VKCLIP_PRECISION_FP16 && !has_precision(count, part, precisions[i]))
            continue; // not every device stores it
        for (int k = 0; k < KERNEL_COUNT; k++)
            if (!(k == KERNEL_QUANTIZE && precisions[i] != VKCLIP_PRECISION_INT8) &&
                !(k == KERNEL_TOP_K && precisions[i] != VKCLIP_PRECISION_FP32) &&
                !has_kernel(count, part, precisions[i], (enum kernel)k))
                fail_msg("%s: no %s of %s in %s; tools/matrix.sh --renew %s", row,
                         kernel_name((enum kernel)k), part, precision_name(precisions[i]), row);
    }
}

static void every_device_has_every_kernel(void **state)
{
    (void)state;
    for (size_t r = 0; r < COUNT(rows); r++) {
        const uint32_t count = read_baseline(rows[r]);
        for (uint32_t i = 1; i < count; i++)
            if (i == 1 || strcmp(cells[i][PART], cells[i - 1][PART]) != 0)
                check_part(rows[r], count, cells[i][PART]);
    }
}

static void lines_name_variants_and_numbers(void **state)
{
    (void)state;
    for (size_t r = 0; r < COUNT(rows); r++) {
        const uint32_t count = read_baseline(rows[r]);
        for (uint32_t i = 1; i < count; i++) {
            const bool is_linear = strncmp(cells[i][KERNEL], "linear", 6) == 0;
            const bool is_attention = strncmp(cells[i][KERNEL], "attention", 9) == 0;
            if ((is_linear && !linear_variant_find(cells[i][VARIANT])) ||
                (is_attention && !attention_variant_find(cells[i][VARIANT])))
                fail_msg("%s: no variant is called %s", rows[r], cells[i][VARIANT]);
            for (int cell = ESTIMATE; cell < CELLS; cell++) {
                char *end;
                const double value = strtod(cells[i][cell], &end);
                if (*end || !(value >= 0.0) || (cell == ESTIMATE && !(value > 0.0)))
                    fail_msg("%s: line %u: %s is no number", rows[r], i + 2, cells[i][cell]);
            }
        }
    }
}

// As the least device has them, and so that an embedding does not depend on the batch.
static void defaults_of_vendors_are_of_one_family(void **state)
{
    (void)state;
    static const uint32_t vendors[] = {0x1002, 0x106b, 0x10de, 0x14e4, 0x5143, 0x8086, 0x10005};
    const vkclip_device_facts least = {.workgroup_width = 128, .shared_memory_bytes = 16384};
    for (size_t i = 0; i < COUNT(vendors); i++) {
        const char *const *names = linear_defaults_of(vendors[i]);
        assert_non_null(names);
        for (int c = 0; c < LINEAR_CLASSES; c++) {
            const struct linear_variant *variant = linear_variant_find(names[c]);
            assert_non_null(variant);
            assert_true(linear_variants_agree(variant, linear_variant_find(names[0])));
            assert_true(linear_variant_fits(variant, &least, VKCLIP_PRECISION_FP32));
        }
    }
    assert_null(linear_defaults_of(0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_device_has_every_kernel),
        cmocka_unit_test(lines_name_variants_and_numbers),
        cmocka_unit_test(defaults_of_vendors_are_of_one_family),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
