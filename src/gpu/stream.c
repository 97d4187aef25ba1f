// stream.c: dispatches -> command buffers, recorded once; submit, wait, timestamps.
#include "gpu/internal.h"

#include <stdlib.h>
#include <string.h>

// Submits are planned for at most 0.25 s; a device forty times slower than thought still passes.
// A software driver cannot hang, but compiles a kernel when it is first run.
static uint64_t submit_timeout_ns(const struct gpu *gpu)
{
    return (gpu->facts.kind == VKCLIP_DEVICE_SOFTWARE ? 60 : 10) * UINT64_C(1000000000);
}

struct gpu_recording {
    VkDescriptorPool descriptors;
    VkDescriptorSet *sets; // one a dispatch
    struct submit *submits;
    uint32_t submit_count;
    uint32_t dispatch_count;
    VkQueryPool timestamps; // 0: start, i + 1: end of dispatch i
    uint64_t *ticks;
    double tick_ns;
    uint64_t tick_mask;
    // Host-visible buffers, each once.
    struct gpu_buffer **hosts;
    uint32_t host_count;
};

bool submit_init(struct submit *submit, struct gpu *gpu, vkclip_error *err)
{
    *submit = (struct submit){0};
    TRY_VK(gpu->vk.vkAllocateCommandBuffers(
        gpu->device,
        &(VkCommandBufferAllocateInfo){
            .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
            .commandPool = gpu->pool,
            .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
            .commandBufferCount = 1,
        },
        &submit->commands));
    TRY_MAKE(submit->fence,
             gpu->vk.vkCreateFence(
                 gpu->device, &(VkFenceCreateInfo){.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO},
                 NULL, &submit->fence));
    return true;

failed:
    submit_finish(submit, gpu);
    return false;
}

void submit_finish(struct submit *submit, struct gpu *gpu)
{
    if (gpu->is_hung)
        return;
    if (submit->commands)
        gpu->vk.vkFreeCommandBuffers(gpu->device, gpu->pool, 1, &submit->commands);
    gpu->vk.vkDestroyFence(gpu->device, submit->fence, NULL);
    *submit = (struct submit){0};
}

// The fence is reset here and not after its wait: where that fails, nothing is under way.
bool submit_send(const struct submit *submit, struct gpu *gpu, vkclip_error *err)
{
    TRY_VK(gpu->vk.vkResetFences(gpu->device, 1, &submit->fence));
    TRY_VK(gpu->vk.vkQueueSubmit(gpu->queue, 1,
                                 &(VkSubmitInfo){
                                     .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
                                     .commandBufferCount = 1,
                                     .pCommandBuffers = &submit->commands,
                                 },
                                 submit->fence));
    return true;

failed:
    return false;
}

static bool create_sets(struct gpu *gpu, struct gpu_recording *recording,
                        const struct gpu_recording_params *params, vkclip_error *err)
{
    const uint32_t count = params->dispatch_count;
    VkDescriptorSetLayout *layouts = calloc(count, sizeof(VkDescriptorSetLayout));
    recording->sets = calloc(count, sizeof *recording->sets);
    if (!layouts || !recording->sets) {
        fail(err, VKCLIP_ERROR_MEMORY, "no memory for descriptor sets");
        goto failed;
    }
    for (uint32_t i = 0; i < count; i++)
        layouts[i] = gpu->set_layout;

    TRY_MAKE(recording->descriptors,
             gpu->vk.vkCreateDescriptorPool(
                 gpu->device,
                 &(VkDescriptorPoolCreateInfo){
                     .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO,
                     .maxSets = count,
                     .poolSizeCount = 2,
                     .pPoolSizes =
                         (VkDescriptorPoolSize[]){
                             {VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, count * GPU_MAX_STORAGE_BINDINGS},
                             {VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER, count},
                         },
                 },
                 NULL, &recording->descriptors));
    TRY_VK(gpu->vk.vkAllocateDescriptorSets(
        gpu->device,
        &(VkDescriptorSetAllocateInfo){
            .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
            .descriptorPool = recording->descriptors,
            .descriptorSetCount = count,
            .pSetLayouts = layouts,
        },
        recording->sets));
    free(layouts);
    return true;

failed:
    free(layouts);
    return false;
}

static void write_set(struct gpu *gpu, VkDescriptorSet set, const struct gpu_range *ranges,
                      const struct gpu_range *counts)
{
    VkDescriptorBufferInfo infos[GPU_MAX_STORAGE_BINDINGS + 1];
    VkWriteDescriptorSet writes[GPU_MAX_STORAGE_BINDINGS + 1];
    uint32_t write_count = 0;
    for (uint32_t i = 0; i <= GPU_MAX_STORAGE_BINDINGS; i++) {
        bool is_storage = i < GPU_MAX_STORAGE_BINDINGS;
        const struct gpu_range *range = is_storage ? &ranges[i] : counts;
        if (!range->buffer)
            continue;
        infos[i] = (VkDescriptorBufferInfo){
            .buffer = range->buffer->buffer,
            .offset = range->offset_bytes,
            .range = range->size_bytes,
        };
        writes[write_count++] = (VkWriteDescriptorSet){
            .sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
            .dstSet = set,
            .dstBinding = i,
            .descriptorCount = 1,
            .descriptorType =
                is_storage ? VK_DESCRIPTOR_TYPE_STORAGE_BUFFER : VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER,
            .pBufferInfo = &infos[i],
        };
    }
    gpu->vk.vkUpdateDescriptorSets(gpu->device, write_count, writes, 0, NULL);
}

