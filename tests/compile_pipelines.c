// compile_pipelines: has a device's driver compile every pipeline it may be given, and prints what
// its compiler tells.
//
// For each precision the device has: the pipelines it gets untuned, then linear and attention by
// each variant it may be tuned to. A line a compiled shader: precision, "default" or "ladder",
// kernel, variant of linear or attention, outputs and lanes of a workgroup where the kernel is
// linear, the driver's name of the shader, its subgroup width, then NAME=VALUE for every statistic,
// all separated by tabs. Where a set does not compile, its line ends with the reason instead.
//
// Statistics are there under VK_LAYER_VKCLIP_test with statistics=on, where the driver has
// VK_KHR_pipeline_executable_properties; else lines end before the driver's name of the shader.
#include "base/precision.h"
#include "gpu/internal.h"
#include "model/kernels.h"

#include <inttypes.h>
#include <stdio.h>

enum { HEAD_DIM = 64 }; // BiomedCLIP's

// Pipelines that are made together, and what they are for.
struct set {
    struct gpu *gpu;
    const char *precision;
    bool is_ladder;
    struct kernels kernels;
};

static bool is_linear(enum kernel kernel)
{
    return kernel >= KERNEL_LINEAR && kernel < KERNEL_LINEAR_F32 + LINEAR_CLASSES;
}

// Names that do not change when kernels or classes are added. The ladder's variants are the same in
// all classes of rows.
static void print_name(const struct set *set, enum kernel kernel)
{
    static const char *const classes[LINEAR_CLASSES] = {"-few", "-some", "-many"};
    fputs(kernel_name(kernel), stdout);
    if (kernel == KERNEL_ATTENTION_CAUSAL)
        fputs("-causal", stdout);
    if (!is_linear(kernel))
        return;
    if (kernel >= KERNEL_LINEAR_F32)
        fputs("-f32", stdout);
    if (!set->is_ladder)
        fputs(classes[(kernel - KERNEL_LINEAR) % LINEAR_CLASSES], stdout);
}

static const struct linear_variant *variant_of(const struct set *set, enum kernel kernel)
{
    const struct kernels_choice *choice = &set->kernels.choice;
    if (!is_linear(kernel))
        return NULL;
    return kernel >= KERNEL_LINEAR_F32 ? choice->linear_f32[kernel - KERNEL_LINEAR_F32]
                                       : choice->linear[kernel - KERNEL_LINEAR];
}

static bool is_attention(enum kernel kernel)
{
    return kernel == KERNEL_ATTENTION || kernel == KERNEL_ATTENTION_CAUSAL;
}

static void print_head(const struct set *set, enum kernel kernel)
{
    const struct linear_variant *variant = variant_of(set, kernel);
    printf("%s\t%s\t", set->precision, set->is_ladder ? "ladder" : "default");
    print_name(set, kernel);
    if (!variant) {
        printf("\t%s\t\t", is_attention(kernel) ? set->kernels.choice.attention->name : "");
        return;
    }
    const uint32_t lanes =
        variant->lanes *
        (variant->method == LINEAR_MATRIX ? gpu_get_facts(set->gpu)->subgroup_width : 1);
    printf("\t%s\t%" PRIu32 "\t%" PRIu32, variant->name,
           linear_variant_rows(variant) * linear_variant_cols(variant), lanes);
}

static void print_statistic(const VkPipelineExecutableStatisticKHR *statistic)
{
    printf("\t%s=", statistic->name);
    switch (statistic->format) {
    case VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_INT64_KHR:
        printf("%" PRId64, statistic->value.i64);
        break;
    case VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_UINT64_KHR:
        printf("%" PRIu64, statistic->value.u64);
        break;
    case VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_FLOAT64_KHR:
        printf("%g", statistic->value.f64);
        break;
    default:
        printf("%s", statistic->value.b32 ? "true" : "false");
    }
}

static void print_shader(const struct set *set, const struct gpu_pipeline *pipeline, uint32_t index)
{
    enum { MOST = 64 };
    VkPipelineExecutableStatisticKHR statistics[MOST];
    for (uint32_t i = 0; i < MOST; i++)
        statistics[i] = (VkPipelineExecutableStatisticKHR){
            .sType = VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_STATISTIC_KHR};
    uint32_t count = MOST;
    set->gpu->vk.vkGetPipelineExecutableStatisticsKHR(
        set->gpu->device,
        &(VkPipelineExecutableInfoKHR){
            .sType = VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_INFO_KHR,
            .pipeline = pipeline->pipeline,
            .executableIndex = index,
        },
        &count, statistics);
    for (uint32_t i = 0; i < count; i++)
        print_statistic(&statistics[i]);
}

