// full_model.c: writes a model of BiomedCLIP's true shape, so that nobody has to store 784 MB.
//
//   full_model OUTDIR    model.safetensors, model.bin (torch.save's zip), open_clip_config.json
//                        and a vocab.txt of special tokens and a few words
//
// Names, shapes and values are those of src/synthetic.h, which tools/reference/make_goldens.py
// computes to the same bit; position_ids is int64 0, 1, 2, ... Both files stream, so memory stays
// small.
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "synthetic.h"

#define CHUNK_BYTES   (1u << 18)
#define ROOT          "full" // four characters, as in the published file
#define PAYLOAD_ALIGN 64

struct model {
    struct synthetic_table table;
    struct weights weights;
};

struct out {
    FILE *file;
    uint64_t offset;
    uint32_t crc; // of what was written since it was last cleared
    uint32_t crc_table[256];
};

struct entry { // one record of the zip
    char name[64];
    uint64_t header_offset;
    uint32_t crc;
    uint32_t size_bytes;
};

struct zip {
    struct out out;
    uint32_t count;
    struct entry entries[SYNTHETIC_TENSORS + 4];
};

static void die(const char *what)
{
    fprintf(stderr, "full_model: %s: %s\n", what, strerror(errno));
    exit(1);
}

// ---- the values -----------------------------------------------------------------------------

static void put(struct out *out, const void *data, size_t size_bytes)
{
    const unsigned char *bytes = data;
    uint32_t crc = ~out->crc;
    for (size_t i = 0; i < size_bytes; i++)
        crc = out->crc_table[(crc ^ bytes[i]) & 0xFF] ^ crc >> 8;
    out->crc = ~crc;
    if (fwrite(data, 1, size_bytes, out->file) != size_bytes)
        die("write");
    out->offset += size_bytes;
}

// Both formats are little-endian; so is every machine this runs on, and put_int does not care.
static void put_int(struct out *out, uint64_t value, uint32_t size_bytes)
{
    unsigned char bytes[8];
    for (uint32_t i = 0; i < size_bytes; i++)
        bytes[i] = (unsigned char)(value >> 8 * i);
    put(out, bytes, size_bytes);
}

static void put_text(struct out *out, const char *text)
{
    put(out, text, strlen(text));
}

static void put_tensor(struct out *out, const struct model *model, uint32_t place)
{
    static float chunk[CHUNK_BYTES / sizeof(float)];
    const uint64_t capacity = sizeof chunk / sizeof chunk[0];
    const struct weight *tensor = &model->table.items[place];
    if (tensor->type == WEIGHT_I64) {
        for (uint64_t i = 0; i < tensor->element_count; i++)
            put_int(out, i, 8);
        return;
    }
    for (uint64_t first = 0; first < tensor->element_count; first += capacity) {
        uint64_t left = tensor->element_count - first, count = left < capacity ? left : capacity;
        if (!weights_read_f32(&model->weights, tensor, first, count, chunk, NULL))
            die("read");
        put(out, chunk, count * sizeof chunk[0]);
    }
}

static uint64_t tensor_bytes(const struct weight *tensor)
{
    return tensor->element_count * (tensor->type == WEIGHT_I64 ? 8 : 4);
}

static void out_open(struct out *out, const char *folder, const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    *out = (struct out){.file = fopen(path, "wb")};
    if (!out->file)
        die(path);
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t crc = i;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
        out->crc_table[i] = crc;
    }
}

static void out_close(struct out *out)
{
    if (fclose(out->file) != 0)
        die("close");
}

// ---- safetensors ----------------------------------------------------------------------------

static void write_safetensors(const struct model *model, const char *folder)
{
    static char header[1 << 17];
    size_t used = 0;
    uint64_t offset = 0;
    struct out out;

    for (uint32_t i = 0; i < SYNTHETIC_TENSORS; i++) {
        const struct weight *tensor = &model->table.items[i];
        used += (size_t)snprintf(header + used, sizeof header - used,
                                 "%c\"%s\":{\"dtype\":\"%s\",\"shape\":[", i ? ',' : '{',
                                 tensor->name, tensor->type == WEIGHT_I64 ? "I64" : "F32");
        for (uint32_t axis = 0; axis < tensor->rank; axis++)
            used += (size_t)snprintf(header + used, sizeof header - used, "%s%" PRIu64,
                                     axis ? "," : "", tensor->shape[axis]);
        used += (size_t)snprintf(header + used, sizeof header - used,
                                 "],\"data_offsets\":[%" PRIu64 ",%" PRIu64 "]}", offset,
                                 offset + tensor_bytes(tensor));
        offset += tensor_bytes(tensor);
    }
    header[used++] = '}';
    while (used % 8 != 0)
        header[used++] = ' ';

    out_open(&out, folder, "model.safetensors");
    put_int(&out, used, 8);
    put(&out, header, used);
    for (uint32_t i = 0; i < SYNTHETIC_TENSORS; i++)
        put_tensor(&out, model, i);
    out_close(&out);
}

