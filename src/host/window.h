// window.h: which grey values become black and white, where there are more than a screen shows.
#ifndef VKCLIP_HOST_WINDOW_H
#define VKCLIP_HOST_WINDOW_H

#include <stddef.h>
#include <stdint.h>

// DICOM's linear window: values up to center - 0.5 - (width - 1) / 2 become black, those above
// center - 0.5 + (width - 1) / 2 white, the ones between evenly spaced greys.
struct window {
    double center, width; // width >= 1
};

// ((value - (center - 0.5)) / (width - 1) + 0.5) * 255, rounded half up, 0 and 255 outside.
// Source: DICOM PS3.3, C.11.2.1.2.1.
uint8_t window_grey(const struct window *window, double value);

// The window in which low just is 0 and high just is 255.
struct window window_between(double low, double high);

#define WINDOW_VALUES 65536

// The smallest values that at least 0.5 % and at least 99.5 % of the pixels do not exceed: what a
// label burnt in or a hot pixel adds is left out.
//
//   counts  how many pixels have each value; at least one has some
void window_percentiles(const uint32_t counts[WINDOW_VALUES], uint32_t *low, uint32_t *high);

#endif
