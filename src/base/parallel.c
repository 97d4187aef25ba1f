#include "base/parallel.h"

#ifdef __linux__
#include <sched.h>
#endif
#ifndef _WIN32
#include <unistd.h>
#endif

// What a program's first thread has on Linux. Decoders and shader compilers are written for that,
// and others get less by default: 128 KiB with musl, 512 on macOS.
#define STACK_BYTES (8u << 20)

// The cores this process may use.
static uint32_t count_cores(void)
{
#ifdef __linux__
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof allowed, &allowed) == 0)
        return (uint32_t)CPU_COUNT(&allowed);
#endif
#ifdef _WIN32
    long cores = pthread_num_processors_np();
#else
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
#endif
    return cores > 1 ? (uint32_t)cores : 1;
}

static void take_part(struct parallel *parallel)
{
    uint32_t index;
    while ((index = atomic_fetch_add(&parallel->next, 1)) < parallel->count)
        parallel->work(parallel->context, index);
}

static void *run_thread(void *parallel)
{
    take_part(parallel);
    return NULL;
}

// Starts at most so many threads, no more than there are indexes.
static void start(struct parallel *parallel, uint32_t most)
{
    pthread_attr_t attributes;
    if (most > parallel->count)
        most = parallel->count;
    if (most == 0 || pthread_attr_init(&attributes) != 0)
        return;
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    while (parallel->thread_count < most &&
           pthread_create(&parallel->threads[parallel->thread_count], &attributes, run_thread,
                          parallel) == 0)
        parallel->thread_count++;
    pthread_attr_destroy(&attributes);
}

static uint32_t most_threads(void)
{
    uint32_t cores = count_cores();
    return cores < PARALLEL_MOST_THREADS ? cores : PARALLEL_MOST_THREADS;
}

static void init(struct parallel *parallel, uint32_t count,
                 void (*work)(void *context, uint32_t index), void *context)
{
    parallel->work = work;
    parallel->context = context;
    parallel->count = count;
    parallel->thread_count = 0;
    atomic_init(&parallel->next, 0);
}

void parallel_run(uint32_t count, void (*work)(void *context, uint32_t index), void *context)
{
    struct parallel parallel;
    init(&parallel, count, work, context);
    if (count > 1) {
        uint32_t most = most_threads();
        start(&parallel, (most < count ? most : count) - 1);
    }
    parallel_end(&parallel);
}

void parallel_begin(struct parallel *parallel, uint32_t count,
                    void (*work)(void *context, uint32_t index), void *context)
{
    init(parallel, count, work, context);
    start(parallel, most_threads());
}

void parallel_end(struct parallel *parallel)
{
    take_part(parallel);
    for (uint32_t i = 0; i < parallel->thread_count; i++)
        pthread_join(parallel->threads[i], NULL);
}
