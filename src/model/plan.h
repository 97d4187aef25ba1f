// plan.h: a forward pass as a list of steps on named tensors.
//
// A tower is written as calls that each append a step and return the tensor it makes (vit.c,
// text_tower.c, encoder.c). The plan knows the first and last use of every tensor, so it can lay
// them out in one piece of memory, and turns the steps into one recording that is replayed for
// every run. Errors are collected: the first one wins, later calls do nothing, plan_layout reports
// it.
#ifndef VKCLIP_MODEL_PLAN_H
#define VKCLIP_MODEL_PLAN_H

#include "model/kernels.h"
#include "shared/kernel_args.h"

// ---- weights on the device -------------------------------------------------------------------

struct linear_weights {
    uint32_t in_cols, out_cols;
    struct gpu_range panels; // elements, or words in int8; see PANEL_COLS
    struct gpu_range bias;   // f32, then the gain where there is one; no buffer where there is none
    bool has_gain;
};

struct norm_weights {
    uint32_t cols;
    struct gpu_range gain_bias; // f32
};

#define WORDS_MOST_PARTS 64

// A table of words, in parts that every device can bind.
struct word_weights {
    uint32_t rows, cols, part_rows; // the last part may have fewer
    struct gpu_range parts[WORDS_MOST_PARTS];
};

// ---- tensors ---------------------------------------------------------------------------------

// A handle; the plan owns the tensor.
struct tensor {
    uint32_t index;
    uint32_t rows; // ROWS_...
    uint32_t cols;
    bool is_quantized;
};

// Rows are workgroups of one dimension in some kernels; Vulkan guarantees 65535.
#define PLAN_MAX_TOKENS 65535

// The largest run a plan is made for.
struct plan_limits {
    uint32_t sequences;
    uint32_t tokens;
    uint32_t longest; // sequence, in tokens
};

// One run: what is in the input buffers.
struct plan_run {
    struct run_counts counts;
    uint32_t tile_count;    // attention tiles; the first counts.sequences are of the first rows
    double attention_pairs; // queries times keys of all tiles, for the statistics
    double first_pairs;     // of the first rows' tiles alone
};

struct plan;

// Makes an empty plan; submit_gflop is how much work one submit may be at the limits. NULL when
// there is no memory.
struct plan *plan_create(const struct kernels *kernels, const struct plan_limits *limits,
                         double submit_gflop);
void plan_destroy(struct plan *plan);

// ---- steps -----------------------------------------------------------------------------------

struct plan_linear_options {
    uint32_t activation;  // ACTIVATION_...
    uint32_t scaled_cols; // so many outputs, from the first, are multiplied by scale
    float scale;
};

// A tensor in the arena that no step makes; the caller fills it before a run. f32, or in the
// storage type of matmul inputs.
struct tensor plan_input(struct plan *plan, uint32_t rows, uint32_t cols, bool is_element);

// Pixels [sequences, size, size, 3] u8 -> patches, and the rows x they will be added to.
//   places  [1 + registers + patches, width] f32: tokens and positions, patch bias included
struct tensor plan_patchify(struct plan *plan, struct gpu_range pixels, struct gpu_range places,
                            const struct patchify_args *args, struct tensor *x);

// Pixels as plan_patchify takes them: four to a word, the first in the lowest bits on any machine.
//   words   [(count + 3) / 4]
void plan_pack_pixels(uint32_t *words, const uint8_t *pixels, size_t count);

// Tokens (struct token, a row each) -> x [tokens, width] f32.
struct tensor plan_embed_tokens(struct plan *plan, struct gpu_range tokens,
                                const struct word_weights *words, struct gpu_range places);

// y = norm(x).
struct tensor plan_layernorm(struct plan *plan, struct tensor x, const struct norm_weights *w,
                             float epsilon);
// y = norm(x), and x becomes y.
struct tensor plan_layernorm_replace(struct plan *plan, struct tensor x,
                                     const struct norm_weights *w, float epsilon);

// x as linear reads it: in int8 quantized, else as it is. Those below begin with it where it was
// not done.
struct tensor plan_quantize(struct plan *plan, struct tensor x);

struct tensor plan_linear(struct plan *plan, struct tensor x, const struct linear_weights *w,
                          const struct plan_linear_options *options);
// y += x w^T + bias.
void plan_linear_add(struct plan *plan, struct tensor x, const struct linear_weights *w,
                     struct tensor y);
// f32 output, for embeddings.
struct tensor plan_linear_f32(struct plan *plan, struct tensor x, const struct linear_weights *w);
// The same to a buffer of the caller's, [sequences, out_cols].
void plan_linear_out(struct plan *plan, struct tensor x, const struct linear_weights *w,
                     struct gpu_range out);

struct plan_attention_options {
    uint32_t head_count;
    bool is_causal;
    uint32_t rows; // ROWS_...: of the queries; ROWS_SEQUENCES are the first rows alone
};

// qkv [tokens, 3 * width] -> [rows, width]. tiles is the table of a run.
struct tensor plan_attention(struct plan *plan, struct tensor qkv, struct gpu_range tiles,
                             const struct plan_attention_options *options);

// Cuts the sequences of a run into tiles of at most so many queries: first the query of each that
// is among the first rows, which may be all that is computed, then the other queries. Returns their
// number, at most twice that of sequences and one for each `width` tokens.
uint32_t plan_cut_tiles(struct attention_tile *tiles, const uint32_t *lengths, uint32_t count,
                        uint32_t width);

// The first rows of x, one a sequence.
struct tensor plan_first_rows(struct tensor x);

// x [tokens, cols] f32 -> [sequences, cols] f32, the mean of each sequence from its first_key on.
struct tensor plan_mean(struct plan *plan, struct tensor x, struct gpu_range tiles,
                        uint32_t first_key);

// out [sequences, cols] f32 = x of unit length, or x as it is.
void plan_normalize(struct plan *plan, struct tensor x, bool is_unit, struct gpu_range out);

// Of each column of scores [tokens, cols] f32, which is a query, the rows that score best within
// bounds; for runs of one sequence.
//   bounds  [cols] struct score_bounds
//   found   [cols] struct found_rows and most struct found_row each
void plan_top_k(struct plan *plan, struct tensor scores, struct gpu_range bounds, uint32_t most,
                struct gpu_range found);

// ---- running ---------------------------------------------------------------------------------

// Lays the tensors out; fails with the first error of the steps.
bool plan_layout(struct plan *plan, uint64_t *arena_bytes, vkclip_error *err);

// Records the steps over an arena of at least that size. Call once more to record anew.
bool plan_record(struct plan *plan, struct gpu_buffer *arena, bool is_timed, vkclip_error *err);

// Runs within the limits; blocks.
bool plan_run(struct plan *plan, const struct plan_run *run, vkclip_error *err);

// The same in two steps: begin hands the run to the device, end waits for it. In between, what the
// plan uses must be left alone. Where begin fails there is nothing to wait for.
bool plan_begin(struct plan *plan, const struct plan_run *run, vkclip_error *err);
bool plan_end(struct plan *plan, vkclip_error *err);

// Adds time and work of the last run of a timed plan to rows by kernel name.
void plan_add_times(const struct plan *plan, vkclip_kernel_time rows[KERNEL_COUNT]);

// Which variant the last step got.
enum kernel plan_last_kernel(const struct plan *plan);

// Where a tensor lies after plan_layout, rows packed: to fill inputs and to look inside.
struct gpu_range plan_tensor_range(const struct plan *plan, struct tensor tensor,
                                   struct gpu_buffer *arena);

#endif
