#include "model/positions.h"

#include <math.h>
#include <stdlib.h>

// The cubic of Keys: PyTorch has a of -0.75, and Pillow's -0.5 where it widens the support.
static double cubic(double x, double a)
{
    x = fabs(x);
    if (x < 1.0)
        return ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
    if (x < 2.0)
        return (((x - 5.0) * x + 8.0) * x - 4.0) * a;
    return 0.0;
}

// Adds the four weights of an output; beyond the border its last row is repeated.
static void weigh_sharp(double *weights, uint32_t output, uint32_t in_across, uint32_t out_across)
{
    const double scale = (double)in_across / ((double)out_across + 0.1);
    const double at = (output + 0.5) * scale - 0.5, first = floor(at);
    for (int i = -1; i <= 2; i++) {
        double from = fmin(fmax(first + i, 0.0), in_across - 1.0);
        weights[(uint32_t)from] += cubic(at - first - i, -0.75);
    }
}

static void weigh_smooth(double *weights, uint32_t output, uint32_t in_across, uint32_t out_across)
{
    const double scale = (double)in_across / out_across, wide = fmax(scale, 1.0);
    const double centre = (output + 0.5) * scale;
    double total = 0.0;
    for (uint32_t i = 0; i < in_across; i++)
        total += weights[i] = cubic((i + 0.5 - centre) / wide, -0.5);
    for (uint32_t i = 0; i < in_across; i++)
        weights[i] /= total;
}

static void add_row(double *sum, double weight, const float *row, uint32_t cols)
{
    for (uint32_t c = 0; c < cols; c++)
        sum[c] += weight * (double)row[c];
}

bool positions_resize(const float *in, uint32_t in_across, float *out, uint32_t out_across,
                      uint32_t cols, enum position_fit fit, vkclip_error *err)
{
    double *weights = calloc((size_t)out_across * in_across, sizeof *weights);
    double *sum = malloc(cols * sizeof *sum);
    bool is_done = weights && sum;
    if (!is_done)
        fail(err, VKCLIP_ERROR_MEMORY, "no memory to resize positions");
    for (uint32_t i = 0; is_done && i < out_across; i++)
        (fit == POSITIONS_SMOOTH ? weigh_smooth : weigh_sharp)(weights + (size_t)i * in_across, i,
                                                               in_across, out_across);
    for (uint32_t y = 0; is_done && y < out_across; y++)
        for (uint32_t x = 0; x < out_across; x++) {
            for (uint32_t c = 0; c < cols; c++)
                sum[c] = 0.0;
            for (uint32_t v = 0; v < in_across; v++)
                for (uint32_t u = 0; u < in_across; u++) {
                    double weight =
                        weights[(size_t)y * in_across + v] * weights[(size_t)x * in_across + u];
                    if (weight != 0.0)
                        add_row(sum, weight, in + ((size_t)v * in_across + u) * cols, cols);
                }
            for (uint32_t c = 0; c < cols; c++)
                *out++ = (float)sum[c];
        }
    free(weights);
    free(sum);
    return is_done;
}
