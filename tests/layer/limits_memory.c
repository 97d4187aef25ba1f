// limits_memory.c: the stage of a profile's heaps and memory types.
//
// Every memory type of the profile is one type of the driver, host-visible and coherent, mapped as
// long as it lives. What the profile calls not coherent is a copy to the program: flushing carries
// what the program changed to the device, invalidating brings what the device holds. A program that
// forgets either computes with stale bytes, as it would on such a device.
#include "limits.h"

#include <stdlib.h>
#include <string.h>

#define MAX_BUFFERS     4096
#define MAX_ALLOCATIONS 4096

struct allocation {
    VkDeviceMemory memory;
    VkDeviceSize size_bytes;
    VkMemoryType type;          // as the profile has it
    unsigned char *device;      // what the device sees
    unsigned char *host;        // what the program sees while it is not coherent
    unsigned char *last_synced; // host as it was when last flushed or invalidated
    bool is_mapped;
};

struct memory {
    uint32_t allocation_count, buffer_count;
    VkDeviceSize used_bytes[VK_MAX_MEMORY_HEAPS];
    struct allocation allocations[MAX_ALLOCATIONS];
    struct limits_buffer buffers[MAX_BUFFERS];
};

// What a fresh mapping holds: whatever was there before.
#define STALE_BYTE 0xa5

static bool read_clause(void *state, const char *name, const char *value)
{
    (void)state, (void)value;
    return strcmp(name, "profile") == 0;
}

static struct memory *memory_of(const void *handle)
{
    return layer_device_state(&memory_stage, handle);
}

static struct allocation *find_allocation(struct memory *memory, VkDeviceMemory handle)
{
    for (uint32_t i = 0; i < memory->allocation_count; i++)
        if (memory->allocations[i].memory == handle)
            return &memory->allocations[i];
    layer_abort("memory that was not allocated");
}

static struct limits_buffer *find_buffer(struct memory *memory, VkBuffer handle)
{
    for (uint32_t i = 0; i < memory->buffer_count; i++)
        if (memory->buffers[i].buffer == handle)
            return &memory->buffers[i];
    layer_abort("a buffer that was not created");
}

const struct limits_buffer *limits_find_buffer(const void *handle, VkBuffer buffer)
{
    return find_buffer(memory_of(handle), buffer);
}

const void *limits_buffer_bytes(const void *handle, const struct limits_buffer *buffer)
{
    return find_allocation(memory_of(handle), buffer->memory)->device + buffer->offset_bytes;
}

// ---- buffers ---------------------------------------------------------------------------------

static VKAPI_ATTR VkResult VKAPI_CALL create_buffer(VkDevice device, const VkBufferCreateInfo *info,
                                                    const VkAllocationCallbacks *allocator,
                                                    VkBuffer *buffer)
{
    struct memory *memory = memory_of(device);
    VkResult result = NEXT(&memory_stage, device, vkCreateBuffer)(device, info, allocator, buffer);
    if (result != VK_SUCCESS)
        return result;
    if (memory->buffer_count == MAX_BUFFERS)
        layer_abort("more than %d buffers", MAX_BUFFERS);
    memory->buffers[memory->buffer_count++] =
        (struct limits_buffer){.buffer = *buffer, .size_bytes = info->size};
    return VK_SUCCESS;
}

static VKAPI_ATTR void VKAPI_CALL destroy_buffer(VkDevice device, VkBuffer buffer,
                                                 const VkAllocationCallbacks *allocator)
{
    struct memory *memory = memory_of(device);
    NEXT(&memory_stage, device, vkDestroyBuffer)(device, buffer, allocator);
    if (!buffer)
        return;
    struct limits_buffer *destroyed = find_buffer(memory, buffer);
    *destroyed = memory->buffers[--memory->buffer_count];
}

// Which type of the driver stands for all of the profile's.
static uint32_t choose_driver_type(const struct limits_device *limits)
{
    const VkMemoryPropertyFlags needed =
        VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
    for (uint32_t i = 0; i < limits->driver_memory.memoryTypeCount; i++)
        if ((limits->driver_memory.memoryTypes[i].propertyFlags & needed) == needed)
            return i;
    layer_abort("the driver has no coherent memory");
}

static VKAPI_ATTR void VKAPI_CALL get_requirements(VkDevice device, VkBuffer buffer,
                                                   VkMemoryRequirements *needed)
{
    const struct limits_device *limits = limits_of(device);
    NEXT(&memory_stage, device, vkGetBufferMemoryRequirements)(device, buffer, needed);
    if (!(needed->memoryTypeBits & 1u << choose_driver_type(limits)))
        layer_abort("the driver cannot put this buffer into coherent memory");
    needed->memoryTypeBits = (1u << limits->profile.memory.memoryTypeCount) - 1;
}

