// golden_file.h: reads vkclip_golden.json, what a reference computed with the model it lies beside:
//
//   {
//    "pictures": ["a.png", "more/b.jpg"],         paths from the folder of the file
//    "image_embeddings": [[0.1, ...], [...]],     a row a picture, of unit length
//    "texts": ["a photo of a", "b"],
//    "text_embeddings": [[0.2, ...], [...]]       a row a text, of the length the model gives it
//   }
//
// Pictures and texts each may be left out, with their embeddings. Whatever else the object holds,
// as the script and the versions that wrote it, is not read. tools/reference/make_goldens.py writes
// it.
#ifndef VKCLIP_GOLDEN_FILE_H
#define VKCLIP_GOLDEN_FILE_H

#include "vkclip.h"

// Inputs of one tower and what they embed to.
struct golden {
    const char **inputs; // [count] paths, or texts
    size_t count;
    float *embeddings; // [count, embedding_width]
};

struct golden_file {
    struct cJSON *json;
    struct golden pictures, texts;
    char *paths; // of the pictures
};

// Fails with VKCLIP_ERROR_FILE, naming file and member, or VKCLIP_ERROR_MEMORY.
bool golden_file_open(struct golden_file *golden, const char *path, size_t embedding_width,
                      vkclip_error *err);

// Accepts a zeroed or half-open file.
void golden_file_close(struct golden_file *golden);

#endif
