// instance.c: loader, instance, and what each physical device can do.
#include "gpu/instance.h"

#include "gpu/matrix.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_QUEUE_FAMILIES 16 // those beyond are not looked at

static pthread_mutex_t instance_lock = PTHREAD_MUTEX_INITIALIZER;
static VkInstance shared_instance;
static uint32_t instance_users;

const char *instance_result_name(VkResult result)
{
    switch (result) {
#define NAME(code) \
    case code:     \
        return #code
        NAME(VK_SUCCESS);
        NAME(VK_NOT_READY);
        NAME(VK_TIMEOUT);
        NAME(VK_INCOMPLETE);
        NAME(VK_ERROR_OUT_OF_HOST_MEMORY);
        NAME(VK_ERROR_OUT_OF_DEVICE_MEMORY);
        NAME(VK_ERROR_INITIALIZATION_FAILED);
        NAME(VK_ERROR_DEVICE_LOST);
        NAME(VK_ERROR_MEMORY_MAP_FAILED);
        NAME(VK_ERROR_LAYER_NOT_PRESENT);
        NAME(VK_ERROR_EXTENSION_NOT_PRESENT);
        NAME(VK_ERROR_FEATURE_NOT_PRESENT);
        NAME(VK_ERROR_INCOMPATIBLE_DRIVER);
        NAME(VK_ERROR_TOO_MANY_OBJECTS);
        NAME(VK_ERROR_FRAGMENTED_POOL);
        NAME(VK_ERROR_OUT_OF_POOL_MEMORY);
        NAME(VK_ERROR_INVALID_SHADER_NV);
        NAME(VK_ERROR_UNKNOWN);
#undef NAME
    default:
        return "an unknown VkResult";
    }
}

vkclip_status instance_result_status(VkResult result)
{
    bool is_memory =
        result == VK_ERROR_OUT_OF_HOST_MEMORY || result == VK_ERROR_OUT_OF_DEVICE_MEMORY;
    return is_memory ? VKCLIP_ERROR_MEMORY : VKCLIP_ERROR_DEVICE;
}

// MoltenVK is listed only to applications that ask for portability drivers.
static bool has_portability_enumeration(void)
{
    VkExtensionProperties extensions[64];
    uint32_t count = 64;
    VkResult result = vkEnumerateInstanceExtensionProperties(NULL, &count, extensions);
    if (result != VK_SUCCESS && result != VK_INCOMPLETE)
        return false;
    for (uint32_t i = 0; i < count; i++)
        if (strcmp(extensions[i].extensionName, VK_KHR_PORTABILITY_ENUMERATION_EXTENSION_NAME) == 0)
            return true;
    return false;
}

static bool create_instance(vkclip_error *err)
{
    if (volkInitialize() != VK_SUCCESS)
        return fail(
            err, VKCLIP_ERROR_DEVICE,
            "no Vulkan loader: install libvulkan1 (Debian, Ubuntu), vulkan-loader (Fedora), "
            "vulkan-icd-loader (Arch) or molten-vk (Homebrew)");
    if (volkGetInstanceVersion() < VK_API_VERSION_1_1)
        return fail(err, VKCLIP_ERROR_DEVICE, "the Vulkan loader is of version 1.0, 1.1 is needed");

    bool is_portable = has_portability_enumeration();
    const char *extension = VK_KHR_PORTABILITY_ENUMERATION_EXTENSION_NAME;
    VkResult result = vkCreateInstance(
        &(VkInstanceCreateInfo){
            .sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
            .flags = is_portable ? VK_INSTANCE_CREATE_ENUMERATE_PORTABILITY_BIT_KHR : 0,
            .pApplicationInfo =
                &(VkApplicationInfo){
                    .sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
                    .pApplicationName = "vkclip",
                    .pEngineName = "vkclip",
                    .apiVersion =
                        VK_API_VERSION_1_3, // 1.1 and, where it is there, what matrices need
                },
            .enabledExtensionCount = is_portable ? 1 : 0,
            .ppEnabledExtensionNames = &extension,
        },
        NULL, &shared_instance);
    if (result == VK_ERROR_INCOMPATIBLE_DRIVER)
        return fail(err, VKCLIP_ERROR_DEVICE,
                    "no Vulkan driver: install your GPU's, or Mesa's mesa-vulkan-drivers, which "
                    "has a software one as well");
    if (result != VK_SUCCESS)
        return fail(err, instance_result_status(result), "vkCreateInstance gave %s",
                    instance_result_name(result));
    volkLoadInstanceOnly(shared_instance);
    return true;
}

