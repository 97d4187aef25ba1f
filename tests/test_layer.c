// test_layer.c: what the test layer enforces, broken once on purpose and caught. Without this a
// program that passes under a profile proves nothing.
//
// Each case is a process of its own with Vulkan called directly, under profiles/minimum.txt.
#include "test.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "layer_rig.h"

#define PROFILE "profile=tests/layer/profiles/minimum.txt"

// A use of the device. Returns what Vulkan said, or what the function thinks of the numbers:
// VK_SUCCESS where they are those that a device with such memory gives.
typedef VkResult use(struct device *device);

struct layer_case {
    const char *name;
    use *function;
    VkResult result; // ENDS: the layer ends the process
    const char *message;
};
#define ENDS VK_RESULT_MAX_ENUM

// ---- devices ---------------------------------------------------------------------------------

static VkResult use_hidden_feature(struct device *device)
{
    return open_device(device, true, NULL, 1);
}

static VkResult use_hidden_extension(struct device *device)
{
    return open_device(device, false, "VK_KHR_driver_properties", 1);
}

static VkResult use_two_queues(struct device *device)
{
    return open_device(device, false, NULL, 2);
}

static VkResult read_newer_structure(struct device *device)
{
    VkPhysicalDeviceVulkan12Properties newer = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_PROPERTIES};
    VkPhysicalDeviceProperties2 properties = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2, .pNext = &newer};
    vkGetPhysicalDeviceProperties2(device->physical, &properties);
    return VK_SUCCESS;
}

static bool are_of_profile(const VkPhysicalDeviceProperties *properties)
{
    return properties->apiVersion == VK_API_VERSION_1_1 &&
           properties->limits.maxComputeSharedMemorySize == 16384 &&
           properties->limits.maxPerStageDescriptorStorageBuffers == 4 &&
           properties->limits.minStorageBufferOffsetAlignment == 256;
}

// What the profile says in numbers, at both doors.
static VkResult read_limits(struct device *device)
{
    VkPhysicalDeviceSubgroupProperties subgroup = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_PROPERTIES};
    VkPhysicalDeviceProperties2 two = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
                                       .pNext = &subgroup};
    VkPhysicalDeviceProperties one;
    VkPhysicalDeviceMemoryProperties memory;
    VkQueueFamilyProperties families[4];
    uint32_t family_count = 4, extension_count = 1;
    vkGetPhysicalDeviceProperties(device->physical, &one);
    vkGetPhysicalDeviceProperties2(device->physical, &two);
    vkGetPhysicalDeviceMemoryProperties(device->physical, &memory);
    vkGetPhysicalDeviceQueueFamilyProperties(device->physical, &family_count, families);
    MUST(vkEnumerateDeviceExtensionProperties(device->physical, NULL, &extension_count, NULL));
    bool is_right = are_of_profile(&one) && are_of_profile(&two.properties) &&
                    subgroup.subgroupSize == 1 &&
                    subgroup.supportedOperations == VK_SUBGROUP_FEATURE_BASIC_BIT &&
                    memory.memoryHeapCount == 1 && memory.memoryHeaps[0].size == 512u << 20 &&
                    memory.memoryTypeCount == 2 && family_count == 1 &&
                    families[0].timestampValidBits == 0 && extension_count == 0;
    return is_right ? VK_SUCCESS : VK_ERROR_UNKNOWN;
}

// ---- shaders ---------------------------------------------------------------------------------

