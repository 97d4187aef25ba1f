#include "host/pickle.h"

#include <stdlib.h>
#include <string.h>

#include "host/little_endian.h"

// On the stack, where MARK was.
#define MARK UINT32_MAX

// A memo far larger than the values there are is an attack on memory.
#define MOST_MEMO PICKLE_MOST_VALUES

#define STORAGE(type) (GLOBAL_STORAGE + (uint32_t)(type))

static const struct {
    const char *module, *name;
    uint32_t global;
} globals[] = {
    {"collections", "OrderedDict", GLOBAL_ORDERED_DICT},
    {"torch._utils", "_rebuild_tensor_v2", GLOBAL_REBUILD_TENSOR},
    {"torch._utils", "_rebuild_parameter", GLOBAL_REBUILD_PARAMETER},
    {"torch", "Size", GLOBAL_SIZE},
    {"torch", "FloatStorage", STORAGE(WEIGHT_F32)},
    {"torch", "HalfStorage", STORAGE(WEIGHT_F16)},
    {"torch", "BFloat16Storage", STORAGE(WEIGHT_BF16)},
    {"torch", "DoubleStorage", STORAGE(WEIGHT_F64)},
    {"torch", "LongStorage", STORAGE(WEIGHT_I64)},
    {"torch", "IntStorage", STORAGE(WEIGHT_I32)},
    {"torch", "ShortStorage", STORAGE(WEIGHT_I16)},
    {"torch", "CharStorage", STORAGE(WEIGHT_I8)},
    {"torch", "ByteStorage", STORAGE(WEIGHT_U8)},
    {"torch", "BoolStorage", STORAGE(WEIGHT_BOOL)},
};

// ---- lists -----------------------------------------------------------------------------------

static bool refuse(struct pickle *pickle, const char *what)
{
    return fail(pickle->err, VKCLIP_ERROR_FILE, "%s: data.pkl, byte %u: %s", pickle->path,
                pickle->at, what);
}

// Makes room for `wanted` items; the new ones are zero.
static bool reserve(struct pickle *pickle, void *items, size_t item_bytes, uint32_t *capacity,
                    uint32_t wanted)
{
    void **list = items;
    if (wanted <= *capacity)
        return true;
    if (wanted > PICKLE_MOST_VALUES)
        return refuse(pickle, "more values than a model has");
    uint32_t grown = *capacity ? *capacity : 1024;
    while (grown < wanted)
        grown *= 2;
    uint8_t *memory = realloc(*list, grown * item_bytes);
    if (!memory)
        return fail(pickle->err, VKCLIP_ERROR_MEMORY, "%s: no memory for its pickle", pickle->path);
    memset(memory + *capacity * item_bytes, 0, (grown - *capacity) * item_bytes);
    *list = memory;
    *capacity = grown;
    return true;
}

static bool push(struct pickle *pickle, uint32_t value)
{
    if (!reserve(pickle, &pickle->stack, sizeof *pickle->stack, &pickle->stack_capacity,
                 pickle->stack_count + 1))
        return false;
    pickle->stack[pickle->stack_count++] = value;
    return true;
}

static bool push_new(struct pickle *pickle, struct value value)
{
    if (!reserve(pickle, &pickle->values, sizeof *pickle->values, &pickle->value_capacity,
                 pickle->value_count + 1))
        return false;
    pickle->values[pickle->value_count] = value;
    return push(pickle, pickle->value_count++);
}

static bool pop(struct pickle *pickle, uint32_t *value)
{
    if (pickle->stack_count == 0 || pickle->stack[pickle->stack_count - 1] == MARK)
        return refuse(pickle, "nothing on the stack");
    *value = pickle->stack[--pickle->stack_count];
    return true;
}

// Counts what is above the last mark.
static bool find_mark(struct pickle *pickle, uint32_t *count)
{
    for (uint32_t at = pickle->stack_count; at > 0; at--)
        if (pickle->stack[at - 1] == MARK) {
            *count = pickle->stack_count - at;
            return true;
        }
    return refuse(pickle, "no mark on the stack");
}

const struct value *pickle_part(const struct pickle *pickle, const struct value *value, uint32_t i)
{
    return &pickle->values[pickle->parts[value->first + i]];
}