// What a kernel wrote, the next one reads; a kernel may also overwrite what an earlier one read.
static void record_barrier(struct gpu *gpu, VkCommandBuffer commands)
{
    gpu->vk.vkCmdPipelineBarrier(
        commands, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, 0, 1,
        &(VkMemoryBarrier){
            .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
            .srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT,
            .dstAccessMask = VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT,
        },
        0, NULL, 0, NULL);
}

static void record_host_barrier(struct gpu *gpu, VkCommandBuffer commands)
{
    gpu->vk.vkCmdPipelineBarrier(commands, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT,
                                 VK_PIPELINE_STAGE_HOST_BIT, 0, 1,
                                 &(VkMemoryBarrier){
                                     .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
                                     .srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT,
                                     .dstAccessMask = VK_ACCESS_HOST_READ_BIT,
                                 },
                                 0, NULL, 0, NULL);
}

static void record_dispatch(struct gpu *gpu, VkCommandBuffer commands,
                            struct gpu_recording *recording,
                            const struct gpu_recording_params *params, uint32_t i)
{
    const struct gpu_dispatch *dispatch = &params->dispatches[i];
    write_set(gpu, recording->sets[i], dispatch->bindings, &params->counts);
    gpu->vk.vkCmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_COMPUTE,
                              dispatch->pipeline->pipeline);
    gpu->vk.vkCmdBindDescriptorSets(commands, VK_PIPELINE_BIND_POINT_COMPUTE, gpu->pipeline_layout,
                                    0, 1, &recording->sets[i], 0, NULL);
    gpu->vk.vkCmdPushConstants(commands, gpu->pipeline_layout, VK_SHADER_STAGE_COMPUTE_BIT, 0,
                               sizeof dispatch->args, dispatch->args);
    gpu->vk.vkCmdDispatchIndirect(commands, params->groups->buffer,
                                  i * 3 * (VkDeviceSize)sizeof(uint32_t));
    if (recording->timestamps)
        gpu->vk.vkCmdWriteTimestamp(commands, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT,
                                    recording->timestamps, i + 1);
}

// Records dispatches from first to the end of their submit; returns the one after.
static uint32_t record_submit(struct gpu *gpu, struct gpu_recording *recording,
                              const struct gpu_recording_params *params, uint32_t first,
                              VkCommandBuffer commands, vkclip_error *err)
{
    TRY_VK(gpu->vk.vkBeginCommandBuffer(
        commands,
        &(VkCommandBufferBeginInfo){.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO}));
    if (first == 0 && recording->timestamps) {
        gpu->vk.vkCmdResetQueryPool(commands, recording->timestamps, 0, params->dispatch_count + 1);
        gpu->vk.vkCmdWriteTimestamp(commands, VK_PIPELINE_STAGE_TOP_OF_PIPE_BIT,
                                    recording->timestamps, 0);
    }
    uint32_t i = first;
    bool is_end = false;
    while (!is_end) {
        record_barrier(gpu, commands);
        record_dispatch(gpu, commands, recording, params, i);
        is_end = i + 1 == params->dispatch_count || params->dispatches[i].ends_submit;
        i++;
    }
    if (i == params->dispatch_count)
        record_host_barrier(gpu, commands);
    TRY_VK(gpu->vk.vkEndCommandBuffer(commands));
    return i;

failed:
    return 0;
}

static bool record(struct gpu *gpu, struct gpu_recording *recording,
                   const struct gpu_recording_params *params, vkclip_error *err)
{
    uint32_t count = 1;
    for (uint32_t i = 0; i + 1 < params->dispatch_count; i++)
        count += params->dispatches[i].ends_submit;
    recording->submits = calloc(count, sizeof *recording->submits);
    if (!recording->submits)
        return fail(err, VKCLIP_ERROR_MEMORY, "no memory for command buffers");
    recording->submit_count = count;

    uint32_t next = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct submit *submit = &recording->submits[i];
        if (!submit_init(submit, gpu, err))
            return false;
        next = record_submit(gpu, recording, params, next, submit->commands, err);
        if (next == 0)
            return false;
    }
    return true;
}

static void note_host_buffer(struct gpu_recording *recording, struct gpu_buffer *buffer)
{
    if (!buffer || !buffer->address)
        return;
    for (uint32_t i = 0; i < recording->host_count; i++)
        if (recording->hosts[i] == buffer)
            return;
    recording->hosts[recording->host_count++] = buffer;
}