bool instance_acquire(vkclip_error *err)
{
    pthread_mutex_lock(&instance_lock);
    bool is_there = instance_users > 0 || create_instance(err);
    if (is_there)
        instance_users++;
    pthread_mutex_unlock(&instance_lock);
    return is_there;
}

void instance_release(void)
{
    pthread_mutex_lock(&instance_lock);
    if (--instance_users == 0)
        vkDestroyInstance(shared_instance, NULL);
    pthread_mutex_unlock(&instance_lock);
}

uint32_t instance_compute_family(VkPhysicalDevice device, uint32_t *timestamp_bits)
{
    VkQueueFamilyProperties families[MAX_QUEUE_FAMILIES];
    uint32_t count;
    vkGetPhysicalDeviceQueueFamilyProperties(device, &count, NULL);
    if (count > MAX_QUEUE_FAMILIES)
        count = MAX_QUEUE_FAMILIES;
    vkGetPhysicalDeviceQueueFamilyProperties(device, &count, families);
    uint32_t best = UINT32_MAX;
    for (uint32_t i = 0; i < count; i++) {
        if (!(families[i].queueFlags & VK_QUEUE_COMPUTE_BIT))
            continue;
        bool is_first = best == UINT32_MAX;
        bool is_better = !is_first && families[i].queueFlags & VK_QUEUE_GRAPHICS_BIT &&
                         !(families[best].queueFlags & VK_QUEUE_GRAPHICS_BIT);
        if (is_first || is_better)
            best = i;
    }
    if (best != UINT32_MAX && timestamp_bits)
        *timestamp_bits = families[best].timestampValidBits;
    return best;
}

static vkclip_device_kind device_kind(VkPhysicalDeviceType type)
{
    switch (type) {
    case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU:
        return VKCLIP_DEVICE_DISCRETE;
    case VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU:
        return VKCLIP_DEVICE_INTEGRATED;
    case VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU:
        return VKCLIP_DEVICE_VIRTUAL;
    case VK_PHYSICAL_DEVICE_TYPE_CPU:
        return VKCLIP_DEVICE_SOFTWARE;
    default:
        return VKCLIP_DEVICE_OTHER;
    }
}

bool instance_has_extension(VkPhysicalDevice device, const char *name)
{
    uint32_t count = 0;
    if (vkEnumerateDeviceExtensionProperties(device, NULL, &count, NULL) != VK_SUCCESS || !count)
        return false;
    VkExtensionProperties *extensions = calloc(count, sizeof *extensions);
    bool is_there = false;
    if (extensions &&
        vkEnumerateDeviceExtensionProperties(device, NULL, &count, extensions) >= VK_SUCCESS)
        for (uint32_t i = 0; i < count; i++)
            is_there = is_there || strcmp(extensions[i].extensionName, name) == 0;
    free(extensions);
    return is_there;
}

// The driver properties struct is core in 1.2 and an extension before; a device that has neither
// gets its numeric driver version.
static bool has_driver_properties(VkPhysicalDevice device, uint32_t api_version)
{
    return api_version >= VK_API_VERSION_1_2 ||
           instance_has_extension(device, VK_KHR_DRIVER_PROPERTIES_EXTENSION_NAME);
}

