// rig.h: one kernel on a device, with inputs the host fills and outputs it reads.
//
// A case is: rig_begin, inputs and steps, rig_lay_out, inputs filled, rig_run, rig_check, rig_end.
// Errors are collected: after the first, calls do nothing and memory is NULL, so a case looks at
// rig_is_sound once before it touches what it was given.
#ifndef VKCLIP_VERIFY_RIG_H
#define VKCLIP_VERIFY_RIG_H

#include "model/plan.h"

// How one comparison came out.
struct rig_result {
    enum kernel kernel;
    char what[64];         // the case
    double worst, allowed; // relative to max(1, |want|); what is not a number is off by infinity
    size_t at;             // the worst element
    bool is_repeatable;    // a second run gave the same bits
    bool is_contained;     // nothing but the output was written
};

bool rig_result_passes(const struct rig_result *result);

struct rig_report {
    void (*write)(void *user, const struct rig_result *result);
    void *user;
};

#define RIG_MOST_BUFFERS 8
#define RIG_MOST_ARRAYS  16
#define RIG_MOST_OUTPUTS 2

struct rig {
    struct gpu *gpu;
    struct kernels kernels;
    uint32_t head_dim;
    struct rig_report report;
    uint32_t random_state;
    // Of the case at hand.
    vkclip_error error; // first one wins
    struct plan *plan;
    struct gpu_buffer *arena; // host-visible here, so that tensors can be filled and read
    uint64_t arena_bytes;
    struct gpu_buffer *buffers[RIG_MOST_BUFFERS];
    uint32_t buffer_count;
    void *arrays[RIG_MOST_ARRAYS];
    uint32_t array_count;
    struct gpu_range outputs[RIG_MOST_OUTPUTS]; // what kernels may write
    uint32_t output_count;
    bool is_repeatable, is_contained;
};

// Creates the kernels.
bool rig_init(struct rig *rig, struct gpu *gpu, const struct kernels_params *params,
              struct rig_report report, vkclip_error *err);
void rig_finish(struct rig *rig);

bool rig_is_half(const struct rig *rig);
bool rig_is_int8(const struct rig *rig);

// The bound of an output in the storage type: fp16 has 11 bits, and Vulkan lets a device round to
// the nearest or towards zero (Precision and Operation of SPIR-V Instructions).
double rig_rounding(const struct rig *rig, double of_sums);

// ---- a case ----------------------------------------------------------------------------------

// Begins a plan for at most so many rows; rig_end frees all that the case was given.
void rig_begin(struct rig *rig, uint32_t sequences, uint32_t tokens);
void rig_end(struct rig *rig);

bool rig_is_sound(const struct rig *rig);

// Memory of the case, all zeros.
void *rig_array(struct rig *rig, size_t count, size_t item_bytes);

// In -1 .. 1, and exact in fp16, so that the oracle sees what the kernel sees.
float *rig_values(struct rig *rig, size_t count);

// In -1 .. 1, the same row of numbers in every run.
float rig_random(struct rig *rig);

// A buffer the host fills, as weights and inputs of a kernel; elements are in the storage type
// of matmul inputs.
struct gpu_range rig_bytes(struct rig *rig, const void *bytes, size_t byte_count);
struct gpu_range rig_floats(struct rig *rig, const float *values, size_t count);
struct gpu_range rig_elements(struct rig *rig, const float *values, size_t count);

// A buffer the device fills with floats.
struct gpu_range rig_output_buffer(struct rig *rig, size_t float_count);

// Lays the plan out and records it. The arena starts full of NaNs: what a kernel does not write
// is seen. False after an error, this one or an earlier one.
bool rig_lay_out(struct rig *rig);

// Where a tensor lies, after rig_lay_out.
void *rig_address(const struct rig *rig, struct tensor tensor);

void rig_put_elements(const struct rig *rig, struct tensor tensor, const float *values,
                      size_t count);
void rig_get_elements(const struct rig *rig, struct tensor tensor, float *values, size_t count);

// Says that the first bytes of a tensor are what is written; all others must stay as they are.
void rig_expect_output(struct rig *rig, struct tensor tensor, uint64_t size_bytes);

// Runs the plan twice from the same state. False after an error.
bool rig_run(struct rig *rig, uint32_t sequences, uint32_t tokens, uint32_t tiles);

// Compares and reports.
void rig_check(struct rig *rig, const char *what, const float *got, const double *want,
               size_t count, double allowed);

#endif