static bool note_host_buffers(struct gpu_recording *recording,
                              const struct gpu_recording_params *params, vkclip_error *err)
{
    size_t most = params->dispatch_count * (size_t)GPU_MAX_STORAGE_BINDINGS + 2;
    recording->hosts = calloc(most, sizeof(struct gpu_buffer *));
    if (!recording->hosts)
        return fail(err, VKCLIP_ERROR_MEMORY, "no memory for a recording");
    for (uint32_t i = 0; i < params->dispatch_count; i++)
        for (uint32_t j = 0; j < GPU_MAX_STORAGE_BINDINGS; j++)
            note_host_buffer(recording, params->dispatches[i].bindings[j].buffer);
    note_host_buffer(recording, params->counts.buffer);
    note_host_buffer(recording, params->groups);
    return true;
}

struct gpu_recording *
gpu_recording_create(struct gpu *gpu, const struct gpu_recording_params *params, vkclip_error *err)
{
    if (!gpu_check_alive(gpu, err))
        return NULL;
    struct gpu_recording *recording = calloc(1, sizeof *recording);
    if (!recording) {
        fail(err, VKCLIP_ERROR_MEMORY, "no memory for a recording");
        return NULL;
    }
    recording->dispatch_count = params->dispatch_count;
    recording->tick_ns = gpu->timestamp_ns;
    recording->tick_mask = gpu->timestamp_mask;
    if (params->is_timed) {
        recording->ticks = calloc(params->dispatch_count + 1, sizeof *recording->ticks);
        if (!recording->ticks) {
            fail(err, VKCLIP_ERROR_MEMORY, "no memory for timestamps");
            goto failed;
        }
        TRY_MAKE(recording->timestamps,
                 gpu->vk.vkCreateQueryPool(gpu->device,
                                           &(VkQueryPoolCreateInfo){
                                               .sType = VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO,
                                               .queryType = VK_QUERY_TYPE_TIMESTAMP,
                                               .queryCount = params->dispatch_count + 1,
                                           },
                                           NULL, &recording->timestamps));
    }
    if (note_host_buffers(recording, params, err) && create_sets(gpu, recording, params, err) &&
        record(gpu, recording, params, err))
        return recording;

failed:
    gpu_recording_destroy(gpu, recording);
    return NULL;
}

void gpu_recording_destroy(struct gpu *gpu, struct gpu_recording *recording)
{
    if (!recording)
        return;
    for (uint32_t i = 0; i < recording->submit_count; i++)
        submit_finish(&recording->submits[i], gpu);
    if (!gpu->is_hung) {
        gpu->vk.vkDestroyDescriptorPool(gpu->device, recording->descriptors, NULL);
        gpu->vk.vkDestroyQueryPool(gpu->device, recording->timestamps, NULL);
    }
    free(recording->submits);
    free(recording->sets);
    free(recording->ticks);
    free(recording->hosts);
    free(recording);
}

static bool wait_for(struct gpu *gpu, const struct gpu_recording *recording, uint32_t sent,
                     vkclip_error *err)
{
    for (uint32_t i = 0; i < sent; i++)
        if (!gpu_wait(gpu, recording->submits[i].fence, submit_timeout_ns(gpu), err))
            return false;
    return true;
}

// Submits every command buffer, each by itself, so that a watchdog sees short jobs. Where not all
// could be sent, those that were are waited for, since the next run overwrites what they use.
bool gpu_recording_begin(struct gpu *gpu, struct gpu_recording *recording, vkclip_error *err)
{
    if (!gpu_check_alive(gpu, err))
        return false;
    for (uint32_t i = 0; i < recording->host_count; i++)
        if (!gpu_buffer_flush(gpu, recording->hosts[i], err))
            return false;
    uint32_t sent = 0;
    while (sent < recording->submit_count && submit_send(&recording->submits[sent], gpu, err))
        sent++;
    if (sent == recording->submit_count)
        return true;
    vkclip_error of_wait;
    if (!wait_for(gpu, recording, sent, &of_wait) && err)
        *err = of_wait;
    return false;
}

bool gpu_recording_end(struct gpu *gpu, struct gpu_recording *recording, vkclip_error *err)
{
    if (!wait_for(gpu, recording, recording->submit_count, err))
        return false;
    for (uint32_t i = 0; i < recording->host_count; i++)
        if (!gpu_buffer_invalidate(gpu, recording->hosts[i], err))
            return false;
    if (recording->timestamps)
        TRY_VK(gpu->vk.vkGetQueryPoolResults(
            gpu->device, recording->timestamps, 0, recording->dispatch_count + 1,
            (recording->dispatch_count + 1) * sizeof *recording->ticks, recording->ticks,
            sizeof *recording->ticks, VK_QUERY_RESULT_64_BIT));
    return true;

failed:
    return false;
}

bool gpu_recording_run(struct gpu *gpu, struct gpu_recording *recording, vkclip_error *err)
{
    return gpu_recording_begin(gpu, recording, err) && gpu_recording_end(gpu, recording, err);
}

double gpu_recording_time_ns(const struct gpu_recording *recording, uint32_t i)
{
    uint64_t ticks = (recording->ticks[i + 1] - recording->ticks[i]) & recording->tick_mask;
    return (double)ticks * recording->tick_ns;
}
