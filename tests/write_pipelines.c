// write_pipelines FOLDER: every pipeline the program creates, as a driver is given it.
//
// Writes FOLDER/PRECISION-TILES-NUMBER-KERNEL.spv, and the specialization constants beside it as
// .constants, one a line. No driver is needed: the calls that create pipelines are answered here.
// What several kinds of devices are given alike is written once: FOLDER/pipelines.tsv says of each
// pipeline of each PRECISION-TILES where it is; PRECISION-TILES-dot4 is of devices where that is
// fast. PRECISION-ladder-VARIANT is what a device may be tuned to, or takes for a search.
#include "gpu/internal.h"
#include "base/precision.h"
#include "model/kernels.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct {
    uint32_t *words;
    size_t byte_count;
    uint32_t constants[8];
    uint32_t constant_count;
    char name[64]; // of the file
} modules[4 * TILES_COUNT * KERNEL_COUNT + 192];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uintptr_t module_count; // a handle is an index + 1, of modules and pipelines alike

static VkResult VKAPI_CALL create_module(VkDevice device, const VkShaderModuleCreateInfo *info,
                                         const VkAllocationCallbacks *callbacks,
                                         VkShaderModule *module)
{
    (void)device, (void)callbacks;
    uint32_t *words = malloc(info->codeSize);
    if (!words)
        return VK_ERROR_OUT_OF_HOST_MEMORY;
    memcpy(words, info->pCode, info->codeSize);
    pthread_mutex_lock(&lock); // several threads create pipelines
    modules[module_count].words = words;
    modules[module_count++].byte_count = info->codeSize;
    *module = (VkShaderModule)module_count;
    pthread_mutex_unlock(&lock);
    return VK_SUCCESS;
}

static VkResult VKAPI_CALL create_pipelines(VkDevice device, VkPipelineCache cache, uint32_t count,
                                            const VkComputePipelineCreateInfo *infos,
                                            const VkAllocationCallbacks *callbacks,
                                            VkPipeline *pipelines)
{
    (void)device, (void)cache, (void)callbacks;
    for (uint32_t i = 0; i < count; i++) {
        const uintptr_t module = (uintptr_t)infos[i].stage.module - 1;
        const VkSpecializationInfo *info = infos[i].stage.pSpecializationInfo;
        modules[module].constant_count = info->mapEntryCount;
        for (uint32_t c = 0; c < info->mapEntryCount; c++)
            memcpy(&modules[module].constants[info->pMapEntries[c].constantID],
                   (const char *)info->pData + info->pMapEntries[c].offset, sizeof(uint32_t));
        pipelines[i] = (VkPipeline)infos[i].stage.module;
    }
    return VK_SUCCESS;
}

static void VKAPI_CALL destroy_module(VkDevice device, VkShaderModule module,
                                      const VkAllocationCallbacks *callbacks)
{
    (void)device, (void)module, (void)callbacks;
}

static void VKAPI_CALL destroy_pipeline(VkDevice device, VkPipeline pipeline,
                                        const VkAllocationCallbacks *callbacks)
{
    (void)device, (void)pipeline, (void)callbacks;
}

// The first module that is the same.
static uintptr_t find_module(uintptr_t module)
{
    uintptr_t i = 0;
    while (modules[i].byte_count != modules[module].byte_count ||
           memcmp(modules[i].words, modules[module].words, modules[i].byte_count) != 0)
        i++;
    return i;
}

static bool write_module(const char *folder, uintptr_t module)
{
    char path[512], constants_path[600];
    snprintf(path, sizeof path, "%s/%s", folder, modules[module].name);
    snprintf(constants_path, sizeof constants_path, "%s.constants", path);
    FILE *file = fopen(path, "wb"), *constants = fopen(constants_path, "w");
    bool is_good =
        file && constants && fwrite(modules[module].words, modules[module].byte_count, 1, file);
    for (uint32_t i = 0; is_good && i < modules[module].constant_count; i++)
        is_good = fprintf(constants, "%" PRIu32 "\n", modules[module].constants[i]) > 0;
    if (file && fclose(file))
        is_good = false;
    if (constants && fclose(constants))
        is_good = false;
    if (!is_good)
        perror(path);
    return is_good;
}

static bool write_pipeline(const char *folder, FILE *list, const char *set, enum kernel kernel,
                           uintptr_t module)
{
    const uintptr_t first = find_module(module);
    if (first == module) {
        snprintf(modules[module].name, sizeof modules[module].name, "%s-%d-%s.spv", set,
                 (int)kernel, kernel_name(kernel));
        if (!write_module(folder, module))
            return false;
    }
    return fprintf(list, "%s\t%d-%s\t%s\n", set, (int)kernel, kernel_name(kernel),
                   modules[first].name) > 0;
}

