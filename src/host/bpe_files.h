// bpe_files.h: the files that hold the vocabulary and the merges of a CLIP's byte pair encoding.
#ifndef VKCLIP_HOST_BPE_FILES_H
#define VKCLIP_HOST_BPE_FILES_H

#include "host/merges.h"
#include "host/vocabulary.h"

// Reads tokenizer.json, or vocab.json and merges.txt, into a zeroed vocabulary and zeroed merges.
//
//   path         tokenizer.json; vocab.json where merges_path is given
//   merges_path  merges.txt, or NULL
//
// Fails with VKCLIP_ERROR_FILE, naming the line, the merge or the field, or VKCLIP_ERROR_MEMORY;
// both are then half-built.
bool bpe_read(struct vocabulary *vocabulary, struct merges *merges, const char *path,
              const char *merges_path, vkclip_error *err);

#endif
