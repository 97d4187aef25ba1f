// no_threads.h: threads that cannot be made, planted by way of the linker (--wrap=pthread_create).
#ifndef VKCLIP_TESTS_NO_THREADS_H
#define VKCLIP_TESTS_NO_THREADS_H

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>

static bool has_threads;

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                          void *argument);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                          void *argument);

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                          void *argument)
{
    return has_threads ? __real_pthread_create(thread, attributes, run, argument) : EAGAIN;
}

#endif
