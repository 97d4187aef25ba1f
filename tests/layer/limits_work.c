// limits_work.c: the stage that holds shaders, layouts, bindings and dispatches against what the
// device reported and what was enabled of it.
#include <stdlib.h>
#include <string.h>

#include "limits.h"
#include "spirv.h"

#define MAX_MODULES     256
#define MAX_SET_LAYOUTS 64

struct module {
    VkShaderModule module;
    uint32_t *words;
    size_t word_count;
};

struct set_layout {
    VkDescriptorSetLayout layout;
    uint32_t storage_buffers, uniform_buffers;
};

// Group counts that are in a buffer are looked at when the command buffer is submitted.
struct indirect {
    VkCommandBuffer commands;
    VkBuffer buffer;
    VkDeviceSize offset_bytes;
};

struct work {
    struct module modules[MAX_MODULES];
    uint32_t module_count;
    struct set_layout set_layouts[MAX_SET_LAYOUTS];
    uint32_t set_layout_count;
    struct indirect *indirects;
    size_t indirect_count, indirect_room;
};

static bool read_clause(void *state, const char *name, const char *value)
{
    (void)state, (void)value;
    return strcmp(name, "profile") == 0;
}

static struct work *work_of(const void *handle)
{
    return layer_device_state(&work_stage, handle);
}

static const VkPhysicalDeviceLimits *limits_values(const void *handle)
{
    return &limits_of(handle)->profile.values.limits;
}

// ---- shaders ---------------------------------------------------------------------------------

// Capabilities by what a device must have for them: nothing, a feature that was enabled, or an
// operation over subgroups.
static const struct {
    uint32_t capability;
    const char *feature;
    VkSubgroupFeatureFlags operation;
} capabilities[] = {
    {0, NULL, 0},                                         // Matrix
    {1, NULL, 0},                                         // Shader
    {9, "shaderFloat16", 0},                              // Float16
    {10, "shaderFloat64", 0},                             // Float64
    {11, "shaderInt64", 0},                               // Int64
    {22, "shaderInt16", 0},                               // Int16
    {39, "shaderInt8", 0},                                // Int8
    {61, NULL, VK_SUBGROUP_FEATURE_BASIC_BIT},            // GroupNonUniform
    {62, NULL, VK_SUBGROUP_FEATURE_VOTE_BIT},             // GroupNonUniformVote
    {63, NULL, VK_SUBGROUP_FEATURE_ARITHMETIC_BIT},       // GroupNonUniformArithmetic
    {64, NULL, VK_SUBGROUP_FEATURE_BALLOT_BIT},           // GroupNonUniformBallot
    {65, NULL, VK_SUBGROUP_FEATURE_SHUFFLE_BIT},          // GroupNonUniformShuffle
    {66, NULL, VK_SUBGROUP_FEATURE_SHUFFLE_RELATIVE_BIT}, // GroupNonUniformShuffleRelative
    {67, NULL, VK_SUBGROUP_FEATURE_CLUSTERED_BIT},        // GroupNonUniformClustered
    {68, NULL, VK_SUBGROUP_FEATURE_QUAD_BIT},             // GroupNonUniformQuad
    {4433, "storageBuffer16BitAccess", 0},                // StorageBuffer16BitAccess
    {4434, "uniformAndStorageBuffer16BitAccess", 0},      // UniformAndStorageBuffer16BitAccess
    {4435, "storagePushConstant16", 0},                   // StoragePushConstant16
    {4448, "storageBuffer8BitAccess", 0},                 // StorageBuffer8BitAccess
    {5345, "vulkanMemoryModel", 0},                       // VulkanMemoryModel
};

static bool is_enabled(const struct limits_device *limits, const char *feature)
{
    for (uint32_t i = 0; profile_features[i].name; i++)
        if (strcmp(profile_features[i].name, feature) == 0)
            return limits->enabled_features & 1u << i;
    return false;
}

static bool has_capability(const struct limits_device *limits, uint32_t capability)
{
    for (size_t i = 0; i < sizeof capabilities / sizeof *capabilities; i++)
        if (capabilities[i].capability == capability)
            return (!capabilities[i].feature || is_enabled(limits, capabilities[i].feature)) &&
                   (limits->profile.subgroup_operations & capabilities[i].operation) ==
                       capabilities[i].operation;
    return false;
}