// A driver may make several shaders of a pipeline.
static void print_pipeline(const struct set *set, enum kernel kernel)
{
    enum { MOST = 8 };
    const struct gpu *gpu = set->gpu;
    const struct gpu_pipeline *pipeline = set->kernels.pipelines[kernel];
    VkPipelineExecutablePropertiesKHR shaders[MOST];
    for (uint32_t i = 0; i < MOST; i++)
        shaders[i] = (VkPipelineExecutablePropertiesKHR){
            .sType = VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_PROPERTIES_KHR};
    uint32_t count = 0;
    if (gpu->vk.vkGetPipelineExecutablePropertiesKHR) {
        count = MOST;
        gpu->vk.vkGetPipelineExecutablePropertiesKHR(
            gpu->device,
            &(VkPipelineInfoKHR){.sType = VK_STRUCTURE_TYPE_PIPELINE_INFO_KHR,
                                 .pipeline = pipeline->pipeline},
            &count, shaders);
    }
    for (uint32_t i = 0; i < count; i++) {
        print_head(set, kernel);
        printf("\t%s\t%" PRIu32, shaders[i].name, shaders[i].subgroupSize);
        print_shader(set, pipeline, i);
        putchar('\n');
    }
    if (count == 0) {
        print_head(set, kernel);
        putchar('\n');
    }
}

static bool compile_set(struct set *set, const struct kernels_params *params)
{
    vkclip_error err;
    const bool is_made = kernels_init(&set->kernels, set->gpu, params, &err);
    for (int i = 0; is_made && i < KERNEL_COUNT; i++)
        if (set->kernels.pipelines[i] && (!set->is_ladder || i == KERNEL_LINEAR ||
                                          i == KERNEL_LINEAR_F32 || is_attention((enum kernel)i)))
            print_pipeline(set, (enum kernel)i);
    if (!is_made) {
        print_head(set, KERNEL_LINEAR);
        printf("\t%s\n", err.message);
    }
    kernels_finish(&set->kernels);
    fflush(stdout); // the next may end the program
    return is_made;
}

static bool compile_linear_ladder(struct set *set, vkclip_precision precision)
{
    bool is_good = true;
    for (uint32_t i = 0; i < linear_variant_count; i++) {
        if (!linear_variant_suits(&linear_variants[i], gpu_get_facts(set->gpu), precision))
            continue;
        struct kernels_choice choice = {0};
        for (int c = 0; c < LINEAR_CLASSES; c++)
            choice.linear[c] = choice.linear_f32[c] = &linear_variants[i];
        is_good = compile_set(set, &(struct kernels_params){.precision = precision,
                                                            .set = KERNELS_LINEAR,
                                                            .choice = &choice}) &&
                  is_good;
    }
    return is_good;
}

static bool compile_attention_ladder(struct set *set, vkclip_precision precision)
{
    const vkclip_device_facts *device = gpu_get_facts(set->gpu);
    bool is_good = true;
    for (uint32_t i = 0; i < attention_variant_count; i++) {
        const struct kernels_choice choice = {.attention = &attention_variants[i]};
        if (!attention_variant_suits(choice.attention, device) ||
            !attention_variant_fits(choice.attention, device, precision, HEAD_DIM))
            continue;
        is_good = compile_set(set, &(struct kernels_params){.precision = precision,
                                                            .head_dim = HEAD_DIM,
                                                            .is_causal = true,
                                                            .set = KERNELS_ATTENTION,
                                                            .choice = &choice}) &&
                  is_good;
    }
    return is_good;
}

static bool compile_precision(struct gpu *gpu, vkclip_precision precision)
{
    struct set set = {.gpu = gpu, .precision = precision_name(precision)};
    bool is_good =
        compile_set(&set, &(struct kernels_params){
                              .precision = precision,
                              .tiles = kernels_choose_tiles(gpu_get_facts(gpu)),
                              .head_dim = HEAD_DIM,
                              .is_causal = true,
                              .has_mean = true,
                              .has_top_k = precision == VKCLIP_PRECISION_FP32, // as searches are
                          });
    set.is_ladder = true;
    is_good = compile_linear_ladder(&set, precision) && is_good;
    return compile_attention_ladder(&set, precision) && is_good;
}

int main(void)
{
    vkclip_error err;
    struct gpu *gpu = gpu_create(NULL, NULL, &err);
    if (!gpu) {
        fprintf(stderr, "compile_pipelines: %s\n", err.message);
        return 1;
    }
    bool is_good = compile_precision(gpu, VKCLIP_PRECISION_FP32);
    if (gpu_get_facts(gpu)->has_fp16_storage)
        is_good = compile_precision(gpu, VKCLIP_PRECISION_FP16) && is_good;
    is_good = compile_precision(gpu, VKCLIP_PRECISION_INT8) && is_good;
    gpu_destroy(gpu);
    return is_good ? 0 : 1;
}
