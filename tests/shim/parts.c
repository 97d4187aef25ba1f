// The parts that can be pretended, one of each of Intel's Vulkan generations that Mesa compiles
// for. Sizes from Intel's product pages; identifiers from the PCI id list.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shim.h"

static const struct shim_part parts[] = {
    // Gen12: integrated graphics of Core i7-1185G7 (Iris Xe, 96 units)
    {"tigerlake", "i915", 0x9a49, 1, 12, 0, 6, 16, 8, 0},
    // Gen12.5: Arc A770, 16 GB
    {"alchemist", "i915", 0x56a0, 8, 12, 55, 32, 16, 32, (uint64_t)16 << 30},
    // Xe2: integrated graphics of Core Ultra 7 258V (Arc 140V)
    {"lunarlake", "xe", 0x64a0, 4, 20, 4, 8, 8, 8, 0},
    // Xe2: Arc B580, 12 GB
    {"battlemage", "xe", 0xe20b, 0, 20, 1, 20, 8, 20, (uint64_t)12 << 30},
};

const struct shim_part *shim_part(void)
{
    const char *name = getenv("INTEL_SHIM");
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        if (name && !strcmp(name, parts[i].name))
            return &parts[i];
    fprintf(stderr, "shim: INTEL_SHIM is %s; it names one of:", name ? name : "not set");
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        fprintf(stderr, " %s", parts[i].name);
    fprintf(stderr, "\n");
    exit(1);
}

uint64_t shim_clock(const struct timespec *time)
{
    return (uint64_t)time->tv_sec * SHIM_CLOCK_HZ +
           (uint64_t)time->tv_nsec * (SHIM_CLOCK_HZ / 100000) / 10000;
}

// Keys of the table in Intel's firmware interface.
enum {
    MAX_SLICES = 1,
    MAX_DUAL_SUBSLICES = 2,
    UNITS_PER_DUAL_SUBSLICE = 3,
    PIXEL_PIPES_PER_SLICE = 4,
    THREADS_PER_UNIT = 15,
};

uint32_t shim_hardware_table(const struct shim_part *part, const uint32_t **words)
{
    static uint32_t table[15];
    const uint32_t pairs[][2] = {
        {MAX_SLICES, (part->core_count + 3) / 4},
        {MAX_DUAL_SUBSLICES, part->core_count},
        {UNITS_PER_DUAL_SUBSLICE, part->units_per_core},
        {PIXEL_PIPES_PER_SLICE, 2},
        {THREADS_PER_UNIT, 8},
    };
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        table[3 * i] = pairs[i][0];
        table[3 * i + 1] = 1;
        table[3 * i + 2] = pairs[i][1];
    }
    *words = table;
    return sizeof(table);
}
