// cache.c: the driver's compiled pipelines on disk, and notes on devices beside them. Any doubt
// about a file means doing without it.
#include "gpu/internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/disk.h"
#include "base/precision.h"

#define MAX_CACHE_BYTES (64u << 20)

// Drivers trust what they wrote, so the file is checked before they see it.
struct cache_header {
    char magic[8];
    uint64_t payload_bytes;
    uint64_t payload_hash;
};
static const char cache_magic[8] = "vkclip1";

static uint64_t fnv1a(const void *bytes, size_t count, uint64_t hash)
{
    const unsigned char *byte = bytes;
    for (size_t i = 0; i < count; i++)
        hash = (hash ^ byte[i]) * UINT64_C(0x100000001b3);
    return hash;
}
#define FNV1A_START UINT64_C(0xcbf29ce484222325)

// The name says for which device, driver and program version the file is.
static void key_path(const struct gpu *gpu, const char *directory, const char *what, char *path,
                     size_t path_bytes)
{
    const VkPhysicalDeviceProperties *p = &gpu->properties;
    uint64_t hash = fnv1a(p->pipelineCacheUUID, VK_UUID_SIZE, FNV1A_START);
    hash = fnv1a(gpu->facts.driver, strlen(gpu->facts.driver), hash);
    hash = fnv1a(VKCLIP_VERSION, sizeof VKCLIP_VERSION, hash);
    snprintf(path, path_bytes, "%s/%s-%04x-%04x-%08x-%016" PRIx64 ".bin", directory, what,
             p->vendorID, p->deviceID, p->driverVersion, hash);
}

static void cache_path(const struct gpu *gpu, const char *directory, char *path, size_t path_bytes)
{
    key_path(gpu, directory, "pipelines", path, path_bytes);
}

// Reads a file of the expected form; NULL when there is none. free() it.
static unsigned char *read_cache(const char *path, size_t *payload_bytes)
{
    // A link could have been planted in a shared directory.
    int file = disk_open(path, DISK_REFUSE_LINKS);
    if (file < 0)
        return NULL;
    struct cache_header header;
    struct stat facts;
    unsigned char *payload = NULL;
    if (fstat(file, &facts) == 0 && S_ISREG(facts.st_mode) &&
        disk_read(file, &header, sizeof header, 0) == (ptrdiff_t)sizeof header &&
        memcmp(header.magic, cache_magic, sizeof cache_magic) == 0 &&
        header.payload_bytes <= MAX_CACHE_BYTES &&
        (uint64_t)facts.st_size == sizeof header + header.payload_bytes) {
        size_t count = (size_t)header.payload_bytes;
        payload = malloc(count + 1);
        if (payload && (disk_read(file, payload, count, sizeof header) != (ptrdiff_t)count ||
                        fnv1a(payload, count, FNV1A_START) != header.payload_hash)) {
            free(payload);
            payload = NULL;
        }
        *payload_bytes = count;
    }
    close(file);
    return payload;
}

// Vulkan's own header must be that of this device (specification, "Pipeline Cache Header").
static bool is_of_device(const struct gpu *gpu, const unsigned char *payload, size_t count)
{
    VkPipelineCacheHeaderVersionOne header;
    if (count < sizeof header)
        return false;
    memcpy(&header, payload, sizeof header);
    return header.headerVersion == VK_PIPELINE_CACHE_HEADER_VERSION_ONE &&
           header.vendorID == gpu->properties.vendorID &&
           header.deviceID == gpu->properties.deviceID &&
           memcmp(header.pipelineCacheUUID, gpu->properties.pipelineCacheUUID, VK_UUID_SIZE) == 0;
}

void gpu_cache_load(struct gpu *gpu, const char *directory)
{
    unsigned char *payload = NULL;
    size_t count = 0;
    if (directory) {
        char path[4096];
        cache_path(gpu, directory, path, sizeof path);
        payload = read_cache(path, &count);
        if (payload && !is_of_device(gpu, payload, count)) {
            free(payload);
            payload = NULL;
        }
        log_line(&gpu->log, VKCLIP_LOG_DEBUG, "pipeline cache %s: %s", path,
                 payload ? "loaded" : "none");
    }
    VkResult result =
        gpu->vk.vkCreatePipelineCache(gpu->device,
                                      &(VkPipelineCacheCreateInfo){
                                          .sType = VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO,
                                          .initialDataSize = payload ? count : 0,
                                          .pInitialData = payload,
                                      },
                                      NULL, &gpu->cache);
    if (result != VK_SUCCESS)
        gpu->cache = VK_NULL_HANDLE; // pipelines are compiled without one
    gpu->cache_loaded_bytes = payload ? count : 0;
    free(payload);
}