bool pickle_is_text(const struct pickle *pickle, const struct value *value, const char *text)
{
    return value->kind == VALUE_TEXT && value->count == strlen(text) &&
           memcmp(pickle->bytes + value->text, text, value->count) == 0;
}

const struct value *pickle_get(const struct pickle *pickle, const struct value *dict,
                               const char *key)
{
    const struct value *found = NULL;
    for (uint32_t at = dict->first; at != NO_PAIR; at = pickle->pairs[at].next)
        if (pickle_is_text(pickle, &pickle->values[pickle->pairs[at].key], key))
            found = &pickle->values[pickle->pairs[at].item];
    return found;
}

// ---- arguments of opcodes --------------------------------------------------------------------

static bool take(struct pickle *pickle, uint32_t byte_count, const uint8_t **bytes)
{
    if (byte_count > pickle->byte_count - pickle->at)
        return refuse(pickle, "ends in the middle of an instruction");
    *bytes = pickle->bytes + pickle->at;
    pickle->at += byte_count;
    return true;
}

// An unsigned number of 1, 2 or 4 bytes.
static bool take_number(struct pickle *pickle, uint32_t byte_count, uint32_t *number)
{
    const uint8_t *bytes;
    if (!take(pickle, byte_count, &bytes))
        return false;
    *number = byte_count == 1 ? bytes[0] : byte_count == 2 ? get_u16(bytes) : get_u32(bytes);
    return true;
}

static bool push_text(struct pickle *pickle, uint32_t length_bytes)
{
    const uint8_t *bytes;
    uint32_t byte_count;
    if (!take_number(pickle, length_bytes, &byte_count) || !take(pickle, byte_count, &bytes))
        return false;
    return push_new(pickle, (struct value){.kind = VALUE_TEXT,
                                           .count = byte_count,
                                           .text = (uint32_t)(bytes - pickle->bytes)});
}

static bool push_integer(struct pickle *pickle, int64_t integer)
{
    return push_new(pickle, (struct value){.kind = VALUE_INTEGER, .integer = integer});
}

// A number in two's complement; torch writes more than 8 bytes for nothing a model needs.
static bool push_long(struct pickle *pickle)
{
    const uint8_t *bytes;
    uint32_t byte_count;
    if (!take_number(pickle, 1, &byte_count) || !take(pickle, byte_count, &bytes))
        return false;
    if (byte_count > 8)
        return refuse(pickle, "a number of more than 64 bits");
    uint64_t bits = byte_count > 0 && bytes[byte_count - 1] & 0x80 ? UINT64_MAX : 0;
    for (uint32_t i = byte_count; i > 0; i--)
        bits = bits << 8 | bytes[i - 1];
    return push_integer(pickle, (int64_t)bits);
}

// One of the two lines of a GLOBAL.
static bool take_line(struct pickle *pickle, const char **line, int *length)
{
    const uint8_t *first = pickle->bytes + pickle->at;
    uint32_t left = pickle->byte_count - pickle->at;
    const uint8_t *end = memchr(first, '\n', left < 256 ? left : 256);
    if (!end)
        return refuse(pickle, "a name does not end");
    for (const uint8_t *c = first; c < end; c++)
        if (*c <= 0x20 || *c >= 0x7f)
            return refuse(pickle, "a name is not plain text");
    *line = (const char *)first;
    *length = (int)(end - first);
    pickle->at += (uint32_t)*length + 1;
    return true;
}

static bool push_global(struct pickle *pickle)
{
    const char *module, *name;
    int module_length, name_length;
    if (!take_line(pickle, &module, &module_length) || !take_line(pickle, &name, &name_length))
        return false;
    for (size_t i = 0; i < sizeof globals / sizeof *globals; i++)
        if (strlen(globals[i].module) == (size_t)module_length &&
            strlen(globals[i].name) == (size_t)name_length &&
            memcmp(globals[i].module, module, (size_t)module_length) == 0 &&
            memcmp(globals[i].name, name, (size_t)name_length) == 0)
            return push_new(pickle,
                            (struct value){.kind = VALUE_GLOBAL, .global = globals[i].global});
    return fail(pickle->err, VKCLIP_ERROR_FILE,
                "%s: data.pkl, byte %u: asks for '%.*s %.*s', which weights do not need",
                pickle->path, pickle->at, module_length < 60 ? module_length : 60, module,
                name_length < 60 ? name_length : 60, name);
}