// Extensions of SPIR-V are part of Vulkan 1.1, or come with a device extension of the same name.
static bool has_extension(const struct limits_device *limits, const char *extension)
{
    static const char *const core[] = {
        "SPV_KHR_16bit_storage",
        "SPV_KHR_storage_buffer_storage_class",
        "SPV_KHR_variable_pointers",
    };
    for (size_t i = 0; i < sizeof core / sizeof *core; i++)
        if (strcmp(core[i], extension) == 0)
            return true;
    for (uint32_t i = 0; i < limits->enabled_extension_count; i++)
        if (strcmp(limits->enabled_extensions[i] + strlen("VK_"), extension + strlen("SPV_")) == 0)
            return true;
    return false;
}

static VkResult check_needs(const struct limits_device *limits, const struct spirv_needs *needs)
{
    // 1.3 with Vulkan 1.1, 1.5 with 1.2, 1.6 with 1.3.
    static const uint32_t versions[] = {0x10000, 0x10300, 0x10500, 0x10600};
    uint32_t minor = VK_API_VERSION_MINOR(limits->profile.api_version);
    if (needs->version > versions[minor < 3 ? minor : 3])
        return limits_refuse(VK_ERROR_INVALID_SHADER_NV, "a shader of SPIR-V version %#x",
                             needs->version);
    for (uint32_t i = 0; i < needs->capability_count; i++)
        if (!has_capability(limits, needs->capabilities[i]))
            return limits_refuse(VK_ERROR_INVALID_SHADER_NV,
                                 "a shader needs capability %u, which was not enabled",
                                 needs->capabilities[i]);
    for (uint32_t i = 0; i < needs->extension_count; i++)
        if (!has_extension(limits, needs->extensions[i]))
            return limits_refuse(VK_ERROR_INVALID_SHADER_NV,
                                 "a shader needs %s, which was not enabled", needs->extensions[i]);
    return VK_SUCCESS;
}

static VKAPI_ATTR VkResult VKAPI_CALL create_module(VkDevice device,
                                                    const VkShaderModuleCreateInfo *info,
                                                    const VkAllocationCallbacks *allocator,
                                                    VkShaderModule *module)
{
    struct work *work = work_of(device);
    struct spirv_needs needs;
    spirv_read_needs(&needs, info->pCode, info->codeSize / sizeof(uint32_t));
    VkResult result = check_needs(limits_of(device), &needs);
    if (result == VK_SUCCESS)
        result = NEXT(&work_stage, device, vkCreateShaderModule)(device, info, allocator, module);
    if (result != VK_SUCCESS)
        return result;
    uint32_t *words = malloc(info->codeSize);
    if (!words)
        layer_abort("no memory");
    memcpy(words, info->pCode, info->codeSize);
    layer_lock();
    if (work->module_count == MAX_MODULES)
        layer_abort("no room for a shader");
    work->modules[work->module_count++] =
        (struct module){*module, words, info->codeSize / sizeof(uint32_t)};
    layer_unlock();
    return VK_SUCCESS;
}

static struct module *find_module(struct work *work, VkShaderModule module)
{
    for (uint32_t i = 0; i < work->module_count; i++)
        if (work->modules[i].module == module)
            return &work->modules[i];
    layer_abort("a shader module that was not created");
}

static VKAPI_ATTR void VKAPI_CALL destroy_module(VkDevice device, VkShaderModule module,
                                                 const VkAllocationCallbacks *allocator)
{
    struct work *work = work_of(device);
    if (module) {
        layer_lock();
        struct module *found = find_module(work, module);
        free(found->words);
        *found = work->modules[--work->module_count];
        layer_unlock();
    }
    NEXT(&work_stage, device, vkDestroyShaderModule)(device, module, allocator);
}

static VkResult check_sizes(const VkPhysicalDeviceLimits *limits, const struct spirv_sizes *sizes)
{
    const uint32_t *w = sizes->workgroup;
    uint64_t invocations = (uint64_t)w[0] * w[1] * w[2];
    for (int i = 0; i < 3; i++)
        if (w[i] > limits->maxComputeWorkGroupSize[i])
            return limits_refuse(VK_ERROR_INITIALIZATION_FAILED,
                                 "a workgroup of %u along axis %d, of %u", w[i], i,
                                 limits->maxComputeWorkGroupSize[i]);
    if (invocations > limits->maxComputeWorkGroupInvocations)
        return limits_refuse(VK_ERROR_INITIALIZATION_FAILED, "a workgroup of %llu, of %u",
                             (unsigned long long)invocations,
                             limits->maxComputeWorkGroupInvocations);
    if (sizes->shared_bytes > limits->maxComputeSharedMemorySize)
        return limits_refuse(VK_ERROR_INITIALIZATION_FAILED, "%llu bytes of shared memory, of %u",
                             (unsigned long long)sizes->shared_bytes,
                             limits->maxComputeSharedMemorySize);
    return VK_SUCCESS;
}

