// Answers of the i915 kernel driver, by the public interface header drm/i915_drm.h.
#include <errno.h>
#include <string.h>
#include <time.h>
#include <drm/i915_drm.h>

#include "shim.h"

#define POINTER(what) ((void *)(uintptr_t)(what))

static int get_parameter(const struct shim_part *part, const struct drm_i915_getparam *get)
{
    switch (get->param) {
    case I915_PARAM_CHIPSET_ID:
        *get->value = part->device_id;
        return 0;
    case I915_PARAM_REVISION:
        *get->value = part->revision;
        return 0;
    case I915_PARAM_CS_TIMESTAMP_FREQUENCY:
        *get->value = (int)part->clock_hz;
        return 0;
    case I915_PARAM_MMAP_GTT_VERSION:
        *get->value = 4; // from here on there are map offsets
        return 0;
    case I915_PARAM_MMAP_VERSION:
    case I915_PARAM_HAS_LLC:
    case I915_PARAM_HAS_WAIT_TIMEOUT:
    case I915_PARAM_HAS_EXECBUF2:
    case I915_PARAM_HAS_EXEC_SOFTPIN:
    case I915_PARAM_HAS_EXEC_ASYNC:
    case I915_PARAM_HAS_EXEC_CAPTURE:
    case I915_PARAM_HAS_EXEC_FENCE:
    case I915_PARAM_HAS_EXEC_FENCE_ARRAY:
    case I915_PARAM_HAS_EXEC_TIMELINE_FENCES:
    case I915_PARAM_HAS_CONTEXT_ISOLATION:
    case I915_PARAM_HAS_USERPTR_PROBE:
        *get->value = 1;
        return 0;
    default:
        return -EINVAL;
    }
}

static int get_context_parameter(struct drm_i915_gem_context_param *get)
{
    switch (get->param) {
    case I915_CONTEXT_PARAM_GTT_SIZE:
        get->value = (uint64_t)1 << 48;
        return 0;
    case I915_CONTEXT_PARAM_VM:
        get->value = 1;
        return 0;
    default:
        return -EINVAL;
    }
}

// The one register this driver lets programs read is the clock.
static int read_clock(const struct shim_part *part, struct drm_i915_reg_read *read)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    read->val = shim_clock(part, &now);
    return 0;
}

// ---- queries ----------------------------------------------------------------------------------

// One slice with all cores in it, which is how this driver tells it from Gen12.5 on.
static int answer_topology(const struct shim_part *part, struct drm_i915_query_item *item)
{
    union {
        struct drm_i915_query_topology_info info;
        uint8_t bytes[256];
    } answer = {.bytes = {0}};
    uint8_t *data = answer.info.data;
    const uint32_t core_bytes = (part->core_count + 7) / 8;
    const uint32_t unit_bytes = (part->units_per_core + 7) / 8;
    answer.info.max_slices = 1;
    data[0] = 1;
    answer.info.max_subslices = (uint16_t)part->core_count;
    answer.info.max_eus_per_subslice = (uint16_t)part->units_per_core;
    answer.info.subslice_offset = 1;
    answer.info.subslice_stride = (uint16_t)core_bytes;
    answer.info.eu_offset = (uint16_t)(1 + core_bytes);
    answer.info.eu_stride = (uint16_t)unit_bytes;
    for (uint32_t i = 0; i < part->core_count; i++)
        data[1 + i / 8] |= (uint8_t)(1 << i % 8);
    memset(data + 1 + core_bytes, 0xff, part->core_count * unit_bytes);
    return shim_answer(&answer, sizeof(answer), item->data_ptr, (uint32_t *)&item->length);
}

static int answer_engines(struct drm_i915_query_item *item)
{
    union {
        struct drm_i915_query_engine_info info;
        uint8_t bytes[sizeof(struct drm_i915_query_engine_info) +
                      2 * sizeof(struct drm_i915_engine_info)];
    } answer = {.bytes = {0}};
    struct drm_i915_engine_info *engines = answer.info.engines;
    answer.info.num_engines = 2;
    engines[0].engine.engine_class = I915_ENGINE_CLASS_RENDER;
    engines[1].engine.engine_class = I915_ENGINE_CLASS_COPY;
    return shim_answer(&answer, sizeof(answer), item->data_ptr, (uint32_t *)&item->length);
}

static int answer_regions(const struct shim_part *part, struct drm_i915_query_item *item)
{
    union {
        struct drm_i915_query_memory_regions info;
        uint8_t bytes[sizeof(struct drm_i915_query_memory_regions) +
                      2 * sizeof(struct drm_i915_memory_region_info)];
    } answer = {.bytes = {0}};
    struct drm_i915_memory_region_info *regions = answer.info.regions;
    answer.info.num_regions = part->local_bytes ? 2 : 1;
    regions[0].region.memory_class = I915_MEMORY_CLASS_SYSTEM;
    regions[0].probed_size = regions[0].unallocated_size = SHIM_SYSTEM_BYTES;
    regions[1].region.memory_class = I915_MEMORY_CLASS_DEVICE;
    regions[1].probed_size = regions[1].unallocated_size = part->local_bytes;
    regions[1].probed_cpu_visible_size = part->local_bytes;
    regions[1].unallocated_cpu_visible_size = part->local_bytes;
    return shim_answer(&answer, sizeof(answer), item->data_ptr, (uint32_t *)&item->length);
}

