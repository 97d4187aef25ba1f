// spirv.h: what a shader needs of a device, read from its SPIR-V.
// Source: the SPIR-V specification 1.6; numbers of instructions are its own.
#ifndef VKCLIP_TESTS_SPIRV_H
#define VKCLIP_TESTS_SPIRV_H

#include <stddef.h>
#include <stdint.h>
#include <vulkan/vulkan.h>

#define SPIRV_MAX_NEEDS 64

struct spirv_needs {
    uint32_t version; // as in the module's header: 0x00010300 is 1.3
    uint32_t capabilities[SPIRV_MAX_NEEDS];
    uint32_t capability_count;
    const char *extensions[SPIRV_MAX_NEEDS]; // inside words
    uint32_t extension_count;
};

// Aborts for what is no SPIR-V.
void spirv_read_needs(struct spirv_needs *needs, const uint32_t *words, size_t word_count);

struct spirv_sizes {
    uint32_t workgroup[3];
    uint64_t shared_bytes; // of all workgroup variables; a vector of three counts as four
};

// With the specialization constants of a pipeline (may be NULL).
void spirv_read_sizes(struct spirv_sizes *sizes, const uint32_t *words, size_t word_count,
                      const VkSpecializationInfo *constants);

#endif
