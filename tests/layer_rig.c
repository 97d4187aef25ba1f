#include "layer_rig.h"

#include <string.h>

VkPhysicalDevice open_instance(void)
{
    VkInstance instance;
    VkPhysicalDevice physical[8];
    uint32_t count = 8;
    MUST(volkInitialize());
    MUST(vkCreateInstance(
        &(VkInstanceCreateInfo){
            .sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
            .pApplicationInfo =
                &(VkApplicationInfo){
                    .sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
                    .apiVersion = VK_API_VERSION_1_1,
                },
        },
        NULL, &instance));
    volkLoadInstance(instance);
    VkResult result = vkEnumeratePhysicalDevices(instance, &count, physical);
    if (count == 0 || (result != VK_SUCCESS && result != VK_INCOMPLETE))
        MUST(VK_ERROR_INITIALIZATION_FAILED);
    return physical[0];
}

VkResult open_device(struct device *device, bool is_16bit, const char *extension,
                     uint32_t queue_count)
{
    return vkCreateDevice(
        device->physical,
        &(VkDeviceCreateInfo){
            .sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
            .pNext =
                &(VkPhysicalDevice16BitStorageFeatures){
                    .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_16BIT_STORAGE_FEATURES,
                    .storageBuffer16BitAccess = is_16bit,
                },
            .queueCreateInfoCount = 1,
            .pQueueCreateInfos =
                &(VkDeviceQueueCreateInfo){
                    .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
                    .queueCount = queue_count,
                    .pQueuePriorities = (float[]){1.0f, 1.0f},
                },
            .enabledExtensionCount = extension ? 1 : 0,
            .ppEnabledExtensionNames = &extension,
        },
        NULL, &device->device);
}

void open_plainly(struct device *device)
{
    MUST(open_device(device, false, NULL, 1));
    volkLoadDevice(device->device);
    vkGetDeviceQueue(device->device, 0, 0, &device->queue);
    MUST(vkCreateCommandPool(
        device->device,
        &(VkCommandPoolCreateInfo){.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO}, NULL,
        &device->pool));
}

VkResult make_module(struct device *device, const uint32_t *words, size_t bytes,
                     VkShaderModule *module)
{
    return vkCreateShaderModule(device->device,
                                &(VkShaderModuleCreateInfo){
                                    .sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO,
                                    .codeSize = bytes,
                                    .pCode = words,
                                },
                                NULL, module);
}

VkResult make_layout(struct device *device, uint32_t storage_buffers, uint32_t push_bytes,
                     VkPipelineLayout *layout)
{
    VkDescriptorSetLayout set;
    VkResult result = vkCreateDescriptorSetLayout(
        device->device,
        &(VkDescriptorSetLayoutCreateInfo){
            .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO,
            .bindingCount = 1,
            .pBindings =
                &(VkDescriptorSetLayoutBinding){
                    .descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
                    .descriptorCount = storage_buffers,
                    .stageFlags = VK_SHADER_STAGE_COMPUTE_BIT,
                },
        },
        NULL, &set);
    if (result != VK_SUCCESS)
        return result;
    return vkCreatePipelineLayout(
        device->device,
        &(VkPipelineLayoutCreateInfo){
            .sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
            .setLayoutCount = 1,
            .pSetLayouts = &set,
            .pushConstantRangeCount = 1,
            .pPushConstantRanges = &(VkPushConstantRange){.stageFlags = VK_SHADER_STAGE_COMPUTE_BIT,
                                                          .size = push_bytes},
        },
        NULL, layout);
}

VkResult allocate(struct device *device, VkDeviceSize bytes, uint32_t type, VkDeviceMemory *memory)
{
    return vkAllocateMemory(device->device,
                            &(VkMemoryAllocateInfo){
                                .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
                                .allocationSize = bytes,
                                .memoryTypeIndex = type,
                            },
                            NULL, memory);
}

void make_piece(struct device *device, VkDeviceSize bytes, struct piece *piece)
{
    VkMemoryRequirements needed;
    void *address;
    MUST(vkCreateBuffer(
        device->device,
        &(VkBufferCreateInfo){
            .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
            .size = bytes,
            .usage = VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT |
                     VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_INDIRECT_BUFFER_BIT,
        },
        NULL, &piece->buffer));
    vkGetBufferMemoryRequirements(device->device, piece->buffer, &needed);
    MUST(allocate(device, needed.size, HOST_TYPE, &piece->memory));
    MUST(vkBindBufferMemory(device->device, piece->buffer, piece->memory, 0));
    MUST(vkMapMemory(device->device, piece->memory, 0, VK_WHOLE_SIZE, 0, &address));
    piece->words = address;
}

VkMappedMemoryRange whole(const struct piece *piece)
{
    return (VkMappedMemoryRange){.sType = VK_STRUCTURE_TYPE_MAPPED_MEMORY_RANGE,
                                 .memory = piece->memory,
                                 .size = VK_WHOLE_SIZE};
}

VkCommandBuffer begin(struct device *device)
{
    VkCommandBuffer commands;
    MUST(vkAllocateCommandBuffers(
        device->device,
        &(VkCommandBufferAllocateInfo){.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
                                       .commandPool = device->pool,
                                       .commandBufferCount = 1},
        &commands));
    MUST(vkBeginCommandBuffer(commands, &(VkCommandBufferBeginInfo){
                                            .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO}));
    return commands;
}

void end(struct device *device, VkCommandBuffer commands)
{
    MUST(vkEndCommandBuffer(commands));
    MUST(vkQueueSubmit(device->queue, 1,
                       &(VkSubmitInfo){.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
                                       .commandBufferCount = 1,
                                       .pCommandBuffers = &commands},
                       VK_NULL_HANDLE));
    MUST(vkDeviceWaitIdle(device->device));
}

void copy(struct device *device, const struct piece *from, const struct piece *to)
{
    VkCommandBuffer commands = begin(device);
    vkCmdCopyBuffer(commands, from->buffer, to->buffer, 1, &(VkBufferCopy){.size = 4});
    end(device, commands);
}