// ---- containers ------------------------------------------------------------------------------

// Makes the top `count` of the stack the parts of a value.
static bool push_tuple(struct pickle *pickle, uint32_t count)
{
    if (pickle->stack_count < count)
        return refuse(pickle, "nothing on the stack");
    if (!reserve(pickle, &pickle->parts, sizeof *pickle->parts, &pickle->part_capacity,
                 pickle->part_count + count))
        return false;
    struct value tuple = {.kind = VALUE_TUPLE, .count = count, .first = pickle->part_count};
    for (uint32_t i = 0; i < count; i++) {
        uint32_t part = pickle->stack[pickle->stack_count - count + i];
        if (part == MARK)
            return refuse(pickle, "nothing on the stack");
        pickle->parts[pickle->part_count++] = part;
    }
    pickle->stack_count -= count;
    return push_new(pickle, tuple);
}

static bool push_marked_tuple(struct pickle *pickle)
{
    uint32_t count;
    if (!find_mark(pickle, &count))
        return false;
    // The mark goes first, and what is above it moves down.
    uint32_t mark = --pickle->stack_count - count;
    memmove(pickle->stack + mark, pickle->stack + mark + 1, count * sizeof *pickle->stack);
    return push_tuple(pickle, count);
}

static bool add_pair(struct pickle *pickle, struct value *dict, uint32_t key, uint32_t item)
{
    if (!reserve(pickle, &pickle->pairs, sizeof *pickle->pairs, &pickle->pair_capacity,
                 pickle->pair_count + 1))
        return false;
    pickle->pairs[pickle->pair_count] = (struct pair){key, item, NO_PAIR};
    if (dict->first == NO_PAIR)
        dict->first = pickle->pair_count;
    else
        pickle->pairs[dict->last].next = pickle->pair_count;
    dict->last = pickle->pair_count++;
    return true;
}

// Puts the top `count` of the stack, keys and items in turn, into the dict under them.
static bool set_items(struct pickle *pickle, uint32_t count, uint32_t mark_count)
{
    if (pickle->stack_count < count + mark_count + 1 || count % 2 != 0)
        return refuse(pickle, "no dict and pairs on the stack");
    const uint32_t *items = pickle->stack + pickle->stack_count - count;
    uint32_t under = items[-(ptrdiff_t)mark_count - 1];
    if (under == MARK || pickle->values[under].kind != VALUE_DICT)
        return refuse(pickle, "no dict to put items into");
    for (uint32_t i = 0; i < count; i += 2) {
        if (items[i] == MARK || items[i + 1] == MARK)
            return refuse(pickle, "no dict and pairs on the stack");
        if (!add_pair(pickle, &pickle->values[under], items[i], items[i + 1]))
            return false;
    }
    pickle->stack_count -= count + mark_count;
    return true;
}

static bool append_items(struct pickle *pickle, uint32_t count, uint32_t mark_count)
{
    if (pickle->stack_count < count + mark_count + 1)
        return refuse(pickle, "no list on the stack");
    uint32_t under = pickle->stack[pickle->stack_count - count - mark_count - 1];
    if (under == MARK || pickle->values[under].kind != VALUE_LIST)
        return refuse(pickle, "no list to append to");
    pickle->stack_count -= count + mark_count;
    return true;
}

// ---- torch's values --------------------------------------------------------------------------

// Whether the parts are of these kinds, a letter each: i integer, b bool, t text, g global,
// T tuple, D dict, S storage, V tensor.
static bool has_parts(const struct pickle *pickle, const struct value *value, const char *kinds)
{
    static const char letters[] = "-bi-tgT-DSV-"; // by enum value_kind
    if (value->count != strlen(kinds))
        return false;
    for (uint32_t i = 0; i < value->count; i++)
        if (letters[pickle_part(pickle, value, i)->kind] != kinds[i])
            return false;
    return true;
}

