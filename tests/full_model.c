// full_model.c: writes a model of BiomedCLIP's true shape, so that nobody has to store 784 MB.
//
//   full_model OUTDIR    model.safetensors, model.bin (torch.save's zip), open_clip_config.json
//                        and a vocab.txt of special tokens and a few words
//
// The weights are a counter-based hash that tools/reference/make_goldens.py computes to the same
// bit; both files stream, so memory stays small. All arithmetic is on 32-bit unsigned integers:
//
//   mix(h)      h ^= h >> 16; h *= 0x85EBCA6B; h ^= h >> 13; h *= 0xC2B2AE35; h ^= h >> 16
//   key(t)      mix(SEED + 0x9E3779B9 * t), t = place of the tensor in the table below, from 0
//   word(t, i)  mix(key(t) + 0x9E3779B9 * i), i = place of the element in row-major order
//   u(t, i)     (word >> 8) * 2^-23 - 1, in [-1, 1), exact in a float
//
// The value is u times a power of two, plus 1 for the gain of a normalization, so it is rounded
// once at most, with or without fused arithmetic. The power of two by name, first match:
//
//   logit_scale                          no hash: 4.4454f, near the published 4.44538
//   position_ids                         no hash: int64 0, 1, 2, ...
//   norm or LayerNorm, .weight           1 + u / 4
//   norm or LayerNorm, .bias             u / 8
//   .bias                                u / 16
//   cls_token, pos_embed, *_embeddings   u / 2
//   query, key                           twice what follows, so that attention is not flat
//   the other matrices                   u * the largest power of two whose square is <= 3 /
//   columns
//                                        (columns = elements a row): outputs of variance about 1
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define SEED          0x76C11Bu
#define GOLDEN_RATIO  0x9E3779B9u
#define DEPTH         12
#define TENSOR_COUNT  352
#define CHUNK_BYTES   (1u << 18)
#define ROOT          "full" // four characters, as in the published file
#define PAYLOAD_ALIGN 64

struct tensor {
    char name[128];
    uint32_t rank;
    uint32_t shape[4];
    uint64_t elements;
    bool is_int64;
};

struct table {
    uint32_t count;
    struct tensor tensors[TENSOR_COUNT];
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
    struct entry entries[TENSOR_COUNT + 4];
};

static void die(const char *what)
{
    fprintf(stderr, "full_model: %s: %s\n", what, strerror(errno));
    exit(1);
}

// ---- the table ------------------------------------------------------------------------------

static void add(struct table *table, const char *prefix, const char *name, uint32_t rank,
                const uint32_t shape[])
{
    struct tensor *tensor = &table->tensors[table->count++];
    snprintf(tensor->name, sizeof tensor->name, "%s%s", prefix, name);
    tensor->rank = rank;
    tensor->elements = 1;
    for (uint32_t i = 0; i < rank; i++) {
        tensor->shape[i] = shape[i];
        tensor->elements *= shape[i];
    }
    tensor->is_int64 = strstr(name, "position_ids") != NULL;
}

static void add_vector(struct table *table, const char *prefix, const char *name, uint32_t width)
{
    add(table, prefix, name, 1, (uint32_t[]){width});
}

static void add_matrix(struct table *table, const char *prefix, const char *name, uint32_t rows,
                       uint32_t cols)
{
    add(table, prefix, name, 2, (uint32_t[]){rows, cols});
}

// A weight and a bias: a linear layer, or a normalization when cols is 0.
static void add_layer(struct table *table, const char *prefix, const char *name, uint32_t rows,
                      uint32_t cols)
{
    char full[80];
    snprintf(full, sizeof full, "%s.weight", name);
    if (cols)
        add_matrix(table, prefix, full, rows, cols);
    else
        add_vector(table, prefix, full, rows);
    snprintf(full, sizeof full, "%s.bias", name);
    add_vector(table, prefix, full, rows);
}

