// Defends that work given to threads is done, all of it, once, and seen when it is said to be done;
// also where no thread can be made, which is planted here by way of the linker.
#include "test.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/parallel.h"

// ---- threads that cannot be made -------------------------------------------------------------

static uint32_t threads_left, threads_made; // what the system still grants; asked for and granted

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                          void *argument);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                          void *argument);

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                          void *argument)
{
    if (threads_left == 0)
        return EAGAIN;
    threads_left--;
    threads_made++;
    return __real_pthread_create(thread, attributes, run, argument);
}

// ---- work ------------------------------------------------------------------------------------

#define MOST_INDEXES 10000

struct tally {
    uint32_t times[MOST_INDEXES]; // plain: an index belongs to one thread
    uint32_t count;
};

static void count_index(void *context, uint32_t index)
{
    ((struct tally *)context)->times[index]++;
}

static void check_once(const struct tally *tally)
{
    for (uint32_t i = 0; i < MOST_INDEXES; i++)
        if (tally->times[i] != (i < tally->count ? 1 : 0))
            fail_msg("index %u of %u was done %u times", i, tally->count, tally->times[i]);
}

static const uint32_t counts[] = {0, 1, 2, 15, 16, 17, 1000, MOST_INDEXES};
static const uint32_t grants[] = {0, 1, 1000}; // threads; more than there may be cores

static void every_index_is_done_once(void **state)
{
    (void)state;
    struct tally *tally = malloc(sizeof *tally);
    assert_non_null(tally);
    for (size_t i = 0; i < COUNT(counts) * COUNT(grants); i++) {
        memset(tally, 0, sizeof *tally);
        tally->count = counts[i / COUNT(grants)];
        threads_left = grants[i % COUNT(grants)];
        parallel_run(tally->count, count_index, tally);
        check_once(tally);
    }
    free(tally);
}

static void every_index_is_done_once_beside_the_caller(void **state)
{
    (void)state;
    struct tally *tally = malloc(sizeof *tally);
    assert_non_null(tally);
    for (size_t i = 0; i < COUNT(counts) * COUNT(grants); i++) {
        memset(tally, 0, sizeof *tally);
        tally->count = counts[i / COUNT(grants)];
        threads_left = grants[i % COUNT(grants)];
        struct parallel parallel;
        parallel_begin(&parallel, tally->count, count_index, tally);
        parallel_end(&parallel);
        check_once(tally);
    }
    free(tally);
}

// One index needs no thread beside the calling one, and none is made for nothing.
static void no_thread_is_made_for_nothing(void **state)
{
    (void)state;
    struct tally *tally = calloc(1, sizeof *tally);
    assert_non_null(tally);
    threads_left = 1000;
    threads_made = 0;
    tally->count = 1;
    parallel_run(1, count_index, tally);
    struct parallel parallel;
    parallel_begin(&parallel, 0, count_index, tally);
    parallel_end(&parallel);
    assert_int_equal(threads_made, 0);
    check_once(tally);
    free(tally);
}

// ---- at the same time ------------------------------------------------------------------------

struct meeting {
    pthread_mutex_t lock;
    pthread_cond_t all_there;
    uint32_t there;
};

// Returns when two have come, so one thread alone would wait for ever.
static void meet(void *context, uint32_t index)
{
    (void)index;
    struct meeting *meeting = context;
    pthread_mutex_lock(&meeting->lock);
    meeting->there++;
    pthread_cond_broadcast(&meeting->all_there);
    while (meeting->there < 2)
        pthread_cond_wait(&meeting->all_there, &meeting->lock);
    pthread_mutex_unlock(&meeting->lock);
}

// The caller's end takes the second index where there is but one core.
static void threads_work_at_the_same_time(void **state)
{
    (void)state;
    struct meeting meeting = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0};
    struct parallel parallel;
    threads_left = 1000;
    parallel_begin(&parallel, 2, meet, &meeting);
    parallel_end(&parallel);
    assert_int_equal(meeting.there, 2);
}

// ---- stack -----------------------------------------------------------------------------------

// As much as a decoder or a shader compiler may take of a first thread's 8 MiB.
static void use_stack(void *context, uint32_t index)
{
    volatile unsigned char bytes[4u << 20];
    for (size_t i = 0; i < sizeof bytes; i += 4096)
        bytes[i] = (unsigned char)index;
    ((uint32_t *)context)[index] = bytes[sizeof bytes - 4096];
}

static void threads_have_the_stack_of_a_first_thread(void **state)
{
    (void)state;
    uint32_t seen[32] = {0};
    threads_left = 1000;
    struct parallel parallel;
    parallel_begin(&parallel, COUNT(seen), use_stack, seen);
    parallel_end(&parallel);
    for (uint32_t i = 0; i < COUNT(seen); i++)
        assert_int_equal(seen[i], i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_index_is_done_once),
        cmocka_unit_test(every_index_is_done_once_beside_the_caller),
        cmocka_unit_test(no_thread_is_made_for_nothing),
        cmocka_unit_test(threads_work_at_the_same_time),
        cmocka_unit_test(threads_have_the_stack_of_a_first_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
