// memory.c: buffers with memory of their own, and the staging ring that fills device memory.
#include "gpu/internal.h"

#include <inttypes.h>
#include <stdlib.h>

// A staged copy of 16 MB takes milliseconds; far longer means the device hangs.
#define UPLOAD_TIMEOUT_NS UINT64_C(10000000000)

// Memory properties by preference, best first; the last is what must be.
#define MAX_PREFERENCES 3
static const struct {
    uint32_t count;
    VkMemoryPropertyFlags flags[MAX_PREFERENCES];
} preferences[] = {
    [GPU_MEMORY_DEVICE] = {2, {VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT, 0}},
    [GPU_MEMORY_UPLOAD] = {2,
                           {VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT |
                                VK_MEMORY_PROPERTY_HOST_COHERENT_BIT,
                            VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT}},
    [GPU_MEMORY_READBACK] = {3,
                             {VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT |
                                  VK_MEMORY_PROPERTY_HOST_CACHED_BIT |
                                  VK_MEMORY_PROPERTY_HOST_COHERENT_BIT,
                              VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT |
                                  VK_MEMORY_PROPERTY_HOST_COHERENT_BIT,
                              VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT}},
};

static const VkBufferUsageFlags usages[] = {
    [GPU_MEMORY_DEVICE] = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT,
    [GPU_MEMORY_UPLOAD] = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_TRANSFER_SRC_BIT |
                          VK_BUFFER_USAGE_UNIFORM_BUFFER_BIT | VK_BUFFER_USAGE_INDIRECT_BUFFER_BIT,
    [GPU_MEMORY_READBACK] = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT,
};

// The type with the largest heap among those with the flags; weights belong in the whole of a
// GPU's memory, not in its small host-visible window. UINT32_MAX when there is none.
static uint32_t find_type(const struct gpu *gpu, uint32_t allowed, VkMemoryPropertyFlags flags)
{
    uint32_t best = UINT32_MAX;
    for (uint32_t i = 0; i < gpu->memory.memoryTypeCount; i++) {
        const VkMemoryType *type = &gpu->memory.memoryTypes[i];
        if (!(allowed & 1u << i) || (type->propertyFlags & flags) != flags)
            continue;
        if (best == UINT32_MAX ||
            gpu->memory.memoryHeaps[type->heapIndex].size >
                gpu->memory.memoryHeaps[gpu->memory.memoryTypes[best].heapIndex].size)
            best = i;
    }
    return best;
}

struct gpu_room gpu_get_room(const struct gpu *gpu)
{
    VkPhysicalDeviceMemoryBudgetPropertiesEXT budget = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_BUDGET_PROPERTIES_EXT,
    };
    if (gpu->has_budget)
        vkGetPhysicalDeviceMemoryProperties2(
            gpu->physical, &(VkPhysicalDeviceMemoryProperties2){
                               .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2,
                               .pNext = &budget,
                           });
    uint32_t type = find_type(gpu, UINT32_MAX, VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT);
    if (type == UINT32_MAX)
        type = find_type(gpu, UINT32_MAX, 0);
    uint32_t heap = gpu->memory.memoryTypes[type].heapIndex;
    uint64_t used = budget.heapUsage[heap], most = budget.heapBudget[heap];
    return (struct gpu_room){
        .heap_bytes = gpu->memory.memoryHeaps[heap].size,
        .free_bytes = !gpu->has_budget ? UINT64_MAX
                      : used < most    ? most - used
                                       : 0,
        .is_short = gpu->is_out_of_memory,
    };
}