// llvmpipe says that it stores fp16 on every CPU. Where it does not compute in fp16 as well, its
// compiler meets halves it takes for integers and ends the process: Mesa 22.3.6 on arm64, s390x and
// x86 without F16C; https://github.com/Tencent/ncnn/issues/4233.
static bool stores_fp16(VkPhysicalDevice device, VkDriverId driver)
{
    bool is_doubtful = driver == VK_DRIVER_ID_MESA_LLVMPIPE &&
                       instance_has_extension(device, VK_KHR_SHADER_FLOAT16_INT8_EXTENSION_NAME);
    VkPhysicalDeviceShaderFloat16Int8Features float16 = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_FLOAT16_INT8_FEATURES,
    };
    VkPhysicalDevice16BitStorageFeatures storage16 = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_16BIT_STORAGE_FEATURES,
        .pNext = is_doubtful ? &float16 : NULL,
    };
    VkPhysicalDeviceFeatures2 features = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2,
        .pNext = &storage16,
    };
    vkGetPhysicalDeviceFeatures2(device, &features);
    return storage16.storageBuffer16BitAccess && (!is_doubtful || float16.shaderFloat16);
}

// Arithmetic beyond f32. By extension, which any version may have.
static void read_arithmetic(VkPhysicalDevice device, vkclip_device_facts *facts)
{
    VkPhysicalDeviceShaderFloat16Int8Features float16 = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_FLOAT16_INT8_FEATURES,
    };
    VkPhysicalDeviceShaderIntegerDotProductFeatures dot = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_INTEGER_DOT_PRODUCT_FEATURES,
    };
    VkPhysicalDeviceFeatures2 features = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2,
    };
    if (instance_has_extension(device, VK_KHR_SHADER_FLOAT16_INT8_EXTENSION_NAME))
        features.pNext = &float16;
    if (instance_has_extension(device, VK_KHR_SHADER_INTEGER_DOT_PRODUCT_EXTENSION_NAME)) {
        dot.pNext = features.pNext;
        features.pNext = &dot;
    }
    vkGetPhysicalDeviceFeatures2(device, &features);
    facts->has_fp16_arithmetic = float16.shaderFloat16;
    facts->has_dot4 = dot.shaderIntegerDotProduct;
    VkPhysicalDeviceShaderIntegerDotProductProperties speed = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_INTEGER_DOT_PRODUCT_PROPERTIES,
    };
    vkGetPhysicalDeviceProperties2(device,
                                   &(VkPhysicalDeviceProperties2){
                                       .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
                                       .pNext = facts->has_dot4 ? &speed : NULL,
                                   });
    facts->has_fast_dot4 = speed.integerDotProduct4x8BitPackedSignedAccelerated;
}

// Fills what only Vulkan 1.1 structures tell.
static void read_extended_facts(VkPhysicalDevice device, uint32_t api_version,
                                vkclip_device_facts *facts)
{
    VkPhysicalDeviceDriverProperties driver = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES,
    };
    VkPhysicalDeviceSubgroupProperties subgroup = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_PROPERTIES,
        .pNext = has_driver_properties(device, api_version) ? &driver : NULL,
    };
    VkPhysicalDeviceProperties2 properties = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
        .pNext = &subgroup,
    };
    vkGetPhysicalDeviceProperties2(device, &properties);
    facts->subgroup_width = subgroup.subgroupSize;
    facts->has_quads = subgroup.supportedStages & VK_SHADER_STAGE_COMPUTE_BIT &&
                       subgroup.supportedOperations & VK_SUBGROUP_FEATURE_QUAD_BIT;
    if (driver.driverName[0])
        snprintf(facts->driver, sizeof facts->driver, "%s %s", driver.driverName,
                 driver.driverInfo);
    else
        snprintf(facts->driver, sizeof facts->driver, "driver version %#x",
                 properties.properties.driverVersion);
    facts->has_fp16_storage = stores_fp16(device, driver.driverID);
    read_arithmetic(device, facts);
    matrix_read_facts(device, facts);
}

