// kernel_args.h: what C and GLSL must agree on, declared once.
//
// Rules: 32-bit fields only, no bool, at most 64 bytes. Matrices are row-major and dense; column
// counts are multiples of 4, except where a kernel says otherwise. Every kernel has the same
// bindings: 0..3 storage buffers, 4 the counts of the run.
#ifndef VKCLIP_KERNEL_ARGS_H
#define VKCLIP_KERNEL_ARGS_H

#ifdef VULKAN // defined by the GLSL compiler, never by C
#define U32 uint
#define F32 float
#else
#include <assert.h>
#include <stdint.h>
#define U32 uint32_t
#define F32 float
#endif

// Specialization constants. 0 means the same in every kernel.
#define SPEC_WORKGROUP_WIDTH  0 // lanes per workgroup
#define SPEC_TILE_ROWS        1 // linear: rows a lane computes
#define SPEC_TILE_COLS        2 // linear: columns a lane computes, a multiple of 4 up to 32
#define SPEC_LANES_ACROSS     3 // linear: lanes side by side along the columns
#define SPEC_IS_STAGED        4 // linear: tiles go through shared memory
#define SPEC_PARTS            5 // linear: lanes that share an output, each a part of the inputs
#define SPEC_FRAGMENT_ROWS    1 // linear_matrix, attention_matrix: the device's matrices
#define SPEC_FRAGMENT_COLS    2
#define SPEC_FRAGMENT_DEPTH   3
#define SPEC_FRAGMENTS_DOWN   4 // linear_matrix: fragments a subgroup computes
#define SPEC_FRAGMENTS_ACROSS 5
#define SPEC_SUBGROUPS        6 // linear_matrix, attention_matrix: subgroups in a workgroup
#define SPEC_SUBGROUPS_ACROSS 7 // linear_matrix: and side by side
#define SPEC_LANES_PER_ROW    1 // layernorm and its like: lanes that share a row, a power of two
#define SPEC_LANES_SHARING    1 // attention: lanes that share four queries
#define SPEC_HEAD_DIM         4 // attention, attention_matrix: columns of a head, a multiple of 4
#define SPEC_IS_CAUSAL        5 // a query sees the keys up to its own
#define SPEC_BLOCK_KEYS       7 // keys at a time; of attention, so many for each of these lanes

// Linear weights [out, in] are stored in panels of this many outputs: panel, input, output. In int8
// a word holds four inputs, and the words of a panel are followed by a scale an output.
#define PANEL_COLS 32

// What linear ends with.
#define ACTIVATION_NONE       0
#define ACTIVATION_GELU       1 // the exact one
#define ACTIVATION_QUICK_GELU 2 // x sigmoid(1.702 x)

// Rows of every activation of a run: first one row of each sequence, the one its embedding is read
// from ([CLS]; the last token where attention is causal), then the other rows of one sequence after
// the other. What needs these alone, as the last layer does, is a prefix.
#define ROWS_SEQUENCES 0
#define ROWS_TOKENS    1

// What changes from run to run; the uniform buffer at binding 4.
struct run_counts {
    U32 sequences;
    U32 tokens; // of all sequences, the first rows included
};

// One workgroup's share of attention: queries of one sequence, in every head alike.
struct attention_tile {
    U32 query_row;   // first row of queries
    U32 query_count; // at most four for each group of lanes that shares them
    U32 head_row;    // the sequence's one row among the first
    U32 body_row;    // its first row among the others, which follow
    U32 key_count;   // of both
};

// A row of a text: which word, at which place.
struct token {
    U32 id;
    U32 position;
};

struct linear_args {
    U32 rows; // ROWS_...
    U32 in_cols;
    U32 out_cols;    // any
    U32 scaled_cols; // so many outputs, from the first, are multiplied by scale
    F32 scale;
    U32 has_bias;
    U32 activation; // ACTIVATION_...
    U32 has_gain;   // the bias is followed by as many factors, which come last
    U32 adds;       // y += instead of y =
};

struct layernorm_args {
    U32 rows; // ROWS_...
    U32 cols; // any
    F32 epsilon;
    U32 replaces; // y goes back to x as well
};

struct quantize_args {
    U32 rows; // ROWS_...
    U32 cols;
};

struct attention_args {
    U32 width; // columns of q, of k and of v; a row of qkv is all three
};

struct patchify_args {
    U32 image_size_px; // any
    U32 patch_size_px; // any
    U32 width;
    U32 register_count; // rows of a picture between its first row and its patches
    F32 scale[3];       // 1 / (255 std)
    F32 shift[3];       // -mean / std
};

// A vocabulary larger than a device binds comes in parts, a dispatch each; rows of words that are
// in another part are left alone.
struct embed_tokens_args {
    U32 width;
    U32 first_id; // of the part that is bound
    U32 id_count;
};

struct mean_args {
    U32 cols;      // any
    U32 first_key; // keys before it are left out
};

struct normalize_args {
    U32 cols; // any
    U32 is_unit;
};

struct top_k_args {
    U32 cols;        // of scores: queries
    U32 cols_across; // that a workgroup takes
    U32 most;        // rows found of each; 1 or more
};

// Which scores count: of -0 and 0 the former is less. What is not finite is in no bounds.
struct score_bounds {
    F32 least, most;
};

// What top_k finds of a query; as many struct found_row follow as it may find at most.
struct found_rows {
    U32 above;  // rows with a score above bounds.most
    U32 within; // rows within the bounds, found or not
};

struct found_row {
    U32 row;
    F32 score;
};

// Of the kernels that measure what a device can do: steps a loop, and pieces of 16 bytes a lane.
#define ROOF_UNROLLED 8
#define ROOF_COPIED   64

struct roof_args {
    U32 iterations;
    F32 factor, addend;
};

#ifndef VULKAN
static_assert(sizeof(struct run_counts) == 8, "C and GLSL disagree");
static_assert(sizeof(struct attention_tile) == 20, "C and GLSL disagree");
static_assert(sizeof(struct token) == 8, "C and GLSL disagree");
static_assert(sizeof(struct linear_args) == 36, "C and GLSL disagree");
static_assert(sizeof(struct layernorm_args) == 16, "C and GLSL disagree");
static_assert(sizeof(struct quantize_args) == 8, "C and GLSL disagree");
static_assert(sizeof(struct attention_args) == 4, "C and GLSL disagree");
static_assert(sizeof(struct patchify_args) == 40, "C and GLSL disagree");
static_assert(sizeof(struct embed_tokens_args) == 12, "C and GLSL disagree");
static_assert(sizeof(struct mean_args) == 8, "C and GLSL disagree");
static_assert(sizeof(struct normalize_args) == 8, "C and GLSL disagree");
static_assert(sizeof(struct top_k_args) == 12, "C and GLSL disagree");
static_assert(sizeof(struct score_bounds) == 8, "C and GLSL disagree");
static_assert(sizeof(struct found_rows) == 8, "C and GLSL disagree");
static_assert(sizeof(struct found_row) == 8, "C and GLSL disagree");
static_assert(sizeof(struct roof_args) == 12, "C and GLSL disagree");
#endif

#endif
