// platform.h: what POSIX and Windows do differently; one .c file for each.
#ifndef VKCLIP_PLATFORM_H
#define VKCLIP_PLATFORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

// Has signals that end the program call a handler, which may raise them again to end it; a closed
// pipe and a full quota come back as errors of write() instead. Opens stand-ins for standard
// streams that are closed. Text is written byte for byte, and terminals are told it is UTF-8.
void platform_init(void (*end_by_signal)(int number));

// Puts signals off, and lets them come again.
void platform_hold_signals(bool is_held);

// The file that a path leads to, links followed, or the path itself. free() it; NULL: no memory.
char *platform_resolve(const char *path);

// The three steps of replacing a file by a temporary one beside it: the mode of the old file, or of
// a new one where that is NULL; the disk; the name. Each returns false with errno set.
bool platform_set_mode(int file, const struct stat *old);
bool platform_flush(int file);
bool platform_replace(const char *temporary_path, const char *path);

// Finds where the user's programs keep what can be had again: ${XDG_CACHE_HOME:-~/.cache}, on
// Windows %LOCALAPPDATA%. Returns false when there is no such place.
bool platform_cache_home(char *path, size_t capacity_bytes);

// Makes a directory for the user alone where it is missing. Returns whether it is the user's own
// then, not a link to somewhere, and can be written.
bool platform_make_private(const char *path);

// 0 where the system does not tell.
uint64_t platform_peak_memory_bytes(void);

#endif
