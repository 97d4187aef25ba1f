// pipeline.c: SPIR-V and specialization constants -> pipeline.
#include "gpu/internal.h"

#include <stdlib.h>

#define MAX_CONSTANTS 8

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

    VkShaderModule module = VK_NULL_HANDLE;
    struct gpu_pipeline *pipeline = calloc(1, sizeof *pipeline);
    if (!pipeline) {
        fail(err, VKCLIP_ERROR_MEMORY, "no memory for a pipeline");
        return NULL;
    }
    TRY_VK(gpu->vk.vkCreateShaderModule(gpu->device,
                                        &(VkShaderModuleCreateInfo){
                                            .sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO,
                                            .codeSize = source->spirv_bytes,
                                            .pCode = source->spirv,
                                        },
                                        NULL, &module));
    TRY_VK(gpu->vk.vkCreateComputePipelines(
        gpu->device, gpu->cache, 1,
        &(VkComputePipelineCreateInfo){
            .sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
            .stage =
                {
                    .sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
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
    return pipeline;

failed:
    gpu->vk.vkDestroyShaderModule(gpu->device, module, NULL);
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