static bool write_kernels(const char *folder, FILE *list, const char *set, bool has_fast_dot4,
                          const struct kernels_params *params)
{
    struct gpu gpu = {
        .facts = {.name = "no device", .has_fp16_storage = true, .has_fast_dot4 = has_fast_dot4},
        .vk = {.vkCreateShaderModule = create_module,
               .vkCreateComputePipelines = create_pipelines,
               .vkDestroyShaderModule = destroy_module,
               .vkDestroyPipeline = destroy_pipeline},
    };
    struct kernels kernels = {0};
    vkclip_error err;
    bool is_good = kernels_init(&kernels, &gpu, params, &err);
    if (!is_good)
        fprintf(stderr, "%s: %s\n", set, err.message);
    for (int i = 0; is_good && i < KERNEL_COUNT; i++)
        if (kernels.pipelines[i])
            is_good = write_pipeline(folder, list, set, (enum kernel)i,
                                     (uintptr_t)kernels.pipelines[i]->pipeline - 1);
    kernels_finish(&kernels);
    return is_good;
}

static bool write_defaults(const char *folder, FILE *list, vkclip_precision precision,
                           bool has_fast_dot4)
{
    static const char *const names[TILES_COUNT] = {"software", "hardware", "small"};
    bool is_good = true;
    for (int tiles = 0; is_good && tiles < TILES_COUNT; tiles++) {
        char set[24];
        snprintf(set, sizeof set, "%s-%s%s", precision_name(precision), names[tiles],
                 has_fast_dot4 ? "-dot4" : "");
        is_good = write_kernels(folder, list, set, has_fast_dot4,
                                &(struct kernels_params){
                                    .precision = precision,
                                    .tiles = (enum kernels_tiles)tiles,
                                    .head_dim = 64,
                                    .is_causal = true,
                                    .has_mean = true,
                                    .has_top_k = true,
                                });
    }
    return is_good;
}

static bool write_variant(const char *folder, FILE *list, const char *name,
                          const struct kernels_params *params)
{
    char set[48];
    snprintf(set, sizeof set, "%s-ladder-%s", precision_name(params->precision), name);
    return write_kernels(folder, list, set, false, params);
}

static const vkclip_device_facts guaranteed = {
    .workgroup_width = 128, .shared_memory_bytes = 16384, .has_dot4 = true};

// Whatever 'vkclip tune' may choose, but for cooperative matrices: those are beyond Vulkan 1.1.
static bool write_ladder(const char *folder, FILE *list, vkclip_precision precision,
                         const struct linear_variant *variants, uint32_t count)
{
    bool is_good = true;
    for (uint32_t i = 0; is_good && i < count; i++) {
        struct kernels_choice choice = {0};
        if (!linear_variant_fits(&variants[i], &guaranteed, precision))
            continue;
        for (int c = 0; c < LINEAR_CLASSES; c++)
            choice.linear[c] = choice.linear_f32[c] = &variants[i];
        is_good = write_variant(folder, list, variants[i].name,
                                &(struct kernels_params){
                                    .precision = precision,
                                    .set = KERNELS_LINEAR,
                                    .choice = &choice,
                                });
    }
    return is_good;
}

static bool write_attention_ladder(const char *folder, FILE *list, vkclip_precision precision)
{
    enum { HEAD_DIM = 64 };
    bool is_good = true;
    for (uint32_t i = 0; is_good && i < attention_variant_count; i++) {
        const struct kernels_choice choice = {.attention = &attention_variants[i]};
        if (!attention_variant_fits(choice.attention, &guaranteed, precision, HEAD_DIM))
            continue;
        is_good = write_variant(folder, list, choice.attention->name,
                                &(struct kernels_params){
                                    .precision = precision,
                                    .head_dim = HEAD_DIM,
                                    .is_causal = true,
                                    .set = KERNELS_ATTENTION,
                                    .choice = &choice,
                                });
    }
    return is_good;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: write_pipelines FOLDER\n");
        return 2;
    }
    char path[512];
    snprintf(path, sizeof path, "%s/pipelines.tsv", argv[1]);
    FILE *list = fopen(path, "w");
    bool is_good = list != NULL;
    static const vkclip_precision precisions[] = {VKCLIP_PRECISION_FP32, VKCLIP_PRECISION_FP16,
                                                  VKCLIP_PRECISION_INT8};
    for (size_t i = 0; is_good && i < sizeof precisions / sizeof *precisions; i++)
        is_good =
            write_defaults(argv[1], list, precisions[i], false) &&
            write_ladder(argv[1], list, precisions[i], linear_variants, linear_variant_count) &&
            write_attention_ladder(argv[1], list, precisions[i]);
    is_good = is_good && write_defaults(argv[1], list, VKCLIP_PRECISION_INT8, true) &&
              write_ladder(argv[1], list, VKCLIP_PRECISION_FP32, linear_narrow_variants,
                           linear_narrow_count);
    if (!list || fclose(list)) {
        perror(path);
        is_good = false;
    }
    for (uintptr_t i = 0; i < module_count; i++)
        free(modules[i].words);
    return is_good ? 0 : 1;
}
