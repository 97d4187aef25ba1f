// device.c: choosing a device and opening it.
#include "gpu/instance.h"
#include "gpu/internal.h"
#include "gpu/matrix.h"

#include <ctype.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Pipelines are made by several threads, and each may be the one that sees the device lost.
static pthread_mutex_t lost_lock = PTHREAD_MUTEX_INITIALIZER;

bool gpu_lose(struct gpu *gpu, vkclip_error *err, const char *format, ...)
{
    char reason[sizeof gpu->lost.message];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reason, sizeof reason, format, arguments);
    va_end(arguments);
    pthread_mutex_lock(&lost_lock);
    if (gpu->lost.status == VKCLIP_OK)
        fail(&gpu->lost, VKCLIP_ERROR_LOST, "%s: %s", gpu->facts.name, reason);
    pthread_mutex_unlock(&lost_lock);
    return gpu_check_alive(gpu, err);
}

bool gpu_fail(struct gpu *gpu, VkResult result, const char *call, vkclip_error *err)
{
    int name_length = (int)strcspn(call, "("); // only the function's name of the whole call
    if (strncmp(call, "gpu->vk.", 8) == 0) {
        call += 8;
        name_length -= 8;
    }
    if (result == VK_ERROR_DEVICE_LOST)
        return gpu_lose(gpu, err, "the device was lost (%.*s)", name_length, call);
    return fail(err, instance_result_status(result), "%s: %.*s gave %s", gpu->facts.name,
                name_length, call, instance_result_name(result));
}

bool gpu_check_alive(const struct gpu *gpu, vkclip_error *err)
{
    pthread_mutex_lock(&lost_lock);
    bool is_alive = gpu->lost.status == VKCLIP_OK;
    if (!is_alive && err)
        *err = gpu->lost;
    pthread_mutex_unlock(&lost_lock);
    return is_alive;
}

bool gpu_wait(struct gpu *gpu, VkFence fence, uint64_t timeout_ns, vkclip_error *err)
{
    if (!gpu_check_alive(gpu, err))
        return false;
    VkResult result = gpu->vk.vkWaitForFences(gpu->device, 1, &fence, VK_TRUE, timeout_ns);
    if (result == VK_SUCCESS)
        return true;
    if (result == VK_TIMEOUT) {
        gpu->is_hung = true;
        return gpu_lose(gpu, err, "no answer within %" PRIu64 " s", timeout_ns / 1000000000);
    }
    if (result == VK_ERROR_DEVICE_LOST)
        return gpu_fail(gpu, result, "vkWaitForFences", err);
    return gpu_lose(gpu, err, "vkWaitForFences gave %s", instance_result_name(result));
}

bool gpu_list(vkclip_device_facts *devices, uint32_t capacity, uint32_t *count, vkclip_error *err)
{
    if (!instance_acquire(err))
        return false;
    struct device_list list;
    bool is_listed = instance_devices(&list, err);
    if (is_listed) {
        *count = list.count;
        for (uint32_t i = 0; i < list.count && i < capacity; i++)
            devices[i] = list.facts[i];
    }
    instance_release();
    return is_listed;
}

static bool contains_ignoring_case(const char *text, const char *part)
{
    size_t part_length = strlen(part);
    for (; *text; text++) {
        size_t i = 0;
        while (i < part_length && text[i] &&
               tolower((unsigned char)text[i]) == tolower((unsigned char)part[i]))
            i++;
        if (i == part_length)
            return true;
    }
    return part_length == 0;
}

static bool choose_default(const struct device_list *list, uint32_t *index, vkclip_error *err)
{
    for (uint32_t i = 0; i < list->count; i++)
        if (list->facts[i].is_default) {
            *index = i;
            return true;
        }
    if (list->count == 0)
        return fail(err, VKCLIP_ERROR_DEVICE,
                    "no Vulkan device: install your GPU's driver, or Mesa's mesa-vulkan-drivers, "
                    "which has a software one as well");
    return fail(err, VKCLIP_ERROR_DEVICE, "no usable Vulkan device: %s: %s", list->facts[0].name,
                list->facts[0].unusable);
}

