// plan_parts.h: what a plan is made of, for the files of plan.
#ifndef VKCLIP_MODEL_PLAN_PARTS_H
#define VKCLIP_MODEL_PLAN_PARTS_H

#include "model/plan.h"

// BiomedCLIP's towers have 89 steps and 92 tensors; a ViT of 40 layers has 281.
#define MAX_STEPS   1024
#define MAX_TENSORS 1024

// Bytes that a step must move at least through a binding.
struct traffic {
    double fixed;               // whatever the run
    double a_token, a_sequence; // of it
};

// A binding is a tensor of the plan or a range that exists already.
#define NO_TENSOR UINT32_MAX
struct binding {
    uint32_t tensor;
    struct gpu_range range;
    struct traffic traffic;
};

enum group_count { GROUPS_BY_SEQUENCES, GROUPS_BY_TOKENS, GROUPS_BY_TILES };

struct step {
    enum kernel kernel;
    struct binding bindings[GPU_MAX_STORAGE_BINDINGS];
    unsigned char args[GPU_MAX_ARGS_BYTES];
    enum group_count counted; // what the workgroups along x divide among them
    uint32_t per_group;       // and how many of it one takes
    uint32_t groups_y;
    double row_flop;  // a row
    double pair_flop; // a query and key
};

struct plan_tensor {
    uint64_t row_bytes;
    uint64_t size_bytes; // at the plan's limits
    uint64_t offset_bytes;
    uint32_t first_step, last_step; // that use it
};

struct plan {
    const struct kernels *kernels;
    struct plan_limits limits;
    double submit_gflop;
    vkclip_error error;
    struct step steps[MAX_STEPS];
    uint32_t step_count;
    struct plan_tensor tensors[MAX_TENSORS];
    uint32_t tensor_count;
    struct gpu_buffer *counts, *groups;
    struct gpu_recording *recording;
    struct plan_run last_run;
};

#endif
