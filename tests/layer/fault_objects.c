// fault_objects.c: the stage that knows what is alive: it finds leaks, runs out of memory, lies
// about how much there is, and changes what the device wrote.
#include "layer.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_BLOCKS  512
#define MAX_BUFFERS 512

enum kind {
    KIND_Device,
    KIND_Buffer,
    KIND_CommandPool,
    KIND_DescriptorPool,
    KIND_DescriptorSetLayout,
    KIND_DeviceMemory,
    KIND_Fence,
    KIND_Pipeline,
    KIND_PipelineCache,
    KIND_PipelineLayout,
    KIND_QueryPool,
    KIND_ShaderModule,
    KIND_COUNT,
};

static const char *const kind_names[KIND_COUNT] = {
    "VkDevice",
    "VkBuffer",
    "VkCommandPool",
    "VkDescriptorPool",
    "VkDescriptorSetLayout",
    "VkDeviceMemory",
    "VkFence",
    "VkPipeline",
    "VkPipelineCache",
    "VkPipelineLayout",
    "VkQueryPool",
    "VkShaderModule",
};

struct block {
    VkDeviceMemory memory;
    uint64_t size_bytes;
    uint32_t *address; // where it is mapped
    bool is_readback;  // the device writes it, the host reads
    uint32_t flipped;  // the word after its bit was flipped
    bool has_flipped;
};

struct objects {
    uint64_t room_bytes, budget_bytes; // 0: as the driver has it
    uint32_t flip_wait;                // the first is 1; 0: none
    uint64_t flip_bit;
    uint32_t wait_count;
    uint64_t used_bytes;
    atomic_uint alive[KIND_COUNT]; // several threads create pipelines
    struct block blocks[MAX_BLOCKS];
    struct {
        VkBuffer buffer;
        VkBufferUsageFlags usage;
    } buffers[MAX_BUFFERS];
};

static struct objects *objects_of(const void *handle)
{
    return layer_instance_state(&fault_objects_stage, handle);
}

// ---- alive or not ----------------------------------------------------------------------------

