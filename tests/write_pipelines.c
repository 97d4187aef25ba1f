// write_pipelines FOLDER: every pipeline the program creates, as a driver is given it.
//
// Writes FOLDER/PRECISION-KIND-NUMBER-KERNEL.spv, and the specialization constants beside it as
// .constants, one a line. No driver is needed: the calls that create pipelines are answered here.
// What several kinds of devices are given alike is written once.
#include "gpu/internal.h"
#include "model/kernels.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct {
    uint32_t *words;
    size_t byte_count;
    uint32_t constants[8];
    uint32_t constant_count;
} modules[2 * (VKCLIP_DEVICE_SOFTWARE + 1) * KERNEL_COUNT];
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
    modules[module_count].words = words;
    modules[module_count++].byte_count = info->codeSize;
    *module = (VkShaderModule)module_count;
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

static bool is_written(uintptr_t module)
{
    for (uintptr_t i = 0; i < module; i++)
        if (modules[i].byte_count == modules[module].byte_count &&
            memcmp(modules[i].words, modules[module].words, modules[i].byte_count) == 0)
            return true;
    return false;
}

static bool write_module(const char *path, uintptr_t module)
{
    char constants_path[600];
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

static bool write_kernels(const char *folder, vkclip_precision precision, vkclip_device_kind kind)
{
    static const char *const kinds[] = {"other", "integrated", "discrete", "virtual", "software"};
    const char *tier = precision == VKCLIP_PRECISION_FP16 ? "fp16" : "fp32";
    struct gpu gpu = {
        .facts = {.name = "no device", .kind = kind, .has_fp16_storage = true},
        .vk = {.vkCreateShaderModule = create_module,
               .vkCreateComputePipelines = create_pipelines,
               .vkDestroyShaderModule = destroy_module,
               .vkDestroyPipeline = destroy_pipeline},
    };
    struct kernels kernels = {0};
    vkclip_error err;
    bool is_good = kernels_init(&kernels, &gpu,
                                &(struct kernels_params){precision, kind, 64, true, true}, &err);
    if (!is_good)
        fprintf(stderr, "%s, %s: %s\n", tier, kinds[kind], err.message);
    for (int i = 0; is_good && i < KERNEL_COUNT; i++) {
        char path[512];
        if (!kernels.pipelines[i])
            continue;
        const uintptr_t module = (uintptr_t)kernels.pipelines[i]->pipeline - 1;
        snprintf(path, sizeof path, "%s/%s-%s-%d-%s.spv", folder, tier, kinds[kind], i,
                 kernel_name((enum kernel)i));
        is_good = is_written(module) || write_module(path, module);
    }
    kernels_finish(&kernels);
    return is_good;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: write_pipelines FOLDER\n");
        return 2;
    }
    for (int kind = VKCLIP_DEVICE_OTHER; kind <= VKCLIP_DEVICE_SOFTWARE; kind++)
        if (!write_kernels(argv[1], VKCLIP_PRECISION_FP32, (vkclip_device_kind)kind) ||
            !write_kernels(argv[1], VKCLIP_PRECISION_FP16, (vkclip_device_kind)kind))
            return 1;
    for (uintptr_t i = 0; i < module_count; i++)
        free(modules[i].words);
    return 0;
}