static int answer_item(const struct shim_part *part, struct drm_i915_query_item *item)
{
    const struct drm_i915_query_guc_submission_version firmware = {.major = 1, .minor = 13};
    const uint32_t *words;
    uint32_t table_bytes;

    switch (item->query_id) {
    case DRM_I915_QUERY_TOPOLOGY_INFO:
    case DRM_I915_QUERY_GEOMETRY_SUBSLICES:
        return answer_topology(part, item);
    case DRM_I915_QUERY_ENGINE_INFO:
        return answer_engines(item);
    case DRM_I915_QUERY_MEMORY_REGIONS:
        return answer_regions(part, item);
    case DRM_I915_QUERY_HWCONFIG_BLOB:
        table_bytes = shim_hardware_table(part, &words);
        return shim_answer(words, table_bytes, item->data_ptr, (uint32_t *)&item->length);
    case DRM_I915_QUERY_GUC_SUBMISSION_VERSION:
        return shim_answer(&firmware, sizeof(firmware), item->data_ptr, (uint32_t *)&item->length);
    default:
        return -EINVAL;
    }
}

// An item that fails says so in its own length; the call succeeds.
static int answer_queries(const struct shim_part *part, const struct drm_i915_query *query)
{
    struct drm_i915_query_item *items = POINTER(query->items_ptr);
    for (uint32_t i = 0; i < query->num_items; i++) {
        const int status = answer_item(part, &items[i]);
        if (status)
            items[i].length = status;
    }
    return 0;
}

// ---- submitting -------------------------------------------------------------------------------

static void signal_fences(const struct drm_i915_gem_exec_fence *fences, const uint64_t *points,
                          uint64_t count)
{
    for (uint64_t i = 0; i < count; i++)
        if (fences[i].flags & I915_EXEC_FENCE_SIGNAL)
            shim_sync_signal(fences[i].handle, points ? points[i] : 0);
}

static int execute(const struct drm_i915_gem_execbuffer2 *submit)
{
    if (submit->flags & I915_EXEC_USE_EXTENSIONS) {
        const struct drm_i915_gem_execbuffer_ext_timeline_fences *link;
        for (uint64_t next = submit->cliprects_ptr; next; next = link->base.next_extension) {
            link = POINTER(next);
            if (link->base.name == DRM_I915_GEM_EXECBUFFER_EXT_TIMELINE_FENCES)
                signal_fences(POINTER(link->handles_ptr), POINTER(link->values_ptr),
                              link->fence_count);
        }
    } else if (submit->flags & I915_EXEC_FENCE_ARRAY) {
        signal_fences(POINTER(submit->cliprects_ptr), NULL, submit->num_cliprects);
    }
    return 0;
}

int shim_i915(const struct shim_part *part, unsigned long request, void *argument)
{
    struct drm_i915_gem_create *create = argument;
    struct drm_i915_gem_create_ext *create_more = argument;
    struct drm_i915_gem_userptr *user = argument;
    struct drm_i915_gem_mmap_offset *map = argument;
    struct drm_i915_gem_context_create *context = argument;
    struct drm_i915_gem_vm_control *space = argument;
    struct drm_i915_gem_get_aperture *aperture = argument;
    struct drm_i915_reset_stats *resets = argument;
    struct drm_i915_gem_busy *busy = argument;
    struct drm_i915_gem_get_tiling *tiling = argument;

    switch (request) {
    case DRM_IOCTL_I915_GETPARAM:
        return get_parameter(part, argument);
    case DRM_IOCTL_I915_QUERY:
        return answer_queries(part, argument);
    case DRM_IOCTL_I915_GEM_CREATE:
        return shim_object_create(create->size, &create->handle);
    case DRM_IOCTL_I915_GEM_CREATE_EXT:
        return shim_object_create(create_more->size, &create_more->handle);
    case DRM_IOCTL_I915_GEM_USERPTR:
        return shim_object_create(user->user_size, &user->handle);
    case DRM_IOCTL_I915_GEM_MMAP_OFFSET:
        map->offset = shim_object_map_offset(map->handle);
        return map->offset ? 0 : -ENOENT;
    case DRM_IOCTL_I915_GEM_CONTEXT_CREATE: // the extended form has the same number
    case DRM_IOCTL_I915_GEM_CONTEXT_CREATE_EXT:
        context->ctx_id = 1;
        return 0;
    case DRM_IOCTL_I915_GEM_CONTEXT_GETPARAM:
        return get_context_parameter(argument);
    case DRM_IOCTL_I915_GEM_VM_CREATE:
        space->vm_id = 1;
        return 0;
    case DRM_IOCTL_I915_GEM_GET_APERTURE:
        aperture->aper_size = aperture->aper_available_size = (uint64_t)1 << 48;
        return 0;
    case DRM_IOCTL_I915_GET_RESET_STATS:
        resets->reset_count = resets->batch_active = resets->batch_pending = 0;
        return 0;
    case DRM_IOCTL_I915_GEM_BUSY:
        busy->busy = 0;
        return 0;
    case DRM_IOCTL_I915_GEM_EXECBUFFER2:
    case DRM_IOCTL_I915_GEM_EXECBUFFER2_WR:
        return execute(argument);
    case DRM_IOCTL_I915_GEM_GET_TILING: // cards with memory of their own refuse it
        tiling->tiling_mode = I915_TILING_NONE;
        return part->local_bytes ? -EOPNOTSUPP : 0;
    case DRM_IOCTL_I915_REG_READ:
        return read_clock(part, argument);
    case DRM_IOCTL_I915_GEM_CONTEXT_DESTROY:
    case DRM_IOCTL_I915_GEM_CONTEXT_SETPARAM:
    case DRM_IOCTL_I915_GEM_VM_DESTROY:
    case DRM_IOCTL_I915_GEM_SET_CACHING:
    case DRM_IOCTL_I915_GEM_SET_DOMAIN:
    case DRM_IOCTL_I915_GEM_WAIT:
        return 0;
    default:
        return SHIM_UNKNOWN;
    }
}
