// windows.manifest has all names be UTF-8, here and in the library.
#include "platform.h"

#ifdef _WIN32
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
