#include "host/window.h"

#include <math.h>

uint8_t window_grey(const struct window *window, double value)
{
    double from_center = value - (window->center - 0.5), half = (window->width - 1.0) / 2.0;
    if (from_center <= -half)
        return 0;
    if (from_center > half)
        return 255;
    return (uint8_t)floor((from_center / (window->width - 1.0) + 0.5) * 255.0 + 0.5);
}

struct window window_between(double low, double high)
{
    return (struct window){.center = (low + high + 1.0) / 2.0, .width = high - low + 1.0};
}

// The smallest value that at least permille / 1000 of the pixels do not exceed.
static uint32_t percentile(const uint32_t counts[WINDOW_VALUES], uint64_t total, uint64_t permille)
{
    uint64_t rank = (total * permille + 999) / 1000, below = 0;
    uint32_t value = 0;
    while ((below += counts[value]) < rank)
        value++;
    return value;
}

void window_percentiles(const uint32_t counts[WINDOW_VALUES], uint32_t *low, uint32_t *high)
{
    uint64_t total = 0;
    for (uint32_t value = 0; value < WINDOW_VALUES; value++)
        total += counts[value];
    *low = percentile(counts, total, 5);
    *high = percentile(counts, total, 995);
}
