#include "host/weights.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/half.h"
#include "base/seeded.h"
#include "host/file.h"
#include "host/little_endian.h"
#include "host/vocabulary.h"
#include "host/weights_formats.h"

// ---- element types ---------------------------------------------------------------------------

static const struct {
    const char *name;
    uint32_t bytes;
} types[WEIGHT_TYPE_COUNT] = {
    [WEIGHT_F32] = {"F32", 4},   [WEIGHT_F16] = {"F16", 2}, [WEIGHT_BF16] = {"BF16", 2},
    [WEIGHT_F64] = {"F64", 8},   [WEIGHT_I64] = {"I64", 8}, [WEIGHT_I32] = {"I32", 4},
    [WEIGHT_I16] = {"I16", 2},   [WEIGHT_I8] = {"I8", 1},   [WEIGHT_U8] = {"U8", 1},
    [WEIGHT_BOOL] = {"BOOL", 1},
};

uint32_t weight_type_bytes(enum weight_type type)
{
    return types[type].bytes;
}

const char *weight_type_name(enum weight_type type)
{
    return types[type].name;
}

void weight_describe(const struct weight *weight, char *text, size_t text_bytes)
{
    size_t used = 0;
    for (uint32_t i = 0; i < weight->rank && used < text_bytes; i++)
        used += (size_t)snprintf(text + used, text_bytes - used, "%s%" PRIu64, i ? ", " : "[",
                                 weight->shape[i]);
    if (used < text_bytes)
        snprintf(text + used, text_bytes - used, "%s] %s", weight->rank ? "" : "[",
                 types[weight->type].name);
}

// ---- the list --------------------------------------------------------------------------------

bool weight_list_reserve_names(struct weight_list *list, size_t byte_count, vkclip_error *err)
{
    list->names = malloc(byte_count + 1);
    list->names_capacity = byte_count + 1;
    if (!list->names)
        return fail(err, VKCLIP_ERROR_MEMORY, "%s: no memory for the tensor names", list->path);
    return true;
}

bool weight_list_check_name(const struct weight_list *list, const char *name, size_t name_bytes,
                            vkclip_error *err)
{
    if (name_bytes == 0 || name_bytes > WEIGHTS_MOST_NAME_BYTES)
        return fail(err, VKCLIP_ERROR_FILE, "%s: a tensor name has %zu bytes, 1 to %d are accepted",
                    list->path, name_bytes, WEIGHTS_MOST_NAME_BYTES);
    bool is_clean = vocabulary_is_utf8(name, name_bytes);
    for (size_t i = 0; i < name_bytes; i++)
        is_clean = is_clean && (unsigned char)name[i] >= 0x20 && name[i] != 0x7f;
    // The controls from U+0080 to U+009F, of which terminals obey some.
    for (size_t i = 1; i < name_bytes; i++)
        is_clean =
            is_clean && !((unsigned char)name[i - 1] == 0xc2 && (unsigned char)name[i] < 0xa0);
    if (!is_clean)
        return fail(err, VKCLIP_ERROR_FILE,
                    "%s: the name of tensor %u is not UTF-8 or has control characters", list->path,
                    list->count);
    return true;
}

int weight_name_shown(const char *name, size_t name_bytes)
{
    size_t shown = name_bytes < 100 ? name_bytes : 100;
    while (shown > 0 && shown < name_bytes && ((unsigned char)name[shown] & 0xc0) == 0x80)
        shown--;
    return (int)shown;
}

static bool grow(struct weight_list *list, vkclip_error *err)
{
    if (list->count == WEIGHTS_MOST_TENSORS)
        return fail(err, VKCLIP_ERROR_FILE, "%s: more than %d tensors", list->path,
                    WEIGHTS_MOST_TENSORS);
    uint32_t capacity = list->capacity ? 2 * list->capacity : 512;
    struct weight *items = realloc(list->items, capacity * sizeof *items);
    if (!items)
        return fail(err, VKCLIP_ERROR_MEMORY, "%s: no memory for %u tensors", list->path, capacity);
    list->items = items;
    list->capacity = capacity;
    return true;
}

