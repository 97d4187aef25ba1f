// weights_formats.h: what weights.c and the readers of each file format share.
#ifndef VKCLIP_HOST_WEIGHTS_FORMATS_H
#define VKCLIP_HOST_WEIGHTS_FORMATS_H

#include "host/weights.h"

// BiomedCLIP has 352 tensors; the longest name has 63 bytes.
#define WEIGHTS_MOST_TENSORS    65536
#define WEIGHTS_MOST_NAME_BYTES 512

// Collects the tensors of one file.
struct weight_list {
    const char *path;
    int file;
    uint64_t file_bytes;
    struct weight *items; // [count]
    uint32_t count, capacity;
    char *names; // [names_capacity], fixed by weight_list_reserve_names
    size_t names_used, names_capacity;
};

// Makes room for all names together. The text they are read from is at least as long, so a list
// that needs more repeats names.
bool weight_list_reserve_names(struct weight_list *list, size_t byte_count, vkclip_error *err);

// Fails with VKCLIP_ERROR_FILE where the name is empty, too long, not UTF-8 or has control
// characters. Only names that passed are put into messages.
bool weight_list_check_name(const struct weight_list *list, const char *name, size_t name_bytes,
                            vkclip_error *err);

// How much of a text to show in a message: at most 100 bytes, ending at a whole character.
int weight_name_shown(const char *name, size_t name_bytes);

// Appends a tensor; everything but its name and element_count is taken from *tensor.
//
// Fails as weight_list_check_name does, or where the size overflows. That a tensor lies inside the
// file is checked by each reader, which knows better what to say.
bool weight_list_add(struct weight_list *list, const char *name, size_t name_bytes,
                     const struct weight *tensor, vkclip_error *err);

// Bytes of one element.
uint32_t weight_type_bytes(enum weight_type type);

// "F32", as safetensors names types.
const char *weight_type_name(enum weight_type type);

// The readers: fill a list whose path, file and file_bytes are set. All that is in it lies inside
// the file.
bool safetensors_read(struct weight_list *list, vkclip_error *err);
bool torch_zip_read(struct weight_list *list, vkclip_error *err);

#endif