// A workgroup of as many lanes as constant 0 says, and as many words of shared memory as constant
// 1 says for each.
static const uint32_t shader[] = {
    0x07230203, 0x00010000, 0,  15,         0,    //
    0x00020011, 1,                                // OpCapability Shader
    0x0003000e, 0,          1,                    // OpMemoryModel Logical GLSL450
    0x0005000f, 5,          1,  0x6e69616d, 0,    // OpEntryPoint GLCompute %1 "main"
    0x00060010, 1,          17, 1,          1, 1, // OpExecutionMode %1 LocalSize 1 1 1
    0x00040047, 2,          1,  0,                // OpDecorate %2 SpecId 0
    0x00040047, 3,          1,  1,                // OpDecorate %3 SpecId 1
    0x00040047, 4,          11, 25,               // OpDecorate %4 BuiltIn WorkgroupSize
    0x00020013, 5,                                // %5 = OpTypeVoid
    0x00030021, 6,          5,                    // %6 = OpTypeFunction %5
    0x00040015, 7,          32, 0,                // %7 = OpTypeInt 32 0
    0x00040017, 8,          7,  3,                // %8 = OpTypeVector %7 3
    0x0004002b, 7,          9,  1,                // %9 = OpConstant %7 1
    0x00040032, 7,          2,  1,                // %2 = OpSpecConstant %7 1
    0x00040032, 7,          3,  1,                // %3 = OpSpecConstant %7 1
    0x00060033, 8,          4,  2,          9, 9, // %4 = OpSpecConstantComposite %8 %2 %9 %9
    0x00060034, 7,          10, 132,        3, 2, // %10 = OpSpecConstantOp %7 IMul %3 %2
    0x0004001c, 11,         7,  10,               // %11 = OpTypeArray %7 %10
    0x00040020, 12,         4,  11,               // %12 = OpTypePointer Workgroup %11
    0x0004003b, 12,         13, 4,                // %13 = OpVariable %12 Workgroup
    0x00050036, 5,          1,  0,          6, 0x000200f8,
    14,                     // %1 = OpFunction %5 None %6; %14 = OpLabel
    0x000100fd, 0x00010038, // OpReturn; OpFunctionEnd
};

static VkResult make_pipeline(struct device *device, uint32_t lanes, uint32_t words_each)
{
    VkShaderModule module;
    VkPipelineLayout layout;
    VkPipeline pipeline;
    MUST(make_module(device, shader, sizeof shader, &module));
    MUST(make_layout(device, 4, 128, &layout));
    return vkCreateComputePipelines(
        device->device, VK_NULL_HANDLE, 1,
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
                            .mapEntryCount = 2,
                            .pMapEntries = (VkSpecializationMapEntry[]){{0, 0, 4}, {1, 4, 4}},
                            .dataSize = 8,
                            .pData = (uint32_t[]){lanes, words_each},
                        },
                },
            .layout = layout,
        },
        NULL, &pipeline);
}

static VkResult make_pipeline_at_limits(struct device *device)
{
    open_plainly(device);
    return make_pipeline(device, 128, 32); // 16 KiB
}

static VkResult make_wide_pipeline(struct device *device)
{
    open_plainly(device);
    return make_pipeline(device, 129, 1);
}

static VkResult share_too_much(struct device *device)
{
    open_plainly(device);
    return make_pipeline(device, 128, 33);
}

// The shader's first words, with one of them changed, before the driver would see them.
static VkResult make_changed_module(struct device *device, size_t at, uint32_t word)
{
    uint32_t changed[sizeof shader / sizeof *shader];
    VkShaderModule module;
    memcpy(changed, shader, sizeof shader);
    changed[at] = word;
    open_plainly(device);
    return make_module(device, changed, sizeof changed, &module);
}

static VkResult use_int64(struct device *device)
{
    return make_changed_module(device, 6, 11);
}

static VkResult use_subgroup_arithmetic(struct device *device)
{
    return make_changed_module(device, 6, 63);
}

static VkResult use_newer_spirv(struct device *device)
{
    return make_changed_module(device, 1, 0x00010400);
}

static VkResult use_five_storage_buffers(struct device *device)
{
    VkPipelineLayout layout;
    open_plainly(device);
    return make_layout(device, 5, 128, &layout);
}

static VkResult push_too_much(struct device *device)
{
    VkPipelineLayout layout;
    open_plainly(device);
    return make_layout(device, 4, 132, &layout);
}

// ---- memory ----------------------------------------------------------------------------------

