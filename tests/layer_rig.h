// layer_rig.h: Vulkan called directly, as little of it as the tests of the layer need.
#ifndef VKCLIP_TESTS_LAYER_RIG_H
#define VKCLIP_TESTS_LAYER_RIG_H

#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>
#include <volk.h>

struct device {
    VkPhysicalDevice physical;
    VkDevice device;
    VkQueue queue;
    VkCommandPool pool;
};

// What the driver lacks is no finding of these tests: they end where a call fails that must not.
#define MUST(call)                                           \
    do {                                                     \
        VkResult result_ = (call);                           \
        if (result_ != VK_SUCCESS) {                         \
            fprintf(stderr, "%s gave %d\n", #call, result_); \
            _exit(100);                                      \
        }                                                    \
    } while (0)

VkPhysicalDevice open_instance(void);

// With a feature, an extension (or NULL) and queues of the case's choice.
VkResult open_device(struct device *device, bool is_16bit, const char *extension,
                     uint32_t queue_count);

// With nothing asked for.
void open_plainly(struct device *device);

VkResult make_module(struct device *device, const uint32_t *words, size_t bytes,
                     VkShaderModule *module);
VkResult make_layout(struct device *device, uint32_t storage_buffers, uint32_t push_bytes,
                     VkPipelineLayout *layout);

// Memory types of profiles/minimum.txt.
#define DEVICE_TYPE 0
#define HOST_TYPE   1

VkResult allocate(struct device *device, VkDeviceSize bytes, uint32_t type, VkDeviceMemory *memory);

// A buffer in memory of its own, mapped.
struct piece {
    VkBuffer buffer;
    VkDeviceMemory memory;
    uint32_t *words;
};

void make_piece(struct device *device, VkDeviceSize bytes, struct piece *piece);
VkMappedMemoryRange whole(const struct piece *piece);

// Commands, submitted and waited for.
VkCommandBuffer begin(struct device *device);
void end(struct device *device, VkCommandBuffer commands);

// Four bytes.
void copy(struct device *device, const struct piece *from, const struct piece *to);

#endif
