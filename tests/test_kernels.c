// Defends the numbers of every kernel: the cases of src/verify, which 'vkclip verify' runs for the
// variant a device gets, here in both precisions where the device has them, and with the tiles of
// every kind of device.
#include "test.h"

#include <string.h>

#include "base/precision.h"
#include "verify/cases.h"

static struct gpu *gpu;

static const struct variant {
    const char *name;
    vkclip_precision precision;
    enum kernels_tiles tiles;
} variants[] = {
    {"fp32, software tiles", VKCLIP_PRECISION_FP32, TILES_SOFTWARE},
    {"fp32, hardware tiles", VKCLIP_PRECISION_FP32, TILES_HARDWARE},
    {"fp32, small tiles", VKCLIP_PRECISION_FP32, TILES_SMALL},
    {"fp16, software tiles", VKCLIP_PRECISION_FP16, TILES_SOFTWARE},
    {"fp16, hardware tiles", VKCLIP_PRECISION_FP16, TILES_HARDWARE},
    {"fp16, small tiles", VKCLIP_PRECISION_FP16, TILES_SMALL},
    {"int8, software tiles", VKCLIP_PRECISION_INT8, TILES_SOFTWARE},
    {"int8, hardware tiles", VKCLIP_PRECISION_INT8, TILES_HARDWARE},
    {"int8, small tiles", VKCLIP_PRECISION_INT8, TILES_SMALL},
};

struct count {
    uint32_t compared, failed;
};

// Every comparison is printed, whether or not it passes, so drift is visible.
static void count_result(void *user, const struct rig_result *result)
{
    struct count *count = user;
    bool passes = rig_result_passes(result);
    count->compared++;
    count->failed += !passes;
    printf("%-12s %-44s worst %.2e at %zu, allowed %.2e%s%s%s\n", kernel_name(result->kernel),
           result->what, result->worst, result->at, result->allowed,
           result->is_repeatable ? "" : ", other bits the second time",
           result->is_contained ? "" : ", wrote beyond its output", passes ? "" : ": FAILED");
}

static void run(const struct variant *variant, uint32_t head_dim, enum case_group group)
{
    struct count count = {0};
    struct rig rig;
    vkclip_error err;
    printf("%s, heads of %u:\n", variant->name, head_dim);
    const struct kernels_params params = {
        .precision = variant->precision,
        .tiles = variant->tiles,
        .head_dim = head_dim,
        .is_causal = true,
        .has_mean = true,
        .has_top_k = true,
    };
    if (!rig_init(&rig, gpu, &params, (struct rig_report){count_result, &count}, &err))
        fail_msg("%s", err.message);
    bool is_run = cases_run(&rig, group, &err);
    rig_finish(&rig);
    if (!is_run)
        fail_msg("%s", err.message);
    assert_true(count.compared > 0);
    assert_int_equal(count.failed, 0);
}

static const vkclip_precision precisions[] = {VKCLIP_PRECISION_FP32, VKCLIP_PRECISION_FP16,
                                              VKCLIP_PRECISION_INT8};

static bool can_compute(const struct linear_variant *variant, vkclip_precision precision)
{
    const vkclip_device_facts *device = gpu_get_facts(gpu);
    return (precision != VKCLIP_PRECISION_FP16 || device->has_fp16_storage) &&
           linear_variant_fits(variant, device, precision);
}

// A rig in which every class of rows has the variant.
static void begin_with(struct rig *rig, const struct linear_variant *variant,
                       vkclip_precision precision, struct rig_report report)
{
    struct kernels_choice choice;
    vkclip_error err;
    for (int i = 0; i < LINEAR_CLASSES; i++)
        choice.linear[i] = choice.linear_f32[i] = variant;
    const struct kernels_params params = {
        .precision = precision,
        .tiles = TILES_SOFTWARE,
        .set = KERNELS_LINEAR,
        .choice = &choice,
    };
    if (!rig_init(rig, gpu, &params, report, &err))
        fail_msg("%s: %s", variant->name, err.message);
}

static void run_every_variant(enum case_group group)
{
    for (size_t i = 0; i < COUNT(variants); i++)
        if (variants[i].precision == VKCLIP_PRECISION_FP16 && !gpu_get_facts(gpu)->has_fp16_storage)
            printf("skipped: %s: the device does not store fp16\n", variants[i].name);
        else
            run(&variants[i], 64, group);
}

static void linear_matches_reference_on_ragged_sizes(void **state)
{
    (void)state;
    run_every_variant(CASES_LINEAR_SIZES);
}

static void linear_matches_reference_with_every_ending(void **state)
{
    (void)state;
    run_every_variant(CASES_LINEAR_ENDINGS);
}

static void linear_matches_reference_at_the_models_depth(void **state)
{
    (void)state;
    run_every_variant(CASES_LINEAR_DEPTH);
}

