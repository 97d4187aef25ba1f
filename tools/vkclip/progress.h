// progress.h: one line on standard error that rewrites itself: things done, rate, time left.
// It is shown on a terminal only.
#ifndef VKCLIP_PROGRESS_H
#define VKCLIP_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>

void progress_init(bool is_wanted);

// what is the plural of the thing that is counted; total may be 0, not known. Those done before,
// which progress_skip tells, count for no rate.
void progress_begin(const char *what, size_t total);
void progress_skip(size_t done);
void progress_set_failed(size_t failed);
void progress_show(size_t done);

// Erases the line; the next progress_show writes it again. Safe in a signal handler.
void progress_hide(void);

#endif