// The device sees what was flushed; the host sees what was invalidated; neither sees more.
static VkResult forget_to_flush(struct device *device)
{
    struct piece from, to;
    open_plainly(device);
    make_piece(device, 256, &from);
    make_piece(device, 256, &to);
    VkMappedMemoryRange range_from = whole(&from), range_to = whole(&to);
    from.words[0] = 1;
    MUST(vkFlushMappedMemoryRanges(device->device, 1, &range_from));
    from.words[0] = 2;
    copy(device, &from, &to);
    MUST(vkInvalidateMappedMemoryRanges(device->device, 1, &range_to));
    bool is_stale = to.words[0] == 1;
    MUST(vkFlushMappedMemoryRanges(device->device, 1, &range_from));
    copy(device, &from, &to);
    bool is_not_yet_seen = to.words[0] == 1;
    MUST(vkInvalidateMappedMemoryRanges(device->device, 1, &range_to));
    return is_stale && is_not_yet_seen && to.words[0] == 2 ? VK_SUCCESS : VK_ERROR_UNKNOWN;
}

static VkResult flush_half_an_atom(struct device *device)
{
    struct piece piece;
    open_plainly(device);
    make_piece(device, 1024, &piece);
    VkMappedMemoryRange range = whole(&piece);
    range.size = 128;
    return vkFlushMappedMemoryRanges(device->device, 1, &range);
}

static VkResult fill_the_heap(struct device *device)
{
    VkDeviceMemory memory;
    open_plainly(device);
    MUST(allocate(device, 256u << 20, DEVICE_TYPE, &memory));
    return allocate(device, (256u << 20) + 1, HOST_TYPE, &memory);
}

static VkResult allocate_too_often(struct device *device)
{
    VkDeviceMemory memory;
    open_plainly(device);
    for (int i = 0; i < 4096; i++)
        MUST(allocate(device, 64, DEVICE_TYPE, &memory));
    return allocate(device, 64, DEVICE_TYPE, &memory);
}

static VkResult use_third_type(struct device *device)
{
    VkDeviceMemory memory;
    open_plainly(device);
    return allocate(device, 64, 2, &memory);
}

static VkResult map_device_memory(struct device *device)
{
    VkDeviceMemory memory;
    void *address;
    open_plainly(device);
    MUST(allocate(device, 64, DEVICE_TYPE, &memory));
    return vkMapMemory(device->device, memory, 0, VK_WHOLE_SIZE, 0, &address);
}

// ---- bindings and dispatches -----------------------------------------------------------------

static VkResult bind_range(struct device *device, VkDeviceSize bytes, VkDeviceSize offset,
                           VkDeviceSize range)
{
    struct piece piece;
    open_plainly(device);
    make_piece(device, bytes, &piece);
    vkUpdateDescriptorSets(
        device->device, 1,
        &(VkWriteDescriptorSet){
            .sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
            .descriptorCount = 1,
            .descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
            .pBufferInfo = &(VkDescriptorBufferInfo){piece.buffer, offset, range},
        },
        0, NULL);
    return VK_SUCCESS;
}

static VkResult bind_unaligned(struct device *device)
{
    return bind_range(device, 1024, 128, 256);
}

static VkResult bind_too_much(struct device *device)
{
    return bind_range(device, 129u << 20, 0, 129u << 20);
}

static VkResult bind_beyond_the_end(struct device *device)
{
    return bind_range(device, 1024, 256, 1024);
}

static VkResult dispatch_too_many(struct device *device)
{
    open_plainly(device);
    vkCmdDispatch(begin(device), 65536, 1, 1);
    return VK_SUCCESS;
}

static VkResult dispatch_too_many_from_buffer(struct device *device)
{
    struct piece piece;
    open_plainly(device);
    make_piece(device, 256, &piece);
    piece.words[0] = 1, piece.words[1] = 65536, piece.words[2] = 1;
    VkMappedMemoryRange range = whole(&piece);
    MUST(vkFlushMappedMemoryRanges(device->device, 1, &range));
    VkCommandBuffer commands = begin(device);
    vkCmdDispatchIndirect(commands, piece.buffer, 0);
    end(device, commands);
    return VK_SUCCESS;
}

static VkResult write_timestamp(struct device *device)
{
    open_plainly(device);
    vkCmdWriteTimestamp(begin(device), VK_PIPELINE_STAGE_TOP_OF_PIPE_BIT, VK_NULL_HANDLE, 0);
    return VK_SUCCESS;
}

// ---- cases -----------------------------------------------------------------------------------

