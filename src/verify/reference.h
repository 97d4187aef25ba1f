// reference.h: each kernel in plain C and double precision, the oracle the shaders are held to.
#ifndef VKCLIP_VERIFY_REFERENCE_H
#define VKCLIP_VERIFY_REFERENCE_H

#include <stdint.h>

#include "shared/kernel_args.h"

// y[r,o] = f((sum_k x[r,k] w[o,k] + bias[o]) * (o < scaled_cols ? scale : 1)) * gain[o] +
//          (adds ? y[r,o] : 0)
//   x [rows, in_cols]; w [out_cols, in_cols]; bias [out_cols] where has_bias, then gain [out_cols]
//   where has_gain; y [rows, out_cols]
void ref_linear(const float *x, const float *w, const float *bias, uint32_t rows,
                const struct linear_args *args, double *y);

// Rows as 8-bit integers and scales.
struct ref_int8 {
    const float *integers; // [rows, cols]
    const float *scales;   // [rows]
};

// One row; returns the scale.
float ref_quantize(const float *row, uint32_t cols, float *integers);

// The same with sum_k x[r,k] w[o,k] in integers, then times both scales in f32 as the device does
// it, each product correctly rounded.
void ref_linear_int8(const struct ref_int8 *x, const struct ref_int8 *w, const float *bias,
                     uint32_t rows, const struct linear_args *args, double *y);

// gain_bias [2, cols]
void ref_layernorm(const float *x, const float *gain_bias, uint32_t rows, uint32_t cols,
                   double epsilon, double *y);

void ref_normalize(const float *x, uint32_t rows, const struct normalize_args *args, double *y);

// The mean of rows key_rows[first_key..key_count) of x [.., cols].
void ref_mean(const float *x, const struct mean_args *args, const uint32_t *key_rows,
              uint32_t key_count, double *y);

// One sequence, one head: q is row `query` of qkv; keys are rows key_rows[0..key_count).
//   qkv [.., 3 * width]; out [head_dim]
void ref_attention(const float *qkv, uint32_t width, uint32_t head, uint32_t head_dim,
                   uint32_t query, const uint32_t *key_rows, uint32_t key_count, double *out);

// Row of patches: image [size, size, 3] u8, patch `index`; out [3 * patch * patch]
void ref_patchify(const uint8_t *image, const struct patchify_args *args, uint32_t index,
                  double *out);

// words[id,:] + places[position,:]
void ref_embed_tokens(const float *words, const float *places, struct token token, uint32_t width,
                      double *out);

// One column of x [rows, cols]: how many finite scores are above bounds and within, and the largest
// most of those within, sorted.
//   found [most] the rest is left alone
struct found_rows ref_top_k(const float *x, uint32_t rows, const struct top_k_args *args,
                            uint32_t col, const struct score_bounds *bounds, float *found);

double ref_gelu(double x);
double ref_quick_gelu(double x);

#endif
