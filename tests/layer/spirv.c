// spirv.c: one walk over a module's instructions, which stand in an order that needs no second.
#include "spirv.h"

#include <stdlib.h>
#include <string.h>

#include "layer.h"

#define MAGIC        0x07230203
#define HEADER_WORDS 5

enum {
    OP_EXTENSION = 10,
    OP_EXECUTION_MODE = 16,
    OP_CAPABILITY = 17,
    OP_TYPE_BOOL = 20,
    OP_TYPE_INT = 21,
    OP_TYPE_FLOAT = 22,
    OP_TYPE_VECTOR = 23,
    OP_TYPE_MATRIX = 24,
    OP_TYPE_ARRAY = 28,
    OP_TYPE_STRUCT = 30,
    OP_TYPE_POINTER = 32,
    OP_CONSTANT_TRUE = 41,
    OP_CONSTANT = 43,
    OP_CONSTANT_COMPOSITE = 44,
    OP_SPEC_CONSTANT_TRUE = 48,
    OP_SPEC_CONSTANT_FALSE = 49,
    OP_SPEC_CONSTANT = 50,
    OP_SPEC_CONSTANT_COMPOSITE = 51,
    OP_SPEC_CONSTANT_OP = 52,
    OP_VARIABLE = 59,
    OP_DECORATE = 71,
    OP_I_ADD = 128,
    OP_I_SUB = 130,
    OP_I_MUL = 132,
    OP_U_DIV = 134,
    OP_U_MOD = 137,
    OP_LOGICAL_OR = 166,
    OP_LOGICAL_AND = 167,
    OP_LOGICAL_NOT = 168,
    OP_SELECT = 169,
    OP_I_EQUAL = 170,
    OP_I_NOT_EQUAL = 171,
    OP_U_GREATER_THAN = 172,
    OP_U_GREATER_THAN_EQUAL = 174,
    OP_U_LESS_THAN = 176,
    OP_U_LESS_THAN_EQUAL = 178,
    OP_SHIFT_RIGHT_LOGICAL = 194,
    OP_SHIFT_LEFT_LOGICAL = 196,
    OP_BITWISE_AND = 199,
    OP_EXECUTION_MODE_ID = 331,

    MODE_LOCAL_SIZE = 17,
    MODE_LOCAL_SIZE_ID = 38,
    DECORATION_SPEC_ID = 1,
    DECORATION_BUILT_IN = 11,
    BUILT_IN_WORKGROUP_SIZE = 25,
    STORAGE_WORKGROUP = 4,
};

// Operands are words[1], words[2] ...
struct instruction {
    const uint32_t *words;
    uint32_t code, word_count;
};

// Takes the instruction at *at and moves on; false at the end.
static bool next_instruction(const uint32_t *words, size_t word_count, size_t *at,
                             struct instruction *instruction)
{
    if (*at == word_count)
        return false;
    *instruction = (struct instruction){words + *at, words[*at] & 0xffff, words[*at] >> 16};
    if (instruction->word_count == 0 || instruction->word_count > word_count - *at)
        layer_abort("a shader that ends within an instruction");
    *at += instruction->word_count;
    return true;
}

void spirv_read_needs(struct spirv_needs *needs, const uint32_t *words, size_t word_count)
{
    if (word_count < HEADER_WORDS || words[0] != MAGIC)
        layer_abort("a shader that is no SPIR-V");
    *needs = (struct spirv_needs){.version = words[1]};
    struct instruction i;
    for (size_t at = HEADER_WORDS; next_instruction(words, word_count, &at, &i);) {
        if (needs->capability_count == SPIRV_MAX_NEEDS || needs->extension_count == SPIRV_MAX_NEEDS)
            layer_abort("a shader of too many capabilities");
        if (i.code == OP_CAPABILITY)
            needs->capabilities[needs->capability_count++] = i.words[1];
        if (i.code == OP_EXTENSION)
            needs->extensions[needs->extension_count++] = (const char *)(i.words + 1);
    }
}

// What is known of each id.
struct id {
    uint32_t spec_id; // of a specialization constant, plus one
    uint32_t value;   // of a constant
    uint64_t bytes;   // of a type; of a pointer, of what it points to
};

struct walk {
    struct id *ids;
    const VkSpecializationInfo *constants;
    struct spirv_sizes *sizes;
    const uint32_t *local_size_ids; // three, when the mode names constants
    uint32_t built_in_size;         // the constant that overrides any mode, when there is one
};

static uint32_t specialized(const struct walk *walk, uint32_t id, uint32_t value)
{
    const VkSpecializationInfo *constants = walk->constants;
    for (uint32_t i = 0; constants && i < constants->mapEntryCount; i++)
        if (constants->pMapEntries[i].constantID + 1 == walk->ids[id].spec_id)
            memcpy(&value, (const char *)constants->pData + constants->pMapEntries[i].offset,
                   sizeof value);
    return value;
}

static uint32_t divide(uint32_t a, uint32_t b)
{
    if (b == 0)
        layer_abort("a specialization constant divides by zero");
    return a / b;
}

