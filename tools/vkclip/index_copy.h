// index_copy.h: copies rows, items and failures from one INDEX to another.
#ifndef VKCLIP_INDEX_COPY_H
#define VKCLIP_INDEX_COPY_H

#include "index_resume.h"
#include "index_set.h"

// Copies the first rows and failures of an INDEX behind those of a set, and commits them.
bool index_copy(struct index_set *set, struct collection *from, const struct index_prefix *prefix,
                vkclip_error *err);

// All that an INDEX has.
struct index_prefix index_copy_all(const struct collection *from);

#endif
