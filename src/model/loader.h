// loader.h: weights by name and shape -> device memory, in the layouts the kernels read.
//
// The towers name what they need once (vit_load, text_load); that code runs twice. The first
// pass has no device: it checks names and shapes, notes every problem, and adds up how much
// memory is needed. The second reads, converts, packs and uploads.
#ifndef VKCLIP_MODEL_LOADER_H
#define VKCLIP_MODEL_LOADER_H

#include "base/log.h"
#include "host/weights.h"
#include "model/plan.h"

#define LOADER_MAX_BLOCKS 64

// Device memory of one model.
struct weight_memory {
    struct gpu_buffer *blocks[LOADER_MAX_BLOCKS];
    uint32_t block_count;
    uint64_t size_bytes;
};

// Where the seconds of uploading went: several threads fill a piece of what is uploaded, and what
// that takes is shared out to reading and converting as their own seconds were.
struct upload_times {
    double read_s, convert_s;
    double upload_s; // waiting for room on the device and for the last copies
};

struct loader {
    const struct weights *weights;
    const vkclip_log *log;
    vkclip_error error; // first one wins
    // Checking.
    bool *is_expected; // [weights->count]
    uint32_t problem_count;
    uint64_t parameter_count;
    uint64_t need_bytes;    // of device memory
    uint32_t element_bytes; // of words, and of matrices
    bool is_int8;           // but matrices are quantized
    // Uploading; gpu is NULL in the checking pass.
    struct gpu *gpu;
    struct weight_memory *memory;
    uint64_t block_used, block_bytes; // of the last block
    float *scratch;
    size_t scratch_count;
    struct upload_times times;
};

// Begins the checking pass for any precision but DEFAULT.
bool loader_init(struct loader *loader, const struct weights *weights, vkclip_precision precision,
                 const vkclip_log *log, vkclip_error *err);

// Reports all problems of the checking pass, surplus tensors included: each to the log, the
// count in err.
bool loader_check(struct loader *loader, vkclip_error *err);

// Begins the upload pass of a loader that was checked.
void loader_begin_upload(struct loader *loader, struct gpu *gpu, struct weight_memory *memory);

// Ends it: waits for the copies and reports the first error.
bool loader_end_upload(struct loader *loader, vkclip_error *err);

void loader_finish(struct loader *loader);

void weight_memory_finish(struct weight_memory *memory, struct gpu *gpu);

// One dimension of a tensor, or what it would be, where the tensor is missing or has another rank:
// loading it will then say so, together with whatever else does not fit.
uint32_t loader_measure(const struct weights *weights, const char *name, uint32_t rank,
                        uint32_t dimension, uint32_t otherwise);

// How many layers there are: the first number i for which "<prefix>i<suffix>" is missing, or most.
uint32_t loader_count_layers(const struct weights *weights, const char *prefix, const char *suffix,
                             uint32_t most);

// ---- what towers ask for ---------------------------------------------------------------------

// A name that ends in "." or "_" stands for two tensors, "<name>weight" and "<name>bias".

#define LOADER_MOST_STACKED 3

// A linear layer, or several of one shape, one under the other, as the query, key and value of many
// naming schemes.
struct linear_source {
    const char *names[LOADER_MOST_STACKED]; // NULL from the first that is not there
    uint32_t in_cols, out_cols;             // out_cols: of all together
    bool has_bias;
    const char *gain; // [out_cols] that the outputs are multiplied by; NULL: none
};

// Weights are stored [out, in]. A name for a single tensor is stored [in, out].
void loader_linear(struct loader *loader, const struct linear_source *source,
                   struct linear_weights *out);

// A convolution whose kernel does not overlap, "<name>weight" [out_cols, 3, size, size], as the
// matrix it is. Its bias is not loaded.
void loader_patch_linear(struct loader *loader, const char *name, uint32_t size_px,
                         uint32_t out_cols, struct linear_weights *out);

// "<name>weight" and "<name>bias", [cols] each; gamma and beta in the oldest files of BERT.
void loader_norm(struct loader *loader, const char *name, uint32_t cols, struct norm_weights *out);

// "<name>" [rows, cols] in the storage type of weights.
void loader_words(struct loader *loader, const char *name, uint32_t rows, uint32_t cols,
                  struct word_weights *out);

// "<name>" [.., rows, cols] to the host, with any number of leading 1s; a single row may lack its
// dimension. Where out is NULL, as in the checking pass, it is only checked.
void loader_rows(struct loader *loader, const char *name, uint32_t rows, uint32_t cols, float *out);

// f32 from the host; NULL in the checking pass.
void loader_floats(struct loader *loader, const float *values, uint64_t count,
                   struct gpu_range *out);

// A single f32 on the host, rank 0 or [1].
void loader_scalar(struct loader *loader, const char *name, float *out);

// Takes tensors off the surplus list: the one of that name, and all whose names begin with it
// where it ends in ".". They are not read.
void loader_ignore(struct loader *loader, const char *name);

#endif
