// file.h: small side files and pictures, read whole.
#ifndef VKCLIP_HOST_FILE_H
#define VKCLIP_HOST_FILE_H

#include "base/error.h"

// Opens a regular file for reading without ever blocking on a FIFO or device.
//
//   handle      file descriptor, close() it
//   size_bytes  its size now
//
// Fails with VKCLIP_ERROR_FILE, naming the path and the reason.
bool file_open(const char *path, int *handle, uint64_t *size_bytes, vkclip_error *err);

// Reads exactly byte_count bytes at an offset; short reads are continued, EINTR retried.
bool file_read(int handle, const char *path, uint64_t offset_bytes, void *out, size_t byte_count,
               vkclip_error *err);

// Reads a whole file of at most max_bytes into fresh memory, a zero byte after its end. free() it.
bool file_load(const char *path, uint64_t max_bytes, uint8_t **bytes, size_t *byte_count,
               vkclip_error *err);

#endif