bool weight_list_add(struct weight_list *list, const char *name, size_t name_bytes,
                     const struct weight *tensor, vkclip_error *err)
{
    uint64_t end_bytes;
    if (!weight_list_check_name(list, name, name_bytes, err))
        return false;
    if (list->count == list->capacity && !grow(list, err))
        return false;
    if (name_bytes + 1 > list->names_capacity - list->names_used)
        return fail(err, VKCLIP_ERROR_FILE, "%s: tensor names are repeated", list->path);

    char *own_name = list->names + list->names_used;
    memcpy(own_name, name, name_bytes);
    own_name[name_bytes] = '\0';
    list->names_used += name_bytes + 1;

    struct weight *item = &list->items[list->count];
    *item = *tensor;
    item->name = own_name;
    item->element_count = 1;
    uint64_t size_bytes = 0;
    bool is_sound = tensor->rank <= WEIGHT_MAX_RANK;
    for (uint32_t i = 0; is_sound && i < tensor->rank; i++)
        is_sound = checked_mul(item->element_count, tensor->shape[i], &item->element_count);
    is_sound = is_sound &&
               checked_mul(item->element_count, types[tensor->type].bytes, &size_bytes) &&
               checked_add(tensor->offset_bytes, size_bytes, &end_bytes);
    if (!is_sound)
        return fail(err, VKCLIP_ERROR_FILE, "%s: the size of '%s' overflows", list->path, own_name);
    list->count++;
    return true;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const struct weight *)a)->name, ((const struct weight *)b)->name);
}

static bool have_prefix(const struct weight_list *list, const char *prefix, size_t length)
{
    for (uint32_t i = 0; i < list->count; i++)
        if (strncmp(list->items[i].name, prefix, length) != 0 || !list->items[i].name[length])
            return false;
    return true;
}

// What training scripts leave in front of every name, in any order: torch's DataParallel, modules
// that hold the model, torch.compile.
static void strip_prefixes(struct weight_list *list)
{
    static const char *const prefixes[] = {"module.", "model.", "_orig_mod."};
    for (size_t p = 0; p < sizeof prefixes / sizeof *prefixes;) {
        const size_t length = strlen(prefixes[p]);
        bool is_common = have_prefix(list, prefixes[p], length);
        for (uint32_t i = 0; is_common && i < list->count; i++)
            list->items[i].name += length;
        p = is_common ? 0 : p + 1;
    }
}

static bool finish_list(struct weight_list *list, vkclip_error *err)
{
    if (list->count == 0)
        return fail(err, VKCLIP_ERROR_FILE, "%s: holds no tensors", list->path);
    strip_prefixes(list);
    qsort(list->items, list->count, sizeof *list->items, compare_names);
    for (uint32_t i = 1; i < list->count; i++)
        if (strcmp(list->items[i - 1].name, list->items[i].name) == 0)
            return fail(err, VKCLIP_ERROR_FILE, "%s: '%s' is there twice", list->path,
                        list->items[i].name);
    return true;
}

// ---- formats ---------------------------------------------------------------------------------

// Bytes that tell a format; enough for a whole Git LFS pointer, which has 134.
#define HEAD_BYTES 512

// What people feed to a program in place of weights, by its first bytes.
static const struct {
    size_t at;
    const char *magic;
    size_t magic_bytes;
    const char *what;
} strangers[] = {
    {0, "PK\5\6", 4, "is an empty zip archive, not a model file"},
    {0, "\x80\x02", 2,
     "was saved by torch before 1.6 or in its legacy format; save it again with a newer torch"},
    {257, "ustar", 5, "is a tar archive, not a model file"},
    {0, "GGUF", 4, "is a GGUF file; torch.save and safetensors files are supported"},
    {0, "\x89HDF", 4, "is an HDF5 file; torch.save and safetensors files are supported"},
    {0, "\x93NUMPY", 6, "is a NumPy file; torch.save and safetensors files are supported"},
    {4, "TFL3", 4, "is a TensorFlow Lite file; torch.save and safetensors files are supported"},
    {0, "\x1f\x8b", 2, "is compressed with gzip; unpack it first"},
};

static bool refuse_pointer(const char *path, const char *head, vkclip_error *err)
{
    const char *line = strstr(head, "\nsize ");
    unsigned long long size = line ? strtoull(line + 6, NULL, 10) : 0;
    return fail(err, VKCLIP_ERROR_FILE,
                "%s: this is a Git LFS pointer, size %llu expected; fetch the file itself", path,
                size);
}