static VKAPI_ATTR VkResult VKAPI_CALL bind_buffer(VkDevice device, VkBuffer buffer,
                                                  VkDeviceMemory memory, VkDeviceSize offset)
{
    struct limits_buffer *bound = find_buffer(memory_of(device), buffer);
    VkMemoryRequirements needed;
    NEXT(&memory_stage, device, vkGetBufferMemoryRequirements)(device, buffer, &needed);
    if (bound->memory || offset % needed.alignment ||
        offset + needed.size > find_allocation(memory_of(device), memory)->size_bytes)
        layer_abort("a buffer bound twice, unaligned or beyond its memory");
    bound->memory = memory;
    bound->offset_bytes = offset;
    return NEXT(&memory_stage, device, vkBindBufferMemory)(device, buffer, memory, offset);
}

// ---- allocations -----------------------------------------------------------------------------

static VkResult check_allocation(const struct memory *memory, const struct limits_device *limits,
                                 const VkMemoryAllocateInfo *info)
{
    const VkPhysicalDeviceMemoryProperties *has = &limits->profile.memory;
    if (info->memoryTypeIndex >= has->memoryTypeCount)
        layer_abort("memory type %u of %u", info->memoryTypeIndex, has->memoryTypeCount);
    if (memory->allocation_count >= limits->profile.values.limits.maxMemoryAllocationCount ||
        memory->allocation_count == MAX_ALLOCATIONS)
        return VK_ERROR_TOO_MANY_OBJECTS;
    uint32_t heap = has->memoryTypes[info->memoryTypeIndex].heapIndex;
    if (info->allocationSize > limits->profile.values.maxMemoryAllocationSize ||
        info->allocationSize > has->memoryHeaps[heap].size - memory->used_bytes[heap])
        return VK_ERROR_OUT_OF_DEVICE_MEMORY;
    return VK_SUCCESS;
}

static VKAPI_ATTR VkResult VKAPI_CALL allocate(VkDevice device, const VkMemoryAllocateInfo *info,
                                               const VkAllocationCallbacks *allocator,
                                               VkDeviceMemory *handle)
{
    struct memory *memory = memory_of(device);
    const struct limits_device *limits = limits_of(device);
    VkResult result = check_allocation(memory, limits, info);
    if (result != VK_SUCCESS)
        return result;
    VkMemoryAllocateInfo real = *info;
    real.memoryTypeIndex = choose_driver_type(limits);
    result = NEXT(&memory_stage, device, vkAllocateMemory)(device, &real, allocator, handle);
    if (result != VK_SUCCESS)
        return result;
    void *address;
    result =
        NEXT(&memory_stage, device, vkMapMemory)(device, *handle, 0, VK_WHOLE_SIZE, 0, &address);
    if (result != VK_SUCCESS)
        layer_abort("the driver does not map what it allocated");
    VkMemoryType type = limits->profile.memory.memoryTypes[info->memoryTypeIndex];
    memory->allocations[memory->allocation_count++] = (struct allocation){
        .memory = *handle,
        .size_bytes = info->allocationSize,
        .type = type,
        .device = address,
    };
    memory->used_bytes[type.heapIndex] += info->allocationSize;
    return VK_SUCCESS;
}

static void free_copies(struct allocation *allocation)
{
    free(allocation->host);
    free(allocation->last_synced);
    allocation->host = allocation->last_synced = NULL;
}

static VKAPI_ATTR void VKAPI_CALL free_memory(VkDevice device, VkDeviceMemory handle,
                                              const VkAllocationCallbacks *allocator)
{
    struct memory *memory = memory_of(device);
    if (handle) {
        struct allocation *allocation = find_allocation(memory, handle);
        memory->used_bytes[allocation->type.heapIndex] -= allocation->size_bytes;
        free_copies(allocation);
        *allocation = memory->allocations[--memory->allocation_count];
    }
    NEXT(&memory_stage, device, vkFreeMemory)(device, handle, allocator);
}

// ---- mappings --------------------------------------------------------------------------------

static VKAPI_ATTR VkResult VKAPI_CALL map(VkDevice device, VkDeviceMemory handle,
                                          VkDeviceSize offset, VkDeviceSize size,
                                          VkMemoryMapFlags flags, void **address)
{
    struct allocation *allocation = find_allocation(memory_of(device), handle);
    VkDeviceSize rest = allocation->size_bytes - offset;
    if (flags || allocation->is_mapped || offset >= allocation->size_bytes ||
        (size != VK_WHOLE_SIZE && size > rest))
        layer_abort("memory mapped twice or beyond its end");
    if (!(allocation->type.propertyFlags & VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT))
        layer_abort("memory mapped that the host cannot see");
    allocation->is_mapped = true;
    *address = allocation->device + offset;
    if (allocation->type.propertyFlags & VK_MEMORY_PROPERTY_HOST_COHERENT_BIT)
        return VK_SUCCESS;
    // Aligned, and a whole number of atoms long, as the driver's own would be.
    size_t atom = (size_t)limits_of(device)->profile.values.limits.nonCoherentAtomSize;
    size_t bytes = ((size_t)allocation->size_bytes + atom - 1) / atom * atom;
    allocation->host = aligned_alloc(atom, bytes);
    allocation->last_synced = malloc(bytes);
    if (!allocation->host || !allocation->last_synced)
        layer_abort("no memory");
    memset(allocation->host, STALE_BYTE, bytes);
    memset(allocation->last_synced, STALE_BYTE, bytes);
    *address = allocation->host + offset;
    return VK_SUCCESS;
}

