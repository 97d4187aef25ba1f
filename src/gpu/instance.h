// instance.h: the one Vulkan instance of the process, and its devices as facts.
#ifndef VKCLIP_GPU_INSTANCE_H
#define VKCLIP_GPU_INSTANCE_H

#include <volk.h>

#include "base/error.h"

#define INSTANCE_MAX_DEVICES 32

struct device_list {
    uint32_t count;
    VkPhysicalDevice devices[INSTANCE_MAX_DEVICES];
    vkclip_device_facts facts[INSTANCE_MAX_DEVICES];
};

// The instance is shared and counted: created by the first acquire, destroyed by the last
// release. Fails with VKCLIP_ERROR_DEVICE and a remedy when there is no loader or no driver.
bool instance_acquire(vkclip_error *err);
void instance_release(void);

// Lists devices while the instance is held.
bool instance_devices(struct device_list *list, vkclip_error *err);

// The compute queue family of a device, preferring one that also does graphics (on some
// drivers the only one that is not a slow async queue); UINT32_MAX when there is none.
uint32_t instance_compute_family(VkPhysicalDevice device, uint32_t *timestamp_bits);

// Whether a device has an extension.
bool instance_has_extension(VkPhysicalDevice device, const char *name);

const char *instance_result_name(VkResult result);

// VKCLIP_ERROR_MEMORY or VKCLIP_ERROR_DEVICE, by what failed.
vkclip_status instance_result_status(VkResult result);

#endif
