// fault.c: the stage that makes calls fail, and submits that get lost, late or never done.
#include "layer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAX_FAILURES 8
#define MAX_CALLS    64
#define NEVER        UINT64_MAX

// What a handle or an address may hold after a call that failed: anything.
#define POISON ((uintptr_t)0x5a5a5a50u)

struct failure {
    const char *call;
    uint32_t at; // the first use is 1
    VkResult result;
    bool is_lasting;
};

struct fault {
    struct failure failures[MAX_FAILURES];
    uint32_t failure_count;
    uint32_t late_submit; // which, and how late it is done
    uint64_t late_ns;
    uint32_t lost_submit, lost_wait, lost_map;
    char *count_path;

    struct {
        const char *call;
        uint32_t count;
    } uses[MAX_CALLS];
    VkFence late_fence;
    bool is_lost, is_hung;
};

// ---- what every call goes through ------------------------------------------------------------

static uint32_t *uses_of(struct fault *fault, const char *call)
{
    uint32_t i = 0;
    while (fault->uses[i].call && strcmp(fault->uses[i].call, call) != 0)
        if (++i == MAX_CALLS)
            layer_abort("more than %d calls to count", MAX_CALLS);
    fault->uses[i].call = call;
    return &fault->uses[i].count;
}

static bool may_be_lost(const char *call)
{
    static const char *const calls[] = {"vkCreateDevice", "vkQueueSubmit", "vkWaitForFences",
                                        "vkDeviceWaitIdle", "vkGetQueryPoolResults"};
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        if (strcmp(calls[i], call) == 0)
            return true;
    return false;
}

static bool is_time(const struct fault *fault, const char *call, uint32_t use)
{
    return (use == fault->lost_submit && strcmp(call, "vkQueueSubmit") == 0) ||
           (use == fault->lost_wait && strcmp(call, "vkWaitForFences") == 0) ||
           (use == fault->lost_map && strcmp(call, "vkMapMemory") == 0);
}

static VkResult use_call(struct fault *fault, const char *call)
{
    if (fault->is_hung)
        layer_abort("%s on a device that hangs", call);
    uint32_t use = ++*uses_of(fault, call);
    for (uint32_t i = 0; i < fault->failure_count; i++) {
        const struct failure *failure = &fault->failures[i];
        bool is_now = failure->is_lasting ? use >= failure->at : use == failure->at;
        if (is_now && strcmp(failure->call, call) == 0)
            return failure->result;
    }
    if (is_time(fault, call, use)) {
        fault->is_lost = true;
        return VK_ERROR_DEVICE_LOST;
    }
    return fault->is_lost && may_be_lost(call) ? VK_ERROR_DEVICE_LOST : VK_SUCCESS;
}

static VkResult begin_call(struct fault *fault, const char *call)
{
    layer_lock();
    VkResult result = use_call(fault, call);
    layer_unlock();
    return result;
}

static struct fault *fault_of(const void *handle)
{
    return layer_instance_state(&fault_stage, handle);
}

static VkResult before_create(void *state)
{
    return begin_call(state, "vkCreateInstance");
}

// ---- calls that only fail --------------------------------------------------------------------

