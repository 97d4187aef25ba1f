// File names are bytes in the code page of the process, as open() and fopen() take them there.
#include "base/disk.h"

#ifdef _WIN32
#include <errno.h>
#include <fcntl.h>
#include <io.h>
#include <string.h>
#include <sys/stat.h>
#include <windows.h>

// Making a link takes a privilege there, so all are followed; what waits (CON, COM1) opens at once.
int disk_open(const char *path, enum disk_links links)
{
    (void)links;
    int file = _open(path, _O_RDONLY | _O_BINARY | _O_NOINHERIT);
    struct stat facts;
    if (file < 0 && errno == EACCES && stat(path, &facts) == 0 && S_ISDIR(facts.st_mode))
        errno = EISDIR;
    return file;
}

ptrdiff_t disk_read(int file, void *out, size_t byte_count, uint64_t offset_bytes)
{
    const DWORD most = 1u << 30;
    OVERLAPPED place = {
        .Offset = (DWORD)(offset_bytes & UINT32_MAX),
        .OffsetHigh = (DWORD)(offset_bytes >> 32),
    };
    DWORD got = 0;
    if (ReadFile((HANDLE)_get_osfhandle(file), out, byte_count < most ? (DWORD)byte_count : most,
                 &got, &place) ||
        GetLastError() == ERROR_HANDLE_EOF)
        return (ptrdiff_t)got;
    errno = EIO;
    return -1;
}

bool disk_flush(int file)
{
    return _commit(file) == 0;
}

bool disk_replace(const char *old_path, const char *new_path)
{
    if (MoveFileExA(old_path, new_path, MOVEFILE_REPLACE_EXISTING))
        return true;
    errno = EACCES;
    return false;
}

size_t disk_directory_bytes(const char *path)
{
    size_t separator = strlen(path);
    while (separator > 0 && !strchr("/\\", path[separator - 1]))
        separator--;
    if (separator <= 1 || path[separator - 2] == ':')
        return separator; // none, or that of the root, which keeps it
    return separator - 1;
}
#endif