// ('storage', type, key, location, element count) -> storage
static bool load_persistent(struct pickle *pickle)
{
    uint32_t id;
    if (!pop(pickle, &id))
        return false;
    struct value storage = pickle->values[id];
    bool is_storage = storage.kind == VALUE_TUPLE && has_parts(pickle, &storage, "tgtti") &&
                      pickle_is_text(pickle, pickle_part(pickle, &storage, 0), "storage") &&
                      pickle_part(pickle, &storage, 1)->global >= GLOBAL_STORAGE;
    if (!is_storage)
        return refuse(pickle, "a persistent id is not that of a storage");
    storage.kind = VALUE_STORAGE;
    return push_new(pickle, storage);
}

// _rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks [, metadata])
static bool rebuild_tensor(struct pickle *pickle, struct value arguments)
{
    bool is_sound = has_parts(pickle, &arguments, "SiTTbD");
    if (has_parts(pickle, &arguments, "SiTTbDD")) // metadata: may say that all values are negated
        is_sound = pickle_part(pickle, &arguments, 6)->first == NO_PAIR;
    for (uint32_t i = 2; is_sound && i < 4; i++) {
        const struct value *numbers = pickle_part(pickle, &arguments, i);
        is_sound = numbers->count <= WEIGHT_MAX_RANK &&
                   numbers->count == pickle_part(pickle, &arguments, 2)->count;
        for (uint32_t n = 0; is_sound && n < numbers->count; n++)
            is_sound = pickle_part(pickle, numbers, n)->kind == VALUE_INTEGER;
    }
    if (!is_sound)
        return refuse(pickle, "a tensor is rebuilt from strange arguments");
    arguments.kind = VALUE_TENSOR;
    return push_new(pickle, arguments);
}

static bool reduce(struct pickle *pickle)
{
    uint32_t arguments_at, callable;
    if (!pop(pickle, &arguments_at) || !pop(pickle, &callable))
        return false;
    struct value arguments = pickle->values[arguments_at];
    if (pickle->values[callable].kind != VALUE_GLOBAL || arguments.kind != VALUE_TUPLE)
        return refuse(pickle, "a call of something that is no name, or without a tuple");
    switch (pickle->values[callable].global) {
    case GLOBAL_ORDERED_DICT:
        if (arguments.count != 0)
            return refuse(pickle, "an OrderedDict is made with arguments");
        return push_new(pickle, (struct value){.kind = VALUE_DICT, .first = NO_PAIR});
    case GLOBAL_REBUILD_TENSOR:
        return rebuild_tensor(pickle, arguments);
    case GLOBAL_REBUILD_PARAMETER: // (tensor, requires_grad, hooks): the tensor
        if (!has_parts(pickle, &arguments, "VbD"))
            return refuse(pickle, "a parameter is rebuilt from strange arguments");
        return push(pickle, pickle->parts[arguments.first]);
    case GLOBAL_SIZE:
        if (!has_parts(pickle, &arguments, "T"))
            return refuse(pickle, "a size is made of strange arguments");
        return push_new(pickle, (struct value){.kind = VALUE_OTHER});
    default:
        return refuse(pickle, "a storage type is called");
    }
}

// state_dict() hangs a dict of versions, _metadata, on its OrderedDict.
static bool build(struct pickle *pickle)
{
    uint32_t state;
    if (!pop(pickle, &state))
        return false;
    uint32_t object = pickle->stack_count ? pickle->stack[pickle->stack_count - 1] : MARK;
    if (object == MARK || pickle->values[object].kind != VALUE_DICT ||
        pickle->values[state].kind != VALUE_DICT)
        return refuse(pickle, "a state is set on something that is no dict");
    return true;
}

// ---- memo ------------------------------------------------------------------------------------

static bool memo_put(struct pickle *pickle, uint32_t index_bytes)
{
    uint32_t index, value;
    if (!take_number(pickle, index_bytes, &index) || !pop(pickle, &value))
        return false;
    pickle->stack_count++; // it stays
    if (index >= MOST_MEMO)
        return refuse(pickle, "a memo index is out of range");
    if (!reserve(pickle, &pickle->memo, sizeof *pickle->memo, &pickle->memo_capacity, index + 1))
        return false;
    pickle->memo[index] = value + 1;
    return true;
}

static bool memo_get(struct pickle *pickle, uint32_t index_bytes)
{
    uint32_t index;
    if (!take_number(pickle, index_bytes, &index))
        return false;
    if (index >= pickle->memo_capacity || pickle->memo[index] == 0)
        return refuse(pickle, "a memo index was never set");
    return push(pickle, pickle->memo[index] - 1);
}

