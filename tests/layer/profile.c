// profile.c: reads profiles.
#include "profile.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "layer.h"

#define LIMIT(field, count)                                  \
    (#field), offsetof(struct profile_values, limits.field), \
        sizeof(((VkPhysicalDeviceLimits *)NULL)->field) / (count), (count)

const struct profile_limit profile_limits[] = {
    {LIMIT(maxUniformBufferRange, 1), false},
    {LIMIT(maxStorageBufferRange, 1), false},
    {LIMIT(maxPushConstantsSize, 1), false},
    {LIMIT(maxMemoryAllocationCount, 1), false},
    {LIMIT(maxBoundDescriptorSets, 1), false},
    {LIMIT(maxPerStageDescriptorUniformBuffers, 1), false},
    {LIMIT(maxPerStageDescriptorStorageBuffers, 1), false},
    {LIMIT(maxPerStageResources, 1), false},
    {LIMIT(maxDescriptorSetUniformBuffers, 1), false},
    {LIMIT(maxDescriptorSetStorageBuffers, 1), false},
    {LIMIT(maxComputeSharedMemorySize, 1), false},
    {LIMIT(maxComputeWorkGroupCount, 3), false},
    {LIMIT(maxComputeWorkGroupInvocations, 1), false},
    {LIMIT(maxComputeWorkGroupSize, 3), false},
    {LIMIT(minUniformBufferOffsetAlignment, 1), true},
    {LIMIT(minStorageBufferOffsetAlignment, 1), true},
    {LIMIT(nonCoherentAtomSize, 1), true},
    {"maxMemoryAllocationSize", offsetof(struct profile_values, maxMemoryAllocationSize),
     sizeof(VkDeviceSize), 1, false},
    {"maxPerSetDescriptors", offsetof(struct profile_values, maxPerSetDescriptors),
     sizeof(uint32_t), 1, false},
    {NULL, 0, 0, 0, false},
};

#define PLACE(type, structure, field) \
    VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_##type, offsetof(VkPhysicalDevice##structure, field)
#define CORE(field)                                      \
    (#field),                                            \
    {                                                    \
        {                                                \
            PLACE(FEATURES_2, Features2, features.field) \
        }                                                \
    }
#define FEATURE(field, type, structure, minor)                                     \
    (#field),                                                                      \
    {                                                                              \
        {PLACE(type##_FEATURES, structure##Features, field)},                      \
            {PLACE(VULKAN_1_##minor##_FEATURES, Vulkan1##minor##Features, field)}, \
    }

const struct profile_feature profile_features[] = {
    {CORE(shaderInt16)},
    {CORE(shaderInt64)},
    {CORE(shaderFloat64)},
    {FEATURE(storageBuffer16BitAccess, 16BIT_STORAGE, 16BitStorage, 1)},
    {FEATURE(uniformAndStorageBuffer16BitAccess, 16BIT_STORAGE, 16BitStorage, 1)},
    {FEATURE(storagePushConstant16, 16BIT_STORAGE, 16BitStorage, 1)},
    {FEATURE(storageBuffer8BitAccess, 8BIT_STORAGE, 8BitStorage, 2)},
    {FEATURE(shaderFloat16, SHADER_FLOAT16_INT8, ShaderFloat16Int8, 2)},
    {FEATURE(shaderInt8, SHADER_FLOAT16_INT8, ShaderFloat16Int8, 2)},
    {FEATURE(vulkanMemoryModel, VULKAN_MEMORY_MODEL, VulkanMemoryModel, 2)},
    {NULL, {{0}}},
};

// ---- words -----------------------------------------------------------------------------------

struct word {
    const char *text;
    uint32_t value;
};

static const struct word types[] = {
    {"other", VK_PHYSICAL_DEVICE_TYPE_OTHER},
    {"integrated", VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU},
    {"discrete", VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU},
    {"virtual", VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU},
    {"cpu", VK_PHYSICAL_DEVICE_TYPE_CPU},
    {0},
};
static const struct word subgroup_operations[] = {
    {"basic", VK_SUBGROUP_FEATURE_BASIC_BIT},
    {"vote", VK_SUBGROUP_FEATURE_VOTE_BIT},
    {"arithmetic", VK_SUBGROUP_FEATURE_ARITHMETIC_BIT},
    {"ballot", VK_SUBGROUP_FEATURE_BALLOT_BIT},
    {"shuffle", VK_SUBGROUP_FEATURE_SHUFFLE_BIT},
    {"shuffle_relative", VK_SUBGROUP_FEATURE_SHUFFLE_RELATIVE_BIT},
    {"clustered", VK_SUBGROUP_FEATURE_CLUSTERED_BIT},
    {"quad", VK_SUBGROUP_FEATURE_QUAD_BIT},
    {0},
};
static const struct word heap_flags[] = {
    {"device_local", VK_MEMORY_HEAP_DEVICE_LOCAL_BIT},
    {0},
};
static const struct word memory_flags[] = {
    {"device_local", VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT},
    {"host_visible", VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT},
    {"host_coherent", VK_MEMORY_PROPERTY_HOST_COHERENT_BIT},
    {"host_cached", VK_MEMORY_PROPERTY_HOST_CACHED_BIT},
    {0},
};

// A line under way: what is left of it, and where it is, for messages.
struct line {
    const char *path;
    unsigned number;
    char *rest;
};

static _Noreturn void line_fail(const struct line *line, const char *problem, const char *what)
{
    layer_abort("%s:%u: %s%s%s", line->path, line->number, problem, *what ? " " : "", what);
}

// The next word; NULL at the end of the line.
static char *next_word(struct line *line)
{
    return strtok_r(NULL, " \t", &line->rest);
}

static uint64_t read_number(struct line *line)
{
    const char *text = next_word(line);
    char *end = NULL;
    uint64_t number = text ? strtoull(text, &end, 10) : 0;
    if (!text || end == text || *end)
        line_fail(line, "not a number:", text ? text : "");
    return number;
}

static uint32_t find_word(struct line *line, const struct word *words, const char *text)
{
    for (; words->text; words++)
        if (text && strcmp(words->text, text) == 0)
            return words->value;
    line_fail(line, "unknown:", text ? text : "nothing");
}

static uint32_t read_flags(struct line *line, const struct word *words)
{
    uint32_t flags = 0;
    for (const char *text; (text = next_word(line));)
        flags |= find_word(line, words, text);
    return flags;
}

// ---- lines -----------------------------------------------------------------------------------

static void read_name(struct profile *profile, struct line *line)
{
    snprintf(profile->name, sizeof profile->name, "%s", line->rest + strspn(line->rest, " \t"));
    line->rest += strlen(line->rest);
}

static void read_api(struct profile *profile, struct line *line)
{
    const char *text = next_word(line);
    uint32_t minor;
    if (!text || sscanf(text, "1.%" SCNu32, &minor) != 1)
        line_fail(line, "not a Vulkan version:", text ? text : "");
    profile->api_version = VK_MAKE_API_VERSION(0, 1, minor, 0);
}

static void read_type(struct profile *profile, struct line *line)
{
    profile->type = (VkPhysicalDeviceType)find_word(line, types, next_word(line));
}

static void read_subgroup(struct profile *profile, struct line *line)
{
    profile->subgroup_width = (uint32_t)read_number(line);
    profile->subgroup_operations = read_flags(line, subgroup_operations);
}

static void read_features(struct profile *profile, struct line *line)
{
    for (const char *text; (text = next_word(line));) {
        uint32_t i = 0;
        while (profile_features[i].name && strcmp(profile_features[i].name, text) != 0)
            i++;
        if (!profile_features[i].name)
            line_fail(line, "unknown feature:", text);
        profile->features |= 1u << i;
    }
}

static void read_extensions(struct profile *profile, struct line *line)
{
    for (const char *text; (text = next_word(line));) {
        if (profile->extension_count == PROFILE_MAX_EXTENSIONS)
            line_fail(line, "too many extensions", "");
        snprintf(profile->extensions[profile->extension_count++], sizeof *profile->extensions, "%s",
                 text);
    }
}

static void read_timestamp_bits(struct profile *profile, struct line *line)
{
    profile->timestamp_bits = (uint32_t)read_number(line);
}

static void read_heap(struct profile *profile, struct line *line)
{
    if (profile->memory.memoryHeapCount == VK_MAX_MEMORY_HEAPS)
        line_fail(line, "too many heaps", "");
    VkMemoryHeap *heap = &profile->memory.memoryHeaps[profile->memory.memoryHeapCount++];
    heap->size = read_number(line) << 20;
    heap->flags = read_flags(line, heap_flags);
}

static void read_memory_type(struct profile *profile, struct line *line)
{
    if (profile->memory.memoryTypeCount == VK_MAX_MEMORY_TYPES)
        line_fail(line, "too many memory types", "");
    VkMemoryType *type = &profile->memory.memoryTypes[profile->memory.memoryTypeCount++];
    type->heapIndex = (uint32_t)read_number(line);
    if (type->heapIndex >= profile->memory.memoryHeapCount)
        line_fail(line, "a memory type of no heap above it", "");
    type->propertyFlags = read_flags(line, memory_flags);
}

static const struct {
    const char *word;
    void (*read)(struct profile *profile, struct line *line);
    bool may_repeat;
} words[] = {
    {"name", read_name, false},
    {"api", read_api, false},
    {"type", read_type, false},
    {"subgroup", read_subgroup, false},
    {"features", read_features, false},
    {"extensions", read_extensions, false},
    {"timestamp_bits", read_timestamp_bits, false},
    {"heap", read_heap, true},
    {"memory_type", read_memory_type, true},
};
#define WORD_COUNT  (sizeof words / sizeof *words)
#define LIMIT_COUNT (sizeof profile_limits / sizeof *profile_limits - 1)

static void set_value(struct profile_values *values, const struct profile_limit *limit, uint32_t i,
                      uint64_t value)
{
    unsigned char *place = (unsigned char *)values + limit->offset + i * limit->value_bytes;
    if (limit->value_bytes == sizeof(uint64_t))
        memcpy(place, &value, sizeof value);
    else
        memcpy(place, &(uint32_t){(uint32_t)value}, sizeof(uint32_t));
}

static uint64_t get_value(const struct profile_values *values, const struct profile_limit *limit,
                          uint32_t i)
{
    const unsigned char *place =
        (const unsigned char *)values + limit->offset + i * limit->value_bytes;
    uint64_t wide;
    uint32_t narrow;
    memcpy(&narrow, place, sizeof narrow);
    if (limit->value_bytes != sizeof wide)
        return narrow;
    memcpy(&wide, place, sizeof wide);
    return wide;
}

// Reads one line and returns which word or limit it was: 0 .. WORD_COUNT + LIMIT_COUNT - 1.
static size_t read_line(struct profile *profile, struct line *line, const char *first)
{
    for (size_t i = 0; i < WORD_COUNT; i++)
        if (strcmp(words[i].word, first) == 0) {
            words[i].read(profile, line);
            return i;
        }
    for (size_t i = 0; i < LIMIT_COUNT; i++)
        if (strcmp(profile_limits[i].name, first) == 0) {
            for (uint32_t j = 0; j < profile_limits[i].value_count; j++)
                set_value(&profile->values, &profile_limits[i], j, read_number(line));
            return WORD_COUNT + i;
        }
    line_fail(line, "unknown:", first);
}

void profile_read(struct profile *profile, const char *path)
{
    *profile = (struct profile){0};
    bool is_seen[WORD_COUNT + LIMIT_COUNT] = {false};
    FILE *file = fopen(path, "r");
    if (!file)
        layer_abort("%s cannot be opened", path);
    char text[1024];
    for (struct line line = {.path = path, .number = 1}; fgets(text, sizeof text, file);
         line.number++) {
        text[strcspn(text, "#\n")] = 0;
        const char *first = strtok_r(text, " \t", &line.rest);
        if (!first)
            continue;
        size_t index = read_line(profile, &line, first);
        if (next_word(&line))
            line_fail(&line, "more than is understood", "");
        if (is_seen[index] && !(index < WORD_COUNT && words[index].may_repeat))
            line_fail(&line, "said twice:", first);
        is_seen[index] = true;
    }
    fclose(file);
    for (size_t i = 0; i < WORD_COUNT + LIMIT_COUNT; i++)
        if (!is_seen[i])
            layer_abort("%s does not say %s", path,
                        i < WORD_COUNT ? words[i].word : profile_limits[i - WORD_COUNT].name);
}

void profile_tighten(struct profile_values *b, const struct profile_values *a)
{
    for (const struct profile_limit *limit = profile_limits; limit->name; limit++)
        for (uint32_t i = 0; i < limit->value_count; i++) {
            uint64_t of_a = get_value(a, limit, i), of_b = get_value(b, limit, i);
            if (limit->is_minimum ? of_a > of_b : of_a < of_b)
                set_value(b, limit, i, of_a);
        }
}
