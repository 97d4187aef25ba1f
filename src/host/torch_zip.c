// torch_zip.c: the zip archive of torch.save -> a list of tensors.
//
// Source: PyTorch torch/serialization.py, caffe2/serialize/inline_container.cc.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "host/file.h"
#include "host/pickle.h"
#include "host/weights_formats.h"
#include "host/zip.h"

// A key is a decimal number.
#define MOST_KEY_BYTES 20

struct archive {
    struct weight_list *list;
    struct zip zip;
    uint8_t *pickle_bytes;
    struct pickle pickle;
    vkclip_error *err;
};

static bool refuse(struct archive *archive, const char *what)
{
    return fail(archive->err, VKCLIP_ERROR_FILE, "%s: %s", archive->list->path, what);
}

static const struct zip_entry *find(const struct archive *archive, const char *name)
{
    return zip_find(&archive->zip, name, strlen(name));
}

// ---- records ---------------------------------------------------------------------------------

// Four bits at a time: a table of 16 is enough for one small record.
static uint32_t crc32_of(const uint8_t *bytes, size_t byte_count)
{
    uint32_t table[16], crc = UINT32_MAX;
    for (uint32_t i = 0; i < 16; i++) {
        table[i] = i;
        for (int bit = 0; bit < 4; bit++)
            table[i] = table[i] >> 1 ^ (table[i] & 1 ? 0xedb88320 : 0);
    }
    for (size_t i = 0; i < byte_count; i++) {
        crc ^= bytes[i];
        crc = crc >> 4 ^ table[crc & 15];
        crc = crc >> 4 ^ table[crc & 15];
    }
    return ~crc;
}

// Absent before torch 2.1.
static bool check_byte_order(struct archive *archive)
{
    static const char little[] = "little";
    char order[sizeof little - 1];
    const struct zip_entry *entry = find(archive, "byteorder");
    if (!entry)
        return true;
    if (entry->size_bytes == sizeof order) {
        if (!file_read(archive->list->file, archive->list->path, entry->data_at, order,
                       sizeof order, archive->err))
            return false;
        if (memcmp(order, little, sizeof order) == 0)
            return true;
    }
    return refuse(archive, "byteorder is not 'little'; files of big-endian machines are not read");
}

// The CRC of the pickle is checked, since it decides all; those of tensors are not, since newer
// torch can leave them out and reading 784 MB for them would double the time to start.
static bool read_pickle(struct archive *archive)
{
    const char *path = archive->list->path;
    if (find(archive, "constants.pkl"))
        return refuse(archive, "is a TorchScript program; save its state_dict() with torch.save");
    const struct zip_entry *entry = find(archive, "data.pkl");
    if (!entry)
        return refuse(archive, "is a zip archive without data.pkl, not a torch.save file");
    if (entry->size_bytes > PICKLE_MOST_BYTES)
        return refuse(archive, "its data.pkl is larger than 16 MiB");
    size_t byte_count = (size_t)entry->size_bytes;
    archive->pickle_bytes = malloc(byte_count + 1);
    if (!archive->pickle_bytes)
        return fail(archive->err, VKCLIP_ERROR_MEMORY, "%s: no memory for its pickle", path);
    if (!file_read(archive->list->file, path, entry->data_at, archive->pickle_bytes, byte_count,
                   archive->err))
        return false;
    if (crc32_of(archive->pickle_bytes, byte_count) != entry->crc)
        return refuse(archive, "the checksum of data.pkl is wrong: the file is damaged");
    return check_byte_order(archive) &&
           pickle_read(&archive->pickle, path, archive->pickle_bytes, byte_count, archive->err);
}

// ---- tensors ---------------------------------------------------------------------------------

static bool refuse_tensor(struct archive *archive, const struct value *name, const char *what)
{
    const char *text = (const char *)archive->pickle.bytes + name->text;
    return fail(archive->err, VKCLIP_ERROR_FILE, "%s: '%.*s' %s", archive->list->path,
                weight_name_shown(text, name->count), text, what);
}

// The record of a storage must be as long as its pickled count of elements says.
static const struct zip_entry *find_storage(struct archive *archive, const struct value *storage,
                                            uint64_t *element_count, enum weight_type *type)
{
    const struct pickle *pickle = &archive->pickle;
    const struct value *key = pickle_part(pickle, storage, 2);
    char record[5 + MOST_KEY_BYTES + 1];
    if (key->count > MOST_KEY_BYTES)
        return NULL;
    snprintf(record, sizeof record, "data/%.*s", (int)key->count,
             (const char *)pickle->bytes + key->text);
    const struct zip_entry *entry = find(archive, record);
    *type = pickle_part(pickle, storage, 1)->global - GLOBAL_STORAGE;
    // A negative count becomes one that no record has.
    *element_count = (uint64_t)pickle_part(pickle, storage, 4)->integer;
    uint64_t size_bytes;
    bool fits = entry && checked_mul(*element_count, weight_type_bytes(*type), &size_bytes) &&
                size_bytes == entry->size_bytes;
    return fits ? entry : NULL;
}

