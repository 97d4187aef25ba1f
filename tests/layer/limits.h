// limits.h: what the stages that make a device smaller know of it.
//
// limits_stage (limits.c) reports the profile and refuses what a device is created with; behind it
// memory_stage (limits_memory.c) is its memory, and work_stage (limits_work.c) looks at shaders,
// layouts, bindings and dispatches.
#ifndef VKCLIP_TESTS_LIMITS_H
#define VKCLIP_TESTS_LIMITS_H

#include "layer.h"
#include "profile.h"

// A profile made no larger than the driver, of a device.
struct limits_device {
    struct profile profile;
    uint32_t enabled_features; // bit i: profile_features[i]
    char enabled_extensions[PROFILE_MAX_EXTENSIONS][64];
    uint32_t enabled_extension_count;
    VkPhysicalDeviceMemoryProperties driver_memory;
};

// That of a device, a queue or a command buffer.
const struct limits_device *limits_of(const void *handle);

// Says on standard error what the program did beyond its device, and returns the result.
VkResult limits_refuse(VkResult result, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

// The buffer's size, the address of its bytes as the device sees them, and whether it is memory
// that exists. Aborts for an unknown buffer.
struct limits_buffer {
    VkBuffer buffer;
    VkDeviceSize size_bytes;
    VkDeviceMemory memory;
    VkDeviceSize offset_bytes;
};
const struct limits_buffer *limits_find_buffer(const void *handle, VkBuffer buffer);
const void *limits_buffer_bytes(const void *handle, const struct limits_buffer *buffer);

#endif
