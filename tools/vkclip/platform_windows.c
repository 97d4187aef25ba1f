// windows.manifest has all names be UTF-8, here and in the library.
#include "platform.h"

#ifdef _WIN32
#include <direct.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <io.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

#include <psapi.h>

// No shell there expands pictures\*.png; with this variable the start-up code does.
int _dowildcard = -1;

static UINT console_code_page;

static void restore_console(void)
{
    SetConsoleOutputCP(console_code_page);
}

static void init_console(void)
{
    console_code_page = GetConsoleOutputCP();
    if (console_code_page == 0 || console_code_page == CP_UTF8)
        return;
    SetConsoleOutputCP(CP_UTF8);
    atexit(restore_console);
}

void platform_init(void (*end_by_signal)(int number))
{
    signal(SIGINT, end_by_signal);
    signal(SIGTERM, end_by_signal);
    signal(SIGBREAK, end_by_signal);
    for (int file = 0; file < 3; file++)
        _setmode(file, _O_BINARY);
    init_console();

    // The line of progress erases itself by an escape sequence.
    HANDLE messages = GetStdHandle(STD_ERROR_HANDLE);
    DWORD mode;
    if (GetConsoleMode(messages, &mode))
        SetConsoleMode(messages, mode | ENABLE_VIRTUAL_TERMINAL_PROCESSING);
}

// Ctrl-C is another thread there, which nothing holds back.
void platform_hold_signals(bool is_held)
{
    (void)is_held;
}

char *platform_resolve(const char *path)
{
    return strdup(path);
}

// A new file there has the rights its directory gives.
bool platform_set_mode(int file, const struct stat *old)
{
    (void)file;
    (void)old;
    return true;
}

bool platform_flush(int file)
{
    return _commit(file) == 0;
}

bool platform_replace(const char *temporary_path, const char *path)
{
    if (MoveFileExA(temporary_path, path, MOVEFILE_REPLACE_EXISTING))
        return true;
    errno = EACCES;
    return false;
}

// A directory is no file there; NTFS keeps a journal of it.
bool platform_flush_folder(const char *path)
{
    (void)path;
    return true;
}

bool platform_make_folder(const char *path)
{
    return _mkdir(path) == 0 || errno == EEXIST;
}

int platform_open(const char *path)
{
    return _open(path, _O_RDWR | _O_CREAT | _O_BINARY | _O_NOINHERIT, _S_IREAD | _S_IWRITE);
}

enum platform_lock platform_lock(int file)
{
    OVERLAPPED start = {0};
    if (LockFileEx((HANDLE)_get_osfhandle(file),
                   LOCKFILE_EXCLUSIVE_LOCK | LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, &start))
        return PLATFORM_LOCKED;
    return GetLastError() == ERROR_LOCK_VIOLATION || GetLastError() == ERROR_IO_PENDING
               ? PLATFORM_BUSY
               : PLATFORM_NO_LOCKS;
}

static enum platform_kind find_kind(const char *folder, const char *name)
{
    char path[4096];
    struct stat facts;
    int length = snprintf(path, sizeof path, "%s/%s", folder, name);
    if (length < 0 || (size_t)length >= sizeof path || stat(path, &facts) != 0)
        return PLATFORM_FILE; // which reading it will refuse
    return S_ISREG(facts.st_mode)   ? PLATFORM_FILE
           : S_ISDIR(facts.st_mode) ? PLATFORM_FOLDER
                                    : PLATFORM_OTHER;
}

bool platform_list(const char *folder,
                   bool (*add)(void *user, const char *name, enum platform_kind kind), void *user)
{
    DIR *list = opendir(folder);
    if (!list)
        return false;
    for (struct dirent *entry; (entry = readdir(list));) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (!add(user, entry->d_name, find_kind(folder, entry->d_name)))
            break;
    }
    closedir(list);
    return true;
}

uint32_t platform_modified_ns(const struct stat *facts)
{
    (void)facts; // whole seconds are all that stat() tells there
    return 0;
}

bool platform_cache_home(char *path, size_t capacity_bytes)
{
    const char *home = getenv("LOCALAPPDATA");
    if (!home || !home[0])
        return false;
    int length = snprintf(path, capacity_bytes, "%s", home);
    return length > 0 && (size_t)length < capacity_bytes;
}

bool platform_make_private(const char *path)
{
    mkdir(path); // %LOCALAPPDATA% is the user's, and so is what is made in it
    struct stat facts;
    return stat(path, &facts) == 0 && S_ISDIR(facts.st_mode);
}

uint64_t platform_peak_memory_bytes(void)
{
    PROCESS_MEMORY_COUNTERS counters = {.cb = sizeof counters};
    if (!GetProcessMemoryInfo(GetCurrentProcess(), &counters, sizeof counters))
        return 0;
    return counters.PeakWorkingSetSize;
}
#endif
