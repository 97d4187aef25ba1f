// limits.c: the stage that reports a profile wherever a program could ask, and creates devices
// within it.
#include "limits.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

VkResult limits_refuse(VkResult result, const char *format, ...)
{
    va_list arguments;
    fputs("layer: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    return result;
}

const struct limits_device *limits_of(const void *handle)
{
    return layer_device_state(&limits_stage, handle);
}

static bool read_clause(void *state, const char *name, const char *value)
{
    if (strcmp(name, "profile") != 0)
        return false;
    profile_read(state, value);
    return true;
}

static const struct profile *profile_of(VkPhysicalDevice physical)
{
    return layer_instance_state(&limits_stage, physical);
}

// ---- structures that a program may chain -----------------------------------------------------

// Since which Vulkan version, or with which extension, a device knows a structure. One that is not
// here is refused: the profile could not be enforced in it.
struct structure {
    VkStructureType type;
    size_t bytes;
    uint32_t since_minor;
    const char *extension;
};
#define STRUCTURE(type, name) \
    VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_##type, sizeof(VkPhysicalDevice##name)

static const struct structure feature_structures[] = {
    {STRUCTURE(FEATURES_2, Features2), 1, NULL},
    {STRUCTURE(16BIT_STORAGE_FEATURES, 16BitStorageFeatures), 1, NULL},
    {STRUCTURE(VARIABLE_POINTERS_FEATURES, VariablePointersFeatures), 1, NULL},
    {STRUCTURE(8BIT_STORAGE_FEATURES, 8BitStorageFeatures), 2, "VK_KHR_8bit_storage"},
    {STRUCTURE(SHADER_FLOAT16_INT8_FEATURES, ShaderFloat16Int8Features), 2,
     "VK_KHR_shader_float16_int8"},
    {STRUCTURE(VULKAN_MEMORY_MODEL_FEATURES, VulkanMemoryModelFeatures), 2,
     "VK_KHR_vulkan_memory_model"},
    {STRUCTURE(SUBGROUP_SIZE_CONTROL_FEATURES, SubgroupSizeControlFeatures), 3,
     "VK_EXT_subgroup_size_control"},
    {STRUCTURE(VULKAN_1_1_FEATURES, Vulkan11Features), 2, NULL},
    {STRUCTURE(VULKAN_1_2_FEATURES, Vulkan12Features), 2, NULL},
    {0, 0, 0, NULL},
};
static const struct structure property_structures[] = {
    {STRUCTURE(SUBGROUP_PROPERTIES, SubgroupProperties), 1, NULL},
    {STRUCTURE(MAINTENANCE_3_PROPERTIES, Maintenance3Properties), 1, NULL},
    {STRUCTURE(ID_PROPERTIES, IDProperties), 1, NULL},
    {STRUCTURE(DRIVER_PROPERTIES, DriverProperties), 2, "VK_KHR_driver_properties"},
    {STRUCTURE(SUBGROUP_SIZE_CONTROL_PROPERTIES, SubgroupSizeControlProperties), 3,
     "VK_EXT_subgroup_size_control"},
    {STRUCTURE(VULKAN_1_1_PROPERTIES, Vulkan11Properties), 2, NULL},
    {STRUCTURE(VULKAN_1_2_PROPERTIES, Vulkan12Properties), 2, NULL},
    {0, 0, 0, NULL},
};

static bool profile_has(const struct profile *profile, const char *extension)
{
    for (uint32_t i = 0; i < profile->extension_count; i++)
        if (strcmp(profile->extensions[i], extension) == 0)
            return true;
    return false;
}

// The structure's entry; aborts where the device the program sees does not have it.
static const struct structure *find_structure(const struct structure *structures,
                                              const struct profile *profile, VkStructureType type)
{
    while (structures->bytes && structures->type != type)
        structures++;
    if (!structures->bytes)
        layer_abort("a structure of type %d, which tests/layer/limits.c does not know", (int)type);
    bool has_extension = structures->extension && profile_has(profile, structures->extension);
    if (VK_API_VERSION_MINOR(profile->api_version) < structures->since_minor && !has_extension)
        layer_abort("a structure of type %d, which %s does not have", (int)type, profile->name);
    return structures;
}

// ---- features --------------------------------------------------------------------------------

static VkBool32 *place_in(void *structure, size_t offset)
{
    return (VkBool32 *)((unsigned char *)structure + offset);
}

// Leaves in a structure the features that the profile has.
static void mask_features(const struct profile *profile, void *structure, VkStructureType type,
                          size_t bytes)
{
    const size_t first = sizeof(VkBaseOutStructure);
    unsigned char *masked = calloc(1, bytes);
    if (!masked)
        layer_abort("no memory");
    for (uint32_t i = 0; profile_features[i].name; i++)
        for (uint32_t j = 0; j < 2; j++) {
            size_t offset = profile_features[i].places[j].offset;
            if (profile_features[i].places[j].structure == type && profile->features & 1u << i)
                *place_in(masked, offset) = *place_in(structure, offset);
        }
    memcpy((unsigned char *)structure + first, masked + first, bytes - first);
    free(masked);
}

static VKAPI_ATTR void VKAPI_CALL get_features2(VkPhysicalDevice physical,
                                                VkPhysicalDeviceFeatures2 *features)
{
    const struct profile *profile = profile_of(physical);
    NEXT(&limits_stage, physical, vkGetPhysicalDeviceFeatures2)(physical, features);
    for (VkBaseOutStructure *s = (void *)features; s; s = s->pNext)
        mask_features(profile, s, s->sType,
                      find_structure(feature_structures, profile, s->sType)->bytes);
    features->features.robustBufferAccess = VK_TRUE; // no device may be without
}

static VKAPI_ATTR void VKAPI_CALL get_features(VkPhysicalDevice physical,
                                               VkPhysicalDeviceFeatures *features)
{
    VkPhysicalDeviceFeatures2 all = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2};
    get_features2(physical, &all);
    *features = all.features;
}

