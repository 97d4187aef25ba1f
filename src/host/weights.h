// weights.h: one view of named tensors, whatever file format they lie in.
//
// Owns the open file and the list of tensors; does not own their meaning (model room) and keeps
// no copy of their data: weights_read_f32 reads and converts a piece at a time.
#ifndef VKCLIP_HOST_WEIGHTS_H
#define VKCLIP_HOST_WEIGHTS_H

#include "base/error.h"
#include "base/sha256.h"

enum weight_type {
    WEIGHT_F32,
    WEIGHT_F16,
    WEIGHT_BF16,
    WEIGHT_F64,
    WEIGHT_I64,
    WEIGHT_I32,
    WEIGHT_I16,
    WEIGHT_I8,
    WEIGHT_U8,
    WEIGHT_BOOL,
    WEIGHT_TYPE_COUNT,
};

#define WEIGHT_MAX_RANK 8

// What a tensor without a file is made of: element i is seeded_unit of the stream, times scale,
// plus offset. A scale that is a power of two is rounded once at most.
struct weight_seed {
    uint32_t stream;
    float scale, offset;
};

struct weight {
    const char *name; // owned by the weights
    enum weight_type type;
    uint32_t rank;
    uint64_t shape[WEIGHT_MAX_RANK];
    uint64_t element_count;
    uint64_t offset_bytes;   // from the start of the file; any alignment
    struct weight_seed seed; // in place of an offset, where there is no file
};

struct weights {
    char *path;
    int file;
    bool is_seeded; // there is no file: elements are computed when they are read
    uint64_t file_bytes;
    struct weight *items; // sorted by name
    uint32_t count;
    char *names; // storage of all names
};

// Opens a weights file and lists its tensors. The format is told from the first bytes:
// torch.save zip or safetensors. An outer state_dict wrapper, and "module.", "model." and
// "_orig_mod." in front of all names, are taken off. Every tensor is known to lie inside the file
// and to be contiguous.
//
// Fails with VKCLIP_ERROR_FILE, naming file, tensor and byte, or VKCLIP_ERROR_MEMORY.
bool weights_open(struct weights *weights, const char *path, vkclip_error *err);

// The same for tensors that are computed from seeds when they are read, so that they need neither a
// file nor memory.
//
//   name    what to call them in errors
//   items   [count] in any order; element_count is filled in
//
// Fails with VKCLIP_ERROR_MEMORY.
bool weights_open_seeded(struct weights *weights, const char *name, const struct weight *items,
                         uint32_t count, vkclip_error *err);

// Accepts a zeroed or half-opened object.
void weights_close(struct weights *weights);

// NULL when there is none of that name.
const struct weight *weights_find(const struct weights *weights, const char *name);

// Reads elements [first, first + count) of a float tensor (F32, F16, BF16, F64) as f32. The
// file is read with pread, never mapped: a file that shrinks meanwhile is an error, not SIGBUS.
//
// Fails with VKCLIP_ERROR_FILE on a read error (file, tensor, byte) or another element type.
// Thread safety: safe.
bool weights_read_f32(const struct weights *weights, const struct weight *weight, uint64_t first,
                      uint64_t count, float *out, vkclip_error *err);

// The checksum of the whole file, which there must be. Fails with VKCLIP_ERROR_FILE on a read
// error.
bool weights_sha256(const struct weights *weights, char hex[SHA256_HEX_BYTES], vkclip_error *err);

// "[768, 3, 16, 16] F16" for messages.
void weight_describe(const struct weight *weight, char *text, size_t text_bytes);

#endif
