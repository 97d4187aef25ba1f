// statistics.c: the stage that writes down what a driver's compiler tells of each pipeline.
//
// A line a compiled shader: the kernel's mark, its specialization constants, the driver's name of
// the shader, its subgroup width, then NAME=VALUE for every statistic, all separated by tabs.
// A driver without VK_KHR_pipeline_executable_properties gives the first two alone.
//
// The mark is an FNV-1a hash of the SPIR-V from its first function on: what lies before it holds
// constants, which differ from pipeline to pipeline. tools/matrix/statistics.py finds the kernel by
// it, since the optimizer takes all names out of the SPIR-V.
#include "layer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXTENSION VK_KHR_PIPELINE_EXECUTABLE_PROPERTIES_EXTENSION_NAME

struct module {
    struct module *next;
    VkShaderModule vk_module;
    uint64_t mark;
};

struct statistics {
    const char *path;
};

struct statistics_device {
    struct module *modules; // all there ever were
};

static bool read_clause(void *state, const char *name, const char *value)
{
    struct statistics *statistics = state;
    if (strcmp(name, "statistics") != 0)
        return false;
    statistics->path = strdup(value);
    FILE *file = fopen(value, "a");
    if (!statistics->path || !file || fclose(file))
        layer_abort("VKCLIP_LAYER: cannot write %s", value);
    return true;
}

static void finish_instance(void *state)
{
    struct statistics *statistics = state;
    free((void *)(uintptr_t)statistics->path);
}

static void finish_device(void *state)
{
    struct statistics_device *device = state;
    while (device->modules) {
        struct module *module = device->modules;
        device->modules = module->next;
        free(module);
    }
}

static bool can_tell(VkPhysicalDevice physical)
{
    PFN_vkEnumerateDeviceExtensionProperties enumerate =
        NEXT(&statistics_stage, physical, vkEnumerateDeviceExtensionProperties);
    VkExtensionProperties extensions[512];
    uint32_t count = 512;
    if (enumerate(physical, NULL, &count, extensions) != VK_SUCCESS)
        return false;
    for (uint32_t i = 0; i < count; i++)
        if (strcmp(extensions[i].extensionName, EXTENSION) == 0)
            return true;
    return false;
}

static VKAPI_ATTR VkResult VKAPI_CALL create_device(VkPhysicalDevice physical,
                                                    const VkDeviceCreateInfo *info,
                                                    const VkAllocationCallbacks *allocator,
                                                    VkDevice *device)
{
    PFN_vkCreateDevice create = NEXT(&statistics_stage, physical, vkCreateDevice);
    if (!can_tell(physical))
        return create(physical, info, allocator, device);

    VkPhysicalDevicePipelineExecutablePropertiesFeaturesKHR feature = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PIPELINE_EXECUTABLE_PROPERTIES_FEATURES_KHR,
        .pNext = (void *)(uintptr_t)info->pNext,
        .pipelineExecutableInfo = VK_TRUE,
    };
    VkDeviceCreateInfo more = *info;
    const char **names = calloc(info->enabledExtensionCount + 1, sizeof *names);
    if (!names)
        layer_abort("no memory");
    for (uint32_t i = 0; i < info->enabledExtensionCount; i++)
        names[i] = info->ppEnabledExtensionNames[i];
    names[more.enabledExtensionCount++] = EXTENSION;
    more.ppEnabledExtensionNames = names;
    more.pNext = &feature;
    VkResult result = create(physical, &more, allocator, device);
    free(names);
    return result;
}

static uint64_t mark_of(const uint32_t *words, size_t word_count)
{
    enum { HEADER_WORDS = 5, OP_FUNCTION = 54 };
    size_t i = HEADER_WORDS;
    while (i < word_count && (words[i] & 0xffff) != OP_FUNCTION)
        i += words[i] >> 16;
    uint64_t mark = UINT64_C(0xcbf29ce484222325);
    for (; i < word_count; i++)
        for (int shift = 0; shift < 32; shift += 8)
            mark = (mark ^ (words[i] >> shift & 0xff)) * UINT64_C(0x100000001b3);
    return mark;
}

static VKAPI_ATTR VkResult VKAPI_CALL create_module(VkDevice device,
                                                    const VkShaderModuleCreateInfo *info,
                                                    const VkAllocationCallbacks *allocator,
                                                    VkShaderModule *vk_module)
{
    struct statistics_device *state = layer_device_state(&statistics_stage, device);
    VkResult result =
        NEXT(&statistics_stage, device, vkCreateShaderModule)(device, info, allocator, vk_module);
    if (result != VK_SUCCESS)
        return result;
    struct module *module = calloc(1, sizeof *module);
    if (!module)
        layer_abort("no memory");
    module->vk_module = *vk_module;
    module->mark = mark_of(info->pCode, info->codeSize / sizeof(uint32_t));
    layer_lock();
    module->next = state->modules; // newest first, since drivers use handles again
    state->modules = module;
    layer_unlock();
    return VK_SUCCESS;
}

// ---- lines -----------------------------------------------------------------------------------