static VKAPI_ATTR VkResult VKAPI_CALL create_pipelines(VkDevice device, VkPipelineCache cache,
                                                       uint32_t count,
                                                       const VkComputePipelineCreateInfo *infos,
                                                       const VkAllocationCallbacks *allocator,
                                                       VkPipeline *pipelines)
{
    for (uint32_t i = 0; i < count; i++) {
        layer_lock();
        const struct module module = *find_module(work_of(device), infos[i].stage.module);
        layer_unlock();
        struct spirv_sizes sizes;
        spirv_read_sizes(&sizes, module.words, module.word_count,
                         infos[i].stage.pSpecializationInfo);
        VkResult result = check_sizes(limits_values(device), &sizes);
        if (result != VK_SUCCESS) {
            memset(pipelines, 0, count * sizeof *pipelines);
            return result;
        }
    }
    return NEXT(&work_stage, device, vkCreateComputePipelines)(device, cache, count, infos,
                                                               allocator, pipelines);
}

// ---- layouts ---------------------------------------------------------------------------------

static VKAPI_ATTR VkResult VKAPI_CALL create_set_layout(VkDevice device,
                                                        const VkDescriptorSetLayoutCreateInfo *info,
                                                        const VkAllocationCallbacks *allocator,
                                                        VkDescriptorSetLayout *layout)
{
    struct work *work = work_of(device);
    const struct profile_values *most = &limits_of(device)->profile.values;
    struct set_layout counted = {0};
    for (uint32_t i = 0; i < info->bindingCount; i++) {
        const VkDescriptorSetLayoutBinding *binding = &info->pBindings[i];
        if (binding->descriptorType == VK_DESCRIPTOR_TYPE_STORAGE_BUFFER)
            counted.storage_buffers += binding->descriptorCount;
        else if (binding->descriptorType == VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER)
            counted.uniform_buffers += binding->descriptorCount;
        else
            layer_abort("descriptors of type %d, which tests/layer/limits_work.c does not count",
                        (int)binding->descriptorType);
    }
    if (counted.storage_buffers > most->limits.maxDescriptorSetStorageBuffers ||
        counted.uniform_buffers > most->limits.maxDescriptorSetUniformBuffers ||
        counted.storage_buffers > most->limits.maxPerStageDescriptorStorageBuffers ||
        counted.uniform_buffers > most->limits.maxPerStageDescriptorUniformBuffers ||
        counted.storage_buffers + counted.uniform_buffers > most->maxPerSetDescriptors)
        return limits_refuse(
            VK_ERROR_INITIALIZATION_FAILED,
            "a set of %u storage buffers, of %u, and %u uniform buffers, of %u",
            counted.storage_buffers, most->limits.maxPerStageDescriptorStorageBuffers,
            counted.uniform_buffers, most->limits.maxPerStageDescriptorUniformBuffers);
    VkResult result =
        NEXT(&work_stage, device, vkCreateDescriptorSetLayout)(device, info, allocator, layout);
    if (result != VK_SUCCESS)
        return result;
    if (work->set_layout_count == MAX_SET_LAYOUTS)
        layer_abort("more than %d set layouts", MAX_SET_LAYOUTS);
    counted.layout = *layout;
    work->set_layouts[work->set_layout_count++] = counted;
    return VK_SUCCESS;
}

static const struct set_layout *find_set_layout(const struct work *work,
                                                VkDescriptorSetLayout layout)
{
    // The newest first: handles may be used again.
    for (uint32_t i = work->set_layout_count; i-- > 0;)
        if (work->set_layouts[i].layout == layout)
            return &work->set_layouts[i];
    layer_abort("a set layout that was not created");
}

