// profile.h: a device described by a text file, tests/layer/profiles/*.txt.
//
// A line is a word and its values; '#' begins a comment. Every word must be there, so that a
// profile is read as a whole; of heap and memory_type there are as many lines as the device has.
//
//   name TEXT                        what the device calls itself
//   api 1.1                          Vulkan version
//   type other|integrated|discrete|virtual|cpu
//   subgroup WIDTH OPERATION...      basic vote arithmetic ballot shuffle shuffle_relative
//   clustered
//                                    quad
//   features NAME...                 of those in profile_features; the others are off
//   extensions NAME...               the others are hidden
//   timestamp_bits N                 of the one queue family
//   heap MIB [device_local]
//   memory_type HEAP [device_local] [host_visible] [host_coherent] [host_cached]
//   LIMIT VALUE...                   each of profile_limits, three values where it has three
//
// A device never becomes larger than its driver makes it: of two limits the tighter holds, a
// feature or an extension needs both, and operations over subgroups need the driver's own width.
#ifndef VKCLIP_TESTS_PROFILE_H
#define VKCLIP_TESTS_PROFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <vulkan/vulkan.h>

// Limits besides those of VkPhysicalDeviceLimits: of VkPhysicalDeviceMaintenance3Properties.
struct profile_values {
    VkPhysicalDeviceLimits limits;
    VkDeviceSize maxMemoryAllocationSize;
    uint32_t maxPerSetDescriptors;
};

struct profile_limit {
    const char *name;
    size_t offset; // in struct profile_values
    uint32_t value_bytes, value_count;
    bool is_minimum; // the larger value is the tighter one
};
extern const struct profile_limit profile_limits[]; // ends with a NULL name

// Features that kernels may need, by the places where a program reads and enables them.
struct profile_feature {
    const char *name;
    struct {
        VkStructureType structure; // PHYSICAL_DEVICE_FEATURES_2: VkPhysicalDeviceFeatures itself
        size_t offset;
    } places[2]; // the second may be missing
};
extern const struct profile_feature profile_features[]; // ends with a NULL name

#define PROFILE_MAX_EXTENSIONS 32

struct profile {
    char name[64];
    uint32_t api_version;
    VkPhysicalDeviceType type;
    uint32_t subgroup_width;
    VkSubgroupFeatureFlags subgroup_operations;
    uint32_t features; // bit i: profile_features[i]
    char extensions[PROFILE_MAX_EXTENSIONS][64];
    uint32_t extension_count;
    uint32_t timestamp_bits;
    VkPhysicalDeviceMemoryProperties memory;
    struct profile_values values;
};

// Aborts when the file cannot be read or says anything that is not understood.
void profile_read(struct profile *profile, const char *path);

// Tightens b's limits to those of a.
void profile_tighten(struct profile_values *b, const struct profile_values *a);

#endif