static VKAPI_ATTR void VKAPI_CALL unmap(VkDevice device, VkDeviceMemory handle)
{
    struct allocation *allocation = find_allocation(memory_of(device), handle);
    if (!allocation->is_mapped)
        layer_abort("memory unmapped that was not mapped");
    allocation->is_mapped = false;
    free_copies(allocation);
}

// The allocation of a range, and how many bytes of it are meant. Aborts for a range that is not of
// whole atoms.
static struct allocation *find_range(VkDevice device, const VkMappedMemoryRange *range,
                                     size_t *bytes)
{
    struct allocation *allocation = find_allocation(memory_of(device), range->memory);
    VkDeviceSize atom = limits_of(device)->profile.values.limits.nonCoherentAtomSize;
    VkDeviceSize size =
        range->size == VK_WHOLE_SIZE ? allocation->size_bytes - range->offset : range->size;
    VkDeviceSize end = range->offset + size;
    if (!allocation->is_mapped || range->offset % atom || end > allocation->size_bytes ||
        (end % atom && end != allocation->size_bytes))
        layer_abort("%llu bytes at %llu flushed or invalidated: not mapped, or not whole atoms of "
                    "%llu",
                    (unsigned long long)size, (unsigned long long)range->offset,
                    (unsigned long long)atom);
    *bytes = (size_t)size;
    return allocation;
}

// Only what the program wrote: a cache writes back what is dirty in it, and a whole atom of that.
static void flush_range(struct allocation *allocation, size_t first, size_t bytes, size_t atom)
{
    for (size_t at = first; at < first + bytes; at += atom) {
        size_t part = first + bytes - at < atom ? first + bytes - at : atom;
        if (memcmp(allocation->host + at, allocation->last_synced + at, part) == 0)
            continue;
        memcpy(allocation->device + at, allocation->host + at, part);
        memcpy(allocation->last_synced + at, allocation->host + at, part);
    }
}

static VKAPI_ATTR VkResult VKAPI_CALL flush(VkDevice device, uint32_t count,
                                            const VkMappedMemoryRange *ranges)
{
    const size_t atom = (size_t)limits_of(device)->profile.values.limits.nonCoherentAtomSize;
    for (uint32_t i = 0; i < count; i++) {
        size_t bytes;
        struct allocation *allocation = find_range(device, &ranges[i], &bytes);
        if (allocation->host)
            flush_range(allocation, (size_t)ranges[i].offset, bytes, atom);
    }
    return VK_SUCCESS;
}

static VKAPI_ATTR VkResult VKAPI_CALL invalidate(VkDevice device, uint32_t count,
                                                 const VkMappedMemoryRange *ranges)
{
    for (uint32_t i = 0; i < count; i++) {
        size_t bytes, first = (size_t)ranges[i].offset;
        struct allocation *allocation = find_range(device, &ranges[i], &bytes);
        if (!allocation->host)
            continue;
        memcpy(allocation->host + first, allocation->device + first, bytes);
        memcpy(allocation->last_synced + first, allocation->device + first, bytes);
    }
    return VK_SUCCESS;
}

static void finish_device(void *state)
{
    struct memory *memory = state;
    for (uint32_t i = 0; i < memory->allocation_count; i++)
        free_copies(&memory->allocations[i]);
}

static const struct layer_hook hooks[] = {
    HOOK(vkCreateBuffer, create_buffer),
    HOOK(vkDestroyBuffer, destroy_buffer),
    HOOK(vkGetBufferMemoryRequirements, get_requirements),
    HOOK(vkBindBufferMemory, bind_buffer),
    HOOK(vkAllocateMemory, allocate),
    HOOK(vkFreeMemory, free_memory),
    HOOK(vkMapMemory, map),
    HOOK(vkUnmapMemory, unmap),
    HOOK(vkFlushMappedMemoryRanges, flush),
    HOOK(vkInvalidateMappedMemoryRanges, invalidate),
    {0},
};

const struct layer_stage memory_stage = {
    .hooks = hooks,
    .read_clause = read_clause,
    .device_bytes = sizeof(struct memory),
    .finish_device = finish_device,
};
