#include "verify/reference.h"

#include <math.h>

double ref_gelu(double x)
{
    return 0.5 * x * erfc(-x / sqrt(2.0));
}

double ref_quick_gelu(double x)
{
    return x / (1.0 + exp(-1.702 * x));
}

static double product(const float *x, const float *w, uint32_t count)
{
    double sum = 0.0;
    for (uint32_t k = 0; k < count; k++)
        sum += (double)x[k] * (double)w[k];
    return sum;
}

// What follows the product of column o; y is where it goes.
static void finish_linear(double sum, const float *bias, uint32_t o, const struct linear_args *args,
                          double *y)
{
    if (args->has_bias)
        sum += (double)bias[o];
    if (o < args->scaled_cols)
        sum *= (double)args->scale;
    if (args->activation == ACTIVATION_GELU)
        sum = ref_gelu(sum);
    if (args->activation == ACTIVATION_QUICK_GELU)
        sum = ref_quick_gelu(sum);
    if (args->has_gain)
        sum *= (double)bias[args->out_cols + o];
    *y = args->adds ? *y + sum : sum;
}

void ref_linear(const float *x, const float *w, const float *bias, uint32_t rows,
                const struct linear_args *args, double *y)
{
    const uint64_t cols = args->in_cols;
    for (uint32_t r = 0; r < rows; r++)
        for (uint32_t o = 0; o < args->out_cols; o++)
            finish_linear(product(x + r * cols, w + o * cols, args->in_cols), bias, o, args,
                          &y[(uint64_t)r * args->out_cols + o]);
}

float ref_quantize(const float *row, uint32_t cols, float *integers)
{
    double largest = 0.0;
    for (uint32_t c = 0; c < cols; c++)
        largest = fmax(largest, fabs((double)row[c]));
    for (uint32_t c = 0; c < cols; c++)
        integers[c] = largest > 1e-30 ? (float)rint((double)row[c] * 127.0 / largest) : 0.0f;
    return (float)largest * (1.0f / 127.0f);
}

// Sums of integers below 2^53 are exact in double.
void ref_linear_int8(const struct ref_int8 *x, const struct ref_int8 *w, const float *bias,
                     uint32_t rows, const struct linear_args *args, double *y)
{
    const uint64_t cols = args->in_cols;
    for (uint32_t r = 0; r < rows; r++)
        for (uint32_t o = 0; o < args->out_cols; o++) {
            const double sum =
                product(x->integers + r * cols, w->integers + o * cols, args->in_cols);
            const float scale = x->scales[r] * w->scales[o], scaled = (float)sum * scale;
            finish_linear((double)scaled, bias, o, args, &y[(uint64_t)r * args->out_cols + o]);
        }
}

void ref_layernorm(const float *x, const float *gain_bias, uint32_t rows, uint32_t cols,
                   double epsilon, double *y)
{
    for (uint32_t r = 0; r < rows; r++) {
        const float *row = x + (uint64_t)r * cols;
        double mean = 0.0, variance = 0.0;
        for (uint32_t c = 0; c < cols; c++)
            mean += (double)row[c] / cols;
        for (uint32_t c = 0; c < cols; c++)
            variance += ((double)row[c] - mean) * ((double)row[c] - mean) / cols;
        for (uint32_t c = 0; c < cols; c++)
            y[(uint64_t)r * cols + c] =
                ((double)row[c] - mean) / sqrt(variance + epsilon) * (double)gain_bias[c] +
                (double)gain_bias[cols + c];
    }
}

void ref_normalize(const float *x, uint32_t rows, const struct normalize_args *args, double *y)
{
    const uint32_t cols = args->cols;
    for (uint32_t r = 0; r < rows; r++) {
        double squares = 0.0;
        for (uint32_t c = 0; c < cols; c++)
            squares += (double)x[(uint64_t)r * cols + c] * (double)x[(uint64_t)r * cols + c];
        double norm = args->is_unit ? fmax(sqrt(squares), 1e-12) : 1.0;
        for (uint32_t c = 0; c < cols; c++)
            y[(uint64_t)r * cols + c] = (double)x[(uint64_t)r * cols + c] / norm;
    }
}

struct found_rows ref_top_k(const float *x, uint32_t rows, const struct top_k_args *args,
                            uint32_t col, const struct score_bounds *bounds, float *found)
{
    struct found_rows count = {0};
    for (uint32_t r = 0; r < rows; r++) {
        const float score = x[(uint64_t)r * args->cols + col];
        if (!isfinite(score) || score < bounds->least)
            continue;
        if (score > bounds->most) {
            count.above++;
            continue;
        }
        uint32_t place = count.within < args->most ? count.within : args->most;
        count.within++;
        for (; place > 0 && score > found[place - 1]; place--)
            if (place < args->most)
                found[place] = found[place - 1];
        if (place < args->most)
            found[place] = score;
    }
    return count;
}

void ref_mean(const float *x, const struct mean_args *args, const uint32_t *key_rows,
              uint32_t key_count, double *y)
{
    for (uint32_t c = 0; c < args->cols; c++) {
        double sum = 0.0;
        for (uint32_t j = args->first_key; j < key_count; j++)
            sum += (double)x[(uint64_t)key_rows[j] * args->cols + c];
        y[c] = sum / (key_count - args->first_key);
    }
}

static double score(const float *q, const float *k, uint32_t head_dim)
{
    double sum = 0.0;
    for (uint32_t c = 0; c < head_dim; c++)
        sum += (double)q[c] * (double)k[c];
    return sum;
}

void ref_attention(const float *qkv, uint32_t width, uint32_t head, uint32_t head_dim,
                   uint32_t query, const uint32_t *key_rows, uint32_t key_count, double *out)
{
    const float *q = qkv + (uint64_t)query * 3 * width + head * head_dim;
    double highest = -INFINITY, total = 0.0;
    for (uint32_t j = 0; j < key_count; j++) {
        const float *k = qkv + (uint64_t)key_rows[j] * 3 * width + width + head * head_dim;
        highest = fmax(highest, score(q, k, head_dim));
    }
    for (uint32_t c = 0; c < head_dim; c++)
        out[c] = 0.0;
    for (uint32_t j = 0; j < key_count; j++) {
        const float *k = qkv + (uint64_t)key_rows[j] * 3 * width + width + head * head_dim;
        double weight = exp(score(q, k, head_dim) - highest);
        total += weight;
        for (uint32_t c = 0; c < head_dim; c++)
            out[c] += weight * (double)k[width + c];
    }
    for (uint32_t c = 0; c < head_dim; c++)
        out[c] /= total;
}

void ref_patchify(const uint8_t *image, const struct patchify_args *args, uint32_t index,
                  double *out)
{
    const uint32_t size = args->image_size_px, patch = args->patch_size_px;
    const uint32_t top = index / (size / patch) * patch, left = index % (size / patch) * patch;
    for (uint32_t c = 0; c < 3; c++)
        for (uint32_t y = 0; y < patch; y++)
            for (uint32_t x = 0; x < patch; x++)
                *out++ = image[((top + y) * size + left + x) * 3 + c] * (double)args->scale[c] +
                         (double)args->shift[c];
}

void ref_embed_tokens(const float *words, const float *places, struct token token, uint32_t width,
                      double *out)
{
    for (uint32_t c = 0; c < width; c++)
        out[c] = (double)words[(uint64_t)token.id * width + c] +
                 (double)places[(uint64_t)token.position * width + c];
}
