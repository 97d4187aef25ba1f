// whole_file.h: a small file, read at once.
#ifndef VKCLIP_WHOLE_FILE_H
#define VKCLIP_WHOLE_FILE_H

#include <stddef.h>

#include "vkclip.h"

// Reads a file of fewer than 64 MiB. free() what is returned; it does not end in a zero byte. Fails
// with VKCLIP_ERROR_FILE or VKCLIP_ERROR_MEMORY and returns NULL.
char *whole_file_read(const char *path, size_t *byte_count, vkclip_error *err);

#endif