static bool is_web_page(const char *head)
{
    head += strspn(head, " \t\r\n");
    return strncasecmp(head, "<!doctype", 9) == 0 || strncasecmp(head, "<html", 5) == 0 ||
           strncasecmp(head, "<?xml", 5) == 0;
}

// ONNX is a protocol buffer without a magic number: field 1, a small version, then field 2, text.
static bool is_onnx(const char *head)
{
    return head[0] == 0x08 && head[1] > 0 && head[1] < 0x20 && head[2] == 0x12;
}

static bool refuse_stranger(const char *path, const char *head, size_t head_bytes,
                            vkclip_error *err)
{
    if (strncmp(head, "version https://git-lfs", 23) == 0)
        return refuse_pointer(path, head, err);
    if (is_web_page(head))
        return fail(err, VKCLIP_ERROR_FILE,
                    "%s: is a web page, not a model file: a download that failed", path);
    for (size_t i = 0; i < sizeof strangers / sizeof *strangers; i++)
        if (strangers[i].at + strangers[i].magic_bytes <= head_bytes &&
            memcmp(head + strangers[i].at, strangers[i].magic, strangers[i].magic_bytes) == 0)
            return fail(err, VKCLIP_ERROR_FILE, "%s: %s", path, strangers[i].what);
    if (is_onnx(head))
        return fail(err, VKCLIP_ERROR_FILE,
                    "%s: looks like an ONNX file; torch.save and safetensors files are supported",
                    path);
    return fail(err, VKCLIP_ERROR_FILE,
                "%s: is not a model file (neither torch.save nor safetensors)", path);
}

static bool read_list(struct weight_list *list, vkclip_error *err)
{
    char head[HEAD_BYTES + 1] = {0};
    size_t head_bytes = list->file_bytes < HEAD_BYTES ? (size_t)list->file_bytes : HEAD_BYTES;
    if (head_bytes == 0)
        return fail(err, VKCLIP_ERROR_FILE, "%s: is empty, not a model file", list->path);
    if (!file_read(list->file, list->path, 0, head, head_bytes, err))
        return false;
    if (memcmp(head, "PK\3\4", 4) == 0)
        return torch_zip_read(list, err);
    if (head_bytes > 8 && head[8] == '{')
        return safetensors_read(list, err);
    return refuse_stranger(list->path, head, head_bytes, err);
}

// Hands a list that was read over to the weights, which own what it holds, read or not.
static bool keep_list(struct weights *weights, struct weight_list *list, bool is_read,
                      vkclip_error *err)
{
    weights->path = strdup(list->path);
    if (is_read && !weights->path)
        is_read = fail(err, VKCLIP_ERROR_MEMORY, "%s: no memory for its name", list->path);
    is_read = is_read && finish_list(list, err);
    weights->items = list->items;
    weights->count = list->count;
    weights->names = list->names;
    if (!is_read)
        weights_close(weights);
    return is_read;
}

bool weights_open(struct weights *weights, const char *path, vkclip_error *err)
{
    *weights = (struct weights){.file = -1};
    struct weight_list list = {.path = path};
    if (!file_open(path, &weights->file, &weights->file_bytes, err))
        return false;
    list.file = weights->file;
    list.file_bytes = weights->file_bytes;
    return keep_list(weights, &list, read_list(&list, err), err);
}

bool weights_open_seeded(struct weights *weights, const char *name, const struct weight *items,
                         uint32_t count, vkclip_error *err)
{
    *weights = (struct weights){.file = -1, .is_seeded = true};
    struct weight_list list = {.path = name};
    size_t name_bytes = 0;
    for (uint32_t i = 0; i < count; i++)
        name_bytes += strlen(items[i].name) + 1;
    bool is_made = weight_list_reserve_names(&list, name_bytes, err);
    for (uint32_t i = 0; is_made && i < count; i++)
        is_made = weight_list_add(&list, items[i].name, strlen(items[i].name), &items[i], err);
    return keep_list(weights, &list, is_made, err);
}

void weights_close(struct weights *weights)
{
    // A zeroed object has no path and file 0, which is not ours.
    if (weights->file > 0 || (weights->path && !weights->is_seeded))
        close(weights->file);
    free(weights->path);
    free(weights->items);
    free(weights->names);
    *weights = (struct weights){.file = -1};
}

