#include "index_resume.h"

#include <string.h>

#include "index_lines.h"
#include "report.h"

struct comparison {
    struct index_lines items, failed; // of the set
    struct text line;                 // of the picture in the queue
};

static bool is_item(struct comparison *c, const struct source *source)
{
    const struct text *old = &c->items.line;
    if (source->reason)
        return false;
    c->line.byte_count = 0;
    index_lines_add_item(&c->line, source);
    return c->line.byte_count == old->byte_count && old->byte_count > 0 &&
           memcmp(c->line.bytes, old->bytes, old->byte_count) == 0;
}

static bool is_failure(struct comparison *c, const struct source *source)
{
    const struct text *old = &c->failed.line;
    if (old->byte_count == 0)
        return false;
    c->line.byte_count = 0;
    index_lines_add_failure(&c->line, source, "");
    if (c->line.is_out_of_memory)
        return false;
    size_t byte_count = index_lines_identity_bytes(c->line.bytes);
    return byte_count == index_lines_identity_bytes(old->bytes) &&
           memcmp(c->line.bytes, old->bytes, byte_count) == 0;
}

// Takes a picture that the set has; leaves it waiting, with *is_had false, where it has another.
static bool take(struct comparison *c, struct index_queue *queue, struct index_prefix *prefix,
                 bool *is_had, vkclip_error *err)
{
    *is_had = false;
    if (!sources_next(&queue->sources, &queue->source, &queue->is_waiting, err))
        return false;
    if (!queue->is_waiting)
        return true;
    struct index_lines *lines = NULL;
    if (is_item(c, &queue->source)) {
        lines = &c->items;
        prefix->row_count++;
        prefix->items_bytes += lines->line.byte_count;
    } else if (is_failure(c, &queue->source)) {
        lines = &c->failed;
        prefix->failed_count++;
        prefix->failed_bytes += lines->line.byte_count;
    }
    if (c->line.is_out_of_memory)
        return report_fill(err, VKCLIP_ERROR_MEMORY, "no memory for a line of the index");
    *is_had = lines != NULL;
    queue->is_waiting = !*is_had;
    return !lines || index_lines_next(lines, err);
}

bool index_resume(const struct index_set *set, struct index_queue *queue,
                  struct index_prefix *prefix, vkclip_error *err)
{
    struct comparison c = {0};
    *prefix = (struct index_prefix){0};
    bool is_fine =
        index_lines_open(&c.items, set->folder, COLLECTION_ITEMS, set->facts.items_bytes, err) &&
        index_lines_open(&c.failed, set->folder, COLLECTION_FAILED, set->facts.failed_bytes, err);
    for (bool is_had = true; is_fine && is_had;) {
        prefix->is_whole = c.items.line.byte_count + c.failed.line.byte_count == 0;
        if (prefix->is_whole)
            break;
        is_fine = take(&c, queue, prefix, &is_had, err);
    }
    index_lines_close(&c.items);
    index_lines_close(&c.failed);
    text_finish(&c.line);
    return is_fine;
}