static void add_image_tower(struct table *table)
{
    const char *trunk = "visual.trunk.";
    add(table, trunk, "cls_token", 3, (uint32_t[]){1, 1, 768});
    add(table, trunk, "pos_embed", 3, (uint32_t[]){1, 197, 768});
    add(table, trunk, "patch_embed.proj.weight", 4, (uint32_t[]){768, 3, 16, 16});
    add_vector(table, trunk, "patch_embed.proj.bias", 768);
    for (unsigned block = 0; block < DEPTH; block++) {
        char prefix[40];
        snprintf(prefix, sizeof prefix, "visual.trunk.blocks.%u.", block);
        add_layer(table, prefix, "norm1", 768, 0);
        add_layer(table, prefix, "attn.qkv", 2304, 768);
        add_layer(table, prefix, "attn.proj", 768, 768);
        add_layer(table, prefix, "norm2", 768, 0);
        add_layer(table, prefix, "mlp.fc1", 3072, 768);
        add_layer(table, prefix, "mlp.fc2", 768, 3072);
    }
    add_layer(table, trunk, "norm", 768, 0);
    add_matrix(table, "", "visual.head.proj.weight", 512, 768);
}

static void add_text_tower(struct table *table)
{
    const char *embeddings = "text.transformer.embeddings.";
    add_matrix(table, embeddings, "position_ids", 1, 512);
    add_matrix(table, embeddings, "word_embeddings.weight", 30522, 768);
    add_matrix(table, embeddings, "position_embeddings.weight", 512, 768);
    add_matrix(table, embeddings, "token_type_embeddings.weight", 2, 768);
    add_layer(table, embeddings, "LayerNorm", 768, 0);
    for (unsigned layer = 0; layer < DEPTH; layer++) {
        char prefix[48];
        snprintf(prefix, sizeof prefix, "text.transformer.encoder.layer.%u.", layer);
        add_layer(table, prefix, "attention.self.query", 768, 768);
        add_layer(table, prefix, "attention.self.key", 768, 768);
        add_layer(table, prefix, "attention.self.value", 768, 768);
        add_layer(table, prefix, "attention.output.dense", 768, 768);
        add_layer(table, prefix, "attention.output.LayerNorm", 768, 0);
        add_layer(table, prefix, "intermediate.dense", 3072, 768);
        add_layer(table, prefix, "output.dense", 768, 3072);
        add_layer(table, prefix, "output.LayerNorm", 768, 0);
    }
    add_matrix(table, "text.proj.", "0.weight", 640, 768);
    add_matrix(table, "text.proj.", "2.weight", 512, 640);
}

// ---- the values -----------------------------------------------------------------------------

static uint32_t mix(uint32_t word)
{
    word ^= word >> 16;
    word *= 0x85EBCA6Bu;
    word ^= word >> 13;
    word *= 0xC2B2AE35u;
    return word ^ word >> 16;
}

static bool ends_with(const char *text, const char *end)
{
    size_t text_bytes = strlen(text), end_bytes = strlen(end);
    return text_bytes >= end_bytes && strcmp(text + text_bytes - end_bytes, end) == 0;
}

// Fills in what the hash is multiplied by and what is added.
static void scale_of(const struct tensor *tensor, float *scale, float *offset)
{
    const char *name = tensor->name;
    bool is_norm = strstr(name, "norm") != NULL || strstr(name, "LayerNorm") != NULL;
    bool is_bias = ends_with(name, ".bias");

    *offset = is_norm && !is_bias ? 1.0f : 0.0f;
    if (is_norm)
        *scale = is_bias ? 0.125f : 0.25f;
    else if (is_bias)
        *scale = 0.0625f;
    else if (strstr(name, "cls_token") || strstr(name, "pos_embed") || strstr(name, "_embeddings."))
        *scale = 0.5f;
    else {
        float cols = (float)(tensor->elements / tensor->shape[0]);
        *scale = 1.0f;
        while (*scale * *scale * cols > 3.0f)
            *scale *= 0.5f;
        if (strstr(name, ".query.") || strstr(name, ".key."))
            *scale *= 2.0f;
    }
}

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

