#include "model_path.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "platform.h"

__attribute__((format(printf, 3, 4))) static bool join(char *path, size_t capacity_bytes,
                                                       const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(path, capacity_bytes, format, arguments);
    va_end(arguments);
    return length > 0 && (size_t)length < capacity_bytes;
}

bool model_path_find(char *path, size_t capacity_bytes)
{
    const char *named = getenv("VKCLIP_MODEL");
    if (named && named[0])
        return join(path, capacity_bytes, "%s", named);

    char home[4096];
    struct stat facts;
    return platform_cache_home(home, sizeof home) &&
           join(path, capacity_bytes, "%s/vkclip/biomedclip", home) && stat(path, &facts) == 0;
}

bool cache_directory_find(char *path, size_t capacity_bytes)
{
    char home[4096];
    if (!platform_cache_home(home, sizeof home) || !join(path, capacity_bytes, "%s/vkclip", home))
        return false;
    platform_make_private(home); // the user's alone where it was missing; else anybody's
    return platform_make_private(path);
}
