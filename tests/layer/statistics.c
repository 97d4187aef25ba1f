// statistics.c: the stage that has a driver keep what its compiler tells of each pipeline, for a
// program that asks for it without having switched it on.
#include "layer.h"

#include <stdlib.h>
#include <string.h>

#define EXTENSION VK_KHR_PIPELINE_EXECUTABLE_PROPERTIES_EXTENSION_NAME

static bool read_clause(void *state, const char *name, const char *value)
{
    (void)state;
    if (strcmp(name, "statistics") != 0)
        return false;
    if (strcmp(value, "on") != 0)
        layer_abort("VKCLIP_LAYER: statistics=on, not %s", value);
    return true;
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

static VKAPI_ATTR VkResult VKAPI_CALL create_pipelines(VkDevice device, VkPipelineCache cache,
                                                       uint32_t count,
                                                       const VkComputePipelineCreateInfo *infos,
                                                       const VkAllocationCallbacks *allocator,
                                                       VkPipeline *pipelines)
{
    PFN_vkCreateComputePipelines create = NEXT(&statistics_stage, device, vkCreateComputePipelines);
    const bool is_kept = NEXT(&statistics_stage, device, vkGetPipelineExecutablePropertiesKHR);
    VkComputePipelineCreateInfo *changed = calloc(count, sizeof *changed);
    if (!changed)
        layer_abort("no memory");
    for (uint32_t i = 0; i < count; i++) {
        changed[i] = infos[i];
        if (is_kept)
            changed[i].flags |= VK_PIPELINE_CREATE_CAPTURE_STATISTICS_BIT_KHR;
    }
    VkResult result = create(device, cache, count, changed, allocator, pipelines);
    free(changed);
    return result;
}

static const struct layer_hook hooks[] = {
    HOOK(vkCreateDevice, create_device),
    HOOK(vkCreateComputePipelines, create_pipelines),
    {0},
};

const struct layer_stage statistics_stage = {
    .hooks = hooks,
    .read_clause = read_clause,
};