#define DESTROY(object)                                                                        \
    static VKAPI_ATTR void VKAPI_CALL destroy_##object(VkDevice device, Vk##object made,       \
                                                       const VkAllocationCallbacks *allocator) \
    {                                                                                          \
        objects_of(device)->alive[KIND_##object] -= made != VK_NULL_HANDLE;                    \
        NEXT(&fault_objects_stage, device, vkDestroy##object)(device, made, allocator);        \
    }

#define TRACK(object)                                                                            \
    static VKAPI_ATTR VkResult VKAPI_CALL create_##object(                                       \
        VkDevice device, const Vk##object##CreateInfo *info,                                     \
        const VkAllocationCallbacks *allocator, Vk##object *made)                                \
    {                                                                                            \
        VkResult result =                                                                        \
            NEXT(&fault_objects_stage, device, vkCreate##object)(device, info, allocator, made); \
        objects_of(device)->alive[KIND_##object] += result == VK_SUCCESS;                        \
        return result;                                                                           \
    }                                                                                            \
    DESTROY(object)

TRACK(CommandPool)
TRACK(DescriptorPool)
TRACK(DescriptorSetLayout)
TRACK(Fence)
TRACK(PipelineCache)
TRACK(PipelineLayout)
TRACK(QueryPool)
TRACK(ShaderModule)
DESTROY(Pipeline)

static VKAPI_ATTR VkResult VKAPI_CALL create_pipelines(VkDevice device, VkPipelineCache known,
                                                       uint32_t count,
                                                       const VkComputePipelineCreateInfo *infos,
                                                       const VkAllocationCallbacks *allocator,
                                                       VkPipeline *pipelines)
{
    VkResult result = NEXT(&fault_objects_stage, device, vkCreateComputePipelines)(
        device, known, count, infos, allocator, pipelines);
    for (uint32_t i = 0; i < count; i++)
        objects_of(device)->alive[KIND_Pipeline] += pipelines[i] != VK_NULL_HANDLE;
    return result;
}

// What is alive when what holds it goes is a leak.
static void check_leaks(const struct objects *objects, const char *holder)
{
    uint32_t leak_count = 0;
    for (int i = 0; i < KIND_COUNT; i++) {
        if (objects->alive[i])
            fprintf(stderr, "layer: leak: %u %s\n", objects->alive[i], kind_names[i]);
        leak_count += objects->alive[i];
    }
    if (leak_count)
        layer_abort("%s destroyed with %u objects alive", holder, leak_count);
}

static VKAPI_ATTR VkResult VKAPI_CALL create_device(VkPhysicalDevice physical,
                                                    const VkDeviceCreateInfo *info,
                                                    const VkAllocationCallbacks *allocator,
                                                    VkDevice *device)
{
    VkResult result =
        NEXT(&fault_objects_stage, physical, vkCreateDevice)(physical, info, allocator, device);
    objects_of(physical)->alive[KIND_Device] += result == VK_SUCCESS;
    return result;
}

static VKAPI_ATTR void VKAPI_CALL destroy_device(VkDevice device,
                                                 const VkAllocationCallbacks *allocator)
{
    struct objects *objects = objects_of(device);
    objects->alive[KIND_Device]--;
    if (objects->alive[KIND_Device] == 0) // what belongs to which of several is not kept
        check_leaks(objects, "a device was");
    NEXT(&fault_objects_stage, device, vkDestroyDevice)(device, allocator);
}

static VKAPI_ATTR void VKAPI_CALL destroy_instance(VkInstance instance,
                                                   const VkAllocationCallbacks *allocator)
{
    check_leaks(objects_of(instance), "the instance was");
    NEXT(&fault_objects_stage, instance, vkDestroyInstance)(instance, allocator);
}

// ---- memory ----------------------------------------------------------------------------------

static struct block *find_block(struct objects *objects, VkDeviceMemory memory)
{
    for (uint32_t i = 0; i < MAX_BLOCKS; i++)
        if (objects->blocks[i].memory == memory)
            return &objects->blocks[i];
    layer_abort("more than %d pieces of memory", MAX_BLOCKS);
}

static VKAPI_ATTR VkResult VKAPI_CALL allocate_memory(VkDevice device,
                                                      const VkMemoryAllocateInfo *info,
                                                      const VkAllocationCallbacks *allocator,
                                                      VkDeviceMemory *memory)
{
    struct objects *objects = objects_of(device);
    if (objects->room_bytes && objects->used_bytes + info->allocationSize > objects->room_bytes)
        return VK_ERROR_OUT_OF_DEVICE_MEMORY;
    VkResult result =
        NEXT(&fault_objects_stage, device, vkAllocateMemory)(device, info, allocator, memory);
    if (result != VK_SUCCESS)
        return result;
    *find_block(objects, VK_NULL_HANDLE) =
        (struct block){.memory = *memory, .size_bytes = info->allocationSize};
    objects->used_bytes += info->allocationSize;
    objects->alive[KIND_DeviceMemory]++;
    return result;
}

static VKAPI_ATTR void VKAPI_CALL free_memory(VkDevice device, VkDeviceMemory memory,
                                              const VkAllocationCallbacks *allocator)
{
    if (memory) {
        struct objects *objects = objects_of(device);
        struct block *block = find_block(objects, memory);
        objects->used_bytes -= block->size_bytes;
        objects->alive[KIND_DeviceMemory]--;
        *block = (struct block){0};
    }
    NEXT(&fault_objects_stage, device, vkFreeMemory)(device, memory, allocator);
}

static VkBufferUsageFlags *usage_of(struct objects *objects, VkBuffer buffer, VkBuffer becomes)
{
    for (uint32_t i = 0; i < MAX_BUFFERS; i++)
        if (objects->buffers[i].buffer == buffer) {
            objects->buffers[i].buffer = becomes;
            return &objects->buffers[i].usage;
        }
    layer_abort("more than %d buffers", MAX_BUFFERS);
}

static VKAPI_ATTR VkResult VKAPI_CALL create_buffer(VkDevice device, const VkBufferCreateInfo *info,
                                                    const VkAllocationCallbacks *allocator,
                                                    VkBuffer *buffer)
{
    VkResult result =
        NEXT(&fault_objects_stage, device, vkCreateBuffer)(device, info, allocator, buffer);
    if (result != VK_SUCCESS)
        return result;
    *usage_of(objects_of(device), VK_NULL_HANDLE, *buffer) = info->usage;
    objects_of(device)->alive[KIND_Buffer]++;
    return result;
}

static VKAPI_ATTR void VKAPI_CALL destroy_buffer(VkDevice device, VkBuffer buffer,
                                                 const VkAllocationCallbacks *allocator)
{
    if (buffer) {
        *usage_of(objects_of(device), buffer, VK_NULL_HANDLE) = 0;
        objects_of(device)->alive[KIND_Buffer]--;
    }
    NEXT(&fault_objects_stage, device, vkDestroyBuffer)(device, buffer, allocator);
}

// What the host fills is a source or a target of copies, a uniform or an indirect buffer; the rest
// of what is mapped is read back.
static VKAPI_ATTR VkResult VKAPI_CALL bind_memory(VkDevice device, VkBuffer buffer,
                                                  VkDeviceMemory memory, VkDeviceSize offset)
{
    struct objects *objects = objects_of(device);
    const VkBufferUsageFlags filled =
        VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT |
        VK_BUFFER_USAGE_UNIFORM_BUFFER_BIT | VK_BUFFER_USAGE_INDIRECT_BUFFER_BIT;
    find_block(objects, memory)->is_readback = !(*usage_of(objects, buffer, buffer) & filled);
    return NEXT(&fault_objects_stage, device, vkBindBufferMemory)(device, buffer, memory, offset);
}

static VKAPI_ATTR VkResult VKAPI_CALL map_memory(VkDevice device, VkDeviceMemory memory,
                                                 VkDeviceSize offset, VkDeviceSize size,
                                                 VkMemoryMapFlags flags, void **address)
{
    VkResult result = NEXT(&fault_objects_stage, device, vkMapMemory)(device, memory, offset, size,
                                                                      flags, address);
    if (result == VK_SUCCESS && offset == 0)
        find_block(objects_of(device), memory)->address = *address;
    return result;
}

// A word that was not written since it was changed stays as it is.
static void flip(struct block *block, uint64_t bit)
{
    if (!block->is_readback || !block->address || bit / 8 >= block->size_bytes / 4 * 4)
        return;
    uint32_t *word = block->address + bit / 32;
    if (block->has_flipped && *word == block->flipped)
        return;
    *word ^= UINT32_C(1) << bit % 32;
    block->flipped = *word;
    block->has_flipped = true;
}

static VKAPI_ATTR VkResult VKAPI_CALL wait_for_fences(VkDevice device, uint32_t count,
                                                      const VkFence *fences, VkBool32 is_all,
                                                      uint64_t timeout_ns)
{
    VkResult result = NEXT(&fault_objects_stage, device, vkWaitForFences)(device, count, fences,
                                                                          is_all, timeout_ns);
    struct objects *objects = objects_of(device);
    objects->wait_count++;
    if (objects->flip_wait && objects->wait_count >= objects->flip_wait)
        for (uint32_t i = 0; i < MAX_BLOCKS; i++)
            flip(&objects->blocks[i], objects->flip_bit);
    return result;
}

// ---- the lying budget ------------------------------------------------------------------------

static VKAPI_ATTR void VKAPI_CALL memory_properties(VkPhysicalDevice physical,
                                                    VkPhysicalDeviceMemoryProperties2 *properties)
{
    PFN_vkGetPhysicalDeviceMemoryProperties2 next_call =
        NEXT(&fault_objects_stage, physical, vkGetPhysicalDeviceMemoryProperties2);
    next_call(physical, properties);
    const struct objects *objects = objects_of(physical);
    for (VkBaseOutStructure *next = properties->pNext; next && objects->budget_bytes;
         next = next->pNext) {
        if (next->sType != VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_BUDGET_PROPERTIES_EXT)
            continue;
        VkPhysicalDeviceMemoryBudgetPropertiesEXT *budget = (void *)next;
        for (uint32_t i = 0; i < properties->memoryProperties.memoryHeapCount; i++) {
            budget->heapBudget[i] = objects->budget_bytes;
            budget->heapUsage[i] = objects->used_bytes;
        }
    }
}

// Adds VK_EXT_memory_budget where it is not there; the lists of drivers are well below 511.
static VKAPI_ATTR VkResult VKAPI_CALL list_extensions(VkPhysicalDevice physical, const char *layer,
                                                      uint32_t *count, VkExtensionProperties *list)
{
    VkExtensionProperties all[512];
    uint32_t all_count = 511;
    VkResult result = NEXT(&fault_objects_stage, physical,
                           vkEnumerateDeviceExtensionProperties)(physical, layer, &all_count, all);
    if (result != VK_SUCCESS)
        return result;
    bool is_there = false;
    for (uint32_t i = 0; i < all_count; i++)
        is_there =
            is_there || strcmp(all[i].extensionName, VK_EXT_MEMORY_BUDGET_EXTENSION_NAME) == 0;
    if (!is_there && objects_of(physical)->budget_bytes)
        all[all_count++] = (VkExtensionProperties){VK_EXT_MEMORY_BUDGET_EXTENSION_NAME, 1};
    uint32_t room = *count;
    *count = list && room < all_count ? room : all_count;
    if (!list)
        return VK_SUCCESS;
    memcpy(list, all, *count * sizeof *list);
    return room < all_count ? VK_INCOMPLETE : VK_SUCCESS;
}

// ---- clauses ---------------------------------------------------------------------------------

static uint64_t read_number(const char *clause, const char *text, char **end)
{
    errno = 0;
    uint64_t value = strtoull(text, end, 10);
    if (*end == text || errno || *text == '-')
        layer_abort("%s: '%s' is no number", clause, text);
    return value;
}

static bool read_clause(void *state, const char *name, const char *value)
{
    struct objects *objects = state;
    char *end = NULL;
    if (strcmp(name, "leaks") == 0) {
        if (strcmp(value, "abort") != 0)
            layer_abort("leaks=abort");
        return true;
    }
    if (strcmp(name, "room") == 0)
        objects->room_bytes = read_number(name, value, &end);
    else if (strcmp(name, "budget") == 0)
        objects->budget_bytes = read_number(name, value, &end);
    else if (strcmp(name, "flip") == 0) {
        objects->flip_wait = (uint32_t)read_number(name, value, &end);
        objects->flip_bit = 22; // the highest of the first float's fraction
        if (*end == ':')
            objects->flip_bit = read_number(name, end + 1, &end);
    } else
        return false;
    if (*end)
        layer_abort("%s: '%s' is one too many", name, end);
    return true;
}

static const struct layer_hook hooks[] = {
    HOOK(vkAllocateMemory, allocate_memory),
    HOOK(vkBindBufferMemory, bind_memory),
    HOOK(vkCreateBuffer, create_buffer),
    HOOK(vkCreateCommandPool, create_CommandPool),
    HOOK(vkCreateComputePipelines, create_pipelines),
    HOOK(vkCreateDescriptorPool, create_DescriptorPool),
    HOOK(vkCreateDescriptorSetLayout, create_DescriptorSetLayout),
    HOOK(vkCreateDevice, create_device),
    HOOK(vkCreateFence, create_Fence),
    HOOK(vkCreatePipelineCache, create_PipelineCache),
    HOOK(vkCreatePipelineLayout, create_PipelineLayout),
    HOOK(vkCreateQueryPool, create_QueryPool),
    HOOK(vkCreateShaderModule, create_ShaderModule),
    HOOK(vkDestroyBuffer, destroy_buffer),
    HOOK(vkDestroyCommandPool, destroy_CommandPool),
    HOOK(vkDestroyDescriptorPool, destroy_DescriptorPool),
    HOOK(vkDestroyDescriptorSetLayout, destroy_DescriptorSetLayout),
    HOOK(vkDestroyDevice, destroy_device),
    HOOK(vkDestroyFence, destroy_Fence),
    HOOK(vkDestroyInstance, destroy_instance),
    HOOK(vkDestroyPipeline, destroy_Pipeline),
    HOOK(vkDestroyPipelineCache, destroy_PipelineCache),
    HOOK(vkDestroyPipelineLayout, destroy_PipelineLayout),
    HOOK(vkDestroyQueryPool, destroy_QueryPool),
    HOOK(vkDestroyShaderModule, destroy_ShaderModule),
    HOOK(vkEnumerateDeviceExtensionProperties, list_extensions),
    HOOK(vkFreeMemory, free_memory),
    HOOK(vkGetPhysicalDeviceMemoryProperties2, memory_properties),
    HOOK(vkMapMemory, map_memory),
    HOOK(vkWaitForFences, wait_for_fences),
    {0},
};

const struct layer_stage fault_objects_stage = {
    .hooks = hooks,
    .read_clause = read_clause,
    .instance_bytes = sizeof(struct objects),
};