// ---- properties ------------------------------------------------------------------------------

// The profile, made no larger than the driver.
static void read_device(VkPhysicalDevice physical, struct profile *profile)
{
    VkPhysicalDeviceMaintenance3Properties most = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_3_PROPERTIES,
    };
    VkPhysicalDeviceSubgroupProperties subgroup = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_PROPERTIES,
        .pNext = &most,
    };
    VkPhysicalDeviceProperties2 driver = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
        .pNext = &subgroup,
    };
    NEXT(&limits_stage, physical, vkGetPhysicalDeviceProperties2)(physical, &driver);

    *profile = *profile_of(physical);
    struct profile_values values = {
        .limits = driver.properties.limits,
        .maxMemoryAllocationSize = most.maxMemoryAllocationSize,
        .maxPerSetDescriptors = most.maxPerSetDescriptors,
    };
    profile_tighten(&values, &profile->values);
    profile->values = values;
    if (!profile->timestamp_bits)
        profile->values.limits.timestampComputeAndGraphics = VK_FALSE;
    if (profile->subgroup_width != subgroup.subgroupSize)
        subgroup.supportedOperations = VK_SUBGROUP_FEATURE_BASIC_BIT;
    profile->subgroup_operations &= subgroup.supportedOperations;
    if (profile->api_version > driver.properties.apiVersion)
        profile->api_version = driver.properties.apiVersion;
}

static void reduce_properties(VkPhysicalDeviceProperties *properties, const struct profile *profile)
{
    properties->apiVersion = profile->api_version;
    properties->deviceType = profile->type;
    properties->limits = profile->values.limits;
    snprintf(properties->deviceName, sizeof properties->deviceName, "%s", profile->name);
}

static VKAPI_ATTR void VKAPI_CALL get_properties(VkPhysicalDevice physical,
                                                 VkPhysicalDeviceProperties *properties)
{
    struct profile profile;
    read_device(physical, &profile);
    NEXT(&limits_stage, physical, vkGetPhysicalDeviceProperties)(physical, properties);
    reduce_properties(properties, &profile);
}

static void reduce_structure(VkBaseOutStructure *structure, const struct profile *profile)
{
    find_structure(property_structures, profile, structure->sType);
    switch ((int)structure->sType) {
    case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_PROPERTIES: {
        VkPhysicalDeviceSubgroupProperties *subgroup = (void *)structure;
        subgroup->subgroupSize = profile->subgroup_width;
        subgroup->supportedOperations = profile->subgroup_operations;
        break;
    }
    case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_3_PROPERTIES: {
        VkPhysicalDeviceMaintenance3Properties *most = (void *)structure;
        most->maxMemoryAllocationSize = profile->values.maxMemoryAllocationSize;
        most->maxPerSetDescriptors = profile->values.maxPerSetDescriptors;
        break;
    }
    case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_PROPERTIES: {
        VkPhysicalDeviceSubgroupSizeControlProperties *control = (void *)structure;
        control->minSubgroupSize = control->maxSubgroupSize = profile->subgroup_width;
        control->requiredSubgroupSizeStages = 0;
        break;
    }
    case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_PROPERTIES: {
        VkPhysicalDeviceVulkan11Properties *core = (void *)structure;
        core->subgroupSize = profile->subgroup_width;
        core->subgroupSupportedOperations = profile->subgroup_operations;
        core->maxMemoryAllocationSize = profile->values.maxMemoryAllocationSize;
        core->maxPerSetDescriptors = profile->values.maxPerSetDescriptors;
        break;
    }
    default: // nothing in it that a profile says
        break;
    }
}