static void run_variant(const struct linear_variant *variant, vkclip_precision precision)
{
    if (!can_compute(variant, precision))
        return;
    struct count count = {0};
    struct rig rig;
    vkclip_error err;
    printf("%s, %s:\n", variant->name, precision_name(precision));
    begin_with(&rig, variant, precision, (struct rig_report){count_result, &count});
    bool is_run = cases_run(&rig, CASES_LINEAR_SIZES, &err) &&
                  cases_run(&rig, CASES_LINEAR_ENDINGS, &err) &&
                  cases_run(&rig, CASES_LINEAR_DEPTH, &err);
    rig_finish(&rig);
    if (!is_run)
        fail_msg("%s: %s", variant->name, err.message);
    assert_true(count.compared > 0);
    assert_int_equal(count.failed, 0);
}

// Each way to compute linear in all classes of rows, whichever a device is tuned to. Narrow ones
// are used in fp32 alone.
static void every_variant_of_linear_matches_reference(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < COUNT(precisions) * linear_variant_count; i++)
        run_variant(&linear_variants[i / COUNT(precisions)], precisions[i % COUNT(precisions)]);
    for (uint32_t i = 0; i < linear_narrow_count; i++)
        run_variant(&linear_narrow_variants[i], VKCLIP_PRECISION_FP32);
}

enum { SAME_ROWS = 60, SAME_COLS = 200, SAME_INPUTS = 776 };

// One product by one variant, always of the same numbers.
static void multiply(const struct linear_variant *variant, vkclip_precision precision, float *got)
{
    struct rig rig;
    begin_with(&rig, variant, precision, (struct rig_report){count_result, NULL});
    rig_begin(&rig, 1, SAME_ROWS);
    const size_t panel_count = (SAME_COLS + 31) / 32 * 32 * SAME_INPUTS;
    const struct linear_weights weights = {
        .in_cols = SAME_INPUTS,
        .out_cols = SAME_COLS,
        .panels = rig_elements(&rig, rig_values(&rig, panel_count), panel_count),
    };
    const float *x = rig_values(&rig, SAME_ROWS * SAME_INPUTS);
    struct tensor input = plan_input(rig.plan, ROWS_TOKENS, SAME_INPUTS, true);
    struct tensor y = plan_linear_f32(rig.plan, input, &weights);
    if (!rig_lay_out(&rig))
        fail_msg("%s: %s", variant->name, rig.error.message);
    rig_put_elements(&rig, input, x, SAME_ROWS * SAME_INPUTS);
    rig_expect_output(&rig, y, SAME_ROWS * SAME_COLS * sizeof *got);
    if (!rig_run(&rig, 1, SAME_ROWS, 0))
        fail_msg("%s: %s", variant->name, rig.error.message);
    memcpy(got, rig_address(&rig, y), SAME_ROWS * SAME_COLS * sizeof *got);
    rig_end(&rig);
    rig_finish(&rig);
}

static const struct linear_variant *first_of_family(const struct linear_variant *variant,
                                                    vkclip_precision precision)
{
    const struct linear_variant *first = linear_variants;
    while (first != variant &&
           !(linear_variants_agree(first, variant) && can_compute(first, precision)))
        first++;
    return first;
}

// Batch invariance rests on it: classes of rows may have different variants of a family.
static void variants_of_a_family_give_the_same_bits(void **state)
{
    (void)state;
    static float first[SAME_ROWS * SAME_COLS], got[SAME_ROWS * SAME_COLS];
    for (uint32_t of = 0; of < COUNT(precisions); of++)
        for (uint32_t i = 0; i < linear_variant_count; i++) {
            const vkclip_precision precision = precisions[of];
            const struct linear_variant *variant = &linear_variants[i];
            const struct linear_variant *head = first_of_family(variant, precision);
            if (head == variant || !can_compute(variant, precision))
                continue;
            multiply(head, precision, first);
            multiply(variant, precision, got);
            size_t at = 0;
            while (at < COUNT(got) && memcmp(&got[at], &first[at], sizeof *got) == 0)
                at++;
            if (at < COUNT(got))
                fail_msg("%s gives %a, %s %a at %zu", head->name, (double)first[at], variant->name,
                         (double)got[at], at);
        }
}

static void gelu_and_quick_gelu_match_reference(void **state)
{
    (void)state;
    run_every_variant(CASES_GELU);
}

static void quantize_matches_reference(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(variants); i++)
        if (variants[i].precision == VKCLIP_PRECISION_INT8)
            run(&variants[i], 64, CASES_QUANTIZE);
}

static void layernorm_matches_reference(void **state)
{
    (void)state;
    run_every_variant(CASES_LAYERNORM);
}

static void normalize_matches_reference(void **state)
{
    (void)state;
    run_every_variant(CASES_NORMALIZE);
}

static void attention_matches_reference_on_ragged_lengths(void **state)
{
    (void)state;
    run_every_variant(CASES_ATTENTION);
}

static void causal_attention_matches_reference(void **state)
{
    (void)state;
    run_every_variant(CASES_ATTENTION_CAUSAL);
}