static void put_tensor(struct out *out, const struct table *table, uint32_t place)
{
    static float chunk[CHUNK_BYTES / sizeof(float)];
    const struct tensor *tensor = &table->tensors[place];
    const uint32_t key = mix(SEED + GOLDEN_RATIO * place);
    const uint64_t capacity = sizeof chunk / sizeof chunk[0];
    float scale, offset;

    if (tensor->is_int64) {
        for (uint64_t i = 0; i < tensor->elements; i++)
            put_int(out, i, 8);
        return;
    }
    if (tensor->rank == 0) {
        put(out, &(float){4.4454f}, sizeof(float));
        return;
    }
    scale_of(tensor, &scale, &offset);
    for (uint64_t first = 0; first < tensor->elements; first += capacity) {
        uint64_t left = tensor->elements - first;
        uint32_t count = (uint32_t)(left < capacity ? left : capacity);
        for (uint32_t i = 0; i < count; i++) {
            uint32_t word = mix(key + GOLDEN_RATIO * ((uint32_t)first + i));
            chunk[i] = offset + ((float)(word >> 8) * 0x1p-23f - 1.0f) * scale;
        }
        put(out, chunk, count * sizeof chunk[0]);
    }
}

static uint64_t tensor_bytes(const struct tensor *tensor)
{
    return tensor->elements * (tensor->is_int64 ? 8 : 4);
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

static void write_safetensors(const struct table *table, const char *folder)
{
    static char header[1 << 17];
    size_t used = 0;
    uint64_t offset = 0;
    struct out out;

    for (uint32_t i = 0; i < table->count; i++) {
        const struct tensor *tensor = &table->tensors[i];
        used += (size_t)snprintf(header + used, sizeof header - used,
                                 "%c\"%s\":{\"dtype\":\"%s\",\"shape\":[", i ? ',' : '{',
                                 tensor->name, tensor->is_int64 ? "I64" : "F32");
        for (uint32_t axis = 0; axis < tensor->rank; axis++)
            used += (size_t)snprintf(header + used, sizeof header - used, "%s%" PRIu32,
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
    for (uint32_t i = 0; i < table->count; i++)
        put_tensor(&out, table, i);
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
static void pickle_tensor(struct out *out, const struct tensor *tensor, uint32_t place)
{
    char key[16];
    snprintf(key, sizeof key, "%" PRIu32, place);
    pickle_text(out, tensor->name);
    put_text(out, "ctorch._utils\n_rebuild_tensor_v2\n((");
    pickle_text(out, "storage");
    put_text(out, tensor->is_int64 ? "ctorch\nLongStorage\n" : "ctorch\nFloatStorage\n");
    pickle_text(out, key);
    pickle_text(out, "cpu");
    pickle_int(out, tensor->elements);
    put_text(out, "tQ");
    pickle_int(out, 0); // offset into the storage
    put_text(out, "(");
    for (uint32_t axis = 0; axis < tensor->rank; axis++)
        pickle_int(out, tensor->shape[axis]);
    put_text(out, "t(");
    uint64_t stride = tensor->elements;
    for (uint32_t axis = 0; axis < tensor->rank; axis++)
        pickle_int(out, stride /= tensor->shape[axis]);
    put_text(out, "t\x89"
                  "ccollections\nOrderedDict\n)RtR");
}

static void write_torch(const struct table *table, const char *folder)
{
    static struct zip zip;
    char record[32];

    out_open(&zip.out, folder, "model.bin");
    zip_begin(&zip, "data.pkl");
    put_text(&zip.out, "\x80\x02"
                       "ccollections\nOrderedDict\n)R(");
    for (uint32_t i = 0; i < table->count; i++)
        pickle_tensor(&zip.out, &table->tensors[i], i);
    put_text(&zip.out, "u.");
    zip_end(&zip);
    zip_begin(&zip, "byteorder");
    put_text(&zip.out, "little");
    zip_end(&zip);
    for (uint32_t i = 0; i < table->count; i++) {
        snprintf(record, sizeof record, "data/%" PRIu32, i);
        zip_begin(&zip, record);
        put_tensor(&zip.out, table, i);
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
    static struct table table;
    if (argc != 2) {
        fprintf(stderr, "usage: full_model OUTDIR\n");
        return 2;
    }
    if (mkdir(argv[1], 0777) != 0 && errno != EEXIST)
        die(argv[1]);
    add(&table, "", "logit_scale", 0, NULL);
    add_image_tower(&table);
    add_text_tower(&table);
    write_safetensors(&table, argv[1]);
    write_torch(&table, argv[1]);
    write_config(argv[1]);
    write_vocabulary(argv[1]);
    return 0;
}