// ---- torch.save -----------------------------------------------------------------------------
// Records as PyTorch's caffe2/serialize/inline_container.cc lays them out: stored, sizes and crc in
// a descriptor behind the payload, payloads aligned to 64 bytes by an extra field "FB", zip64 ends.

static void zip_begin(struct zip *zip, const char *record)
{
    struct entry *entry = &zip->entries[zip->count];
    snprintf(entry->name, sizeof entry->name, ROOT "/%s", record);
    entry->header_offset = zip->out.offset;

    uint32_t name_bytes = (uint32_t)strlen(entry->name);
    uint64_t payload = zip->out.offset + 30 + name_bytes + 4;
    uint32_t padding = (uint32_t)((PAYLOAD_ALIGN - payload % PAYLOAD_ALIGN) % PAYLOAD_ALIGN);
    put_int(&zip->out, 0x04034B50u, 4);
    put_int(&zip->out, 0, 2);       // version needed
    put_int(&zip->out, 1u << 3, 2); // sizes follow the payload
    for (int i = 0; i < 9; i++)
        put_int(&zip->out, 0, 2); // method, time, date, crc, both sizes
    put_int(&zip->out, name_bytes, 2);
    put_int(&zip->out, 4 + padding, 2);
    put_text(&zip->out, entry->name);
    put_text(&zip->out, "FB");
    put_int(&zip->out, padding, 2);
    while (padding--)
        put_text(&zip->out, "Z");
    zip->out.crc = 0;
    entry->size_bytes = (uint32_t)zip->out.offset; // where the payload starts, until zip_end
}

static void zip_end(struct zip *zip)
{
    struct entry *entry = &zip->entries[zip->count++];
    entry->size_bytes = (uint32_t)zip->out.offset - entry->size_bytes;
    entry->crc = zip->out.crc;
    put_int(&zip->out, 0x08074B50u, 4);
    put_int(&zip->out, entry->crc, 4);
    put_int(&zip->out, entry->size_bytes, 4);
    put_int(&zip->out, entry->size_bytes, 4);
}

static void zip_directory(struct zip *zip)
{
    struct out *out = &zip->out;
    const uint64_t start = out->offset;
    for (uint32_t i = 0; i < zip->count; i++) {
        const struct entry *entry = &zip->entries[i];
        put_int(out, 0x02014B50u, 4);
        put_int(out, 0, 4); // versions made by and needed
        put_int(out, 1u << 3, 2);
        put_int(out, 0, 6); // method, time, date
        put_int(out, entry->crc, 4);
        put_int(out, entry->size_bytes, 4);
        put_int(out, entry->size_bytes, 4);
        put_int(out, strlen(entry->name), 2);
        put_int(out, 0, 8); // extra, comment, disk, internal attributes
        put_int(out, 0, 4);
        put_int(out, entry->header_offset, 4);
        put_text(out, entry->name);
    }
    const uint64_t end = out->offset, size = end - start;
    put_int(out, 0x06064B50u, 4); // zip64 end of the directory
    put_int(out, 44, 8);
    put_int(out, 45u << 16 | 45, 4);
    put_int(out, 0, 8); // disks
    put_int(out, zip->count, 8);
    put_int(out, zip->count, 8);
    put_int(out, size, 8);
    put_int(out, start, 8);
    put_int(out, 0x07064B50u, 4); // its locator
    put_int(out, 0, 4);
    put_int(out, end, 8);
    put_int(out, 1, 4);
    put_int(out, 0x06054B50u, 4); // the old end
    put_int(out, 0, 4);
    put_int(out, zip->count, 2);
    put_int(out, zip->count, 2);
    put_int(out, size, 4);
    put_int(out, start, 4);
    put_int(out, 0, 2);
}

static void pickle_text(struct out *out, const char *text)
{
    put_text(out, "X");
    put_int(out, strlen(text), 4);
    put_text(out, text);
}

static void pickle_int(struct out *out, uint64_t value)
{
    put_text(out, "J");
    put_int(out, value, 4);
}

