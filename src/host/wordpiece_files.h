// wordpiece_files.h: the two kinds of file that hold a WordPiece vocabulary.
#ifndef VKCLIP_HOST_WORDPIECE_FILES_H
#define VKCLIP_HOST_WORDPIECE_FILES_H

#include "host/vocabulary.h"

// Reads vocab.txt or tokenizer.json, told by content, into a zeroed vocabulary. Fails with
// VKCLIP_ERROR_FILE, naming the line or the field, or VKCLIP_ERROR_MEMORY; the vocabulary is then
// half-built.
bool wordpiece_read(struct vocabulary *vocabulary, const char *path, vkclip_error *err);

#endif