static VKAPI_ATTR void VKAPI_CALL get_properties2(VkPhysicalDevice physical,
                                                  VkPhysicalDeviceProperties2 *properties)
{
    struct profile profile;
    read_device(physical, &profile);
    NEXT(&limits_stage, physical, vkGetPhysicalDeviceProperties2)(physical, properties);
    reduce_properties(&properties->properties, &profile);
    for (VkBaseOutStructure *s = properties->pNext; s; s = s->pNext)
        reduce_structure(s, &profile);
}

static VKAPI_ATTR void VKAPI_CALL get_memory(VkPhysicalDevice physical,
                                             VkPhysicalDeviceMemoryProperties *memory)
{
    *memory = profile_of(physical)->memory;
}

static VKAPI_ATTR void VKAPI_CALL get_memory2(VkPhysicalDevice physical,
                                              VkPhysicalDeviceMemoryProperties2 *memory)
{
    if (memory->pNext)
        layer_abort("memory properties with a structure that no profile has");
    get_memory(physical, &memory->memoryProperties);
}

// The driver's first family, alone, with one queue.
static void get_family(VkPhysicalDevice physical, VkQueueFamilyProperties *family)
{
    VkQueueFamilyProperties families[16];
    uint32_t count = 16;
    PFN_vkGetPhysicalDeviceQueueFamilyProperties next_call =
        NEXT(&limits_stage, physical, vkGetPhysicalDeviceQueueFamilyProperties);
    next_call(physical, &count, families);
    if (!count || !(families[0].queueFlags & VK_QUEUE_COMPUTE_BIT))
        layer_abort("the driver's first queue family does not compute");
    *family = families[0];
    family->queueCount = 1;
    if (profile_of(physical)->timestamp_bits < family->timestampValidBits)
        family->timestampValidBits = profile_of(physical)->timestamp_bits;
}

static VKAPI_ATTR void VKAPI_CALL get_families(VkPhysicalDevice physical, uint32_t *count,
                                               VkQueueFamilyProperties *families)
{
    if (families && *count)
        get_family(physical, families);
    *count = families && !*count ? 0 : 1;
}

static VKAPI_ATTR void VKAPI_CALL get_families2(VkPhysicalDevice physical, uint32_t *count,
                                                VkQueueFamilyProperties2 *families)
{
    get_families(physical, count, families ? &families->queueFamilyProperties : NULL);
}

static VKAPI_ATTR VkResult VKAPI_CALL get_extensions(VkPhysicalDevice physical, const char *layer,
                                                     uint32_t *count,
                                                     VkExtensionProperties *extensions)
{
    const struct profile *profile = profile_of(physical);
    PFN_vkEnumerateDeviceExtensionProperties next =
        NEXT(&limits_stage, physical, vkEnumerateDeviceExtensionProperties);
    if (layer)
        return next(physical, layer, count, extensions);
    uint32_t all_count = 0, shown = 0;
    VkResult result = next(physical, NULL, &all_count, NULL);
    VkExtensionProperties *all = calloc(all_count + 1, sizeof *all);
    if (!all)
        layer_abort("no memory");
    if (result == VK_SUCCESS)
        result = next(physical, NULL, &all_count, all);
    for (uint32_t i = 0; i < all_count && result == VK_SUCCESS; i++)
        if (profile_has(profile, all[i].extensionName)) {
            if (extensions && shown < *count)
                extensions[shown] = all[i];
            shown++;
        }
    free(all);
    if (extensions && shown > *count)
        return VK_INCOMPLETE;
    *count = shown;
    return result;
}

// ---- devices ---------------------------------------------------------------------------------

