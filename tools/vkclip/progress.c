#include "progress.h"

#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static struct {
    bool is_on;
    const char *what;
    size_t total;
    struct timespec start;
} progress;
static volatile sig_atomic_t is_visible;

void progress_init(bool is_wanted)
{
    progress.is_on = is_wanted && isatty(STDERR_FILENO);
}

void progress_begin(const char *what, size_t total)
{
    progress.what = what;
    progress.total = total;
    clock_gettime(CLOCK_MONOTONIC, &progress.start);
    progress_show(0);
}

void progress_show(size_t done)
{
    if (!progress.is_on)
        return;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    double seconds = (double)(now.tv_sec - progress.start.tv_sec) +
                     (double)(now.tv_nsec - progress.start.tv_nsec) * 1e-9;

    char line[160];
    int length =
        snprintf(line, sizeof line, "\r\033[K%zu of %zu %s", done, progress.total, progress.what);
    if (done > 0 && seconds > 0.0) {
        double rate = (double)done / seconds;
        uint64_t left = (uint64_t)((double)(progress.total - done) / rate + 0.5);
        snprintf(line + length, sizeof line - (size_t)length, ", %.1f a second, %u:%02u left", rate,
                 (unsigned)(left / 60), (unsigned)(left % 60));
    }
    is_visible = 1;
    fputs(line, stderr);
}

void progress_hide(void)
{
    static const char erase[] = "\r\033[K";
    if (!is_visible)
        return;
    is_visible = 0;
    // A terminal that does not take this has no line to erase.
    if (write(STDERR_FILENO, erase, sizeof erase - 1) < 0)
        return;
}
