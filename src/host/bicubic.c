#include "host/bicubic.h"

#include <math.h>
#include <stdlib.h>

// f(x) = ((a+2)|x| - (a+3)) x^2 + 1 for |x| < 1, (((|x|-5)|x| + 8)|x| - 4) a for |x| < 2, a = -0.5.
// The order of the operations is Pillow's; the last bit depends on it.
static double bicubic_kernel(double x)
{
    const double a = -0.5;
    x = fabs(x);
    if (x < 1.0)
        return ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
    if (x < 2.0)
        return (((x - 5.0) * x + 8.0) * x - 4.0) * a;
    return 0.0;
}

static double bilinear_kernel(double x)
{
    x = fabs(x);
    return x < 1.0 ? 1.0 - x : 0.0;
}

// How an axis is resized.
struct axis {
    double scale, stretch; // source pixels an output pixel; at least 1
    double support;        // of the kernel, in source pixels
    double (*kernel)(double x);
    uint32_t source_px;
};

static void fill_span(struct bicubic *bicubic, uint32_t output, double center,
                      const struct axis *axis)
{
    const double support = axis->support, inverse_scale = 1.0 / axis->stretch;
    const uint32_t source_px = axis->source_px;
    struct bicubic_span *span = &bicubic->spans[output];
    double *weights = &bicubic->weights[(size_t)output * bicubic->tap_count];
    int32_t *fixed_weights = &bicubic->fixed_weights[(size_t)output * bicubic->tap_count];

    double low = center - support + 0.5, high = center + support + 0.5;
    span->start = low > 0.0 ? (uint32_t)low : 0;
    uint32_t end = high < (double)source_px ? (uint32_t)high : source_px;
    span->count = end - span->start;

    double sum = 0.0;
    for (uint32_t tap = 0; tap < span->count; tap++) {
        weights[tap] = axis->kernel(((double)(tap + span->start) - center + 0.5) * inverse_scale);
        sum += weights[tap];
    }
    for (uint32_t tap = 0; tap < span->count; tap++) {
        if (sum != 0.0)
            weights[tap] /= sum;
        double scaled = weights[tap] * (1 << BICUBIC_FIXED_BITS);
        fixed_weights[tap] = (int32_t)(scaled < 0.0 ? scaled - 0.5 : scaled + 0.5);
    }
}

bool bicubic_init(struct bicubic *bicubic, uint32_t source_px, uint32_t resized_px, uint32_t first,
                  uint32_t output_count, bool is_bilinear, vkclip_error *err)
{
    struct axis axis = {.scale = (double)source_px / (double)resized_px, .source_px = source_px};
    axis.stretch = axis.scale > 1.0 ? axis.scale : 1.0;
    axis.support = (is_bilinear ? 1.0 : 2.0) * axis.stretch;
    axis.kernel = is_bilinear ? bilinear_kernel : bicubic_kernel;

    *bicubic = (struct bicubic){.output_count = output_count,
                                .tap_count = (uint32_t)ceil(axis.support) * 2 + 1};
    size_t weight_count = (size_t)output_count * bicubic->tap_count;
    bicubic->spans = calloc(output_count, sizeof *bicubic->spans);
    bicubic->weights = calloc(weight_count, sizeof *bicubic->weights);
    bicubic->fixed_weights = calloc(weight_count, sizeof *bicubic->fixed_weights);
    if (!bicubic->spans || !bicubic->weights || !bicubic->fixed_weights) {
        bicubic_finish(bicubic);
        return fail(err, VKCLIP_ERROR_MEMORY, "no memory for %zu resize weights", weight_count);
    }

    for (uint32_t output = 0; output < output_count; output++)
        fill_span(bicubic, output, ((double)(first + output) + 0.5) * axis.scale, &axis);
    return true;
}

void bicubic_finish(struct bicubic *bicubic)
{
    free(bicubic->spans);
    free(bicubic->weights);
    free(bicubic->fixed_weights);
    *bicubic = (struct bicubic){0};
}
