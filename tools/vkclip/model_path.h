// model_path.h: where models and caches are looked for. With platform_*.c the only files that
// read the environment.
#ifndef VKCLIP_MODEL_PATH_H
#define VKCLIP_MODEL_PATH_H

#include <stdbool.h>
#include <stddef.h>

// Finds the model to use when none is named: $VKCLIP_MODEL, else "biomedclip" in the cache
// directory where it is there.
bool model_path_find(char *path, size_t capacity_bytes);

// Names a file in a directory, or beside a file. Returns false when the path is too long.
bool model_path_beside(const char *path, const char *name, char *out, size_t capacity_bytes);

// Finds ${XDG_CACHE_HOME:-~/.cache}/vkclip, on Windows %LOCALAPPDATA%\vkclip, and creates it for
// the user alone where it is missing. Returns false when there is none to use.
bool cache_directory_find(char *path, size_t capacity_bytes);

#endif
