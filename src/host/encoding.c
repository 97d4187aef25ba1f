#include "host/encoding.h"

#include <string.h>

bool encoding_is_full(const struct encoding *encoding)
{
    return encoding->count + 1 >= encoding->max_ids;
}

void encoding_put(struct encoding *encoding, int32_t id)
{
    if (!encoding_is_full(encoding))
        encoding->ids[encoding->count++] = id;
}

void encoding_begin(struct encoding *encoding, int32_t first)
{
    text_cleaner_init(&encoding->cleaner);
    encoding_put(encoding, first);
}

bool encoding_next_line(struct encoding *encoding)
{
    const char *text = encoding->text + encoding->read_bytes;
    const size_t left_bytes = encoding->byte_count - encoding->read_bytes;
    if (left_bytes == 0 || encoding_is_full(encoding) || encoding->line.is_broken)
        return false;
    if (encoding->cleans) {
        encoding->read_bytes +=
            text_clean_line(&encoding->cleaner, text, left_bytes, &encoding->line);
        return true;
    }
    const char *end = memchr(text, '\n', left_bytes);
    const size_t line_bytes = end ? (size_t)(end - text) + 1 : left_bytes;
    encoding->line.count = 0;
    points_decode(&encoding->line, text, line_bytes);
    encoding->read_bytes += line_bytes;
    return true;
}

bool encoding_end(struct encoding *encoding, int32_t last, bool is_broken, uint32_t *count,
                  vkclip_error *err)
{
    encoding->ids[encoding->count++] = last;
    *count = encoding->count;
    is_broken |= encoding->line.is_broken;
    text_cleaner_finish(&encoding->cleaner);
    points_finish(&encoding->line);
    if (is_broken)
        return fail(err, VKCLIP_ERROR_MEMORY, "no memory to tokenize a text of %zu bytes",
                    encoding->byte_count);
    return true;
}
