#include "model_path.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

__attribute__((format(printf, 3, 4))) static bool join(char *path, size_t capacity_bytes,
                                                       const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(path, capacity_bytes, format, arguments);
    va_end(arguments);
    return length > 0 && (size_t)length < capacity_bytes;
}

// The XDG base directory specification has relative paths ignored.
static const char *absolute(const char *variable)
{
    const char *value = getenv(variable);
    return value && value[0] == '/' ? value : NULL;
}

static bool cache_home(char *path, size_t capacity_bytes)
{
    const char *cache = absolute("XDG_CACHE_HOME");
    if (cache)
        return join(path, capacity_bytes, "%s", cache);
    const char *home = absolute("HOME");
    return home && join(path, capacity_bytes, "%s/.cache", home);
}

bool model_path_find(char *path, size_t capacity_bytes)
{
    const char *named = getenv("VKCLIP_MODEL");
    if (named && named[0])
        return join(path, capacity_bytes, "%s", named);

    char home[4096];
    struct stat facts;
    return cache_home(home, sizeof home) &&
           join(path, capacity_bytes, "%s/vkclip/biomedclip", home) && stat(path, &facts) == 0;
}

bool cache_directory_find(char *path, size_t capacity_bytes)
{
    char home[4096];
    if (!cache_home(home, sizeof home) || !join(path, capacity_bytes, "%s/vkclip", home))
        return false;
    // Each may be there already, or fail; what counts is what is there afterwards.
    mkdir(home, 0700);
    mkdir(path, 0700);
    // Somebody else's directory, or a link planted in a shared place, is not trusted.
    struct stat facts;
    return lstat(path, &facts) == 0 && S_ISDIR(facts.st_mode) && facts.st_uid == geteuid() &&
           access(path, W_OK | X_OK) == 0;
}
