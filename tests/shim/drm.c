// What every kernel graphics driver answers: who it is, buffer objects, synchronisation objects.
// And the functions of the C library and of libdrm that are replaced to get asked at all.
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/dma-buf.h>
#include <pthread.h>
#include <xf86drm.h>

#include "shim.h"

// The device file that is opened in the GPU's stead. The driver wants a character device and gives
// it nothing but ioctls, which are recognised by their type, so it can be any.
#define NODE "/dev/null"

#define PAGE_BYTES    ((uint64_t)65536)
#define MAP_OFFSET    ((uint64_t)1 << 46) // offsets from here on are ours, whatever the file
#define OBJECT_COUNT  4096
#define SYNC_COUNT    4096
#define COUNT(a)      (sizeof(a) / sizeof((a)[0]))
#define POINTER(what) ((void *)(uintptr_t)(what))

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int memory_file = -1;
static uint64_t memory_bytes;
static struct {
    uint64_t offset, size_bytes; // size 0: free
} objects[OBJECT_COUNT];
static struct {
    bool is_used, is_signalled;
    uint64_t point;
} syncs[SYNC_COUNT];

// ---- buffer objects ---------------------------------------------------------------------------

// Handles begin at 1; a handle is its place in the table.
int shim_object_create(uint64_t size_bytes, uint32_t *handle)
{
    uint32_t place = 1;
    size_bytes = (size_bytes + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
    while (place < OBJECT_COUNT && objects[place].size_bytes)
        place++;
    if (!size_bytes || place == OBJECT_COUNT)
        return size_bytes ? -ENOMEM : -EINVAL;
    if (memory_file < 0)
        memory_file = memfd_create("shim", MFD_CLOEXEC);
    if (memory_file < 0 || ftruncate(memory_file, (off_t)(memory_bytes + size_bytes)))
        return -ENOMEM;
    objects[place].offset = memory_bytes;
    objects[place].size_bytes = size_bytes;
    memory_bytes += size_bytes;
    *handle = place;
    return 0;
}

int shim_object_close(uint32_t handle)
{
    if (handle >= OBJECT_COUNT || !objects[handle].size_bytes)
        return -EINVAL;
    fallocate(memory_file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
              (off_t)objects[handle].offset, (off_t)objects[handle].size_bytes);
    objects[handle].size_bytes = 0;
    return 0;
}

uint64_t shim_object_map_offset(uint32_t handle)
{
    if (handle >= OBJECT_COUNT || !objects[handle].size_bytes)
        return 0;
    return MAP_OFFSET + objects[handle].offset;
}

// ---- synchronisation objects ------------------------------------------------------------------

void shim_sync_signal(uint32_t handle, uint64_t point)
{
    if (handle >= SYNC_COUNT)
        return;
    syncs[handle].is_signalled = true;
    if (syncs[handle].point < point)
        syncs[handle].point = point;
}

static int sync_create(struct drm_syncobj_create *create)
{
    uint32_t place = 1;
    while (place < SYNC_COUNT && syncs[place].is_used)
        place++;
    if (place == SYNC_COUNT)
        return -ENOMEM;
    syncs[place].is_used = true;
    syncs[place].is_signalled = create->flags & DRM_SYNCOBJ_CREATE_SIGNALED;
    syncs[place].point = 0;
    create->handle = place;
    return 0;
}

// Work is done when it is submitted, so what is not signalled now never will be by waiting.
static int sync_wait(const uint32_t *handles, const uint64_t *points, uint32_t count,
                     uint32_t flags, uint32_t *first)
{
    uint32_t done = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (handles[i] >= SYNC_COUNT || !syncs[handles[i]].is_used)
            return -ENOENT;
        if (!syncs[handles[i]].is_signalled || (points && syncs[handles[i]].point < points[i]))
            continue;
        if (!done++)
            *first = i;
    }
    if (flags & DRM_SYNCOBJ_WAIT_FLAGS_WAIT_ALL)
        return done == count ? 0 : -ETIME;
    return done ? 0 : -ETIME;
}

static int sync_set(const struct drm_syncobj_array *array, bool is_signalled)
{
    const uint32_t *handles = POINTER(array->handles);
    for (uint32_t i = 0; i < array->count_handles; i++) {
        if (handles[i] >= SYNC_COUNT || !syncs[handles[i]].is_used)
            return -ENOENT;
        syncs[handles[i]].is_signalled = is_signalled;
        syncs[handles[i]].point = 0;
    }
    return 0;
}

