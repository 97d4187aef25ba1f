// gpu.h: the door to the only room that knows Vulkan. Opaque handles, no Vulkan types.
//
// The model room describes what to run as an array of dispatches; this room turns it into
// recorded command buffers once (gpu_recording_create) and replays them (gpu_recording_run).
// What changes from run to run lies in buffers: group counts in an indirect buffer, row counts
// in a uniform buffer. Within one struct gpu only gpu_pipeline_create is thread-safe, with itself.
#ifndef VKCLIP_GPU_GPU_H
#define VKCLIP_GPU_GPU_H

#include "base/error.h"
#include "base/log.h"

struct gpu;
struct gpu_buffer;
struct gpu_pipeline;
struct gpu_recording;

// The floor: what Vulkan 1.1 guarantees and this program counts on.
#define GPU_MAX_STORAGE_BINDINGS 4
#define GPU_MAX_ARGS_BYTES       64

// As vkclip_devices.
bool gpu_list(vkclip_device_facts *devices, uint32_t capacity, uint32_t *count, vkclip_error *err);

// Opens a device: index, part of a name, or NULL for the default. Returns NULL on failure.
struct gpu *gpu_create(const char *choice, const vkclip_log *log, vkclip_error *err);
void gpu_destroy(struct gpu *gpu);

// False, always with the same error, once the device was lost or hangs. A device that hangs is
// never touched again: what it holds is left to the end of the process.
bool gpu_check_alive(const struct gpu *gpu, vkclip_error *err);

// Waits until the device has done all it was given, before what it uses is destroyed.
void gpu_wait_idle(struct gpu *gpu);

const vkclip_device_facts *gpu_get_facts(const struct gpu *gpu);

// Bindings start at multiples of this many bytes (a power of two, at most 256).
uint32_t gpu_offset_alignment(const struct gpu *gpu);

// ---- memory ----------------------------------------------------------------------------------

enum gpu_memory {
    GPU_MEMORY_DEVICE,   // the device alone
    GPU_MEMORY_UPLOAD,   // the host writes, the device reads
    GPU_MEMORY_READBACK, // the device writes, the host reads
};

struct gpu_room {
    uint64_t heap_bytes; // of the memory that GPU_MEMORY_DEVICE prefers
    uint64_t free_bytes; // what the driver thinks is left of it; UINT64_MAX where it does not say
    bool is_short;       // the last buffer did not fit on the device
};

struct gpu_room gpu_get_room(const struct gpu *gpu);

// Returns NULL and fails with VKCLIP_ERROR_MEMORY when there is none left.
struct gpu_buffer *gpu_buffer_create(struct gpu *gpu, uint64_t size_bytes, enum gpu_memory memory,
                                     vkclip_error *err);
void gpu_buffer_destroy(struct gpu *gpu, struct gpu_buffer *buffer);

// Host address of an UPLOAD or READBACK buffer, valid for its lifetime. Host writes reach the
// device at the next gpu_recording_run; device writes are visible after it.
void *gpu_buffer_address(const struct gpu_buffer *buffer);

// Copies to device memory: begin gives room for what is to lie at an offset of the target (at most
// GPU_UPLOAD_PIECE_BYTES) to write to, end sends it on its way, wait returns when all has arrived.
// The room is in a ring of staging pieces or, where the host sees the device's memory, the target
// itself; either way it is to be written once and not read.
#define GPU_UPLOAD_PIECE_BYTES (16u << 20)
void *gpu_upload_begin(struct gpu *gpu, struct gpu_buffer *target, uint64_t offset_bytes,
                       vkclip_error *err);
bool gpu_upload_end(struct gpu *gpu, struct gpu_buffer *target, uint64_t offset_bytes,
                    uint64_t byte_count, vkclip_error *err);
bool gpu_upload_wait(struct gpu *gpu, vkclip_error *err);

// ---- pipelines -------------------------------------------------------------------------------

