// What the files of this preload library share. It answers what Intel's Vulkan driver of Mesa (ANV)
// asks of the kernel, so that the driver starts and its compiler runs where there is no Intel GPU.
// Memory is real, submitted work is done at once by doing nothing.
//
// INTEL_SHIM names the part to pretend (parts.c), LD_PRELOAD loads the library. Tests only.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

struct shim_part {
    const char *name;   // value of INTEL_SHIM
    const char *driver; // kernel driver: "i915" or "xe"
    uint16_t device_id; // PCI, vendor 0x8086
    uint8_t revision;
    uint16_t ip_major, ip_minor; // graphics version, asked by xe only
    uint32_t slice_count;
    uint32_t core_count;     // Xe cores, called dual subslices before Xe2
    uint32_t units_per_core; // execution units in each
    uint32_t l3_bank_count;  // asked by xe only
    uint32_t clock_hz;       // of time stamps
    uint64_t local_bytes;    // memory on the card, 0 when it shares the machine's
};

// The part INTEL_SHIM names; ends the process with a message when it names none.
const struct shim_part *shim_part(void);

// The table of hardware facts that firmware gives, as key, count, values; returns its size.
uint32_t shim_hardware_table(const struct shim_part *part, const uint32_t **words);

// System memory the machine is said to have: enough that no budget stands in the way.
#define SHIM_SYSTEM_BYTES ((uint64_t)16 << 30)

// What the clock for time stamps shows at a time.
uint64_t shim_clock(const struct shim_part *part, const struct timespec *time);

// Buffer objects: parts of one file in memory, made when asked for, given back when closed.
int shim_object_create(uint64_t size_bytes, uint32_t *handle);
int shim_object_close(uint32_t handle);
uint64_t shim_object_map_offset(uint32_t handle); // 0: no such object

// Marks a synchronisation object as signalled; point 0 for those without a time line.
void shim_sync_signal(uint32_t handle, uint64_t point);

// Copies an answer to a query that is asked twice: for its size, then for its bytes.
// Returns 0, or -EINVAL when the room is too small.
int shim_answer(const void *answer, uint32_t answer_bytes, uint64_t room, uint32_t *room_bytes);

// Answers of the two kernel drivers: 0, a negative errno, or SHIM_UNKNOWN.
#define SHIM_UNKNOWN 1
int shim_i915(const struct shim_part *part, unsigned long request, void *argument);
int shim_xe(const struct shim_part *part, unsigned long request, void *argument);
