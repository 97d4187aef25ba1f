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

// Has a folder itself reach the disk: which files are in it. False with errno set.
bool platform_flush_folder(const char *path);

// Makes a folder, which may be there already.
bool platform_make_folder(const char *path);

// Opens a file for reading and writing, creating it where it is missing. A descriptor, or -1 with
// errno set.
int platform_open(const char *path);

// Locks an open file for this process, as long as it runs or the file is open: PLATFORM_BUSY where
// another has it; PLATFORM_NO_LOCKS where the file system has none.
enum platform_lock { PLATFORM_LOCKED, PLATFORM_BUSY, PLATFORM_NO_LOCKS };
enum platform_lock platform_lock(int file);

// Hands each name in a folder but . and .. to add, which returns false to stop. Links are followed
// to files, also to those that are not there; a link to a folder is something else. Returns false
// with errno set where the folder cannot be read.
enum platform_kind { PLATFORM_FILE, PLATFORM_FOLDER, PLATFORM_OTHER };
bool platform_list(const char *folder,
                   bool (*add)(void *user, const char *name, enum platform_kind kind), void *user);

// The fraction of a second in a file's time of modification.
uint32_t platform_modified_ns(const struct stat *facts);

// Finds where the user's programs keep what can be had again: ${XDG_CACHE_HOME:-~/.cache}, on
// Windows %LOCALAPPDATA%. Returns false when there is no such place.
bool platform_cache_home(char *path, size_t capacity_bytes);

// Makes a directory for the user alone where it is missing. Returns whether it is the user's own
// then, not a link to somewhere, and can be written.
bool platform_make_private(const char *path);

// 0 where the system does not tell.
uint64_t platform_peak_memory_bytes(void);

#endif
