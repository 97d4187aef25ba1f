// layer.c: what every Vulkan layer must do (chains of instance and device), and the way from one
// stage to the next.
#include "layer.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vulkan/vk_layer.h>

// Nearest to the program first.
static const struct layer_stage *const stages[] = {
    &limits_stage, &work_stage,          &memory_stage,
    &fault_stage,  &fault_objects_stage, &statistics_stage,
};
#define STAGE_COUNT (sizeof stages / sizeof *stages)

// The calls of an instance and its physical devices that stages may hook or make. What is behind
// them must be asked for while the instance is made: later the loader answers with the first layer.
static const char *const instance_calls[] = {
    "vkCreateDevice",
    "vkDestroyInstance",
    "vkEnumerateDeviceExtensionProperties",
    "vkEnumeratePhysicalDevices",
    "vkGetDeviceProcAddr",
    "vkGetPhysicalDeviceFeatures",
    "vkGetPhysicalDeviceFeatures2",
    "vkGetPhysicalDeviceMemoryProperties",
    "vkGetPhysicalDeviceMemoryProperties2",
    "vkGetPhysicalDeviceProperties",
    "vkGetPhysicalDeviceProperties2",
    "vkGetPhysicalDeviceQueueFamilyProperties",
    "vkGetPhysicalDeviceQueueFamilyProperties2",
};
#define INSTANCE_CALL_COUNT (sizeof instance_calls / sizeof *instance_calls)

// An instance or a device. All handles below it (physical devices; queues, command buffers) begin
// with the same pointer, put there by the loader, by which they are told apart.
struct object {
    struct object *next;
    const void *key;
    struct object *instance; // of a device; an instance's own address
    VkInstance vk_instance;
    VkDevice vk_device;
    PFN_vkGetInstanceProcAddr get_instance_call; // of what comes after this layer
    PFN_vkGetDeviceProcAddr get_device_call;
    PFN_vkVoidFunction behind[INSTANCE_CALL_COUNT]; // of an instance
    bool is_active[STAGE_COUNT];
    void *states[STAGE_COUNT];
};

static struct object *objects;
static pthread_mutex_t objects_lock = PTHREAD_MUTEX_INITIALIZER;

