#include "host/dicom_run_length.h"

#include "host/little_endian.h"

#define HEAD_BYTES    64
#define MOST_SEGMENTS 15

// Runs -> `count` bytes, `stride` apart. What follows the last of them is padding.
static bool decode_segment(const uint8_t *at, const uint8_t *end, uint8_t *to, size_t count,
                           size_t stride)
{
    while (count > 0) {
        if (at == end)
            return false;
        uint8_t head = *at++;
        if (head == 128)
            continue; // no run
        bool is_literal = head < 128;
        size_t run = is_literal ? head + 1u : 257u - head;
        size_t taken = is_literal ? run : 1;
        if (run > count || taken > (size_t)(end - at))
            return false;
        for (size_t i = 0; i < run; i++, to += stride)
            *to = at[is_literal ? i : 0];
        at += taken;
        count -= run;
    }
    return true;
}

// Two bytes a sample are two segments, the high bytes first.
static void join_bytes(uint8_t *samples, size_t sample_count)
{
    uint16_t *joined = (uint16_t *)(void *)samples;
    for (size_t i = 0; i < sample_count; i++)
        joined[i] = (uint16_t)(samples[2 * i] << 8 | samples[2 * i + 1]);
}

bool dicom_decode_run_length(const uint8_t *bytes, size_t byte_count, uint8_t *samples,
                             size_t pixel_count, size_t channels, size_t sample_bytes)
{
    size_t segment_count = channels * sample_bytes;
    if (byte_count < HEAD_BYTES || segment_count > MOST_SEGMENTS || get_u32(bytes) != segment_count)
        return false;
    for (size_t i = 0; i < segment_count; i++) {
        size_t first = get_u32(bytes + 4 * (i + 1));
        size_t end = i + 1 < segment_count ? get_u32(bytes + 4 * (i + 2)) : byte_count;
        if (first < HEAD_BYTES || first > end || end > byte_count ||
            !decode_segment(bytes + first, bytes + end, samples + i, pixel_count, segment_count))
            return false;
    }
    if (sample_bytes == 2)
        join_bytes(samples, pixel_count * channels);
    return true;
}
