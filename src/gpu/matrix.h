// matrix.h: cooperative matrices, f16 x f16 -> f32, where a device has them.
#ifndef VKCLIP_GPU_MATRIX_H
#define VKCLIP_GPU_MATRIX_H

#include <volk.h>

#include "base/error.h"

// Fills the facts' matrix sizes; zeros where the device, the driver or the headers of the build
// lack anything that linear_matrix.comp needs.
void matrix_read_facts(VkPhysicalDevice device, vkclip_device_facts *facts);

// Whether all subgroups have one width; a pipeline must not ask for it then. Of devices with
// matrices.
bool matrix_has_one_width(VkPhysicalDevice device);

#define MATRIX_EXTENSION "VK_KHR_cooperative_matrix"

// What vkCreateDevice is given beside fp16 arithmetic to switch them on: the first of a chain that
// ends in `next`. `next` itself where the facts have no matrices.
struct matrix_features {
    VkPhysicalDeviceVulkanMemoryModelFeatures memory_model;
    VkPhysicalDeviceSubgroupSizeControlFeatures subgroup_size;
    VkPhysicalDeviceMaintenance4Features maintenance4; // widths of workgroups that are constants
#ifdef VKCLIP_HAS_MATRIX
    VkPhysicalDeviceCooperativeMatrixFeaturesKHR matrix;
#endif
};
void *matrix_enable(struct matrix_features *features, const vkclip_device_facts *facts, void *next);

#endif