// Whether every feature asked for in a structure is reported; notes those that kernels may need.
static bool check_features(VkPhysicalDevice physical, const VkBaseInStructure *wanted,
                           uint32_t *enabled)
{
    const size_t first = sizeof(VkBaseOutStructure);
    size_t bytes = find_structure(feature_structures, profile_of(physical), wanted->sType)->bytes;
    union {
        VkPhysicalDeviceFeatures2 core;
        VkPhysicalDeviceVulkan12Features other; // the largest
    } reported = {.core = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2}};
    if (wanted->sType == VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2) {
        get_features2(physical, &reported.core);
    } else {
        reported.other = (VkPhysicalDeviceVulkan12Features){.sType = wanted->sType};
        VkPhysicalDeviceFeatures2 core = {
            .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2,
            .pNext = &reported,
        };
        get_features2(physical, &core);
    }
    bool is_within = true;
    for (size_t at = first; at + sizeof(VkBool32) <= bytes; at += sizeof(VkBool32))
        // Padding at the end may hold anything, but hardly this.
        if (*place_in((void *)(uintptr_t)wanted, at) == VK_TRUE && !*place_in(&reported, at))
            is_within = false;
    for (uint32_t i = 0; profile_features[i].name; i++)
        for (uint32_t j = 0; j < 2; j++)
            if (profile_features[i].places[j].structure == wanted->sType &&
                *place_in((void *)(uintptr_t)wanted, profile_features[i].places[j].offset))
                *enabled |= 1u << i;
    return is_within;
}

static VkResult check_device(VkPhysicalDevice physical, const VkDeviceCreateInfo *info,
                             struct limits_device *limits)
{
    for (uint32_t i = 0; i < info->enabledExtensionCount; i++) {
        const char *name = info->ppEnabledExtensionNames[i];
        if (!profile_has(&limits->profile, name))
            return limits_refuse(VK_ERROR_EXTENSION_NOT_PRESENT, "no extension %s", name);
        if (i == PROFILE_MAX_EXTENSIONS)
            layer_abort("too many extensions");
        snprintf(limits->enabled_extensions[limits->enabled_extension_count++],
                 sizeof *limits->enabled_extensions, "%s", name);
    }
    VkPhysicalDeviceFeatures2 core = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2};
    if (info->pEnabledFeatures)
        core.features = *info->pEnabledFeatures;
    bool is_within = check_features(physical, (void *)&core, &limits->enabled_features);
    for (const VkBaseInStructure *s = info->pNext; s; s = s->pNext)
        if (s->sType != VK_STRUCTURE_TYPE_LOADER_DEVICE_CREATE_INFO)
            is_within = check_features(physical, s, &limits->enabled_features) && is_within;
    if (!is_within)
        return limits_refuse(VK_ERROR_FEATURE_NOT_PRESENT, "a feature that is not reported");
    if (info->queueCreateInfoCount != 1 || info->pQueueCreateInfos[0].queueFamilyIndex != 0 ||
        info->pQueueCreateInfos[0].queueCount != 1)
        return limits_refuse(VK_ERROR_INITIALIZATION_FAILED, "more than the one queue there is");
    return VK_SUCCESS;
}

static VKAPI_ATTR VkResult VKAPI_CALL create_device(VkPhysicalDevice physical,
                                                    const VkDeviceCreateInfo *info,
                                                    const VkAllocationCallbacks *allocator,
                                                    VkDevice *device)
{
    struct limits_device limits = {0};
    read_device(physical, &limits.profile);
    PFN_vkGetPhysicalDeviceMemoryProperties next_call =
        NEXT(&limits_stage, physical, vkGetPhysicalDeviceMemoryProperties);
    next_call(physical, &limits.driver_memory);
    VkResult result = check_device(physical, info, &limits);
    if (result == VK_SUCCESS)
        result = NEXT(&limits_stage, physical, vkCreateDevice)(physical, info, allocator, device);
    if (result == VK_SUCCESS)
        *(struct limits_device *)layer_device_state(&limits_stage, *device) = limits;
    return result;
}

static const struct layer_hook hooks[] = {
    HOOK(vkGetPhysicalDeviceFeatures, get_features),
    HOOK(vkGetPhysicalDeviceFeatures2, get_features2),
    HOOK(vkGetPhysicalDeviceProperties, get_properties),
    HOOK(vkGetPhysicalDeviceProperties2, get_properties2),
    HOOK(vkGetPhysicalDeviceMemoryProperties, get_memory),
    HOOK(vkGetPhysicalDeviceMemoryProperties2, get_memory2),
    HOOK(vkGetPhysicalDeviceQueueFamilyProperties, get_families),
    HOOK(vkGetPhysicalDeviceQueueFamilyProperties2, get_families2),
    HOOK(vkEnumerateDeviceExtensionProperties, get_extensions),
    HOOK(vkCreateDevice, create_device),
    {0},
};

const struct layer_stage limits_stage = {
    .hooks = hooks,
    .read_clause = read_clause,
    .instance_bytes = sizeof(struct profile),
    .device_bytes = sizeof(struct limits_device),
};