static int sync_line(const struct drm_syncobj_timeline_array *array, bool is_query)
{
    const uint32_t *handles = POINTER(array->handles);
    uint64_t *points = POINTER(array->points);
    for (uint32_t i = 0; i < array->count_handles; i++) {
        if (handles[i] >= SYNC_COUNT || !syncs[handles[i]].is_used)
            return -ENOENT;
        if (is_query)
            points[i] = syncs[handles[i]].point;
        else
            shim_sync_signal(handles[i], points[i]);
    }
    return 0;
}

static int sync_ioctl(unsigned long request, void *argument)
{
    struct drm_syncobj_wait *wait = argument;
    struct drm_syncobj_timeline_wait *line = argument;
    struct drm_syncobj_destroy *destroy = argument;
    struct drm_syncobj_transfer *transfer = argument;
    struct drm_syncobj_handle *file = argument;

    switch (request) {
    case DRM_IOCTL_SYNCOBJ_CREATE:
        return sync_create(argument);
    case DRM_IOCTL_SYNCOBJ_DESTROY:
        if (destroy->handle >= SYNC_COUNT || !syncs[destroy->handle].is_used)
            return -EINVAL;
        syncs[destroy->handle].is_used = false;
        return 0;
    case DRM_IOCTL_SYNCOBJ_WAIT:
        return sync_wait(POINTER(wait->handles), NULL, wait->count_handles, wait->flags,
                         &wait->first_signaled);
    case DRM_IOCTL_SYNCOBJ_TIMELINE_WAIT:
        return sync_wait(POINTER(line->handles), POINTER(line->points), line->count_handles,
                         line->flags, &line->first_signaled);
    case DRM_IOCTL_SYNCOBJ_RESET:
    case DRM_IOCTL_SYNCOBJ_SIGNAL:
        return sync_set(argument, request == DRM_IOCTL_SYNCOBJ_SIGNAL);
    case DRM_IOCTL_SYNCOBJ_QUERY:
    case DRM_IOCTL_SYNCOBJ_TIMELINE_SIGNAL:
        return sync_line(argument, request == DRM_IOCTL_SYNCOBJ_QUERY);
    case DRM_IOCTL_SYNCOBJ_TRANSFER:
        shim_sync_signal(transfer->dst_handle, transfer->dst_point);
        return 0;
    case DRM_IOCTL_SYNCOBJ_HANDLE_TO_FD:
        file->fd = open(NODE, O_RDWR | O_CLOEXEC);
        return file->fd < 0 ? -EMFILE : 0;
    case DRM_IOCTL_SYNCOBJ_FD_TO_HANDLE:
        if (!(file->flags & DRM_SYNCOBJ_FD_TO_HANDLE_FLAGS_IMPORT_SYNC_FILE))
            return -EINVAL; // objects of other programs, of which there are none
        shim_sync_signal(file->handle, 0);
        return 0;
    default:
        return SHIM_UNKNOWN;
    }
}

// ---- the rest of the common questions ---------------------------------------------------------

static int tell_version(const struct shim_part *part, struct drm_version *version)
{
    const size_t name_bytes = strlen(part->driver);
    if (version->name && version->name_len >= name_bytes)
        memcpy(version->name, part->driver, name_bytes);
    version->name_len = name_bytes;
    version->date_len = version->desc_len = 0;
    version->version_major = 1;
    version->version_minor = 6;
    return 0;
}

static int tell_capability(struct drm_get_cap *capability)
{
    switch (capability->capability) {
    case DRM_CAP_SYNCOBJ:
    case DRM_CAP_SYNCOBJ_TIMELINE:
        capability->value = 1;
        return 0;
    case DRM_CAP_PRIME:
        capability->value = DRM_PRIME_CAP_IMPORT | DRM_PRIME_CAP_EXPORT;
        return 0;
    default:
        return -EINVAL;
    }
}

static int common_ioctl(const struct shim_part *part, unsigned long request, void *argument)
{
    struct drm_prime_handle *prime = argument;
    struct drm_gem_close *close = argument;
    struct dma_buf_export_sync_file *fence = argument;

    switch (request) {
    case DRM_IOCTL_VERSION:
        return tell_version(part, argument);
    case DRM_IOCTL_GET_CAP:
        return tell_capability(argument);
    case DRM_IOCTL_GEM_CLOSE:
        return shim_object_close(close->handle);
    case DRM_IOCTL_PRIME_HANDLE_TO_FD:
        prime->fd = open(NODE, O_RDWR | O_CLOEXEC);
        return prime->fd < 0 ? -EMFILE : 0;
    case DMA_BUF_IOCTL_EXPORT_SYNC_FILE:
        fence->fd = open(NODE, O_RDWR | O_CLOEXEC);
        return fence->fd < 0 ? -EMFILE : 0;
    case DMA_BUF_IOCTL_IMPORT_SYNC_FILE:
        return 0;
    default:
        return sync_ioctl(request, argument);
    }
}