// One item of the dictionary: name, and what torch._utils._rebuild_tensor_v2 is called with.
static void pickle_tensor(struct out *out, const struct weight *tensor, uint32_t place)
{
    char key[16];
    snprintf(key, sizeof key, "%" PRIu32, place);
    pickle_text(out, tensor->name);
    put_text(out, "ctorch._utils\n_rebuild_tensor_v2\n((");
    pickle_text(out, "storage");
    put_text(out, tensor->type == WEIGHT_I64 ? "ctorch\nLongStorage\n" : "ctorch\nFloatStorage\n");
    pickle_text(out, key);
    pickle_text(out, "cpu");
    pickle_int(out, tensor->element_count);
    put_text(out, "tQ");
    pickle_int(out, 0); // offset into the storage
    put_text(out, "(");
    for (uint32_t axis = 0; axis < tensor->rank; axis++)
        pickle_int(out, tensor->shape[axis]);
    put_text(out, "t(");
    uint64_t stride = tensor->element_count;
    for (uint32_t axis = 0; axis < tensor->rank; axis++)
        pickle_int(out, stride /= tensor->shape[axis]);
    put_text(out, "t\x89"
                  "ccollections\nOrderedDict\n)RtR");
}

static void write_torch(const struct model *model, const char *folder)
{
    static struct zip zip;
    char record[32];

    out_open(&zip.out, folder, "model.bin");
    zip_begin(&zip, "data.pkl");
    put_text(&zip.out, "\x80\x02"
                       "ccollections\nOrderedDict\n)R(");
    for (uint32_t i = 0; i < SYNTHETIC_TENSORS; i++)
        pickle_tensor(&zip.out, &model->table.items[i], i);
    put_text(&zip.out, "u.");
    zip_end(&zip);
    zip_begin(&zip, "byteorder");
    put_text(&zip.out, "little");
    zip_end(&zip);
    for (uint32_t i = 0; i < SYNTHETIC_TENSORS; i++) {
        snprintf(record, sizeof record, "data/%" PRIu32, i);
        zip_begin(&zip, record);
        put_tensor(&zip.out, model, i);
        zip_end(&zip);
    }
    zip_begin(&zip, "version");
    put_text(&zip.out, "3\n");
    zip_end(&zip);
    zip_begin(&zip, ".data/serialization_id");
    put_text(&zip.out, "0000000000000000000000000000000000000352");
    zip_end(&zip);
    zip_directory(&zip);
    out_close(&zip.out);
}

static void write_config(const char *folder)
{
    struct out out;
    out_open(&out, folder, "open_clip_config.json");
    put_text(&out,
             "{\"model_cfg\": {\"embed_dim\": 512,\n"
             "  \"vision_cfg\": {\"timm_model_name\": \"vit_base_patch16_224\",\n"
             "    \"timm_model_pretrained\": false, \"timm_pool\": \"\",\n"
             "    \"timm_proj\": \"linear\", \"image_size\": 224},\n"
             "  \"text_cfg\": {\"hf_model_name\": \"full\", \"hf_tokenizer_name\": \"full\",\n"
             "    \"hf_proj_type\": \"mlp\",\n"
             "    \"hf_pooler_type\": \"cls_last_hidden_state_pooler\",\n"
             "    \"context_length\": 256}},\n"
             " \"preprocess_cfg\": {\"mean\": [0.48145466, 0.4578275, 0.40821073],\n"
             "  \"std\": [0.26862954, 0.26130258, 0.27577711]}}\n");
    out_close(&out);
}

// Goldens are token ids, so any vocabulary will do; a benchmark's text needs words.
static void write_vocabulary(const char *folder)
{
    struct out out;
    out_open(&out, folder, "vocab.txt");
    put_text(&out, "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nthis\nis\na\nphoto\nof\n");
    out_close(&out);
}

int main(int argc, char **argv)
{
    static struct model model;
    if (argc != 2) {
        fprintf(stderr, "usage: full_model OUTDIR\n");
        return 2;
    }
    if (mkdir(argv[1], 0777) != 0 && errno != EEXIST)
        die(argv[1]);
    synthetic_list(&model.table);
    if (!weights_open_seeded(&model.weights, "full model", model.table.items, SYNTHETIC_TENSORS,
                             NULL))
        die("memory");
    write_safetensors(&model, argv[1]);
    write_torch(&model, argv[1]);
    write_config(argv[1]);
    write_vocabulary(argv[1]);
    weights_close(&model.weights);
    return 0;
}