static void read_facts(VkPhysicalDevice device, vkclip_device_facts *facts)
{
    VkPhysicalDeviceProperties properties;
    vkGetPhysicalDeviceProperties(device, &properties);
    VkPhysicalDeviceMemoryProperties memory;
    vkGetPhysicalDeviceMemoryProperties(device, &memory);

    *facts = (vkclip_device_facts){
        .kind = device_kind(properties.deviceType),
        .vendor_id = properties.vendorID,
        .device_id = properties.deviceID,
        .storage_range_bytes = properties.limits.maxStorageBufferRange,
        .shared_memory_bytes = properties.limits.maxComputeSharedMemorySize,
        .workgroup_width = properties.limits.maxComputeWorkGroupInvocations,
        .is_usable = true,
    };
    snprintf(facts->name, sizeof facts->name, "%s", properties.deviceName);
    snprintf(facts->api, sizeof facts->api, "%u.%u.%u", VK_API_VERSION_MAJOR(properties.apiVersion),
             VK_API_VERSION_MINOR(properties.apiVersion),
             VK_API_VERSION_PATCH(properties.apiVersion) & 0xfff);
    for (uint32_t i = 0; i < memory.memoryHeapCount; i++)
        if (memory.memoryHeaps[i].flags & VK_MEMORY_HEAP_DEVICE_LOCAL_BIT &&
            memory.memoryHeaps[i].size > facts->memory_bytes)
            facts->memory_bytes = memory.memoryHeaps[i].size;

    uint32_t timestamp_bits = 0;
    const char *reason = NULL;
    if (properties.apiVersion < VK_API_VERSION_1_1)
        reason = "Vulkan 1.0 only, 1.1 is needed";
    else if (instance_compute_family(device, &timestamp_bits) == UINT32_MAX)
        reason = "no compute queue";
    if (reason) {
        facts->is_usable = false;
        snprintf(facts->unusable, sizeof facts->unusable, "%s", reason);
        return;
    }
    facts->has_timestamps = timestamp_bits > 0 && properties.limits.timestampPeriod > 0.0f;
    read_extended_facts(device, properties.apiVersion, facts);
}

// Higher is better; unusable devices are below all others.
static int device_rank(const vkclip_device_facts *facts)
{
    if (!facts->is_usable)
        return -1;
    switch (facts->kind) {
    case VKCLIP_DEVICE_DISCRETE:
        return 4;
    case VKCLIP_DEVICE_INTEGRATED:
        return 3;
    case VKCLIP_DEVICE_VIRTUAL:
        return 2;
    case VKCLIP_DEVICE_OTHER:
        return 1;
    default:
        return 0;
    }
}

bool instance_devices(struct device_list *list, vkclip_error *err)
{
    *list = (struct device_list){.count = INSTANCE_MAX_DEVICES};
    VkResult result = vkEnumeratePhysicalDevices(shared_instance, &list->count, list->devices);
    if (result == VK_ERROR_INITIALIZATION_FAILED)
        list->count = 0; // what loaders say when every driver refused
    else if (result != VK_SUCCESS && result != VK_INCOMPLETE)
        return fail(err, instance_result_status(result), "vkEnumeratePhysicalDevices gave %s",
                    instance_result_name(result));

    uint32_t best = 0;
    for (uint32_t i = 0; i < list->count; i++) {
        read_facts(list->devices[i], &list->facts[i]);
        int rank = device_rank(&list->facts[i]), best_rank = device_rank(&list->facts[best]);
        bool is_larger = list->facts[i].memory_bytes > list->facts[best].memory_bytes;
        if (rank > best_rank || (rank == best_rank && is_larger))
            best = i;
    }
    if (list->count && list->facts[best].is_usable)
        list->facts[best].is_default = true;
    return true;
}