// ---- the interpreter -------------------------------------------------------------------------

static bool step_number(struct pickle *pickle, uint8_t opcode)
{
    uint32_t number;
    const uint8_t *bytes;
    switch (opcode) {
    case 'J':
        return take_number(pickle, 4, &number) && push_integer(pickle, (int32_t)number);
    case 'K':
        return take_number(pickle, 1, &number) && push_integer(pickle, number);
    case 'M':
        return take_number(pickle, 2, &number) && push_integer(pickle, number);
    case 'G':
        return take(pickle, 8, &bytes) && push_new(pickle, (struct value){.kind = VALUE_FLOAT});
    default: // LONG1
        return push_long(pickle);
    }
}

// Everything that reads what is on the stack.
static bool step_container(struct pickle *pickle, uint8_t opcode)
{
    uint32_t count;
    switch (opcode) {
    case 't':
        return push_marked_tuple(pickle);
    case 0x85:
    case 0x86:
    case 0x87:
        return push_tuple(pickle, opcode - 0x84U);
    case 's':
        return set_items(pickle, 2, 0);
    case 'u':
        return find_mark(pickle, &count) && set_items(pickle, count, 1);
    case 'a':
        return append_items(pickle, 1, 0);
    case 'e':
        return find_mark(pickle, &count) && append_items(pickle, count, 1);
    case 'Q':
        return load_persistent(pickle);
    case 'R':
        return reduce(pickle);
    case 'b':
        return build(pickle);
    default:
        pickle->at--;
        return fail(pickle->err, VKCLIP_ERROR_FILE,
                    "%s: data.pkl, byte %u: instruction 0x%02x is not one that weights need",
                    pickle->path, pickle->at, opcode);
    }
}

static bool step(struct pickle *pickle, uint8_t opcode)
{
    switch (opcode) {
    case '(':
        return push(pickle, MARK);
    case 'N':
        return push_new(pickle, (struct value){.kind = VALUE_NONE});
    case 0x88:
    case 0x89:
        return push_new(pickle, (struct value){.kind = VALUE_BOOL});
    case '}':
        return push_new(pickle, (struct value){.kind = VALUE_DICT, .first = NO_PAIR});
    case ']':
        return push_new(pickle, (struct value){.kind = VALUE_LIST});
    case ')':
        return push_tuple(pickle, 0);
    case 'X':
        return push_text(pickle, 4);
    case 'U':
        return push_text(pickle, 1);
    case 'c':
        return push_global(pickle);
    case 'q':
        return memo_put(pickle, 1);
    case 'r':
        return memo_put(pickle, 4);
    case 'h':
        return memo_get(pickle, 1);
    case 'j':
        return memo_get(pickle, 4);
    case 'J':
    case 'K':
    case 'M':
    case 'G':
    case 0x8a:
        return step_number(pickle, opcode);
    default:
        return step_container(pickle, opcode);
    }
}

bool pickle_read(struct pickle *pickle, const char *path, const uint8_t *bytes, size_t byte_count,
                 vkclip_error *err)
{
    *pickle = (struct pickle){.path = path, .bytes = bytes, .err = err};
    if (byte_count > PICKLE_MOST_BYTES)
        return refuse(pickle, "larger than 16 MiB");
    pickle->byte_count = (uint32_t)byte_count;
    if (byte_count < 2 || bytes[0] != 0x80 || bytes[1] != 2)
        return refuse(pickle, "not a pickle of protocol 2");
    pickle->at = 2;
    while (pickle->at < pickle->byte_count) {
        uint8_t opcode = bytes[pickle->at++];
        if (opcode != '.') {
            if (!step(pickle, opcode))
                return false;
            continue;
        }
        if (pickle->stack_count != 1 || !pop(pickle, &pickle->root))
            return refuse(pickle, "does not end with one value");
        return pickle->at == pickle->byte_count || refuse(pickle, "bytes after its end");
    }
    return refuse(pickle, "does not end");
}

void pickle_finish(struct pickle *pickle)
{
    free(pickle->values);
    free(pickle->parts);
    free(pickle->pairs);
    free(pickle->stack);
    free(pickle->memo);
    *pickle = (struct pickle){0};
}
