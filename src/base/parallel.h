// parallel.h: the same work for many indexes, on as many threads as there are cores.
//
// No thread outlives what it was started for. Nothing is allocated here, and nothing fails: where
// a thread cannot be made, those there are do its work, at worst the calling one alone.
#ifndef VKCLIP_BASE_PARALLEL_H
#define VKCLIP_BASE_PARALLEL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

// Beyond that the memory threads share, or the driver's locks, are what is waited for.
#define PARALLEL_MOST_THREADS 16

struct parallel {
    void (*work)(void *context, uint32_t index);
    void *context;
    uint32_t count;
    atomic_uint next; // the first index nobody has taken
    pthread_t threads[PARALLEL_MOST_THREADS];
    uint32_t thread_count;
};

// Calls work(context, index) once for each index below count, in no order, several at a time, the
// calling thread taking part. Returns when all are done; what they wrote is then seen by the
// caller. An index runs on one thread; what indexes share is for work to guard.
void parallel_run(uint32_t count, void (*work)(void *context, uint32_t index), void *context);

// The same beside the caller, who does something else in between: begin starts it, end takes part
// in what is left and returns when all are done. Every begin needs its end, and the struct, and
// all work touches, must stay where they are until then.
void parallel_begin(struct parallel *parallel, uint32_t count,
                    void (*work)(void *context, uint32_t index), void *context);
void parallel_end(struct parallel *parallel);

#endif
