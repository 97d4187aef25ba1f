// tuning.h: what was measured of the variants of linear on a device, and what follows from it.
#ifndef VKCLIP_MODEL_TUNING_H
#define VKCLIP_MODEL_TUNING_H

#include "model/kernels.h"

// The precision that is meant; VKCLIP_PRECISION_DEFAULT is fp16 on GPUs that store it, else fp32.
vkclip_precision tuning_precision(const vkclip_device_facts *device, vkclip_precision wanted);

// Begins a report on no variant. Classes are those of KERNEL_LINEAR and, in fp16, those of
// KERNEL_LINEAR_F32 behind them.
void tuning_init(vkclip_tuning *tuning, vkclip_precision precision);

// Chooses by the times in the report. All classes of a kernel get variants of one family, the one
// whose times multiplied are least, so that each class counts alike. False where no family was
// timed in every class.
bool tuning_choose(vkclip_tuning *tuning);

// The report on a device as it was written. False where there is none that is sound and of these
// shaders.
bool tuning_read(const struct gpu *gpu, const char *directory, vkclip_precision precision,
                 vkclip_tuning *tuning);
bool tuning_write(const struct gpu *gpu, const char *directory, const vkclip_tuning *tuning,
                  vkclip_error *err);

// The variants that were chosen. False where nothing was, or what was is none of today's or does
// not fit the device; also where directory is NULL.
bool tuning_read_choice(const struct gpu *gpu, const char *directory, vkclip_precision precision,
                        struct kernels_choice *choice);

#endif
