// File names are bytes in the code page of the process, as open() and fopen() take them there.
#include "base/disk.h"

#ifdef _WIN32
#include <errno.h>
#include <fcntl.h>
#include <io.h>
#include <string.h>
#include <windows.h>

static void set_errno(DWORD error, const char *path)
{
    struct stat facts;
    switch (error) {
    case ERROR_FILE_NOT_FOUND:
    case ERROR_PATH_NOT_FOUND:
    case ERROR_INVALID_NAME:
        errno = ENOENT;
        break;
    case ERROR_FILENAME_EXCED_RANGE:
        errno = ENAMETOOLONG;
        break;
    default:
        errno = stat(path, &facts) == 0 && S_ISDIR(facts.st_mode) ? EISDIR : EACCES;
    }
}

// Making a link takes a privilege there, so all are followed; what waits (CON, COM1) opens at once.
int disk_open(const char *path, enum disk_links links)
{
    (void)links;
    // _open() would keep others from removing or replacing the file.
    HANDLE handle =
        CreateFileA(path, GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
                    NULL, OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, NULL);
    if (handle == INVALID_HANDLE_VALUE) {
        set_errno(GetLastError(), path);
        return -1;
    }
    int file = _open_osfhandle((intptr_t)handle, _O_RDONLY | _O_BINARY);
    if (file < 0)
        CloseHandle(handle);
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

static bool is_separator(char c)
{
    return c == '/' || c == '\\';
}

bool disk_stat(const char *path, struct stat *facts)
{
    char plain[MAX_PATH];
    size_t count = strlen(path);
    if (count >= sizeof plain)
        return stat(path, facts) == 0;
    memcpy(plain, path, count + 1);
    while (count > 1 && is_separator(plain[count - 1]) && plain[count - 2] != ':')
        plain[--count] = '\0';
    return stat(plain, facts) == 0;
}

size_t disk_directory_bytes(const char *path)
{
    size_t separator = strlen(path);
    while (separator > 0 && !is_separator(path[separator - 1]))
        separator--;
    if (separator <= 1 || path[separator - 2] == ':')
        return separator; // none, or that of the root, which keeps it
    return separator - 1;
}
#endif