static VKAPI_ATTR VkResult VKAPI_CALL create_pipeline_layout(VkDevice device,
                                                             const VkPipelineLayoutCreateInfo *info,
                                                             const VkAllocationCallbacks *allocator,
                                                             VkPipelineLayout *layout)
{
    const VkPhysicalDeviceLimits *limits = limits_values(device);
    uint32_t storage = 0, uniform = 0;
    for (uint32_t i = 0; i < info->setLayoutCount; i++) {
        const struct set_layout *set = find_set_layout(work_of(device), info->pSetLayouts[i]);
        storage += set->storage_buffers;
        uniform += set->uniform_buffers;
    }
    if (info->setLayoutCount > limits->maxBoundDescriptorSets ||
        storage > limits->maxPerStageDescriptorStorageBuffers ||
        uniform > limits->maxPerStageDescriptorUniformBuffers ||
        storage + uniform > limits->maxPerStageResources)
        return limits_refuse(VK_ERROR_INITIALIZATION_FAILED,
                             "a layout of %u sets, %u storage and %u uniform buffers",
                             info->setLayoutCount, storage, uniform);
    for (uint32_t i = 0; i < info->pushConstantRangeCount; i++) {
        const VkPushConstantRange *range = &info->pPushConstantRanges[i];
        if (range->offset + range->size > limits->maxPushConstantsSize)
            return limits_refuse(VK_ERROR_INITIALIZATION_FAILED,
                                 "%u bytes of push constants, of %u", range->offset + range->size,
                                 limits->maxPushConstantsSize);
    }
    return NEXT(&work_stage, device, vkCreatePipelineLayout)(device, info, allocator, layout);
}

// ---- bindings --------------------------------------------------------------------------------

static void check_binding(VkDevice device, const VkDescriptorBufferInfo *info,
                          VkDescriptorType type)
{
    const VkPhysicalDeviceLimits *limits = limits_values(device);
    const bool is_storage = type == VK_DESCRIPTOR_TYPE_STORAGE_BUFFER;
    const struct limits_buffer *buffer = limits_find_buffer(device, info->buffer);
    VkDeviceSize alignment = is_storage ? limits->minStorageBufferOffsetAlignment
                                        : limits->minUniformBufferOffsetAlignment;
    VkDeviceSize most = is_storage ? limits->maxStorageBufferRange : limits->maxUniformBufferRange;
    VkDeviceSize size =
        info->range == VK_WHOLE_SIZE ? buffer->size_bytes - info->offset : info->range;
    if (info->offset % alignment)
        layer_abort("a binding at byte %llu, no multiple of %llu", (unsigned long long)info->offset,
                    (unsigned long long)alignment);
    if (size > most)
        layer_abort("a binding of %llu bytes, of %llu", (unsigned long long)size,
                    (unsigned long long)most);
    if (info->offset + size > buffer->size_bytes || !buffer->memory)
        layer_abort("a binding beyond its buffer, or of a buffer without memory");
}

static VKAPI_ATTR void VKAPI_CALL update_sets(VkDevice device, uint32_t write_count,
                                              const VkWriteDescriptorSet *writes,
                                              uint32_t copy_count,
                                              const VkCopyDescriptorSet *copies)
{
    for (uint32_t i = 0; i < write_count; i++)
        for (uint32_t j = 0; j < writes[i].descriptorCount; j++)
            check_binding(device, &writes[i].pBufferInfo[j], writes[i].descriptorType);
    PFN_vkUpdateDescriptorSets next_call = NEXT(&work_stage, device, vkUpdateDescriptorSets);
    next_call(device, write_count, writes, copy_count, copies);
}

// ---- commands --------------------------------------------------------------------------------

static void forget_indirects(struct work *work, VkCommandBuffer commands)
{
    size_t kept = 0;
    for (size_t i = 0; i < work->indirect_count; i++)
        if (work->indirects[i].commands != commands)
            work->indirects[kept++] = work->indirects[i];
    work->indirect_count = kept;
}

static VKAPI_ATTR VkResult VKAPI_CALL begin_commands(VkCommandBuffer commands,
                                                     const VkCommandBufferBeginInfo *info)
{
    forget_indirects(work_of(commands), commands);
    return NEXT(&work_stage, commands, vkBeginCommandBuffer)(commands, info);
}

static VKAPI_ATTR void VKAPI_CALL free_commands(VkDevice device, VkCommandPool pool, uint32_t count,
                                                const VkCommandBuffer *commands)
{
    for (uint32_t i = 0; i < count; i++)
        forget_indirects(work_of(device), commands[i]);
    NEXT(&work_stage, device, vkFreeCommandBuffers)(device, pool, count, commands);
}

static void check_groups(const void *handle, const uint32_t groups[3])
{
    const uint32_t *most = limits_values(handle)->maxComputeWorkGroupCount;
    for (int i = 0; i < 3; i++)
        if (groups[i] > most[i])
            layer_abort("a dispatch of %u workgroups along axis %d, of %u", groups[i], i, most[i]);
}