#define PASS(call, parameters, arguments)                                    \
    static VKAPI_ATTR VkResult VKAPI_CALL pass_##call parameters             \
    {                                                                        \
        VkResult result = begin_call(fault_of(handle), #call);               \
        return result ? result : NEXT(&fault_stage, handle, call) arguments; \
    }

PASS(vkEnumerateDeviceExtensionProperties,
     (VkPhysicalDevice handle, const char *layer, uint32_t *count, VkExtensionProperties *list),
     (handle, layer, count, list))
PASS(vkEnumeratePhysicalDevices, (VkInstance handle, uint32_t *count, VkPhysicalDevice *list),
     (handle, count, list))
PASS(vkBeginCommandBuffer, (VkCommandBuffer handle, const VkCommandBufferBeginInfo *info),
     (handle, info))
PASS(vkEndCommandBuffer, (VkCommandBuffer handle), (handle))
PASS(vkResetFences, (VkDevice handle, uint32_t count, const VkFence *fences),
     (handle, count, fences))
PASS(vkBindBufferMemory,
     (VkDevice handle, VkBuffer buffer, VkDeviceMemory memory, VkDeviceSize offset),
     (handle, buffer, memory, offset))
PASS(vkFlushMappedMemoryRanges,
     (VkDevice handle, uint32_t count, const VkMappedMemoryRange *ranges), (handle, count, ranges))
PASS(vkInvalidateMappedMemoryRanges,
     (VkDevice handle, uint32_t count, const VkMappedMemoryRange *ranges), (handle, count, ranges))
PASS(vkGetPipelineCacheData,
     (VkDevice handle, VkPipelineCache pipelines, size_t *count, void *data),
     (handle, pipelines, count, data))
PASS(vkGetQueryPoolResults,
     (VkDevice handle, VkQueryPool pool, uint32_t first, uint32_t count, size_t bytes, void *data,
      VkDeviceSize stride, VkQueryResultFlags flags),
     (handle, pool, first, count, bytes, data, stride, flags))

// ---- calls that make something ---------------------------------------------------------------

// The specification leaves what these give undefined where they fail.
#define MAKE(object)                                                                            \
    static VKAPI_ATTR VkResult VKAPI_CALL make_##object(                                        \
        VkDevice device, const Vk##object##CreateInfo *info,                                    \
        const VkAllocationCallbacks *allocator, Vk##object *made)                               \
    {                                                                                           \
        VkResult result = begin_call(fault_of(device), "vkCreate" #object);                     \
        if (result == VK_SUCCESS)                                                               \
            return NEXT(&fault_stage, device, vkCreate##object)(device, info, allocator, made); \
        *made = (Vk##object)POISON;                                                             \
        return result;                                                                          \
    }

MAKE(Buffer)
MAKE(CommandPool)
MAKE(DescriptorPool)
MAKE(DescriptorSetLayout)
MAKE(Fence)
MAKE(PipelineCache)
MAKE(PipelineLayout)
MAKE(QueryPool)
MAKE(ShaderModule)

static VKAPI_ATTR VkResult VKAPI_CALL make_device(VkPhysicalDevice physical,
                                                  const VkDeviceCreateInfo *info,
                                                  const VkAllocationCallbacks *allocator,
                                                  VkDevice *device)
{
    VkResult result = begin_call(fault_of(physical), "vkCreateDevice");
    if (result == VK_SUCCESS)
        return NEXT(&fault_stage, physical, vkCreateDevice)(physical, info, allocator, device);
    *device = (VkDevice)POISON;
    return result;
}

static VKAPI_ATTR VkResult VKAPI_CALL allocate_memory(VkDevice device,
                                                      const VkMemoryAllocateInfo *info,
                                                      const VkAllocationCallbacks *allocator,
                                                      VkDeviceMemory *memory)
{
    VkResult result = begin_call(fault_of(device), "vkAllocateMemory");
    if (result == VK_SUCCESS)
        return NEXT(&fault_stage, device, vkAllocateMemory)(device, info, allocator, memory);
    *memory = (VkDeviceMemory)POISON;
    return result;
}

static VKAPI_ATTR VkResult VKAPI_CALL map_memory(VkDevice device, VkDeviceMemory memory,
                                                 VkDeviceSize offset, VkDeviceSize size,
                                                 VkMemoryMapFlags flags, void **address)
{
    VkResult result = begin_call(fault_of(device), "vkMapMemory");
    if (result == VK_SUCCESS)
        return NEXT(&fault_stage, device, vkMapMemory)(device, memory, offset, size, flags,
                                                       address);
    *address = (void *)POISON;
    return result;
}

// Of these three the specification says that what they give is NULL where they fail.
static VKAPI_ATTR VkResult VKAPI_CALL create_pipelines(VkDevice device, VkPipelineCache known,
                                                       uint32_t count,
                                                       const VkComputePipelineCreateInfo *infos,
                                                       const VkAllocationCallbacks *allocator,
                                                       VkPipeline *pipelines)
{
    VkResult result = begin_call(fault_of(device), "vkCreateComputePipelines");
    if (result == VK_SUCCESS)
        return NEXT(&fault_stage, device, vkCreateComputePipelines)(device, known, count, infos,
                                                                    allocator, pipelines);
    memset(pipelines, 0, count * sizeof *pipelines);
    return result;
}

static VKAPI_ATTR VkResult VKAPI_CALL allocate_commands(VkDevice device,
                                                        const VkCommandBufferAllocateInfo *info,
                                                        VkCommandBuffer *commands)
{
    VkResult result = begin_call(fault_of(device), "vkAllocateCommandBuffers");
    if (result == VK_SUCCESS)
        return NEXT(&fault_stage, device, vkAllocateCommandBuffers)(device, info, commands);
    memset(commands, 0, info->commandBufferCount * sizeof(VkCommandBuffer));
    return result;
}

static VKAPI_ATTR VkResult VKAPI_CALL allocate_sets(VkDevice device,
                                                    const VkDescriptorSetAllocateInfo *info,
                                                    VkDescriptorSet *sets)
{
    VkResult result = begin_call(fault_of(device), "vkAllocateDescriptorSets");
    if (result == VK_SUCCESS)
        return NEXT(&fault_stage, device, vkAllocateDescriptorSets)(device, info, sets);
    memset(sets, 0, info->descriptorSetCount * sizeof *sets);
    return result;
}

// ---- work ------------------------------------------------------------------------------------

static VKAPI_ATTR VkResult VKAPI_CALL submit(VkQueue queue, uint32_t count,
                                             const VkSubmitInfo *infos, VkFence fence)
{
    struct fault *fault = fault_of(queue);
    VkResult result = begin_call(fault, "vkQueueSubmit");
    if (result != VK_SUCCESS)
        return result;
    if (*uses_of(fault, "vkQueueSubmit") == fault->late_submit) {
        fault->late_fence = fence;
        if (fault->late_ns == NEVER)
            return VK_SUCCESS;
    }
    return NEXT(&fault_stage, queue, vkQueueSubmit)(queue, count, infos, fence);
}

// A wait that would end in a timeout ends in it at once. From then on the device hangs.
static VKAPI_ATTR VkResult VKAPI_CALL wait_for_fences(VkDevice device, uint32_t count,
                                                      const VkFence *fences, VkBool32 is_all,
                                                      uint64_t timeout_ns)
{
    struct fault *fault = fault_of(device);
    VkResult wanted = begin_call(fault, "vkWaitForFences");
    if (wanted == VK_SUCCESS && fault->late_fence && fences[0] == fault->late_fence) {
        if (fault->late_ns > timeout_ns) {
            fault->is_hung = true;
            return VK_TIMEOUT;
        }
        fault->late_fence = VK_NULL_HANDLE;
        nanosleep(&(struct timespec){.tv_sec = (time_t)(fault->late_ns / 1000000000),
                                     .tv_nsec = (long)(fault->late_ns % 1000000000)},
                  NULL);
    }
    // The driver's work ends here whatever is said about it, or it would go on in freed memory.
    VkResult result =
        NEXT(&fault_stage, device, vkWaitForFences)(device, count, fences, is_all, timeout_ns);
    fault->is_hung = wanted == VK_TIMEOUT;
    return wanted == VK_SUCCESS ? result : wanted;
}

static VKAPI_ATTR VkResult VKAPI_CALL wait_idle(VkDevice device)
{
    VkResult wanted = begin_call(fault_of(device), "vkDeviceWaitIdle");
    VkResult result = NEXT(&fault_stage, device, vkDeviceWaitIdle)(device);
    return wanted == VK_SUCCESS ? result : wanted;
}

// ---- the end ---------------------------------------------------------------------------------

static VKAPI_ATTR void VKAPI_CALL destroy_device(VkDevice device,
                                                 const VkAllocationCallbacks *allocator)
{
    if (device)
        begin_call(fault_of(device), "vkDestroyDevice");
    NEXT(&fault_stage, device, vkDestroyDevice)(device, allocator);
}

static VKAPI_ATTR void VKAPI_CALL free_memory(VkDevice device, VkDeviceMemory memory,
                                              const VkAllocationCallbacks *allocator)
{
    begin_call(fault_of(device), "vkFreeMemory");
    NEXT(&fault_stage, device, vkFreeMemory)(device, memory, allocator);
}

// Writes "CALL USES", a line a call.
static void finish_instance(void *state)
{
    struct fault *fault = state;
    FILE *file = fault->count_path ? fopen(fault->count_path, "w") : NULL;
    for (uint32_t i = 0; file && i < MAX_CALLS && fault->uses[i].call; i++)
        fprintf(file, "%s %u\n", fault->uses[i].call, fault->uses[i].count);
    if (fault->count_path && (!file || fclose(file) != 0))
        layer_abort("count: %s cannot be written", fault->count_path);
    free(fault->count_path);
}

static const struct layer_hook hooks[] = {
    HOOK(vkAllocateCommandBuffers, allocate_commands),
    HOOK(vkAllocateDescriptorSets, allocate_sets),
    HOOK(vkAllocateMemory, allocate_memory),
    HOOK(vkBeginCommandBuffer, pass_vkBeginCommandBuffer),
    HOOK(vkBindBufferMemory, pass_vkBindBufferMemory),
    HOOK(vkCreateBuffer, make_Buffer),
    HOOK(vkCreateCommandPool, make_CommandPool),
    HOOK(vkCreateComputePipelines, create_pipelines),
    HOOK(vkCreateDescriptorPool, make_DescriptorPool),
    HOOK(vkCreateDescriptorSetLayout, make_DescriptorSetLayout),
    HOOK(vkCreateDevice, make_device),
    HOOK(vkCreateFence, make_Fence),
    HOOK(vkCreatePipelineCache, make_PipelineCache),
    HOOK(vkCreatePipelineLayout, make_PipelineLayout),
    HOOK(vkCreateQueryPool, make_QueryPool),
    HOOK(vkCreateShaderModule, make_ShaderModule),
    HOOK(vkDestroyDevice, destroy_device),
    HOOK(vkDeviceWaitIdle, wait_idle),
    HOOK(vkEndCommandBuffer, pass_vkEndCommandBuffer),
    HOOK(vkEnumerateDeviceExtensionProperties, pass_vkEnumerateDeviceExtensionProperties),
    HOOK(vkEnumeratePhysicalDevices, pass_vkEnumeratePhysicalDevices),
    HOOK(vkFlushMappedMemoryRanges, pass_vkFlushMappedMemoryRanges),
    HOOK(vkFreeMemory, free_memory),
    HOOK(vkGetPipelineCacheData, pass_vkGetPipelineCacheData),
    HOOK(vkGetQueryPoolResults, pass_vkGetQueryPoolResults),
    HOOK(vkInvalidateMappedMemoryRanges, pass_vkInvalidateMappedMemoryRanges),
    HOOK(vkMapMemory, map_memory),
    HOOK(vkQueueSubmit, submit),
    HOOK(vkResetFences, pass_vkResetFences),
    HOOK(vkWaitForFences, wait_for_fences),
    {0},
};

// ---- clauses ---------------------------------------------------------------------------------

#define RESULT(result) #result, result

static const struct {
    const char *name;
    VkResult result;
} results[] = {
    {RESULT(VK_NOT_READY)},
    {RESULT(VK_TIMEOUT)},
    {RESULT(VK_INCOMPLETE)},
    {RESULT(VK_ERROR_OUT_OF_HOST_MEMORY)},
    {RESULT(VK_ERROR_OUT_OF_DEVICE_MEMORY)},
    {RESULT(VK_ERROR_INITIALIZATION_FAILED)},
    {RESULT(VK_ERROR_DEVICE_LOST)},
    {RESULT(VK_ERROR_MEMORY_MAP_FAILED)},
    {RESULT(VK_ERROR_LAYER_NOT_PRESENT)},
    {RESULT(VK_ERROR_EXTENSION_NOT_PRESENT)},
    {RESULT(VK_ERROR_FEATURE_NOT_PRESENT)},
    {RESULT(VK_ERROR_INCOMPATIBLE_DRIVER)},
    {RESULT(VK_ERROR_TOO_MANY_OBJECTS)},
    {RESULT(VK_ERROR_FRAGMENTED_POOL)},
    {RESULT(VK_ERROR_OUT_OF_POOL_MEMORY)},
    {RESULT(VK_ERROR_FRAGMENTATION)},
    {RESULT(VK_ERROR_INVALID_SHADER_NV)},
    {RESULT(VK_ERROR_UNKNOWN)},
#undef RESULT
};

static const char *known_call(const char *name)
{
    if (strcmp(name, "vkCreateInstance") == 0)
        return "vkCreateInstance";
    for (const struct layer_hook *hook = hooks; hook->name; hook++)
        if (strcmp(hook->name, name) == 0)
            return hook->name;
    layer_abort("fail: %s is no call that this layer makes fail", name);
}

static VkResult known_result(const char *name)
{
    for (size_t i = 0; i < sizeof results / sizeof *results; i++)
        if (strcmp(results[i].name, name) == 0)
            return results[i].result;
    layer_abort("fail: there is no result %s", name);
}

static uint32_t read_number(const char *clause, const char *text)
{
    char *end;
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    if (end == text || *end || errno || value == 0 || value > UINT32_MAX)
        layer_abort("%s: '%s' is no number from 1", clause, text);
    return (uint32_t)value;
}

// Splits "a:b:c" in place; parts that are not there are NULL.
static void split(char *text, char *parts[4])
{
    for (int i = 0; i < 4; i++)
        parts[i] = strsep(&text, ":");
    if (text)
        layer_abort("too many ':' before '%s'", text);
}

static void read_failure(struct fault *fault, char *const parts[4])
{
    if (!parts[2] || (parts[3] && strcmp(parts[3], "on") != 0) ||
        fault->failure_count == MAX_FAILURES)
        layer_abort("fail=CALL:N:RESULT[:on], at most %d", MAX_FAILURES);
    fault->failures[fault->failure_count++] = (struct failure){
        .call = known_call(parts[0]),
        .at = read_number("fail", parts[1]),
        .result = known_result(parts[2]),
        .is_lasting = parts[3],
    };
}

static void read_submit(struct fault *fault, const char *name, char *const parts[4])
{
    bool is_delay = strcmp(name, "delay") == 0;
    if (strcmp(parts[0], "submit") != 0 || !parts[1] || !parts[2] != !is_delay || parts[3])
        layer_abort("swallow=submit:N or delay=submit:N:MS");
    fault->late_submit = read_number(name, parts[1]);
    fault->late_ns = is_delay ? read_number(name, parts[2]) * UINT64_C(1000000) : NEVER;
}

static void read_loss(struct fault *fault, char *const parts[4])
{
    uint32_t *when = strcmp(parts[0], "submit") == 0 ? &fault->lost_submit
                     : strcmp(parts[0], "wait") == 0 ? &fault->lost_wait
                     : strcmp(parts[0], "map") == 0  ? &fault->lost_map
                                                     : NULL;
    if (!when || !parts[1] || parts[2])
        layer_abort("lose=submit:N, lose=wait:N or lose=map:N");
    *when = read_number("lose", parts[1]);
}

static bool read_clause(void *state, const char *name, const char *value)
{
    struct fault *fault = state;
    char copy[256], *parts[4];
    if (strlen(value) >= sizeof copy)
        return false;
    strcpy(copy, value);
    if (strcmp(name, "count") == 0) {
        fault->count_path = strdup(value);
        return true;
    }
    if (strcmp(name, "fail") != 0 && strcmp(name, "lose") != 0 && strcmp(name, "swallow") != 0 &&
        strcmp(name, "delay") != 0)
        return false;
    split(copy, parts);
    if (strcmp(name, "fail") == 0)
        read_failure(fault, parts);
    else if (strcmp(name, "lose") == 0)
        read_loss(fault, parts);
    else
        read_submit(fault, name, parts);
    return true;
}

const struct layer_stage fault_stage = {
    .hooks = hooks,
    .read_clause = read_clause,
    .before_create = before_create,
    .instance_bytes = sizeof(struct fault),
    .finish_instance = finish_instance,
};