_Noreturn void layer_abort(const char *format, ...)
{
    va_list arguments;
    fputs("layer: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    abort();
}

static pthread_mutex_t stages_lock = PTHREAD_MUTEX_INITIALIZER;

void layer_lock(void)
{
    pthread_mutex_lock(&stages_lock);
}

void layer_unlock(void)
{
    pthread_mutex_unlock(&stages_lock);
}

static const void *key_of(const void *handle)
{
    return *(const void *const *)handle;
}

static struct object *find_object(const void *handle)
{
    pthread_mutex_lock(&objects_lock);
    struct object *object = objects;
    while (object && object->key != key_of(handle))
        object = object->next;
    pthread_mutex_unlock(&objects_lock);
    if (!object)
        layer_abort("a handle of no instance or device");
    return object;
}

static void add_object(struct object *object, const void *handle)
{
    pthread_mutex_lock(&objects_lock);
    object->key = key_of(handle);
    object->next = objects;
    objects = object;
    pthread_mutex_unlock(&objects_lock);
}

static void remove_object(struct object *object)
{
    pthread_mutex_lock(&objects_lock);
    struct object **link = &objects;
    while (*link != object)
        link = &(*link)->next;
    *link = object->next;
    pthread_mutex_unlock(&objects_lock);
}

static struct object *new_object(void)
{
    struct object *object = calloc(1, sizeof *object);
    if (!object)
        layer_abort("no memory");
    return object;
}

static void add_states(struct object *object, bool is_device)
{
    for (size_t i = 0; i < STAGE_COUNT; i++) {
        size_t bytes = is_device ? stages[i]->device_bytes : stages[i]->instance_bytes;
        object->states[i] = calloc(1, bytes + 1);
        if (!object->states[i])
            layer_abort("no memory");
    }
}

static void free_object(struct object *object)
{
    for (size_t i = 0; i < STAGE_COUNT; i++) {
        void (*finish)(void *) =
            object->vk_device ? stages[i]->finish_device : stages[i]->finish_instance;
        if (finish && object->is_active[i])
            finish(object->states[i]);
        free(object->states[i]);
    }
    free(object);
}

// The function behind this layer; NULL when there is none.
static PFN_vkVoidFunction call_behind(const struct object *object, const char *name)
{
    if (object->vk_device)
        return object->get_device_call(object->vk_device, name);
    for (size_t i = 0; i < INSTANCE_CALL_COUNT; i++)
        if (strcmp(instance_calls[i], name) == 0)
            return object->behind[i];
    return object->get_instance_call(object->vk_instance, name);
}

static size_t stage_index(const struct layer_stage *stage)
{
    size_t i = 0;
    while (stages[i] != stage)
        i++;
    return i;
}

void *layer_device_state(const struct layer_stage *stage, const void *handle)
{
    return find_object(handle)->states[stage_index(stage)];
}

void *layer_instance_state(const struct layer_stage *stage, const void *handle)
{
    return find_object(handle)->instance->states[stage_index(stage)];
}

// ---- settings --------------------------------------------------------------------------------

static void read_clause(struct object *instance, char *clause)
{
    char *value = strchr(clause, '=');
    if (!value)
        layer_abort("VKCLIP_LAYER: '%s' is not NAME=VALUE", clause);
    *value++ = 0;
    bool is_known = false;
    for (size_t i = 0; i < STAGE_COUNT; i++)
        if (stages[i]->read_clause(instance->states[i], clause, value))
            is_known = instance->is_active[i] = true;
    if (!is_known)
        layer_abort("VKCLIP_LAYER: there is no clause '%s'", clause);
}

static void read_settings(struct object *instance)
{
    const char *setting = getenv("VKCLIP_LAYER");
    char *clauses = strdup(setting ? setting : "");
    if (!clauses)
        layer_abort("no memory");
    char *rest = clauses;
    for (char *clause; (clause = strsep(&rest, ";"));) {
        clause += strspn(clause, " ");
        if (*clause)
            read_clause(instance, clause);
    }
    free(clauses);
}

// ---- instance and device ---------------------------------------------------------------------

// The chain of layers: each takes the first link and moves the rest up for those behind it.
// Structures of both chains begin alike, and the link is meant to be written to.
static void *find_link(const void *chain, VkStructureType type)
{
    for (VkLayerInstanceCreateInfo *link = (void *)(uintptr_t)chain; link;
         link = (void *)(uintptr_t)link->pNext)
        if (link->sType == type && link->function == VK_LAYER_LINK_INFO)
            return link;
    layer_abort("the loader gave no chain of layers");
}

static VKAPI_ATTR VkResult VKAPI_CALL create_instance(const VkInstanceCreateInfo *info,
                                                      const VkAllocationCallbacks *allocator,
                                                      VkInstance *instance)
{
    VkLayerInstanceCreateInfo *link =
        find_link(info->pNext, VK_STRUCTURE_TYPE_LOADER_INSTANCE_CREATE_INFO);
    struct object *object = new_object();
    object->instance = object;
    object->get_instance_call = link->u.pLayerInfo->pfnNextGetInstanceProcAddr;
    link->u.pLayerInfo = link->u.pLayerInfo->pNext;
    add_states(object, false);
    read_settings(object);

    VkResult result = VK_SUCCESS;
    for (size_t i = 0; i < STAGE_COUNT && result == VK_SUCCESS; i++)
        if (object->is_active[i] && stages[i]->before_create)
            result = stages[i]->before_create(object->states[i]);
    PFN_vkCreateInstance create =
        (PFN_vkCreateInstance)object->get_instance_call(NULL, "vkCreateInstance");
    if (result == VK_SUCCESS)
        result = create(info, allocator, instance);
    if (result != VK_SUCCESS) {
        free_object(object);
        return result;
    }
    object->vk_instance = *instance;
    for (size_t i = 0; i < INSTANCE_CALL_COUNT; i++)
        object->behind[i] = object->get_instance_call(*instance, instance_calls[i]);
    add_object(object, *instance);
    return VK_SUCCESS;
}

static VKAPI_ATTR void VKAPI_CALL destroy_instance(VkInstance instance,
                                                   const VkAllocationCallbacks *allocator)
{
    if (!instance)
        return;
    struct object *object = find_object(instance);
    PFN_vkDestroyInstance destroy = (PFN_vkDestroyInstance)call_behind(object, "vkDestroyInstance");
    remove_object(object);
    destroy(instance, allocator);
    free_object(object);
}

static VKAPI_ATTR VkResult VKAPI_CALL create_device(VkPhysicalDevice physical,
                                                    const VkDeviceCreateInfo *info,
                                                    const VkAllocationCallbacks *allocator,
                                                    VkDevice *device)
{
    VkLayerDeviceCreateInfo *link =
        find_link(info->pNext, VK_STRUCTURE_TYPE_LOADER_DEVICE_CREATE_INFO);
    struct object *instance = find_object(physical), *object = new_object();
    object->instance = instance;
    object->get_device_call = link->u.pLayerInfo->pfnNextGetDeviceProcAddr;
    link->u.pLayerInfo = link->u.pLayerInfo->pNext;

    PFN_vkCreateDevice create = (PFN_vkCreateDevice)call_behind(instance, "vkCreateDevice");
    VkResult result = create(physical, info, allocator, device);
    if (result != VK_SUCCESS) {
        free(object);
        return result;
    }
    object->vk_device = *device;
    memcpy(object->is_active, instance->is_active, sizeof object->is_active);
    add_states(object, true);
    add_object(object, *device);
    return VK_SUCCESS;
}

static VKAPI_ATTR void VKAPI_CALL destroy_device(VkDevice device,
                                                 const VkAllocationCallbacks *allocator)
{
    if (!device)
        return;
    struct object *object = find_object(device);
    PFN_vkDestroyDevice destroy = (PFN_vkDestroyDevice)call_behind(object, "vkDestroyDevice");
    remove_object(object);
    destroy(device, allocator);
    free_object(object);
}

// ---- from name to function -------------------------------------------------------------------

static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL get_instance_call(VkInstance instance,
                                                                  const char *name);
static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL get_device_call(VkDevice device, const char *name);

// The layer's own part of a call comes behind all stages.
static const struct layer_hook own_calls[] = {
    HOOK(vkGetInstanceProcAddr, get_instance_call),
    HOOK(vkGetDeviceProcAddr, get_device_call),
    HOOK(vkCreateInstance, create_instance),
    HOOK(vkDestroyInstance, destroy_instance),
    HOOK(vkCreateDevice, create_device),
    HOOK(vkDestroyDevice, destroy_device),
    {0},
};

static PFN_vkVoidFunction find_hook(const struct layer_hook *hooks, const char *name)
{
    for (; hooks->name; hooks++)
        if (strcmp(hooks->name, name) == 0)
            return hooks->function;
    return NULL;
}

static PFN_vkVoidFunction find_call(const struct object *object, size_t first_stage,
                                    const char *name)
{
    PFN_vkVoidFunction behind = call_behind(object, name);
    if (!behind)
        return NULL; // a call that the driver does not have
    PFN_vkVoidFunction found = NULL;
    for (size_t i = first_stage; i < STAGE_COUNT && !found; i++)
        if (object->is_active[i])
            found = find_hook(stages[i]->hooks, name);
    if (!found)
        found = find_hook(own_calls, name);
    return found ? found : behind;
}

PFN_vkVoidFunction layer_next(const struct layer_stage *stage, const void *handle, const char *name)
{
    return find_call(find_object(handle), stage_index(stage) + 1, name);
}

static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL get_instance_call(VkInstance instance,
                                                                  const char *name)
{
    // To the layer nearest to the program the loader names an instance that is not made yet.
    if (!instance || strcmp(name, "vkCreateInstance") == 0)
        return find_hook(own_calls, name);
    return find_call(find_object(instance), 0, name);
}

static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL get_device_call(VkDevice device, const char *name)
{
    return find_call(find_object(device), 0, name);
}

__attribute__((visibility("default"))) VKAPI_ATTR VkResult VKAPI_CALL
vkNegotiateLoaderLayerInterfaceVersion(VkNegotiateLayerInterface *interface)
{
    interface->loaderLayerInterfaceVersion = CURRENT_LOADER_LAYER_INTERFACE_VERSION;
    interface->pfnGetInstanceProcAddr = get_instance_call;
    interface->pfnGetDeviceProcAddr = get_device_call;
    interface->pfnGetPhysicalDeviceProcAddr = NULL;
    return VK_SUCCESS;
}