const struct weight *weights_find(const struct weights *weights, const char *name)
{
    const struct weight key = {.name = name};
    if (weights->count == 0)
        return NULL;
    return bsearch(&key, weights->items, weights->count, sizeof key, compare_names);
}

// ---- reading ---------------------------------------------------------------------------------

static bool read_floats(const struct weights *weights, uint64_t offset_bytes, size_t count,
                        float *out, vkclip_error *err)
{
    if (!file_read(weights->file, weights->path, offset_bytes, out, count * sizeof *out, err))
        return false;
#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
    for (size_t i = 0; i < count; i++)
        out[i] = float_from_bits(get_u32((const uint8_t *)(out + i)));
#endif
    return true;
}

// Doubles do not fit where the floats go; this many at a time pass through the stack.
#define DOUBLE_COUNT 512

static bool read_doubles(const struct weights *weights, uint64_t offset_bytes, size_t count,
                         float *out, vkclip_error *err)
{
    uint8_t piece[DOUBLE_COUNT][sizeof(double)];
    while (count > 0) {
        size_t now = count < DOUBLE_COUNT ? count : DOUBLE_COUNT;
        if (!file_read(weights->file, weights->path, offset_bytes, piece, now * sizeof *piece, err))
            return false;
        for (size_t i = 0; i < now; i++) {
            uint64_t bits = get_u64(piece[i]);
            double value;
            memcpy(&value, &bits, sizeof value);
            *out++ = (float)value;
        }
        offset_bytes += now * sizeof *piece;
        count -= now;
    }
    return true;
}

// Reads into the upper half of out and widens from the front, which never overtakes the reading.
static bool read_halves(const struct weights *weights, uint64_t offset_bytes, size_t count,
                        bool is_bf16, float *out, vkclip_error *err)
{
    uint8_t *halves = (uint8_t *)out + 2 * count;
    if (!file_read(weights->file, weights->path, offset_bytes, halves, 2 * count, err))
        return false;
    for (size_t i = 0; i < count; i++) {
        uint16_t half = get_u16(halves + 2 * i);
        out[i] = is_bf16 ? bf16_to_float(half) : half_to_float(half);
    }
    return true;
}

static void make_floats(const struct weight_seed *seed, uint64_t first, size_t count, float *out)
{
    const uint32_t key = seeded_key(seed->stream), start = (uint32_t)first;
    const float scale = seed->scale, offset = seed->offset;
    for (size_t i = 0; i < count; i++)
        out[i] = seeded_unit(key, start + (uint32_t)i) * scale + offset;
}

bool weights_read_f32(const struct weights *weights, const struct weight *weight, uint64_t first,
                      uint64_t count, float *out, vkclip_error *err)
{
    assert(first <= weight->element_count && count <= weight->element_count - first);
    vkclip_error inner = {0};
    uint64_t at = weight->offset_bytes + first * types[weight->type].bytes;
    size_t items = (size_t)count;
    bool is_read = false;
    if (weights->is_seeded) {
        make_floats(&weight->seed, first, items, out);
        return true;
    }
    switch (weight->type) {
    case WEIGHT_F32:
        is_read = read_floats(weights, at, items, out, &inner);
        break;
    case WEIGHT_F16:
    case WEIGHT_BF16:
        is_read = read_halves(weights, at, items, weight->type == WEIGHT_BF16, out, &inner);
        break;
    case WEIGHT_F64:
        is_read = read_doubles(weights, at, items, out, &inner);
        break;
    default:
        return fail(err, VKCLIP_ERROR_FILE, "%s: '%s' holds %s, not floats", weights->path,
                    weight->name, types[weight->type].name);
    }
    if (!is_read)
        return fail(err, inner.status, "%s, in '%s'", inner.message, weight->name);
    return true;
}

bool weights_sha256(const struct weights *weights, char hex[SHA256_HEX_BYTES], vkclip_error *err)
{
    struct sha256 sha;
    uint8_t piece[1 << 14];
    sha256_init(&sha);
    for (uint64_t done = 0; done < weights->file_bytes;) {
        const uint64_t left = weights->file_bytes - done;
        const size_t now = left < sizeof piece ? (size_t)left : sizeof piece;
        if (!file_read(weights->file, weights->path, done, piece, now, err))
            return false;
        sha256_add(&sha, piece, now);
        done += now;
    }
    sha256_finish(&sha, hex);
    return true;
}
