#include "host/file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/disk.h"

// A path that fills the whole message would leave no room for the reason.
#define MOST_SHOWN 200

static bool refuse(const char *path, const char *why, vkclip_error *err)
{
    size_t byte_count = strlen(path);
    if (byte_count <= MOST_SHOWN)
        return fail(err, VKCLIP_ERROR_FILE, "%s: %s", path, why);
    const char *end = path + byte_count - MOST_SHOWN;
    while (((unsigned char)*end & 0xc0) == 0x80) // a whole character first
        end++;
    return fail(err, VKCLIP_ERROR_FILE, "...%s: %s (a path of %zu bytes)", end, why, byte_count);
}

bool file_open(const char *path, int *handle, uint64_t *size_bytes, vkclip_error *err)
{
    int file = disk_open(path, DISK_FOLLOW_LINKS);
    if (file < 0)
        return refuse(path, errno == EISDIR ? "is a directory" : strerror(errno), err);

    struct stat facts;
    if (fstat(file, &facts) != 0) {
        refuse(path, strerror(errno), err);
        close(file);
        return false;
    }
    if (!S_ISREG(facts.st_mode)) {
        refuse(path, S_ISDIR(facts.st_mode) ? "is a directory" : "is not a regular file", err);
        close(file);
        return false;
    }

    *handle = file;
    *size_bytes = (uint64_t)facts.st_size;
    return true;
}

bool file_read(int handle, const char *path, uint64_t offset_bytes, void *out, size_t byte_count,
               vkclip_error *err)
{
    uint8_t *next = out;
    size_t left = byte_count;
    while (left > 0) {
        ptrdiff_t got = disk_read(handle, next, left, offset_bytes);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fail(err, VKCLIP_ERROR_FILE, "%s: cannot read byte %llu: %s", path,
                        (unsigned long long)offset_bytes, strerror(errno));
        if (got == 0)
            return fail(err, VKCLIP_ERROR_FILE, "%s: ends at byte %llu, %llu more expected", path,
                        (unsigned long long)offset_bytes, (unsigned long long)left);
        next += got;
        left -= (size_t)got;
        offset_bytes += (uint64_t)got;
    }
    return true;
}

bool file_load(const char *path, uint64_t max_bytes, uint8_t **bytes, size_t *byte_count,
               vkclip_error *err)
{
    int file;
    uint64_t size_bytes;
    if (!file_open(path, &file, &size_bytes, err))
        return false;

    uint8_t *memory = NULL;
    if (size_bytes > max_bytes) {
        fail(err, VKCLIP_ERROR_FILE, "%s: %llu bytes, at most %llu are accepted", path,
             (unsigned long long)size_bytes, (unsigned long long)max_bytes);
        goto failed;
    }
    memory = malloc((size_t)size_bytes + 1);
    if (!memory) {
        fail(err, VKCLIP_ERROR_MEMORY, "%s: no memory for %llu bytes", path,
             (unsigned long long)size_bytes);
        goto failed;
    }
    if (!file_read(file, path, 0, memory, (size_t)size_bytes, err))
        goto failed;

    memory[size_bytes] = 0;
    close(file);
    *bytes = memory;
    *byte_count = (size_t)size_bytes;
    return true;

failed:
    free(memory);
    close(file);
    return false;
}