// Each way to compute attention, whichever a device is tuned to.
static void every_variant_of_attention_matches_reference(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 2 * attention_variant_count; i++) {
        const vkclip_precision precision = precisions[i % 2];
        const struct kernels_choice choice = {.attention = &attention_variants[i / 2]};
        const struct kernels_params params = {
            .precision = precision,
            .head_dim = 64,
            .is_causal = true,
            .set = KERNELS_ATTENTION,
            .choice = &choice,
        };
        const vkclip_device_facts *device = gpu_get_facts(gpu);
        if ((precision == VKCLIP_PRECISION_FP16 && !device->has_fp16_storage) ||
            !attention_variant_fits(choice.attention, device, precision, params.head_dim))
            continue;
        struct count count = {0};
        struct rig rig;
        vkclip_error err;
        printf("%s, %s:\n", choice.attention->name, i % 2 ? "fp16" : "fp32");
        if (!rig_init(&rig, gpu, &params, (struct rig_report){count_result, &count}, &err))
            fail_msg("%s: %s", choice.attention->name, err.message);
        bool is_run =
            cases_run(&rig, CASES_ATTENTION, &err) && cases_run(&rig, CASES_ATTENTION_CAUSAL, &err);
        rig_finish(&rig);
        if (!is_run)
            fail_msg("%s: %s", choice.attention->name, err.message);
        assert_true(count.compared > 0);
        assert_int_equal(count.failed, 0);
    }
}

static void mean_matches_reference(void **state)
{
    (void)state;
    run_every_variant(CASES_MEAN);
}

static void attention_matches_reference_for_other_heads(void **state)
{
    (void)state;
    static const uint32_t head_dims[] = {4, 32, 80, 128}; // hardware's tiles shrink for two
    for (size_t i = 0; i < COUNT(head_dims); i++) {
        run(&variants[0], head_dims[i], CASES_ATTENTION_SMALL);
        run(&variants[1], head_dims[i], CASES_ATTENTION_SMALL);
    }
}

static void patchify_matches_reference(void **state)
{
    (void)state;
    run_every_variant(CASES_PATCHIFY);
}

static void embed_tokens_matches_reference(void **state)
{
    (void)state;
    run_every_variant(CASES_EMBED_TOKENS);
}

static void top_k_matches_reference(void **state)
{
    (void)state;
    run_every_variant(CASES_TOP_K);
}

// A column count the kernels cannot read must be refused before it reaches a device.
static void linear_of_mismatched_columns_is_refused(void **state)
{
    (void)state;
    struct kernels kernels = {0};
    vkclip_error err;
    if (!kernels_init(&kernels, gpu,
                      &(struct kernels_params){
                          .precision = VKCLIP_PRECISION_FP32,
                          .tiles = TILES_SOFTWARE,
                          .head_dim = 64,
                      },
                      &err))
        fail_msg("%s", err.message);
    struct plan *plan = plan_create(&kernels, &(struct plan_limits){1, 8, 8}, 1.0);
    assert_non_null(plan);
    struct linear_weights weights = {.in_cols = 32, .out_cols = 8};
    uint64_t arena_bytes;
    plan_linear_f32(plan, plan_input(plan, ROWS_TOKENS, 64, true), &weights);
    assert_false(plan_layout(plan, &arena_bytes, &err));
    assert_int_equal(err.status, VKCLIP_ERROR_MODEL);
    plan_destroy(plan);
    kernels_finish(&kernels);
}

static int open_gpu(void **state)
{
    (void)state;
    vkclip_error err;
    gpu = gpu_create(NULL, NULL, &err);
    if (!gpu) {
        printf("no device: %s\n", err.message);
        return 1;
    }
    gpu_cache_load(gpu, NULL);
    printf("device: %s, %s\n", gpu_get_facts(gpu)->name, gpu_get_facts(gpu)->driver);
    return 0;
}

static int close_gpu(void **state)
{
    (void)state;
    gpu_destroy(gpu);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(linear_matches_reference_on_ragged_sizes),
        cmocka_unit_test(linear_matches_reference_with_every_ending),
        cmocka_unit_test(linear_matches_reference_at_the_models_depth),
        cmocka_unit_test(every_variant_of_linear_matches_reference),
        cmocka_unit_test(variants_of_a_family_give_the_same_bits),
        cmocka_unit_test(gelu_and_quick_gelu_match_reference),
        cmocka_unit_test(quantize_matches_reference),
        cmocka_unit_test(layernorm_matches_reference),
        cmocka_unit_test(normalize_matches_reference),
        cmocka_unit_test(attention_matches_reference_on_ragged_lengths),
        cmocka_unit_test(causal_attention_matches_reference),
        cmocka_unit_test(every_variant_of_attention_matches_reference),
        cmocka_unit_test(attention_matches_reference_for_other_heads),
        cmocka_unit_test(mean_matches_reference),
        cmocka_unit_test(patchify_matches_reference),
        cmocka_unit_test(embed_tokens_matches_reference),
        cmocka_unit_test(top_k_matches_reference),
        cmocka_unit_test(linear_of_mismatched_columns_is_refused),
    };
    return cmocka_run_group_tests(tests, open_gpu, close_gpu);
}