// Written beside its place under an unpredictable name, then renamed: readers see the old file
// or the new one.
static bool write_cache(const char *path, const unsigned char *payload, size_t count)
{
    char temporary[4200];
    snprintf(temporary, sizeof temporary, "%s.XXXXXX", path);
    int descriptor = mkstemp(temporary);
    if (descriptor < 0)
        return false;
    FILE *file = fdopen(descriptor, "wb");
    if (!file) {
        close(descriptor);
        unlink(temporary);
        return false;
    }
    struct cache_header header = {
        .payload_bytes = count,
        .payload_hash = fnv1a(payload, count, FNV1A_START),
    };
    memcpy(header.magic, cache_magic, sizeof cache_magic);
    bool is_written = fwrite(&header, sizeof header, 1, file) == 1 &&
                      fwrite(payload, count, 1, file) == 1 && fflush(file) == 0 &&
                      disk_flush(descriptor);
    is_written = fclose(file) == 0 && is_written;
    if (is_written && disk_replace(temporary, path))
        return true;
    unlink(temporary);
    return false;
}

void gpu_cache_save(struct gpu *gpu, const char *directory)
{
    size_t count = 0;
    if (!directory || !gpu->cache || gpu->lost.status ||
        gpu->vk.vkGetPipelineCacheData(gpu->device, gpu->cache, &count, NULL) != VK_SUCCESS ||
        count == 0 || count > MAX_CACHE_BYTES || count == gpu->cache_loaded_bytes)
        return;
    unsigned char *payload = malloc(count);
    char path[4096];
    cache_path(gpu, directory, path, sizeof path);
    bool is_given = payload && gpu->vk.vkGetPipelineCacheData(gpu->device, gpu->cache, &count,
                                                              payload) == VK_SUCCESS;
    // What would not be read again is not written: llvmpipe of Mesa 26.2.6 gives 20 bytes, less
    // than a header.
    if (!is_given || (is_of_device(gpu, payload, count) && !write_cache(path, payload, count)))
        log_line(&gpu->log, VKCLIP_LOG_INFO, "pipeline cache %s: cannot be written", path);
    free(payload);
}

// ---- notes -----------------------------------------------------------------------------------

static void note_path(const struct gpu *gpu, const char *directory, vkclip_precision precision,
                      enum gpu_note kind, char *path, size_t path_bytes)
{
    static const char *const kinds[] = {
        [GPU_NOTE_FAILED] = "failed",
        [GPU_NOTE_TUNED] = "tuned",
        [GPU_NOTE_TRYING] = "trying",
        [GPU_NOTE_STRUCK] = "struck",
    };
    char what[32];
    snprintf(what, sizeof what, "%s-%s", kinds[kind], precision_name(precision));
    key_path(gpu, directory, what, path, path_bytes);
}

bool gpu_note_read(const struct gpu *gpu, const char *directory, vkclip_precision precision,
                   enum gpu_note kind, char *text, size_t text_bytes)
{
    char path[4096];
    size_t count = 0;
    note_path(gpu, directory, precision, kind, path, sizeof path);
    unsigned char *payload = read_cache(path, &count);
    if (!payload)
        return false;
    snprintf(text, text_bytes, "%.*s", (int)(count < text_bytes ? count : text_bytes),
             (const char *)payload);
    free(payload);
    return true;
}

bool gpu_note_write(const struct gpu *gpu, const char *directory, vkclip_precision precision,
                    enum gpu_note kind, const char *text, vkclip_error *err)
{
    char path[4096];
    note_path(gpu, directory, precision, kind, path, sizeof path);
    return write_cache(path, (const unsigned char *)text, strlen(text)) ||
           fail(err, VKCLIP_ERROR_FILE, "%s: cannot be written", path);
}

void gpu_note_remove(const struct gpu *gpu, const char *directory, vkclip_precision precision,
                     enum gpu_note kind)
{
    char path[4096];
    note_path(gpu, directory, precision, kind, path, sizeof path);
    unlink(path);
}
