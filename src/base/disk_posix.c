#include "base/disk.h"

#ifndef _WIN32
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int disk_open(const char *path, enum disk_links links)
{
    // O_NONBLOCK keeps open() from waiting for the writer of a FIFO; regular files ignore it.
    int flags = O_RDONLY | O_NONBLOCK | O_CLOEXEC;
    return open(path, links == DISK_REFUSE_LINKS ? flags | O_NOFOLLOW : flags);
}

ptrdiff_t disk_read(int file, void *out, size_t byte_count, uint64_t offset_bytes)
{
    return pread(file, out, byte_count, (off_t)offset_bytes);
}

bool disk_flush(int file)
{
    return fsync(file) == 0;
}

bool disk_replace(const char *old_path, const char *new_path)
{
    return rename(old_path, new_path) == 0;
}

bool disk_stat(const char *path, struct stat *facts)
{
    return stat(path, facts) == 0;
}

size_t disk_directory_bytes(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return 0;
    return slash == path ? 1 : (size_t)(slash - path); // the root keeps its slash
}
#endif
