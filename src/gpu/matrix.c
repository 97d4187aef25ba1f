// matrix.c: which cooperative matrices a device has, and switching them on.
#include "gpu/matrix.h"

#include "gpu/instance.h"

#ifdef VKCLIP_HAS_MATRIX

#define MAX_SHAPES 64

void *matrix_enable(struct matrix_features *features, const vkclip_device_facts *facts, void *next)
{
    if (!facts->matrix_rows)
        return next;
    *features = (struct matrix_features){
        .memory_model = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_MEMORY_MODEL_FEATURES,
                         .pNext = next,
                         .vulkanMemoryModel = VK_TRUE},
        .subgroup_size = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_FEATURES,
                          .pNext = &features->memory_model,
                          .subgroupSizeControl = VK_TRUE,
                          .computeFullSubgroups = VK_TRUE},
        .maintenance4 = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_4_FEATURES,
                         .pNext = &features->subgroup_size,
                         .maintenance4 = VK_TRUE},
        .matrix = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_FEATURES_KHR,
                   .pNext = &features->maintenance4,
                   .cooperativeMatrix = VK_TRUE},
    };
    return &features->matrix;
}

static bool has_features(VkPhysicalDevice device)
{
    VkPhysicalDeviceVulkanMemoryModelFeatures memory_model = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_MEMORY_MODEL_FEATURES,
    };
    VkPhysicalDeviceSubgroupSizeControlFeatures subgroup_size = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_FEATURES,
        .pNext = &memory_model,
    };
    VkPhysicalDeviceMaintenance4Features maintenance4 = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_4_FEATURES,
        .pNext = &subgroup_size,
    };
    VkPhysicalDeviceCooperativeMatrixFeaturesKHR matrix = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_FEATURES_KHR,
        .pNext = &maintenance4,
    };
    vkGetPhysicalDeviceFeatures2(device, &(VkPhysicalDeviceFeatures2){
                                             .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2,
                                             .pNext = &matrix,
                                         });
    return matrix.cooperativeMatrix && maintenance4.maintenance4 &&
           memory_model.vulkanMemoryModel && subgroup_size.subgroupSizeControl &&
           subgroup_size.computeFullSubgroups;
}

// In compute shaders, with subgroups of the width the device names as its own: because it has no
// other, as NVIDIA's, or because a pipeline may ask for it.
static bool is_for_compute(VkPhysicalDevice device, uint32_t subgroup_width)
{
    VkPhysicalDeviceSubgroupSizeControlProperties subgroup_size = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_PROPERTIES,
    };
    VkPhysicalDeviceCooperativeMatrixPropertiesKHR matrix = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_PROPERTIES_KHR,
        .pNext = &subgroup_size,
    };
    vkGetPhysicalDeviceProperties2(device,
                                   &(VkPhysicalDeviceProperties2){
                                       .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
                                       .pNext = &matrix,
                                   });
    return matrix.cooperativeMatrixSupportedStages & VK_SHADER_STAGE_COMPUTE_BIT &&
           (subgroup_size.requiredSubgroupSizeStages & VK_SHADER_STAGE_COMPUTE_BIT ||
            subgroup_size.minSubgroupSize == subgroup_size.maxSubgroupSize) &&
           subgroup_size.minSubgroupSize <= subgroup_width &&
           subgroup_size.maxSubgroupSize >= subgroup_width;
}

// Slabs of linear_matrix.comp are 32 inputs deep, and panels of weights 32 outputs wide.
static bool is_fitting(const VkCooperativeMatrixPropertiesKHR *shape)
{
    return shape->AType == VK_COMPONENT_TYPE_FLOAT16_KHR &&
           shape->BType == VK_COMPONENT_TYPE_FLOAT16_KHR &&
           shape->CType == VK_COMPONENT_TYPE_FLOAT32_KHR &&
           shape->ResultType == VK_COMPONENT_TYPE_FLOAT32_KHR &&
           shape->scope == VK_SCOPE_SUBGROUP_KHR && !shape->saturatingAccumulation &&
           shape->MSize <= 32 && shape->NSize <= 32 && 32 % shape->MSize == 0 &&
           32 % shape->NSize == 0 && 32 % shape->KSize == 0 && shape->KSize % 4 == 0;
}

void matrix_read_facts(VkPhysicalDevice device, vkclip_device_facts *facts)
{
    VkPhysicalDeviceProperties properties;
    vkGetPhysicalDeviceProperties(device, &properties);
    if (properties.apiVersion < VK_API_VERSION_1_3 || !facts->has_fp16_storage ||
        !facts->has_fp16_arithmetic || !instance_has_extension(device, MATRIX_EXTENSION) ||
        !vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR || !has_features(device) ||
        !is_for_compute(device, facts->subgroup_width))
        return;
    VkCooperativeMatrixPropertiesKHR shapes[MAX_SHAPES];
    for (uint32_t i = 0; i < MAX_SHAPES; i++)
        shapes[i] = (VkCooperativeMatrixPropertiesKHR){
            .sType = VK_STRUCTURE_TYPE_COOPERATIVE_MATRIX_PROPERTIES_KHR};
    uint32_t count = MAX_SHAPES;
    if (vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR(device, &count, shapes) < VK_SUCCESS)
        return;
    // The largest: it loads least for what it computes.
    uint32_t most = 0;
    for (uint32_t i = 0; i < count; i++) {
        const VkCooperativeMatrixPropertiesKHR *shape = &shapes[i];
        if (!is_fitting(shape) || shape->MSize * shape->NSize * shape->KSize <= most)
            continue;
        most = shape->MSize * shape->NSize * shape->KSize;
        facts->matrix_rows = shape->MSize;
        facts->matrix_cols = shape->NSize;
        facts->matrix_depth = shape->KSize;
    }
}

bool matrix_has_one_width(VkPhysicalDevice device)
{
    VkPhysicalDeviceSubgroupSizeControlProperties subgroup_size = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_PROPERTIES,
    };
    vkGetPhysicalDeviceProperties2(device,
                                   &(VkPhysicalDeviceProperties2){
                                       .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
                                       .pNext = &subgroup_size,
                                   });
    return subgroup_size.minSubgroupSize == subgroup_size.maxSubgroupSize;
}

#else

bool matrix_has_one_width(VkPhysicalDevice device)
{
    (void)device;
    return true;
}

void *matrix_enable(struct matrix_features *features, const vkclip_device_facts *facts, void *next)
{
    (void)features, (void)facts;
    return next;
}

void matrix_read_facts(VkPhysicalDevice device, vkclip_device_facts *facts)
{
    (void)device, (void)facts;
}

#endif