int shim_answer(const void *answer, uint32_t answer_bytes, uint64_t room, uint32_t *room_bytes)
{
    if (*room_bytes && *room_bytes < answer_bytes)
        return -EINVAL;
    if (*room_bytes)
        memcpy(POINTER(room), answer, answer_bytes);
    *room_bytes = answer_bytes;
    return 0;
}

// A question nobody wrote an answer for is said once and refused, as an older kernel would.
static int refuse(unsigned long request)
{
    static unsigned long refused[16];
    for (size_t i = 0; i < COUNT(refused); i++) {
        if (refused[i] == request)
            break;
        if (refused[i])
            continue;
        refused[i] = request;
        fprintf(stderr, "shim: no answer to ioctl type '%c' number 0x%02lx\n",
                (int)_IOC_TYPE(request), _IOC_NR(request));
        break;
    }
    return -EINVAL;
}

// ---- what is replaced -------------------------------------------------------------------------

__attribute__((visibility("default"))) int ioctl(int file, unsigned long request, ...)
{
    va_list list;
    va_start(list, request);
    void *argument = va_arg(list, void *);
    va_end(list);
    if (_IOC_TYPE(request) != DRM_IOCTL_BASE && _IOC_TYPE(request) != DMA_BUF_BASE)
        return (int)syscall(SYS_ioctl, file, request, argument);

    const struct shim_part *part = shim_part();
    pthread_mutex_lock(&lock);
    int status = common_ioctl(part, request, argument);
    if (status == SHIM_UNKNOWN)
        status = strcmp(part->driver, "xe") ? shim_i915(part, request, argument)
                                            : shim_xe(part, request, argument);
    if (status == SHIM_UNKNOWN)
        status = refuse(request);
    pthread_mutex_unlock(&lock);
    if (!status)
        return 0;
    errno = -status;
    return -1;
}

__attribute__((visibility("default"))) void *mmap(void *address, size_t bytes, int protection,
                                                  int flags, int file, off_t offset)
{
    if ((uint64_t)offset >= MAP_OFFSET && file >= 0) {
        file = memory_file;
        offset -= (off_t)MAP_OFFSET;
    }
    return (void *)syscall(SYS_mmap, address, bytes, protection, flags, file, offset);
}

__attribute__((visibility("default"))) void *mmap64(void *address, size_t bytes, int protection,
                                                    int flags, int file, off64_t offset)
{
    return mmap(address, bytes, protection, flags, file, offset);
}

// libdrm would look for devices in /dev/dri and /sys. One allocation, freed as one.
__attribute__((visibility("default"))) int drmGetDevice2(int file, uint32_t flags,
                                                         drmDevicePtr *device)
{
    (void)file, (void)flags;
    const struct shim_part *part = shim_part();
    struct {
        drmDevice device;
        drmPciBusInfo bus;
        drmPciDeviceInfo info;
        char *nodes[DRM_NODE_MAX];
        char node[sizeof(NODE)];
    } *all = calloc(1, sizeof(*all));
    if (!all)
        return -ENOMEM;
    memcpy(all->node, NODE, sizeof(NODE));
    all->nodes[DRM_NODE_RENDER] = all->node;
    all->bus.dev = 2;
    all->info.vendor_id = 0x8086;
    all->info.device_id = part->device_id;
    all->info.revision_id = part->revision;
    all->device.nodes = all->nodes;
    all->device.available_nodes = 1 << DRM_NODE_RENDER;
    all->device.bustype = DRM_BUS_PCI;
    all->device.businfo.pci = &all->bus;
    all->device.deviceinfo.pci = &all->info;
    *device = &all->device;
    return 0;
}

__attribute__((visibility("default"))) int drmGetDevices2(uint32_t flags, drmDevicePtr devices[],
                                                          int room)
{
    if (!devices || room < 1)
        return 1;
    const int status = drmGetDevice2(-1, flags, &devices[0]);
    return status ? status : 1;
}

__attribute__((visibility("default"))) void drmFreeDevice(drmDevicePtr *device)
{
    free(*device);
    *device = NULL;
}

__attribute__((visibility("default"))) void drmFreeDevices(drmDevicePtr devices[], int count)
{
    for (int i = 0; i < count; i++)
        drmFreeDevice(&devices[i]);
}