static bool choose_device(const struct device_list *list, const char *choice, uint32_t *index,
                          vkclip_error *err)
{
    if (!choice)
        return choose_default(list, index, err);

    uint32_t found = UINT32_MAX;
    if (choice[0] && strspn(choice, "0123456789") == strlen(choice)) {
        unsigned long number = strtoul(choice, NULL, 10);
        if (number >= list->count)
            return fail(err, VKCLIP_ERROR_DEVICE, "there is no device %s, there are %u", choice,
                        list->count);
        found = (uint32_t)number;
    } else {
        for (uint32_t i = list->count; i-- > 0;)
            if (contains_ignoring_case(list->facts[i].name, choice))
                found = i;
    }
    if (found == UINT32_MAX)
        return fail(err, VKCLIP_ERROR_DEVICE, "no device has '%s' in its name", choice);
    if (!list->facts[found].is_usable)
        return fail(err, VKCLIP_ERROR_DEVICE, "%s: %s", list->facts[found].name,
                    list->facts[found].unusable);
    *index = found;
    return true;
}

static bool create_device(struct gpu *gpu, vkclip_error *err)
{
    uint32_t timestamp_bits = 0;
    gpu->queue_family = instance_compute_family(gpu->physical, &timestamp_bits);
    gpu->timestamp_ns = gpu->properties.limits.timestampPeriod;
    gpu->timestamp_mask = timestamp_bits >= 64 ? UINT64_MAX : (UINT64_C(1) << timestamp_bits) - 1;

    const char *extensions[4];
    uint32_t extension_count = 0;
    struct matrix_features matrix;
    if (gpu->facts.matrix_rows)
        extensions[extension_count++] = MATRIX_EXTENSION;
    VkPhysicalDevice16BitStorageFeatures storage16 = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_16BIT_STORAGE_FEATURES,
        .storageBuffer16BitAccess = gpu->facts.has_fp16_storage,
    };
    VkPhysicalDeviceShaderFloat16Int8Features float16 = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_FLOAT16_INT8_FEATURES,
        .shaderFloat16 = VK_TRUE,
    };
    VkPhysicalDeviceShaderIntegerDotProductFeatures dot = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_INTEGER_DOT_PRODUCT_FEATURES,
        .shaderIntegerDotProduct = VK_TRUE,
    };
    if (gpu->facts.has_fp16_arithmetic) {
        extensions[extension_count++] = VK_KHR_SHADER_FLOAT16_INT8_EXTENSION_NAME;
        storage16.pNext = &float16;
    }
    if (gpu->facts.has_dot4) {
        extensions[extension_count++] = VK_KHR_SHADER_INTEGER_DOT_PRODUCT_EXTENSION_NAME;
        dot.pNext = storage16.pNext;
        storage16.pNext = &dot;
    }
    // Implementations on top of another API must be opened with the extension that says so.
    if (instance_has_extension(gpu->physical, "VK_KHR_portability_subset"))
        extensions[extension_count++] = "VK_KHR_portability_subset";
    TRY_MAKE(gpu->device,
             vkCreateDevice(gpu->physical,
                            &(VkDeviceCreateInfo){
                                .sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
                                .pNext = matrix_enable(&matrix, &gpu->facts, &storage16),
                                .queueCreateInfoCount = 1,
                                .pQueueCreateInfos =
                                    &(VkDeviceQueueCreateInfo){
                                        .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
                                        .queueFamilyIndex = gpu->queue_family,
                                        .queueCount = 1,
                                        .pQueuePriorities = &(float){1.0f},
                                    },
                                .enabledExtensionCount = extension_count,
                                .ppEnabledExtensionNames = extensions,
                            },
                            NULL, &gpu->device));
    volkLoadDeviceTable(&gpu->vk, gpu->device);
    gpu->vk.vkGetDeviceQueue(gpu->device, gpu->queue_family, 0, &gpu->queue);
    TRY_MAKE(gpu->pool, gpu->vk.vkCreateCommandPool(
                            gpu->device,
                            &(VkCommandPoolCreateInfo){
                                .sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
                                .flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT,
                                .queueFamilyIndex = gpu->queue_family,
                            },
                            NULL, &gpu->pool));
    return true;

failed:
    return false;
}