static VKAPI_ATTR void VKAPI_CALL dispatch(VkCommandBuffer commands, uint32_t x, uint32_t y,
                                           uint32_t z)
{
    check_groups(commands, (const uint32_t[3]){x, y, z});
    NEXT(&work_stage, commands, vkCmdDispatch)(commands, x, y, z);
}

static VKAPI_ATTR void VKAPI_CALL dispatch_indirect(VkCommandBuffer commands, VkBuffer buffer,
                                                    VkDeviceSize offset)
{
    struct work *work = work_of(commands);
    if (offset % 4 ||
        offset + 3 * sizeof(uint32_t) > limits_find_buffer(commands, buffer)->size_bytes)
        layer_abort("group counts at byte %llu: unaligned, or beyond the buffer",
                    (unsigned long long)offset);
    if (work->indirect_count == work->indirect_room) {
        work->indirect_room = 2 * work->indirect_room + 64;
        work->indirects = realloc(work->indirects, work->indirect_room * sizeof *work->indirects);
        if (!work->indirects)
            layer_abort("no memory");
    }
    work->indirects[work->indirect_count++] = (struct indirect){commands, buffer, offset};
    NEXT(&work_stage, commands, vkCmdDispatchIndirect)(commands, buffer, offset);
}

static VKAPI_ATTR void VKAPI_CALL push_constants(VkCommandBuffer commands, VkPipelineLayout layout,
                                                 VkShaderStageFlags stages, uint32_t offset,
                                                 uint32_t size, const void *values)
{
    if (offset + size > limits_values(commands)->maxPushConstantsSize)
        layer_abort("%u bytes of push constants, of %u", offset + size,
                    limits_values(commands)->maxPushConstantsSize);
    PFN_vkCmdPushConstants next_call = NEXT(&work_stage, commands, vkCmdPushConstants);
    next_call(commands, layout, stages, offset, size, values);
}

static VKAPI_ATTR void VKAPI_CALL write_timestamp(VkCommandBuffer commands,
                                                  VkPipelineStageFlagBits stage, VkQueryPool pool,
                                                  uint32_t query)
{
    if (!limits_of(commands)->profile.timestamp_bits)
        layer_abort("a timestamp on a queue that has none");
    NEXT(&work_stage, commands, vkCmdWriteTimestamp)(commands, stage, pool, query);
}

static void check_commands(VkQueue queue, VkCommandBuffer commands)
{
    const struct work *work = work_of(queue);
    for (size_t i = 0; i < work->indirect_count; i++) {
        const struct indirect *indirect = &work->indirects[i];
        if (indirect->commands != commands)
            continue;
        const unsigned char *bytes =
            limits_buffer_bytes(queue, limits_find_buffer(queue, indirect->buffer));
        uint32_t groups[3];
        memcpy(groups, bytes + indirect->offset_bytes, sizeof groups);
        check_groups(queue, groups);
    }
}

static VKAPI_ATTR VkResult VKAPI_CALL submit(VkQueue queue, uint32_t count,
                                             const VkSubmitInfo *infos, VkFence fence)
{
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t j = 0; j < infos[i].commandBufferCount; j++)
            check_commands(queue, infos[i].pCommandBuffers[j]);
    return NEXT(&work_stage, queue, vkQueueSubmit)(queue, count, infos, fence);
}

static void finish_device(void *state)
{
    struct work *work = state;
    for (uint32_t i = 0; i < work->module_count; i++)
        free(work->modules[i].words);
    free(work->indirects);
}

static const struct layer_hook hooks[] = {
    HOOK(vkCreateShaderModule, create_module),
    HOOK(vkDestroyShaderModule, destroy_module),
    HOOK(vkCreateComputePipelines, create_pipelines),
    HOOK(vkCreateDescriptorSetLayout, create_set_layout),
    HOOK(vkCreatePipelineLayout, create_pipeline_layout),
    HOOK(vkUpdateDescriptorSets, update_sets),
    HOOK(vkBeginCommandBuffer, begin_commands),
    HOOK(vkFreeCommandBuffers, free_commands),
    HOOK(vkCmdDispatch, dispatch),
    HOOK(vkCmdDispatchIndirect, dispatch_indirect),
    HOOK(vkCmdPushConstants, push_constants),
    HOOK(vkCmdWriteTimestamp, write_timestamp),
    HOOK(vkQueueSubmit, submit),
    {0},
};

const struct layer_stage work_stage = {
    .hooks = hooks,
    .read_clause = read_clause,
    .device_bytes = sizeof(struct work),
    .finish_device = finish_device,
};
