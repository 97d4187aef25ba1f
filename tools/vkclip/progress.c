#include "progress.h"

#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static struct {
    bool is_on;
    const char *what;
    size_t total, skipped, failed;
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
    progress.skipped = progress.failed = 0;
    clock_gettime(CLOCK_MONOTONIC, &progress.start);
    progress_show(0);
}

void progress_skip(size_t done)
{
    progress.skipped = done;
}

void progress_set_failed(size_t failed)
{
    progress.failed = failed;
}

static double seconds_since_start(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - progress.start.tv_sec) +
           (double)(now.tv_nsec - progress.start.tv_nsec) * 1e-9;
}

void progress_show(size_t done)
{
    if (!progress.is_on)
        return;
    char line[200], total[32] = "", failed[40] = "", rate[80] = "";
    if (progress.total > 0)
        snprintf(total, sizeof total, " of %zu", progress.total);
    if (progress.failed > 0)
        snprintf(failed, sizeof failed, ", %zu failed", progress.failed);
    double seconds = seconds_since_start();
    if (done > progress.skipped && seconds > 0.0) {
        double a_second = (double)(done - progress.skipped) / seconds;
        size_t left = progress.total > done ? progress.total - done : 0;
        uint64_t seconds_left = (uint64_t)((double)left / a_second + 0.5);
        int length = snprintf(rate, sizeof rate, ", %.1f a second", a_second);
        if (progress.total > 0)
            snprintf(rate + length, sizeof rate - (size_t)length, ", %u:%02u left",
                     (unsigned)(seconds_left / 60), (unsigned)(seconds_left % 60));
    }
    snprintf(line, sizeof line, "\r\033[K%zu%s %s%s%s", done, total, progress.what, failed, rate);
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
