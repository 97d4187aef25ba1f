// torch_writer.h: builds torch.save archives in memory, so that tests can build broken ones.
#ifndef VKCLIP_TORCH_WRITER_H
#define VKCLIP_TORCH_WRITER_H

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

// ---- bytes -----------------------------------------------------------------------------------

struct bytes {
    uint8_t *at;
    size_t count, capacity;
};

static inline void put(struct bytes *bytes, const void *from, size_t count)
{
    if (bytes->count + count > bytes->capacity) {
        bytes->capacity = 2 * (bytes->count + count);
        bytes->at = realloc(bytes->at, bytes->capacity);
        if (!bytes->at)
            abort();
    }
    if (count > 0)
        memcpy(bytes->at + bytes->count, from, count);
    bytes->count += count;
}

static inline void put_text(struct bytes *bytes, const char *text)
{
    put(bytes, text, strlen(text));
}

// Little-endian.
static inline void set_number(uint8_t *at, uint64_t value, size_t byte_count)
{
    for (size_t i = 0; i < byte_count; i++)
        at[i] = (uint8_t)(value >> 8 * i);
}

static inline void put_number(struct bytes *bytes, uint64_t value, size_t byte_count)
{
    uint8_t number[8];
    set_number(number, value, byte_count);
    put(bytes, number, byte_count);
}

static inline void bytes_finish(struct bytes *bytes)
{
    free(bytes->at);
    *bytes = (struct bytes){0};
}

// ---- pickles ---------------------------------------------------------------------------------

static inline void pickle_name(struct bytes *pickle, const char *text)
{
    put(pickle, "X", 1);
    put_number(pickle, strlen(text), 4);
    put_text(pickle, text);
}

static inline void pickle_number(struct bytes *pickle, int64_t value)
{
    put(pickle, "\x8a\x08", 2);
    put_number(pickle, (uint64_t)value, 8);
}

static inline void pickle_numbers(struct bytes *pickle, const int64_t *values, size_t count)
{
    put(pickle, "(", 1);
    for (size_t i = 0; i < count; i++)
        pickle_number(pickle, values[i]);
    put(pickle, "t", 1);
}

// A tensor with the shape and strides of rank values each.
struct pickle_tensor {
    const char *type; // "FloatStorage"
    const char *key;
    int64_t stored_count, offset;
    size_t rank;
    int64_t shape[9], strides[9];
};

static inline void pickle_storage(struct bytes *pickle, const struct pickle_tensor *tensor)
{
    put_text(pickle, "(");
    pickle_name(pickle, "storage");
    put_text(pickle, "ctorch\n");
    put_text(pickle, tensor->type);
    put_text(pickle, "\n");
    pickle_name(pickle, tensor->key);
    pickle_name(pickle, "cpu");
    pickle_number(pickle, tensor->stored_count);
    put_text(pickle, "tQ");
}

static inline void pickle_rebuilt(struct bytes *pickle, const struct pickle_tensor *tensor)
{
    put_text(pickle, "ctorch._utils\n_rebuild_tensor_v2\n(");
    pickle_storage(pickle, tensor);
    pickle_number(pickle, tensor->offset);
    pickle_numbers(pickle, tensor->shape, tensor->rank);
    pickle_numbers(pickle, tensor->strides, tensor->rank);
    put_text(pickle, "\x89"
                     "ccollections\nOrderedDict\n)RtR");
}

// {name: tensor}, whole.
static inline void pickle_whole(struct bytes *pickle, const char *name,
                                const struct pickle_tensor *tensor)
{
    put(pickle, "\x80\x02}", 3);
    pickle_name(pickle, name);
    pickle_rebuilt(pickle, tensor);
    put_text(pickle, "s.");
}

// ---- archives --------------------------------------------------------------------------------

struct archive {
    struct bytes file, directory;
    size_t entry_count;
    size_t local_at[8], central_at[8]; // central_at is in the directory until archive_end
    size_t end64_at, locator_at, end_at;
};

static inline uint32_t crc_of(const uint8_t *bytes, size_t count)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < count; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
    }
    return ~crc;
}

// The fields local and central headers share, from the version needed to the name's length.
static inline void put_header(struct bytes *to, uint32_t crc, size_t byte_count, const char *name)
{
    put_number(to, 0, 2); // version needed
    put_number(to, 0, 2); // flags
    put_number(to, 0, 2); // method: stored
    put_number(to, 0, 4); // time
    put_number(to, crc, 4);
    put_number(to, byte_count, 4);
    put_number(to, byte_count, 4);
    put_number(to, strlen(name), 2);
}

static inline void archive_add(struct archive *archive, const char *name, const void *content,
                               size_t byte_count)
{
    uint32_t crc = crc_of(content, byte_count);
    size_t local_at = archive->file.count;
    archive->local_at[archive->entry_count] = local_at;
    put(&archive->file, "PK\3\4", 4);
    put_header(&archive->file, crc, byte_count, name);
    put_number(&archive->file, 0, 2); // extra fields
    put_text(&archive->file, name);
    put(&archive->file, content, byte_count);

    archive->central_at[archive->entry_count++] = archive->directory.count;
    put(&archive->directory, "PK\1\2\0\0", 6);
    put_header(&archive->directory, crc, byte_count, name);
    put_number(&archive->directory, 0, 8); // extra, comment, disk, internal attributes
    put_number(&archive->directory, 0, 4);
    put_number(&archive->directory, local_at, 4);
    put_text(&archive->directory, name);
}

// Both end records, as torch writes them.
static inline void archive_end(struct archive *archive)
{
    struct bytes *file = &archive->file;
    size_t directory_at = file->count, directory_bytes = archive->directory.count;
    put(file, archive->directory.at, directory_bytes);
    for (size_t i = 0; i < archive->entry_count; i++)
        archive->central_at[i] += directory_at;
    archive->end64_at = file->count;
    put(file, "PK\6\6", 4);
    put_number(file, 44, 8);
    put_number(file, 0, 4);
    put_number(file, 0, 8);
    put_number(file, archive->entry_count, 8);
    put_number(file, archive->entry_count, 8);
    put_number(file, directory_bytes, 8);
    put_number(file, directory_at, 8);
    archive->locator_at = file->count;
    put(file, "PK\6\7\0\0\0\0", 8);
    put_number(file, archive->end64_at, 8);
    put_number(file, 1, 4);
    archive->end_at = file->count;
    put(file, "PK\5\6\0\0\0\0", 8);
    put_number(file, archive->entry_count, 2);
    put_number(file, archive->entry_count, 2);
    put_number(file, directory_bytes, 4);
    put_number(file, directory_at, 4);
    put_number(file, 0, 2);
}

// What torch.save makes of a pickle and one storage.
static inline void archive_whole(struct archive *archive, const struct bytes *pickle,
                                 const void *storage, size_t storage_bytes)
{
    archive_add(archive, "x/data.pkl", pickle->at, pickle->count);
    archive_add(archive, "x/byteorder", "little", 6);
    archive_add(archive, "x/data/0", storage, storage_bytes);
    archive_add(archive, "x/version", "3\n", 2);
    archive_end(archive);
}

static inline void archive_finish(struct archive *archive)
{
    bytes_finish(&archive->file);
    bytes_finish(&archive->directory);
    *archive = (struct archive){0};
}

#endif