// Elements must lie in row-major order. Along a side of 1 the stride means nothing, and without
// elements no stride does.
static bool is_contiguous(const struct pickle *pickle, const struct value *strides,
                          const struct weight *tensor, uint64_t element_count)
{
    uint64_t wanted = 1;
    for (uint32_t i = tensor->rank; i > 0 && element_count > 0; i--) {
        int64_t stride = pickle_part(pickle, strides, i - 1)->integer;
        if (tensor->shape[i - 1] != 1 && (uint64_t)stride != wanted)
            return false;
        wanted *= tensor->shape[i - 1]; // at most element_count
    }
    return true;
}

static bool add_tensor(struct archive *archive, const struct value *name, const struct value *value)
{
    const struct pickle *pickle = &archive->pickle;
    const struct value *sizes = pickle_part(pickle, value, 2);
    struct weight tensor = {.rank = sizes->count};
    uint64_t stored_count, element_count = 1;
    const struct zip_entry *entry =
        find_storage(archive, pickle_part(pickle, value, 0), &stored_count, &tensor.type);
    if (!entry)
        return refuse_tensor(archive, name, "has no storage of the size it says");

    bool is_sound = true;
    for (uint32_t i = 0; is_sound && i < tensor.rank; i++) {
        int64_t size = pickle_part(pickle, sizes, i)->integer;
        tensor.shape[i] = (uint64_t)size;
        is_sound = size >= 0 && checked_mul(element_count, tensor.shape[i], &element_count);
    }
    int64_t offset = pickle_part(pickle, value, 1)->integer;
    is_sound = is_sound && offset >= 0 && (uint64_t)offset <= stored_count &&
               element_count <= stored_count - (uint64_t)offset;
    if (!is_sound)
        return refuse_tensor(archive, name, "reaches beyond its storage");
    if (!is_contiguous(pickle, pickle_part(pickle, value, 3), &tensor, element_count))
        return refuse_tensor(archive, name, "is not contiguous; save .contiguous() tensors");
    tensor.offset_bytes = entry->data_at + (uint64_t)offset * weight_type_bytes(tensor.type);
    return weight_list_add(archive->list, (const char *)pickle->bytes + name->text, name->count,
                           &tensor, archive->err);
}

// Training scripts put the weights under one of these names, beside an epoch, an optimizer and
// more; everything else of such an outer dict is left alone.
static const struct value *find_state(const struct pickle *pickle, const struct value *root)
{
    static const char *const wrappers[] = {"state_dict", "model_state_dict", "model"};
    for (size_t i = 0; i < sizeof wrappers / sizeof *wrappers; i++) {
        const struct value *inner = pickle_get(pickle, root, wrappers[i]);
        if (inner && inner->kind == VALUE_DICT)
            return inner;
    }
    return root;
}

static bool add_tensors(struct archive *archive)
{
    const struct pickle *pickle = &archive->pickle;
    const struct value *state = &pickle->values[pickle->root];
    if (state->kind != VALUE_DICT)
        return refuse(archive, "holds no state_dict, but one single value");
    state = find_state(pickle, state);
    for (uint32_t at = state->first; at != NO_PAIR; at = pickle->pairs[at].next) {
        const struct value *name = &pickle->values[pickle->pairs[at].key];
        const struct value *item = &pickle->values[pickle->pairs[at].item];
        if (name->kind != VALUE_TEXT)
            return refuse(archive, "its state_dict has a key that is not a text");
        if (!weight_list_check_name(archive->list, (const char *)pickle->bytes + name->text,
                                    name->count, archive->err))
            return false;
        if (item->kind != VALUE_TENSOR)
            return refuse_tensor(archive, name, "is not a tensor: this is not a state_dict");
        if (!add_tensor(archive, name, item))
            return false;
    }
    return true;
}

bool torch_zip_read(struct weight_list *list, vkclip_error *err)
{
    struct archive archive = {.list = list, .err = err};
    bool is_read = zip_open(&archive.zip, list->file, list->path, list->file_bytes, err) &&
                   read_pickle(&archive) &&
                   weight_list_reserve_names(list, archive.pickle.byte_count, err) &&
                   add_tensors(&archive);
    pickle_finish(&archive.pickle);
    free(archive.pickle_bytes);
    zip_close(&archive.zip);
    return is_read;
}
