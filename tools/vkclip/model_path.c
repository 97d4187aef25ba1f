#include "model_path.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

static bool is_separator(char c)
{
#ifdef _WIN32
    return c == '/' || c == '\\';
#else
    return c == '/';
#endif
}

bool model_path_beside(const char *path, const char *name, char *out, size_t capacity_bytes)
{
    struct stat facts;
    if (stat(path, &facts) == 0 && S_ISDIR(facts.st_mode))
        return join(out, capacity_bytes, "%s/%s", path, name);
    size_t directory_bytes = strlen(path);
    while (directory_bytes > 0 && !is_separator(path[directory_bytes - 1]))
        directory_bytes--;
    return join(out, capacity_bytes, "%.*s%s", (int)directory_bytes, path, name);
}

bool cache_directory_find(char *path, size_t capacity_bytes)
{
    char home[4096];
    if (!platform_cache_home(home, sizeof home) || !join(path, capacity_bytes, "%s/vkclip", home))
        return false;
    platform_make_private(home); // the user's alone where it was missing; else anybody's
    return platform_make_private(path);
}
