// kernel_rig.h: one kernel on a device, with inputs the host fills and outputs it reads.
#ifndef VKCLIP_TEST_KERNEL_RIG_H
#define VKCLIP_TEST_KERNEL_RIG_H

#include "model/plan.h"

extern struct gpu *gpu; // of the running tests

struct variant {
    const char *name;
    vkclip_precision precision;
    vkclip_device_kind kind;
};

#define VARIANT_COUNT 4
extern const struct variant variants[VARIANT_COUNT];

struct rig {
    const struct variant *variant;
    struct kernels kernels;
    struct plan *plan;
    struct plan_limits limits;
    struct gpu_buffer *arena;
    struct gpu_buffer *buffers[8];
    uint32_t buffer_count;
};

bool rig_is_half(const struct rig *rig);

// fp16 outputs are rounded to 11 bits.
double rig_rounding(const struct rig *rig, double of_sums);

// Creates the kernels; rig_finish destroys them. Between the two, any number of plans, one at a
// time: rig_plan, inputs and steps, rig_lay_out, inputs filled, rig_run, outputs read,
// rig_end_plan.
void rig_start(struct rig *rig, const struct variant *variant, uint32_t head_dim);

// Begins a plan for at most so many rows.
void rig_plan(struct rig *rig, uint32_t sequences, uint32_t tokens);

void rig_end_plan(struct rig *rig);

void rig_finish(struct rig *rig);

// A buffer the host fills, as weights and inputs of a kernel.
struct gpu_range rig_bytes(struct rig *rig, const void *bytes, size_t byte_count);
struct gpu_range rig_floats(struct rig *rig, const float *values, size_t count);

// Values in the storage type of matmul inputs.
void put_elements(const struct rig *rig, void *target, const float *values, size_t count);

struct gpu_range rig_elements(struct rig *rig, const float *values, size_t count);

// A buffer the device fills.
struct gpu_range rig_readback(struct rig *rig, size_t float_count);

// The arena is host-visible here, so that a test can fill and read tensors. It starts full of
// NaNs: what a kernel does not write is seen.
void rig_lay_out(struct rig *rig);

// Where a tensor lies, after rig_lay_out.
void *tensor_address(const struct rig *rig, struct tensor tensor);

void get_elements(const struct rig *rig, struct tensor tensor, float *values, size_t count);

void rig_run(struct rig *rig, uint32_t sequences, uint32_t tokens, uint32_t tiles);

// In -1 .. 1, the same row of numbers in every run.
float random_float(void);

// In -1 .. 1, and exact in fp16, so that the oracle sees what the kernel sees.
float *random_values(size_t count);

// check_near on doubles, named after the variant.
void check(const char *what, const struct rig *rig, const float *got, const double *want,
           size_t count, double tolerance);

// Runs a test on every variant the device has, with heads of 64 columns.
void for_each_variant(void (*test)(struct rig *));

// Group setup and teardown.
int open_gpu(void **state);
int close_gpu(void **state);

#endif
