// Answers of the xe kernel driver, by the public interface header drm/xe_drm.h.
#include <errno.h>
#include <string.h>
#include <time.h>
#include <drm/xe_drm.h>

#include "shim.h"

#define POINTER(what) ((void *)(uintptr_t)(what))

static int answer_config(const struct shim_part *part, struct drm_xe_device_query *query)
{
    union {
        struct drm_xe_query_config info;
        uint8_t bytes[sizeof(struct drm_xe_query_config) +
                      (DRM_XE_QUERY_CONFIG_MAX_EXEC_QUEUE_PRIORITY + 1) * sizeof(uint64_t)];
    } answer = {.bytes = {0}};
    __u64 *info = answer.info.info;
    answer.info.num_params = DRM_XE_QUERY_CONFIG_MAX_EXEC_QUEUE_PRIORITY + 1;
    info[DRM_XE_QUERY_CONFIG_REV_AND_DEVICE_ID] = (uint64_t)part->revision << 16 | part->device_id;
    info[DRM_XE_QUERY_CONFIG_FLAGS] = part->local_bytes ? DRM_XE_QUERY_CONFIG_FLAG_HAS_VRAM : 0;
    info[DRM_XE_QUERY_CONFIG_MIN_ALIGNMENT] = part->local_bytes ? 65536 : 4096;
    info[DRM_XE_QUERY_CONFIG_VA_BITS] = 48;
    info[DRM_XE_QUERY_CONFIG_MAX_EXEC_QUEUE_PRIORITY] = 1;
    return shim_answer(&answer, sizeof(answer), query->data, &query->size);
}

static int answer_engines(struct drm_xe_device_query *query)
{
    static const uint16_t classes[] = {DRM_XE_ENGINE_CLASS_RENDER, DRM_XE_ENGINE_CLASS_COPY,
                                       DRM_XE_ENGINE_CLASS_COMPUTE};
    union {
        struct drm_xe_query_engines info;
        uint8_t bytes[sizeof(struct drm_xe_query_engines) + 3 * sizeof(struct drm_xe_engine)];
    } answer = {.bytes = {0}};
    answer.info.num_engines = 3;
    for (int i = 0; i < 3; i++)
        answer.info.engines[i].instance.engine_class = classes[i];
    return shim_answer(&answer, sizeof(answer), query->data, &query->size);
}

static int answer_regions(const struct shim_part *part, struct drm_xe_device_query *query)
{
    union {
        struct drm_xe_query_mem_regions info;
        uint8_t
            bytes[sizeof(struct drm_xe_query_mem_regions) + 2 * sizeof(struct drm_xe_mem_region)];
    } answer = {.bytes = {0}};
    struct drm_xe_mem_region *regions = answer.info.mem_regions;
    answer.info.num_mem_regions = part->local_bytes ? 2 : 1;
    regions[0].mem_class = DRM_XE_MEM_REGION_CLASS_SYSMEM;
    regions[0].min_page_size = 4096;
    regions[0].total_size = SHIM_SYSTEM_BYTES;
    regions[1].mem_class = DRM_XE_MEM_REGION_CLASS_VRAM;
    regions[1].instance = 1;
    regions[1].min_page_size = 65536;
    regions[1].total_size = regions[1].cpu_visible_size = part->local_bytes;
    return shim_answer(&answer, sizeof(answer), query->data, &query->size);
}

static int answer_gts(const struct shim_part *part, struct drm_xe_device_query *query)
{
    union {
        struct drm_xe_query_gt_list info;
        uint8_t bytes[sizeof(struct drm_xe_query_gt_list) + 1 * sizeof(struct drm_xe_gt)];
    } answer = {.bytes = {0}};
    struct drm_xe_gt *gt = answer.info.gt_list;
    answer.info.num_gt = 1;
    gt->type = DRM_XE_QUERY_GT_TYPE_MAIN;
    gt->reference_clock = part->clock_hz;
    gt->near_mem_regions = part->local_bytes ? 2 : 1;
    gt->far_mem_regions = part->local_bytes ? 1 : 0;
    gt->ip_ver_major = part->ip_major;
    gt->ip_ver_minor = part->ip_minor;
    gt->ip_ver_rev = part->revision;
    return shim_answer(&answer, sizeof(answer), query->data, &query->size);
}

#define MASK_BYTES 8

// A list of masks, one bit a core, an L3 bank or an execution unit of each core.
static int answer_topology(const struct shim_part *part, struct drm_xe_device_query *query)
{
    const struct {
        uint16_t type;
        uint32_t bit_count;
    } masks[] = {
        {DRM_XE_TOPO_DSS_GEOMETRY, part->core_count},
        {DRM_XE_TOPO_DSS_COMPUTE, part->core_count},
        {DRM_XE_TOPO_L3_BANK, part->l3_bank_count},
        {DRM_XE_TOPO_SIMD16_EU_PER_DSS, part->units_per_core},
    };
    uint8_t answer[4 * (sizeof(struct drm_xe_query_topology_mask) + MASK_BYTES)] = {0};
    uint8_t *next = answer;
    for (int i = 0; i < 4; i++) {
        struct drm_xe_query_topology_mask mask = {.type = masks[i].type, .num_bytes = MASK_BYTES};
        memcpy(next, &mask, sizeof(mask));
        next += sizeof(mask);
        for (uint32_t bit = 0; bit < masks[i].bit_count; bit++)
            next[bit / 8] |= (uint8_t)(1 << bit % 8);
        next += MASK_BYTES;
    }
    return shim_answer(answer, sizeof(answer), query->data, &query->size);
}

