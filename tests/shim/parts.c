// The parts that can be pretended, one of each generation that ANV compiles for. Sizes as Intel
// publishes them, identifiers from the PCI id list.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shim.h"

static const struct shim_part parts[] = {
    // Gen9, integrated: UHD Graphics 630 of Core i7-8700
    {.name = "coffeelake",
     .driver = "i915",
     .device_id = 0x3e92,
     .revision = 0,
     .slice_count = 1,
     .core_count = 3,
     .units_per_core = 8,
     .clock_hz = 12000000},
    // Gen12, integrated: Iris Xe of Core i7-1185G7
    {.name = "tigerlake",
     .driver = "i915",
     .device_id = 0x9a49,
     .revision = 1,
     .slice_count = 1,
     .core_count = 6,
     .units_per_core = 16,
     .clock_hz = 19200000},
    // Gen12.5, a card: Arc A770, 16 GB
    {.name = "alchemist",
     .driver = "i915",
     .device_id = 0x56a0,
     .revision = 8,
     .slice_count = 8,
     .core_count = 32,
     .units_per_core = 16,
     .clock_hz = 19200000,
     .local_bytes = (uint64_t)16 << 30},
    // Xe2, integrated: Arc 140V of Core Ultra 7 258V
    {.name = "lunarlake",
     .driver = "xe",
     .device_id = 0x64a0,
     .revision = 4,
     .ip_major = 20,
     .ip_minor = 4,
     .slice_count = 2,
     .core_count = 8,
     .units_per_core = 8,
     .l3_bank_count = 8,
     .clock_hz = 19200000},
    // Xe2, a card: Arc B580, 12 GB
    {.name = "battlemage",
     .driver = "xe",
     .device_id = 0xe20b,
     .revision = 0,
     .ip_major = 20,
     .ip_minor = 1,
     .slice_count = 5,
     .core_count = 20,
     .units_per_core = 8,
     .l3_bank_count = 20,
     .clock_hz = 19200000,
     .local_bytes = (uint64_t)12 << 30},
    // Xe3, integrated: Arc B390 of Core Ultra X9 388H
    {.name = "pantherlake",
     .driver = "xe",
     .device_id = 0xb080,
     .revision = 4,
     .ip_major = 30,
     .ip_minor = 0,
     .slice_count = 2,
     .core_count = 12,
     .units_per_core = 8,
     .l3_bank_count = 16,
     .clock_hz = 19200000},
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

uint64_t shim_clock(const struct shim_part *part, const struct timespec *time)
{
    return (uint64_t)time->tv_sec * part->clock_hz +
           (uint64_t)time->tv_nsec * (part->clock_hz / 100000) / 10000;
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
        {MAX_SLICES, part->slice_count},
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