// One layout serves every kernel: 0..3 storage buffers, 4 the uniform buffer of counts.
static bool create_layouts(struct gpu *gpu, vkclip_error *err)
{
    VkDescriptorSetLayoutBinding bindings[GPU_MAX_STORAGE_BINDINGS + 1];
    for (uint32_t i = 0; i <= GPU_MAX_STORAGE_BINDINGS; i++)
        bindings[i] = (VkDescriptorSetLayoutBinding){
            .binding = i,
            .descriptorType = i < GPU_MAX_STORAGE_BINDINGS ? VK_DESCRIPTOR_TYPE_STORAGE_BUFFER
                                                           : VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER,
            .descriptorCount = 1,
            .stageFlags = VK_SHADER_STAGE_COMPUTE_BIT,
        };
    TRY_MAKE(gpu->set_layout, gpu->vk.vkCreateDescriptorSetLayout(
                                  gpu->device,
                                  &(VkDescriptorSetLayoutCreateInfo){
                                      .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO,
                                      .bindingCount = GPU_MAX_STORAGE_BINDINGS + 1,
                                      .pBindings = bindings,
                                  },
                                  NULL, &gpu->set_layout));
    TRY_MAKE(gpu->pipeline_layout, gpu->vk.vkCreatePipelineLayout(
                                       gpu->device,
                                       &(VkPipelineLayoutCreateInfo){
                                           .sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
                                           .setLayoutCount = 1,
                                           .pSetLayouts = &gpu->set_layout,
                                           .pushConstantRangeCount = 1,
                                           .pPushConstantRanges =
                                               &(VkPushConstantRange){
                                                   .stageFlags = VK_SHADER_STAGE_COMPUTE_BIT,
                                                   .size = GPU_MAX_ARGS_BYTES,
                                               },
                                       },
                                       NULL, &gpu->pipeline_layout));
    return true;

failed:
    return false;
}

struct gpu *gpu_create(const char *choice, const vkclip_log *log, vkclip_error *err)
{
    struct gpu *gpu = calloc(1, sizeof *gpu);
    if (!gpu) {
        fail(err, VKCLIP_ERROR_MEMORY, "no memory for a device");
        return NULL;
    }
    if (log)
        gpu->log = *log;

    gpu->holds_instance = instance_acquire(err);
    struct device_list list;
    uint32_t index = 0;
    if (!gpu->holds_instance || !instance_devices(&list, err) ||
        !choose_device(&list, choice, &index, err))
        goto failed;

    gpu->physical = list.devices[index];
    gpu->facts = list.facts[index];
    vkGetPhysicalDeviceProperties(gpu->physical, &gpu->properties);
    vkGetPhysicalDeviceMemoryProperties(gpu->physical, &gpu->memory);
    gpu->has_one_width = gpu->facts.matrix_rows && matrix_has_one_width(gpu->physical);
    gpu->has_budget = instance_has_extension(gpu->physical, VK_EXT_MEMORY_BUDGET_EXTENSION_NAME);
    if (create_device(gpu, err) && create_layouts(gpu, err) && gpu_staging_create(gpu, err))
        return gpu;

failed:
    gpu_destroy(gpu);
    return NULL;
}

void gpu_destroy(struct gpu *gpu)
{
    if (!gpu)
        return;
    if (gpu->device && !gpu->is_hung) {
        gpu_wait_idle(gpu);
        gpu_staging_destroy(gpu);
        gpu->vk.vkDestroyPipelineCache(gpu->device, gpu->cache, NULL);
        gpu->vk.vkDestroyPipelineLayout(gpu->device, gpu->pipeline_layout, NULL);
        gpu->vk.vkDestroyDescriptorSetLayout(gpu->device, gpu->set_layout, NULL);
        gpu->vk.vkDestroyCommandPool(gpu->device, gpu->pool, NULL);
        gpu->vk.vkDestroyDevice(gpu->device, NULL);
    }
    if (gpu->holds_instance && !gpu->is_hung)
        instance_release();
    free(gpu);
}

void gpu_wait_idle(struct gpu *gpu)
{
    // Each submit is waited for by a fence first: the wait for the device has no time limit.
    gpu_upload_wait(gpu, NULL);
    if (!gpu->is_hung)
        gpu->vk.vkDeviceWaitIdle(gpu->device);
}

const vkclip_device_facts *gpu_get_facts(const struct gpu *gpu)
{
    return &gpu->facts;
}

uint32_t gpu_offset_alignment(const struct gpu *gpu)
{
    VkDeviceSize alignment = gpu->properties.limits.minStorageBufferOffsetAlignment;
    return alignment < 16 ? 16 : (uint32_t)alignment;
}