static int answer_cycles(const struct shim_part *part, struct drm_xe_device_query *query)
{
    struct drm_xe_query_engine_cycles answer;
    struct timespec now;
    if (query->size >= sizeof(answer)) {
        memcpy(&answer, POINTER(query->data), sizeof(answer));
        clock_gettime(answer.clockid, &now);
        answer.cpu_timestamp = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
        answer.engine_cycles = shim_clock(part, &now);
        answer.cpu_delta = 0;
        answer.width = 36;
    }
    return shim_answer(&answer, sizeof(answer), query->data, &query->size);
}

static int answer_firmware(struct drm_xe_device_query *query)
{
    const struct drm_xe_query_uc_fw_version answer = {.major_ver = 1, .minor_ver = 13};
    return shim_answer(&answer, sizeof(answer), query->data, &query->size);
}

static int answer_query(const struct shim_part *part, struct drm_xe_device_query *query)
{
    const uint32_t *words;
    uint32_t table_bytes;

    switch (query->query) {
    case DRM_XE_DEVICE_QUERY_CONFIG:
        return answer_config(part, query);
    case DRM_XE_DEVICE_QUERY_ENGINES:
        return answer_engines(query);
    case DRM_XE_DEVICE_QUERY_MEM_REGIONS:
        return answer_regions(part, query);
    case DRM_XE_DEVICE_QUERY_GT_LIST:
        return answer_gts(part, query);
    case DRM_XE_DEVICE_QUERY_HWCONFIG:
        table_bytes = shim_hardware_table(part, &words);
        return shim_answer(words, table_bytes, query->data, &query->size);
    case DRM_XE_DEVICE_QUERY_GT_TOPOLOGY:
        return answer_topology(part, query);
    case DRM_XE_DEVICE_QUERY_ENGINE_CYCLES:
        return answer_cycles(part, query);
    case DRM_XE_DEVICE_QUERY_UC_FW_VERSION:
        return answer_firmware(query);
    default: // performance counters and protected content
        return -EINVAL;
    }
}

static int signal_syncs(uint64_t address, uint32_t count)
{
    const struct drm_xe_sync *syncs = POINTER(address);
    for (uint32_t i = 0; i < count; i++) {
        if (!(syncs[i].flags & DRM_XE_SYNC_FLAG_SIGNAL))
            continue;
        if (syncs[i].type == DRM_XE_SYNC_TYPE_USER_FENCE)
            *(uint64_t *)POINTER(syncs[i].addr) = syncs[i].timeline_value;
        else
            shim_sync_signal(syncs[i].handle, syncs[i].timeline_value);
    }
    return 0;
}

int shim_xe(const struct shim_part *part, unsigned long request, void *argument)
{
    struct drm_xe_gem_create *create = argument;
    struct drm_xe_gem_mmap_offset *map = argument;
    struct drm_xe_vm_create *space = argument;
    struct drm_xe_vm_bind *bind = argument;
    struct drm_xe_exec_queue_create *queue = argument;
    struct drm_xe_exec_queue_get_property *property = argument;
    struct drm_xe_exec *submit = argument;

    switch (request) {
    case DRM_IOCTL_XE_DEVICE_QUERY:
        return answer_query(part, argument);
    case DRM_IOCTL_XE_GEM_CREATE:
        return shim_object_create(create->size, &create->handle);
    case DRM_IOCTL_XE_GEM_MMAP_OFFSET:
        map->offset = shim_object_map_offset(map->handle);
        return map->offset ? 0 : -ENOENT;
    case DRM_IOCTL_XE_VM_CREATE:
        space->vm_id = 1;
        return 0;
    case DRM_IOCTL_XE_VM_BIND:
        return signal_syncs(bind->syncs, bind->num_syncs);
    case DRM_IOCTL_XE_EXEC_QUEUE_CREATE:
        queue->exec_queue_id = 1;
        return 0;
    case DRM_IOCTL_XE_EXEC_QUEUE_GET_PROPERTY:
        property->value = 0; // not banned
        return 0;
    case DRM_IOCTL_XE_EXEC:
        return signal_syncs(submit->syncs, submit->num_syncs);
    case DRM_IOCTL_XE_VM_DESTROY:
    case DRM_IOCTL_XE_EXEC_QUEUE_DESTROY:
    case DRM_IOCTL_XE_WAIT_USER_FENCE:
        return 0;
    default:
        return SHIM_UNKNOWN;
    }
}
