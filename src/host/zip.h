// zip.h: the directory of a zip archive as torch.save writes it, and nothing more of zip.
#ifndef VKCLIP_HOST_ZIP_H
#define VKCLIP_HOST_ZIP_H

#include "base/error.h"

struct zip_entry {
    const char *name; // [name_bytes], below the root folder, inside the directory
    uint16_t name_bytes;
    uint32_t crc;
    uint64_t header_at;  // of its local header
    uint64_t data_at;    // of its first byte
    uint64_t size_bytes; // stored as it is
};

struct zip {
    uint8_t *directory;
    struct zip_entry *entries; // [count], sorted by name
    uint32_t count;
};

// Reads the central directory and holds every entry's local header against it.
//
// Accepts only what a writer of stored entries makes: no compression, no encryption, no comment,
// one root folder above all entries, no entry overlapping another, no name twice. Names are never
// used as file names.
//
// Fails with VKCLIP_ERROR_FILE, naming file and byte, or VKCLIP_ERROR_MEMORY.
// Source: PKWARE's APPNOTE 6.3.9; PyTorch caffe2/serialize/inline_container.cc.
bool zip_open(struct zip *zip, int file, const char *path, uint64_t file_bytes, vkclip_error *err);

// Accepts a zeroed or half-opened object.
void zip_close(struct zip *zip);

// NULL when there is none of that name.
const struct zip_entry *zip_find(const struct zip *zip, const char *name, size_t name_bytes);

#endif
