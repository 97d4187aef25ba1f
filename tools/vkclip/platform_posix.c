#include "platform.h"

#ifndef _WIN32
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <unistd.h>

void platform_init(void (*end_by_signal)(int number))
{
    static const int ending_signals[] = {SIGINT, SIGTERM, SIGHUP};
    // SA_RESETHAND restores the default, which ends the program as its parent expects to see.
    struct sigaction action = {.sa_handler = end_by_signal, .sa_flags = (int)SA_RESETHAND};
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof ending_signals / sizeof *ending_signals; i++) {
        struct sigaction before;
        sigaction(ending_signals[i], NULL, &before);
        if (before.sa_handler != SIG_IGN) // as nohup leaves it
            sigaction(ending_signals[i], &action, NULL);
    }
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);

    // A closed standard stream would give its number to the next file that is opened. These
    // stand-ins fail as the closed ones would, except that messages have nowhere to go.
    static const int modes[3] = {O_WRONLY, O_RDONLY, O_WRONLY};
    for (int file = 0; file < 3; file++)
        if (fcntl(file, F_GETFD) < 0 && open("/dev/null", modes[file]) != file)
            abort();
}

void platform_hold_signals(bool is_held)
{
    static sigset_t before;
    sigset_t all;
    sigfillset(&all);
    if (is_held)
        sigprocmask(SIG_BLOCK, &all, &before);
    else
        sigprocmask(SIG_SETMASK, &before, NULL);
}

char *platform_resolve(const char *path)
{
    char *resolved = realpath(path, NULL);
    return resolved ? resolved : strdup(path);
}

bool platform_set_mode(int file, const struct stat *old)
{
    mode_t mask = umask(0);
    umask(mask);
    return fchmod(file, old ? old->st_mode & 0777 : 0666 & ~mask) == 0;
}

bool platform_flush(int file)
{
    // Some file systems refuse; the data is then as safe as it gets.
    return fsync(file) == 0 || errno == EINVAL;
}

bool platform_replace(const char *temporary_path, const char *path)
{
    return rename(temporary_path, path) == 0;
}

bool platform_flush_folder(const char *path)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return false;
    bool is_flushed = platform_flush(file);
    int reason = errno;
    close(file);
    errno = reason;
    return is_flushed;
}

bool platform_make_folder(const char *path)
{
    return mkdir(path, 0777) == 0 || errno == EEXIST;
}

int platform_open(const char *path)
{
    // Not blocked by what is no file; the caller looks.
    return open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0666);
}

enum platform_lock platform_lock(int file)
{
    if (flock(file, LOCK_EX | LOCK_NB) == 0)
        return PLATFORM_LOCKED;
    return errno == EWOULDBLOCK ? PLATFORM_BUSY : PLATFORM_NO_LOCKS;
}

static enum platform_kind find_kind(int folder, const struct dirent *entry)
{
    struct stat facts;
    if (entry->d_type == DT_REG)
        return PLATFORM_FILE;
    if (entry->d_type == DT_DIR)
        return PLATFORM_FOLDER;
    if (entry->d_type != DT_LNK && entry->d_type != DT_UNKNOWN)
        return PLATFORM_OTHER;
    if (fstatat(folder, entry->d_name, &facts, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(facts.st_mode))
        return PLATFORM_FOLDER;
    bool is_there = fstatat(folder, entry->d_name, &facts, 0) == 0;
    return !is_there || S_ISREG(facts.st_mode) ? PLATFORM_FILE : PLATFORM_OTHER;
}

bool platform_list(const char *folder,
                   bool (*add)(void *user, const char *name, enum platform_kind kind), void *user)
{
    DIR *list = opendir(folder);
    if (!list)
        return false;
    errno = 0;
    for (struct dirent *entry; (entry = readdir(list)); errno = 0) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (!add(user, entry->d_name, find_kind(dirfd(list), entry)))
            break;
    }
    int reason = errno;
    closedir(list);
    errno = reason;
    return reason == 0;
}

uint32_t platform_modified_ns(const struct stat *facts)
{
#ifdef __APPLE__
    return (uint32_t)facts->st_mtimespec.tv_nsec;
#else
    return (uint32_t)facts->st_mtim.tv_nsec;
#endif
}

// The XDG base directory specification has relative paths ignored.
static const char *absolute(const char *variable)
{
    const char *value = getenv(variable);
    return value && value[0] == '/' ? value : NULL;
}

bool platform_cache_home(char *path, size_t capacity_bytes)
{
    const char *cache = absolute("XDG_CACHE_HOME"), *home = absolute("HOME");
    if (!cache && !home)
        return false;
    int length =
        snprintf(path, capacity_bytes, "%s%s", cache ? cache : home, cache ? "" : "/.cache");
    return length > 0 && (size_t)length < capacity_bytes;
}

bool platform_make_private(const char *path)
{
    // It may be there already, or this may fail; what counts is what is there afterwards.
    mkdir(path, 0700);
    // Somebody else's directory, or a link planted in a shared place, is not trusted.
    struct stat facts;
    return lstat(path, &facts) == 0 && S_ISDIR(facts.st_mode) && facts.st_uid == geteuid() &&
           access(path, W_OK | X_OK) == 0;
}

uint64_t platform_peak_memory_bytes(void)
{
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) != 0)
        return 0;
#ifdef __APPLE__
    return (uint64_t)usage.ru_maxrss;
#else
    return (uint64_t)usage.ru_maxrss * 1024;
#endif
}
#endif
