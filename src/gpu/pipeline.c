// pipeline.c: SPIR-V and specialization constants -> pipeline.
#include "gpu/internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define MAX_CONSTANTS    8
#define MAX_CONSTANT_IDS 16 // glslang declares the workgroup's width once more, for itself

// A copy of the SPIR-V in which the constants are also the defaults of the specialization
// constants they go to. MoltenVK before 1.3 takes the lengths of arrays from the defaults, whatever
// the pipeline says (KhronosGroup/MoltenVK#2423): linear would compute other tiles than those
// dispatched. The words are glslang's own, so they are not checked.
static uint32_t *copy_specialized(const struct gpu_pipeline_source *source)
{
    enum { OP_CONSTANT_TRUE = 48, OP_CONSTANT_FALSE, OP_CONSTANT, OP_DECORATE = 71, SPEC_ID = 1 };
    struct {
        uint32_t id, value;
    } known[MAX_CONSTANT_IDS];
    uint32_t known_count = 0;
    uint32_t *words = malloc(source->spirv_bytes);
    if (!words)
        return NULL;
    memcpy(words, source->spirv, source->spirv_bytes);

    const size_t word_count = source->spirv_bytes / sizeof *words, header_words = 5;
    for (size_t i = header_words; i < word_count; i += words[i] >> 16) {
        uint32_t *op = words + i, code = op[0] & 0xffff;
        if (code == OP_DECORATE && op[2] == SPEC_ID && op[3] < source->constant_count) {
            assert(known_count < MAX_CONSTANT_IDS);
            known[known_count].id = op[1];
            known[known_count++].value = source->constants[op[3]];
        }
        if (code < OP_CONSTANT_TRUE || code > OP_CONSTANT)
            continue;
        for (uint32_t k = 0; k < known_count; k++) {
            if (op[2] != known[k].id)
                continue;
            if (code == OP_CONSTANT)
                op[3] = known[k].value;
            else
                op[0] = op[0] >> 16 << 16 | (known[k].value ? OP_CONSTANT_TRUE : OP_CONSTANT_FALSE);
        }
    }
    return words;
}

struct gpu_pipeline *gpu_pipeline_create(struct gpu *gpu, const struct gpu_pipeline_source *source,
                                         vkclip_error *err)
{
    VkSpecializationMapEntry entries[MAX_CONSTANTS];
    for (uint32_t i = 0; i < source->constant_count; i++)
        entries[i] = (VkSpecializationMapEntry){
            .constantID = i,
            .offset = i * (uint32_t)sizeof(uint32_t),
            .size = sizeof(uint32_t),
        };

    const VkPipelineShaderStageRequiredSubgroupSizeCreateInfo subgroup_size = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_REQUIRED_SUBGROUP_SIZE_CREATE_INFO,
        .requiredSubgroupSize = source->subgroup_width,
    };
    VkShaderModule module = VK_NULL_HANDLE;
    uint32_t *words = copy_specialized(source);
    struct gpu_pipeline *pipeline = calloc(1, sizeof *pipeline);
    if (!words || !pipeline) {
        fail(err, VKCLIP_ERROR_MEMORY, "no memory for a pipeline");
        goto failed;
    }
    TRY_MAKE(module,
             gpu->vk.vkCreateShaderModule(gpu->device,
                                          &(VkShaderModuleCreateInfo){
                                              .sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO,
                                              .codeSize = source->spirv_bytes,
                                              .pCode = words,
                                          },
                                          NULL, &module));
    TRY_VK(gpu->vk.vkCreateComputePipelines(
        gpu->device, gpu->cache, 1,
        &(VkComputePipelineCreateInfo){
            .sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
            .stage =
                {
                    .sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
                    .pNext = source->subgroup_width && !gpu->has_one_width ? &subgroup_size : NULL,
                    .flags = source->subgroup_width
                                 ? VK_PIPELINE_SHADER_STAGE_CREATE_REQUIRE_FULL_SUBGROUPS_BIT
                                 : 0,
                    .stage = VK_SHADER_STAGE_COMPUTE_BIT,
                    .module = module,
                    .pName = "main",
                    .pSpecializationInfo =
                        &(VkSpecializationInfo){
                            .mapEntryCount = source->constant_count,
                            .pMapEntries = entries,
                            .dataSize = source->constant_count * sizeof(uint32_t),
                            .pData = source->constants,
                        },
                },
            .layout = gpu->pipeline_layout,
        },
        NULL, &pipeline->pipeline));
    // Some drivers answer success and hand out nothing (Adreno; llama.cpp #19746).
    if (!pipeline->pipeline) {
        fail(err, VKCLIP_ERROR_DEVICE, "%s: the driver cannot compile kernel %s", gpu->facts.name,
             source->name);
        goto failed;
    }
    gpu->vk.vkDestroyShaderModule(gpu->device, module, NULL);
    free(words);
    return pipeline;

failed:
    gpu->vk.vkDestroyShaderModule(gpu->device, module, NULL);
    free(words);
    gpu_pipeline_destroy(gpu, pipeline);
    return NULL;
}

void gpu_pipeline_destroy(struct gpu *gpu, struct gpu_pipeline *pipeline)
{
    if (!pipeline)
        return;
    if (!gpu->is_hung)
        gpu->vk.vkDestroyPipeline(gpu->device, pipeline->pipeline, NULL);
    free(pipeline);
}
