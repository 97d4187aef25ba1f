// internal.h: the structs of the gpu room, and the only header that includes volk.
#ifndef VKCLIP_GPU_INTERNAL_H
#define VKCLIP_GPU_INTERNAL_H

#include <volk.h>

#include "gpu/gpu.h"

#define STAGING_PIECES 2

// What goes to the queue in one piece, and how to know when it is done.
struct submit {
    VkCommandBuffer commands;
    VkFence fence;
};

struct staging_piece {
    struct gpu_buffer *buffer;
    struct submit submit;
    bool is_busy;
};

struct gpu {
    vkclip_log log;
    vkclip_device_facts facts;
    VkPhysicalDevice physical;
    VkPhysicalDeviceProperties properties;
    VkPhysicalDeviceMemoryProperties memory;
    VkDevice device;
    struct VolkDeviceTable vk; // calls on this device
    uint32_t queue_family;
    VkQueue queue;
    VkCommandPool pool;
    VkDescriptorSetLayout set_layout; // 4 storage buffers, 1 uniform buffer, in every kernel
    VkPipelineLayout pipeline_layout;
    VkPipelineCache cache;
    size_t cache_loaded_bytes;
    struct staging_piece staging[STAGING_PIECES];
    uint32_t staging_next;
    double timestamp_ns; // of one tick
    uint64_t timestamp_mask;
    bool holds_instance;
    vkclip_error lost;     // why nothing can be run any more
    bool is_out_of_memory; // device memory, at the last allocation
    bool has_budget;       // VK_EXT_memory_budget
    bool has_one_width;    // of subgroups, where there are matrices
    bool is_hung;          // nor destroyed, since the device may still be using it
};

struct gpu_buffer {
    VkBuffer buffer;
    VkDeviceMemory memory;
    uint64_t size_bytes;
    void *address; // NULL for device memory
    bool is_coherent;
    // Device memory that the host sees as well, and where it was mapped for an upload, else NULL.
    bool can_be_mapped;
    void *upload_address;
};

struct gpu_pipeline {
    VkPipeline pipeline;
};

// A Vulkan call in a function that has `gpu` and `err` and a label `failed:`, which frees what
// the function holds. Fills err and goes there unless the call succeeds.
#define TRY_VK(call)                            \
    do {                                        \
        VkResult result_ = (call);              \
        if (result_ != VK_SUCCESS) {            \
            gpu_fail(gpu, result_, #call, err); \
            goto failed;                        \
        }                                       \
    } while (0)

// The same for a call that makes something. After a failure the handle may hold anything
// (specification, "Return Codes"), and is cleared.
#define TRY_MAKE(made, call)                    \
    do {                                        \
        VkResult result_ = (call);              \
        if (result_ != VK_SUCCESS) {            \
            (made) = VK_NULL_HANDLE;            \
            gpu_fail(gpu, result_, #call, err); \
            goto failed;                        \
        }                                       \
    } while (0)

// Turns a VkResult into an error that names the call; marks the device lost where it is.
// Returns false.
bool gpu_fail(struct gpu *gpu, VkResult result, const char *call, vkclip_error *err);

// Nothing can be run any more, and every later call says why. Returns false.
__attribute__((format(printf, 3, 4))) bool gpu_lose(struct gpu *gpu, vkclip_error *err,
                                                    const char *format, ...);

// Waits for a fence at most this long. A wait that fails, whatever for, leaves work under way that
// nobody can wait for: the device is lost.
bool gpu_wait(struct gpu *gpu, VkFence fence, uint64_t timeout_ns, vkclip_error *err);

bool submit_init(struct submit *submit, struct gpu *gpu, vkclip_error *err);
void submit_finish(struct submit *submit, struct gpu *gpu);

// Sends it; it must be recorded and not under way.
bool submit_send(const struct submit *submit, struct gpu *gpu, vkclip_error *err);

bool gpu_staging_create(struct gpu *gpu, vkclip_error *err);
void gpu_staging_destroy(struct gpu *gpu);

// Makes host writes visible to the device, or device writes to the host, where memory is not
// coherent.
bool gpu_buffer_flush(struct gpu *gpu, const struct gpu_buffer *buffer, vkclip_error *err);
bool gpu_buffer_invalidate(struct gpu *gpu, const struct gpu_buffer *buffer, vkclip_error *err);

#endif