// Memory for a buffer, of the best type that has room: a small device-local heap may be full
// while other memory the device can use is not.
static bool allocate(struct gpu *gpu, struct gpu_buffer *buffer, enum gpu_memory memory,
                     vkclip_error *err)
{
    VkMemoryRequirements need;
    gpu->vk.vkGetBufferMemoryRequirements(gpu->device, buffer->buffer, &need);
    VkResult result = VK_ERROR_OUT_OF_DEVICE_MEMORY;
    for (uint32_t i = 0; i < preferences[memory].count && result != VK_SUCCESS; i++) {
        uint32_t type = find_type(gpu, need.memoryTypeBits, preferences[memory].flags[i]);
        if (type == UINT32_MAX)
            continue;
        const VkMemoryPropertyFlags flags = gpu->memory.memoryTypes[type].propertyFlags;
        buffer->is_coherent = flags & VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
        buffer->can_be_mapped = memory == GPU_MEMORY_DEVICE && buffer->is_coherent;
        result = gpu->vk.vkAllocateMemory(gpu->device,
                                          &(VkMemoryAllocateInfo){
                                              .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
                                              .allocationSize = need.size,
                                              .memoryTypeIndex = type,
                                          },
                                          NULL, &buffer->memory);
    }
    gpu->is_out_of_memory = result == VK_ERROR_OUT_OF_DEVICE_MEMORY;
    if (result == VK_SUCCESS)
        return true;
    buffer->memory = VK_NULL_HANDLE;
    if (!gpu->is_out_of_memory)
        return gpu_fail(gpu, result, "vkAllocateMemory", err);
    return fail(err, VKCLIP_ERROR_MEMORY, "%s has no memory left for a buffer of %" PRIu64 " MiB",
                gpu->facts.name, (need.size + 0xfffff) >> 20);
}

struct gpu_buffer *gpu_buffer_create(struct gpu *gpu, uint64_t size_bytes, enum gpu_memory memory,
                                     vkclip_error *err)
{
    struct gpu_buffer *buffer = calloc(1, sizeof *buffer);
    if (!buffer) {
        fail(err, VKCLIP_ERROR_MEMORY, "no memory for a buffer");
        return NULL;
    }
    buffer->size_bytes = size_bytes;
    TRY_MAKE(buffer->buffer,
             gpu->vk.vkCreateBuffer(gpu->device,
                                    &(VkBufferCreateInfo){
                                        .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
                                        .size = size_bytes,
                                        .usage = usages[memory],
                                    },
                                    NULL, &buffer->buffer));
    if (!allocate(gpu, buffer, memory, err))
        goto failed;
    TRY_VK(gpu->vk.vkBindBufferMemory(gpu->device, buffer->buffer, buffer->memory, 0));
    if (memory != GPU_MEMORY_DEVICE)
        TRY_VK(gpu->vk.vkMapMemory(gpu->device, buffer->memory, 0, VK_WHOLE_SIZE, 0,
                                   &buffer->address));
    return buffer;

failed:
    gpu_buffer_destroy(gpu, buffer);
    return NULL;
}

void gpu_buffer_destroy(struct gpu *gpu, struct gpu_buffer *buffer)
{
    if (!buffer)
        return;
    if (!gpu->is_hung) {
        gpu->vk.vkDestroyBuffer(gpu->device, buffer->buffer, NULL);
        gpu->vk.vkFreeMemory(gpu->device, buffer->memory, NULL);
    }
    free(buffer);
}

void *gpu_buffer_address(const struct gpu_buffer *buffer)
{
    return buffer->address;
}

static VkMappedMemoryRange whole_range(const struct gpu_buffer *buffer)
{
    return (VkMappedMemoryRange){
        .sType = VK_STRUCTURE_TYPE_MAPPED_MEMORY_RANGE,
        .memory = buffer->memory,
        .size = VK_WHOLE_SIZE,
    };
}

bool gpu_buffer_flush(struct gpu *gpu, const struct gpu_buffer *buffer, vkclip_error *err)
{
    if (buffer->is_coherent)
        return true;
    VkMappedMemoryRange range = whole_range(buffer);
    TRY_VK(gpu->vk.vkFlushMappedMemoryRanges(gpu->device, 1, &range));
    return true;

failed:
    return false;
}

bool gpu_buffer_invalidate(struct gpu *gpu, const struct gpu_buffer *buffer, vkclip_error *err)
{
    if (buffer->is_coherent)
        return true;
    VkMappedMemoryRange range = whole_range(buffer);
    TRY_VK(gpu->vk.vkInvalidateMappedMemoryRanges(gpu->device, 1, &range));
    return true;

failed:
    return false;
}

// ---- staging ---------------------------------------------------------------------------------