struct gpu_pipeline_source {
    const char *name;
    const uint32_t *spirv;
    size_t spirv_bytes;
    const uint32_t *constants; // specialization constants, ids 0, 1, 2, ...
    uint32_t constant_count;
    uint32_t subgroup_width; // full subgroups of this many lanes, as matrices want; 0: any
};

// Several threads may be in here at once, each with its own err, as long as nobody uses the gpu for
// anything else. Returns NULL on failure.
struct gpu_pipeline *gpu_pipeline_create(struct gpu *gpu, const struct gpu_pipeline_source *source,
                                         vkclip_error *err);
void gpu_pipeline_destroy(struct gpu *gpu, struct gpu_pipeline *pipeline);

// The driver's compiled pipelines, kept in a file of this directory under a name made of device,
// driver and program version. Loading takes whatever is sound there and ignores the rest;
// saving writes a new file and renames it, and does nothing when nothing was compiled.
void gpu_cache_load(struct gpu *gpu, const char *directory);
void gpu_cache_save(struct gpu *gpu, const char *directory);

// What is remembered of this device in one precision, kept beside the pipeline cache under the same
// key: a text a kind. Reading is false where there is none that is sound; a text longer than there
// is room for is cut. Writing fails with VKCLIP_ERROR_FILE. A lost device can have notes too.
enum gpu_note {
    GPU_NOTE_FAILED, // what is wrong with its numbers
    GPU_NOTE_TUNED,  // which variants are fastest
    GPU_NOTE_TRYING, // the variant that is being tried: it ended the program if it is still there
    GPU_NOTE_STRUCK, // variants that are not tried again
};
bool gpu_note_read(const struct gpu *gpu, const char *directory, vkclip_precision precision,
                   enum gpu_note kind, char *text, size_t text_bytes);
bool gpu_note_write(const struct gpu *gpu, const char *directory, vkclip_precision precision,
                    enum gpu_note kind, const char *text, vkclip_error *err);
void gpu_note_remove(const struct gpu *gpu, const char *directory, vkclip_precision precision,
                     enum gpu_note kind);

// ---- work ------------------------------------------------------------------------------------

struct gpu_range {
    struct gpu_buffer *buffer;
    uint64_t offset_bytes, size_bytes;
};

struct gpu_dispatch {
    struct gpu_pipeline *pipeline;
    struct gpu_range bindings[GPU_MAX_STORAGE_BINDINGS]; // a NULL buffer is not bound
    unsigned char args[GPU_MAX_ARGS_BYTES];              // push constants, all of them
    bool ends_submit; // the device may be interrupted after this one
};

struct gpu_recording_params {
    const struct gpu_dispatch *dispatches; // run in this order, each sees what those before wrote
    uint32_t dispatch_count;
    struct gpu_range counts;   // uniform buffer all kernels read
    struct gpu_buffer *groups; // UPLOAD; [dispatch_count][3] u32 group counts
    bool is_timed;
};

// Returns NULL on failure. Pipelines and buffers must outlive it.
struct gpu_recording *
gpu_recording_create(struct gpu *gpu, const struct gpu_recording_params *params, vkclip_error *err);
void gpu_recording_destroy(struct gpu *gpu, struct gpu_recording *recording);

// Runs it and waits. Fails with VKCLIP_ERROR_LOST when the device is lost or does not finish a
// submit within 10 s (60 s for software drivers); then every later call fails at once.
bool gpu_recording_run(struct gpu *gpu, struct gpu_recording *recording, vkclip_error *err);

// The same in two steps: begin hands it to the device, end waits. In between, what it uses must be
// left alone. Where begin fails there is nothing to wait for.
bool gpu_recording_begin(struct gpu *gpu, struct gpu_recording *recording, vkclip_error *err);
bool gpu_recording_end(struct gpu *gpu, struct gpu_recording *recording, vkclip_error *err);

// Device time of dispatch i in the last run of a timed recording, in nanoseconds.
double gpu_recording_time_ns(const struct gpu_recording *recording, uint32_t i);

#endif