#define FAILED VK_ERROR_INITIALIZATION_FAILED
static const struct layer_case cases[] = {
    {"reports_the_profile", read_limits, VK_SUCCESS, ""},
    {"refuses_structures_of_newer_versions", read_newer_structure, ENDS, "does not have"},
    {"refuses_features", use_hidden_feature, VK_ERROR_FEATURE_NOT_PRESENT, "not reported"},
    {"refuses_extensions", use_hidden_extension, VK_ERROR_EXTENSION_NOT_PRESENT, ""},
    {"refuses_a_second_queue", use_two_queues, FAILED, "one queue"},
    {"takes_what_is_just_within", make_pipeline_at_limits, VK_SUCCESS, ""},
    {"refuses_wide_workgroups", make_wide_pipeline, FAILED, "a workgroup of 129"},
    {"refuses_shared_memory", share_too_much, FAILED, "16896 bytes of shared memory"},
    {"refuses_int64", use_int64, VK_ERROR_INVALID_SHADER_NV, "capability 11"},
    {"refuses_subgroup_arithmetic", use_subgroup_arithmetic, VK_ERROR_INVALID_SHADER_NV,
     "capability 63"},
    {"refuses_newer_spirv", use_newer_spirv, VK_ERROR_INVALID_SHADER_NV, "version 0x10400"},
    {"refuses_five_storage_buffers", use_five_storage_buffers, FAILED, "5 storage buffers"},
    {"refuses_push_constants", push_too_much, FAILED, "132 bytes of push constants"},
    {"keeps_unflushed_bytes_apart", forget_to_flush, VK_SUCCESS, ""},
    {"refuses_half_an_atom", flush_half_an_atom, ENDS, "not whole atoms"},
    {"fills_the_heap", fill_the_heap, VK_ERROR_OUT_OF_DEVICE_MEMORY, ""},
    {"counts_allocations", allocate_too_often, VK_ERROR_TOO_MANY_OBJECTS, ""},
    {"refuses_a_memory_type_that_is_not_there", use_third_type, ENDS, "memory type 2 of 2"},
    {"refuses_to_map_device_memory", map_device_memory, ENDS, "host cannot see"},
    {"refuses_unaligned_bindings", bind_unaligned, ENDS, "no multiple of 256"},
    {"refuses_large_bindings", bind_too_much, ENDS, "of 134217728"},
    {"refuses_bindings_beyond_the_buffer", bind_beyond_the_end, ENDS, "beyond its buffer"},
    {"refuses_many_workgroups", dispatch_too_many, ENDS, "65536 workgroups"},
    {"refuses_many_workgroups_from_a_buffer", dispatch_too_many_from_buffer, ENDS,
     "65536 workgroups along axis 1"},
    {"refuses_timestamps", write_timestamp, ENDS, "a timestamp"},
};

static _Noreturn void run_child(const struct layer_case *tested, int output)
{
    dup2(output, STDERR_FILENO);
    signal(SIGABRT, SIG_DFL); // cmocka's own handler would go on
    setenv("VK_INSTANCE_LAYERS", "VK_LAYER_VKCLIP_test", 1);
    setenv("VK_LAYER_PATH", LAYER_PATH, 1);
    setenv("VKCLIP_LAYER", PROFILE, 1);
    struct device device = {.physical = open_instance()};
    VkResult result = tested->function(&device);
    if (result != tested->result)
        fprintf(stderr, "gave %d\n", result);
    _exit(result == tested->result ? 0 : 1);
}

static void check_case(void **state)
{
    const struct layer_case *tested = *state;
    int ends[2], status;
    char said[4096];
    size_t count = 0;
    assert_int_equal(pipe(ends), 0);
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        run_child(tested, ends[1]);
    close(ends[1]);
    for (ssize_t got; (got = read(ends[0], said + count, sizeof said - 1 - count)) > 0;)
        count += (size_t)got;
    said[count] = 0;
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    printf("%s", said);
    if (tested->result == ENDS)
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    else
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_non_null(strstr(said, tested->message));
}

int main(void)
{
    struct CMUnitTest tests[COUNT(cases)] = {0};
    for (size_t i = 0; i < COUNT(cases); i++) {
        tests[i].name = cases[i].name;
        tests[i].test_func = check_case;
        tests[i].initial_state = (void *)&cases[i];
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