bool gpu_staging_create(struct gpu *gpu, vkclip_error *err)
{
    for (uint32_t i = 0; i < STAGING_PIECES; i++) {
        struct staging_piece *piece = &gpu->staging[i];
        piece->buffer = gpu_buffer_create(gpu, GPU_UPLOAD_PIECE_BYTES, GPU_MEMORY_UPLOAD, err);
        if (!piece->buffer || !submit_init(&piece->submit, gpu, err))
            return false;
    }
    return true;
}

void gpu_staging_destroy(struct gpu *gpu)
{
    for (uint32_t i = 0; i < STAGING_PIECES; i++) {
        gpu_buffer_destroy(gpu, gpu->staging[i].buffer);
        submit_finish(&gpu->staging[i].submit, gpu);
    }
}

static bool wait_for_piece(struct gpu *gpu, struct staging_piece *piece, vkclip_error *err)
{
    if (!piece->is_busy)
        return true;
    if (!gpu_wait(gpu, piece->submit.fence, UPLOAD_TIMEOUT_NS, err))
        return false;
    piece->is_busy = false;
    return true;
}

// Integrated GPUs and software drivers have the host write to their memory directly: a copy less.
// Where address space is short, mapping fails and the copy remains.
static bool map_target(struct gpu *gpu, struct gpu_buffer *target, vkclip_error *err)
{
    if (!target->can_be_mapped || target->upload_address)
        return true;
    VkResult result = gpu->vk.vkMapMemory(gpu->device, target->memory, 0, VK_WHOLE_SIZE, 0,
                                          &target->upload_address);
    if (result == VK_SUCCESS)
        return true;
    target->can_be_mapped = false;
    target->upload_address = NULL;
    return result != VK_ERROR_DEVICE_LOST || gpu_fail(gpu, result, "vkMapMemory", err);
}

void *gpu_upload_begin(struct gpu *gpu, struct gpu_buffer *target, uint64_t offset_bytes,
                       vkclip_error *err)
{
    struct staging_piece *piece = &gpu->staging[gpu->staging_next];
    if (!gpu_check_alive(gpu, err) || !map_target(gpu, target, err))
        return NULL;
    if (target->upload_address)
        return (unsigned char *)target->upload_address + offset_bytes;
    if (!wait_for_piece(gpu, piece, err))
        return NULL;
    return piece->buffer->address;
}

bool gpu_upload_end(struct gpu *gpu, struct gpu_buffer *target, uint64_t offset_bytes,
                    uint64_t byte_count, vkclip_error *err)
{
    struct staging_piece *piece = &gpu->staging[gpu->staging_next];
    if (target->upload_address)
        return true; // the next submit makes it visible to the device
    if (!gpu_buffer_flush(gpu, piece->buffer, err))
        return false;
    TRY_VK(gpu->vk.vkBeginCommandBuffer(piece->submit.commands,
                                        &(VkCommandBufferBeginInfo){
                                            .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
                                            .flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT,
                                        }));
    gpu->vk.vkCmdCopyBuffer(
        piece->submit.commands, piece->buffer->buffer, target->buffer, 1,
        &(VkBufferCopy){.srcOffset = 0, .dstOffset = offset_bytes, .size = byte_count});
    gpu->vk.vkCmdPipelineBarrier(piece->submit.commands, VK_PIPELINE_STAGE_TRANSFER_BIT,
                                 VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, 0, 1,
                                 &(VkMemoryBarrier){
                                     .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
                                     .srcAccessMask = VK_ACCESS_TRANSFER_WRITE_BIT,
                                     .dstAccessMask = VK_ACCESS_SHADER_READ_BIT,
                                 },
                                 0, NULL, 0, NULL);
    TRY_VK(gpu->vk.vkEndCommandBuffer(piece->submit.commands));
    if (!submit_send(&piece->submit, gpu, err))
        goto failed;
    piece->is_busy = true;
    gpu->staging_next = (gpu->staging_next + 1) % STAGING_PIECES;
    return true;

failed:
    return false;
}

bool gpu_upload_wait(struct gpu *gpu, vkclip_error *err)
{
    for (uint32_t i = 0; i < STAGING_PIECES; i++)
        if (!wait_for_piece(gpu, &gpu->staging[i], err))
            return false;
    return true;
}
