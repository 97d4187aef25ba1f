// tuning.h: what was measured of the variants of kernels on a device, and what follows from it.
#ifndef VKCLIP_MODEL_TUNING_H
#define VKCLIP_MODEL_TUNING_H

#include "model/kernels.h"

// The precision that is meant; VKCLIP_PRECISION_DEFAULT is fp16 on GPUs that store it, else fp32.
vkclip_precision tuning_precision(const vkclip_device_facts *device, vkclip_precision wanted);

// Classes of attention: of a text, of an image.
#define TUNING_ATTENTION_CLASSES 2

// Begins a report on no variant. Classes are those of KERNEL_LINEAR, in fp16 those of
// KERNEL_LINEAR_F32, and those of attention.
void tuning_init(vkclip_tuning *tuning, vkclip_precision precision);

// How many classes are of linear; those of attention follow.
uint32_t tuning_linear_classes(const vkclip_tuning *tuning);

// Adds a row for a variant of linear or of attention, by its name.
vkclip_tuning_variant *tuning_add(vkclip_tuning *tuning, const char *name);

// Chooses by the times in the report. All classes of a kernel get variants of one family, or one
// variant of attention, that whose times multiplied are least, so that each class counts alike.
// Returns the first class for which none was timed: class_count where all is chosen.
uint32_t tuning_choose(vkclip_tuning *tuning);

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
