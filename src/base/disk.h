// disk.h: what POSIX and Windows spell differently about files; one .c file for each. What both
// have (fstat, mkstemp, close) is called as it is.
#ifndef VKCLIP_BASE_DISK_H
#define VKCLIP_BASE_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

enum disk_links {
    DISK_FOLLOW_LINKS,
    DISK_REFUSE_LINKS, // the last part of the path must not be a link
};

// Opens a file for reading, never waiting for the writer of a FIFO, not inherited by programs that
// are started. Returns a descriptor, close() it, or -1 with errno set.
int disk_open(const char *path, enum disk_links links);

// Reads at an offset. Returns how many bytes it got, 0 at the end of the file, which may be fewer
// than asked for; -1 with errno set.
ptrdiff_t disk_read(int file, void *out, size_t byte_count, uint64_t offset_bytes);

// Has what was written reach the disk, as far as the file system can.
bool disk_flush(int file);

// Renames, replacing what is there: readers see the old file or the new one.
bool disk_replace(const char *old_path, const char *new_path);

// stat(), with the separators that may end the path of a directory.
bool disk_stat(const char *path, struct stat *facts);

// The bytes of a path that name its directory: 2 of "/a/b", 1 of "/b", 0 of "b".
size_t disk_directory_bytes(const char *path);

#endif