static void write_head(FILE *file, VkDevice device, const VkPipelineShaderStageCreateInfo *stage)
{
    const struct statistics_device *state = layer_device_state(&statistics_stage, device);
    const struct module *module = state->modules;
    while (module && module->vk_module != stage->module)
        module = module->next;
    fprintf(file, "%016" PRIx64 "\t", module ? module->mark : 0);

    const VkSpecializationInfo *constants = stage->pSpecializationInfo;
    for (uint32_t i = 0; constants && i < constants->mapEntryCount; i++) {
        uint32_t value;
        memcpy(&value, (const char *)constants->pData + constants->pMapEntries[i].offset,
               sizeof value);
        fprintf(file, i ? " %" PRIu32 : "%" PRIu32, value);
    }
}

static void write_statistic(FILE *file, const VkPipelineExecutableStatisticKHR *statistic)
{
    fprintf(file, "\t%s=", statistic->name);
    switch (statistic->format) {
    case VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_INT64_KHR:
        fprintf(file, "%" PRId64, statistic->value.i64);
        break;
    case VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_UINT64_KHR:
        fprintf(file, "%" PRIu64, statistic->value.u64);
        break;
    case VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_FLOAT64_KHR:
        fprintf(file, "%g", statistic->value.f64);
        break;
    default:
        fprintf(file, "%s", statistic->value.b32 ? "true" : "false");
    }
}

static void write_executable(FILE *file, VkDevice device, VkPipeline pipeline, uint32_t index)
{
    enum { MOST = 64 };
    VkPipelineExecutableStatisticKHR statistics[MOST];
    for (uint32_t i = 0; i < MOST; i++)
        statistics[i] = (VkPipelineExecutableStatisticKHR){
            .sType = VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_STATISTIC_KHR};
    uint32_t count = MOST;
    PFN_vkGetPipelineExecutableStatisticsKHR next_call =
        NEXT(&statistics_stage, device, vkGetPipelineExecutableStatisticsKHR);
    next_call(device,
              &(VkPipelineExecutableInfoKHR){
                  .sType = VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_INFO_KHR,
                  .pipeline = pipeline,
                  .executableIndex = index,
              },
              &count, statistics);
    for (uint32_t i = 0; i < count; i++)
        write_statistic(file, &statistics[i]);
}

static void write_pipeline(FILE *file, VkDevice device, const VkComputePipelineCreateInfo *info,
                           VkPipeline pipeline)
{
    enum { MOST = 8 };
    PFN_vkGetPipelineExecutablePropertiesKHR get =
        NEXT(&statistics_stage, device, vkGetPipelineExecutablePropertiesKHR);
    VkPipelineExecutablePropertiesKHR executables[MOST];
    for (uint32_t i = 0; i < MOST; i++)
        executables[i] = (VkPipelineExecutablePropertiesKHR){
            .sType = VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_PROPERTIES_KHR};
    uint32_t count = get ? MOST : 0;
    if (get)
        get(device,
            &(VkPipelineInfoKHR){.sType = VK_STRUCTURE_TYPE_PIPELINE_INFO_KHR,
                                 .pipeline = pipeline},
            &count, executables);
    for (uint32_t i = 0; i < count; i++) {
        write_head(file, device, &info->stage);
        fprintf(file, "\t%s\t%" PRIu32, executables[i].name, executables[i].subgroupSize);
        write_executable(file, device, pipeline, i);
        fputc('\n', file);
    }
    if (count == 0) {
        write_head(file, device, &info->stage);
        fputc('\n', file);
    }
}

static VKAPI_ATTR VkResult VKAPI_CALL create_pipelines(VkDevice device, VkPipelineCache cache,
                                                       uint32_t count,
                                                       const VkComputePipelineCreateInfo *infos,
                                                       const VkAllocationCallbacks *allocator,
                                                       VkPipeline *pipelines)
{
    const struct statistics *state = layer_instance_state(&statistics_stage, device);
    PFN_vkCreateComputePipelines create = NEXT(&statistics_stage, device, vkCreateComputePipelines);
    const bool is_told = NEXT(&statistics_stage, device, vkGetPipelineExecutablePropertiesKHR);
    for (uint32_t i = 0; i < count; i++) {
        VkComputePipelineCreateInfo info = infos[i];
        if (is_told)
            info.flags |= VK_PIPELINE_CREATE_CAPTURE_STATISTICS_BIT_KHR;
        VkResult result = create(device, cache, 1, &info, allocator, &pipelines[i]);
        if (result != VK_SUCCESS)
            return result;
        layer_lock();
        FILE *file = fopen(state->path, "a");
        if (!file)
            layer_abort("cannot write %s", state->path);
        write_pipeline(file, device, &info, pipelines[i]);
        if (fclose(file))
            layer_abort("cannot write %s", state->path);
        layer_unlock();
    }
    return VK_SUCCESS;
}

static const struct layer_hook hooks[] = {
    HOOK(vkCreateDevice, create_device),
    HOOK(vkCreateShaderModule, create_module),
    HOOK(vkCreateComputePipelines, create_pipelines),
    {0},
};

const struct layer_stage statistics_stage = {
    .hooks = hooks,
    .read_clause = read_clause,
    .finish_instance = finish_instance,
    .finish_device = finish_device,
    .instance_bytes = sizeof(struct statistics),
    .device_bytes = sizeof(struct statistics_device),
};
