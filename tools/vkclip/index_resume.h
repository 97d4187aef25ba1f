// index_resume.h: finds how far a set has the pictures that it is to have.
#ifndef VKCLIP_INDEX_RESUME_H
#define VKCLIP_INDEX_RESUME_H

#include "index_set.h"
#include "sources.h"

// A row of pictures; the one that was found last may wait for who asks next.
struct index_queue {
    struct sources sources;
    struct source source;
    bool is_waiting; // source was found, and not yet used
};

// What a set has of its first pictures.
struct index_prefix {
    size_t row_count, failed_count;
    uint64_t items_bytes, failed_bytes;
    bool is_whole; // it has nothing else
};

// Takes pictures from the queue as long as the set has just these, in this order: items whose line
// is the same to the byte, failures of the same path, size and time. The first that it does not
// have waits in the queue, if the set has others instead.
bool index_resume(const struct index_set *set, struct index_queue *queue,
                  struct index_prefix *prefix, vkclip_error *err);

#endif