// The value of an OpSpecConstantOp: type, result, operation, operands.
static uint32_t compute(const struct walk *walk, const struct instruction *i)
{
    const uint32_t a = walk->ids[i->words[4]].value;
    const uint32_t b = i->word_count > 5 ? walk->ids[i->words[5]].value : 0;
    switch (i->words[3]) {
    case OP_I_ADD:
        return a + b;
    case OP_I_SUB:
        return a - b;
    case OP_I_MUL:
        return a * b;
    case OP_U_DIV:
        return divide(a, b);
    case OP_U_MOD:
        return a - divide(a, b) * b;
    case OP_LOGICAL_OR:
        return a || b;
    case OP_LOGICAL_AND:
        return a && b;
    case OP_LOGICAL_NOT:
        return !a;
    case OP_SELECT:
        return a ? b : walk->ids[i->words[6]].value;
    case OP_I_EQUAL:
        return a == b;
    case OP_I_NOT_EQUAL:
        return a != b;
    case OP_U_GREATER_THAN:
        return a > b;
    case OP_U_GREATER_THAN_EQUAL:
        return a >= b;
    case OP_U_LESS_THAN:
        return a < b;
    case OP_U_LESS_THAN_EQUAL:
        return a <= b;
    case OP_SHIFT_RIGHT_LOGICAL:
        return a >> (b & 31);
    case OP_SHIFT_LEFT_LOGICAL:
        return a << (b & 31);
    case OP_BITWISE_AND:
        return a & b;
    default:
        layer_abort("operation %u of constants, which tests/layer/spirv.c does not know",
                    i->words[3]);
    }
}

static void read_constant(struct walk *walk, const struct instruction *i)
{
    const uint32_t *w = i->words;
    struct id *result = &walk->ids[w[2]];
    switch (i->code) {
    case OP_CONSTANT_TRUE:
        result->value = 1;
        break;
    case OP_CONSTANT:
        result->value = w[3];
        break;
    case OP_SPEC_CONSTANT_TRUE:
    case OP_SPEC_CONSTANT_FALSE:
        result->value = specialized(walk, w[2], i->code == OP_SPEC_CONSTANT_TRUE);
        break;
    case OP_SPEC_CONSTANT:
        result->value = specialized(walk, w[2], w[3]);
        break;
    case OP_SPEC_CONSTANT_OP:
        result->value = compute(walk, i);
        break;
    case OP_CONSTANT_COMPOSITE:
    case OP_SPEC_CONSTANT_COMPOSITE:
        for (uint32_t j = 0; j < 3 && w[2] == walk->built_in_size; j++)
            walk->sizes->workgroup[j] = walk->ids[w[3 + j]].value;
        break;
    default:
        break;
    }
}

static void read_type(struct walk *walk, const struct instruction *i)
{
    const uint32_t *w = i->words;
    struct id *result = &walk->ids[w[1]];
    switch (i->code) {
    case OP_TYPE_BOOL:
        result->bytes = 4;
        break;
    case OP_TYPE_INT:
    case OP_TYPE_FLOAT:
        result->bytes = w[2] / 8;
        break;
    case OP_TYPE_VECTOR:
        result->bytes = walk->ids[w[2]].bytes * (w[3] == 3 ? 4 : w[3]);
        break;
    case OP_TYPE_MATRIX:
        result->bytes = walk->ids[w[2]].bytes * w[3];
        break;
    case OP_TYPE_ARRAY:
        result->bytes = walk->ids[w[2]].bytes * walk->ids[w[3]].value;
        break;
    case OP_TYPE_STRUCT:
        for (uint32_t j = 2; j < i->word_count; j++)
            result->bytes += walk->ids[w[j]].bytes;
        break;
    case OP_TYPE_POINTER:
        result->bytes = walk->ids[w[3]].bytes;
        break;
    default:
        break;
    }
}

static void read_instruction(struct walk *walk, const struct instruction *i)
{
    const uint32_t *w = i->words;
    switch (i->code) {
    case OP_EXECUTION_MODE:
        if (w[2] == MODE_LOCAL_SIZE)
            memcpy(walk->sizes->workgroup, w + 3, sizeof walk->sizes->workgroup);
        break;
    case OP_EXECUTION_MODE_ID:
        if (w[2] == MODE_LOCAL_SIZE_ID)
            walk->local_size_ids = w + 3;
        break;
    case OP_DECORATE:
        if (w[2] == DECORATION_SPEC_ID)
            walk->ids[w[1]].spec_id = w[3] + 1;
        else if (w[2] == DECORATION_BUILT_IN && w[3] == BUILT_IN_WORKGROUP_SIZE)
            walk->built_in_size = w[1];
        break;
    case OP_VARIABLE:
        if (w[3] == STORAGE_WORKGROUP)
            walk->sizes->shared_bytes += walk->ids[w[1]].bytes;
        break;
    default:
        if (i->code >= OP_TYPE_BOOL && i->code <= OP_TYPE_POINTER)
            read_type(walk, i);
        else if (i->code >= OP_CONSTANT_TRUE && i->code <= OP_SPEC_CONSTANT_OP)
            read_constant(walk, i);
        break;
    }
}

void spirv_read_sizes(struct spirv_sizes *sizes, const uint32_t *words, size_t word_count,
                      const VkSpecializationInfo *constants)
{
    *sizes = (struct spirv_sizes){.workgroup = {1, 1, 1}};
    struct walk walk = {
        .ids = calloc(words[3], sizeof *walk.ids), // the bound of all ids
        .constants = constants,
        .sizes = sizes,
    };
    if (!walk.ids)
        layer_abort("no memory");
    struct instruction i;
    for (size_t at = HEADER_WORDS; next_instruction(words, word_count, &at, &i);)
        read_instruction(&walk, &i);
    for (uint32_t j = 0; j < 3 && walk.local_size_ids; j++)
        sizes->workgroup[j] = walk.ids[walk.local_size_ids[j]].value;
    free(walk.ids);
}
