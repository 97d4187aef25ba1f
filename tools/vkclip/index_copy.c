#include "index_copy.h"

#include <stdlib.h>

#include "index_lines.h"
#include "report.h"

// 8 MB of 512 numbers each.
enum { ROWS_A_PIECE = 4096 };

struct index_prefix index_copy_all(const struct collection *from)
{
    const struct collection_facts *facts = &from->facts;
    return (struct index_prefix){facts->row_count, facts->failed_count, facts->items_bytes,
                                 facts->failed_bytes, true};
}

static bool copy_rows(struct index_set *set, struct collection *from, size_t row_count,
                      struct index_lines *items, float *rows, vkclip_error *err)
{
    const size_t width = from->facts.width;
    for (size_t done = 0; done < row_count;) {
        size_t now = row_count - done < ROWS_A_PIECE ? row_count - done : ROWS_A_PIECE;
        if (!npy_matrix_read(&from->embeddings, done, now, rows, err))
            return false;
        for (size_t i = 0; i < now; i++) {
            index_set_add_row(set, rows + i * width, items->line.bytes, items->line.byte_count);
            if (!index_lines_next(items, err))
                return false;
        }
        if (!index_set_commit(set, false, err))
            return false;
        done += now;
    }
    return true;
}

static bool copy_failures(struct index_set *set, size_t failed_count, struct index_lines *failed,
                          vkclip_error *err)
{
    for (size_t i = 0; i < failed_count; i++) {
        index_set_add_failure(set, failed->line.bytes, failed->line.byte_count);
        if (!index_lines_next(failed, err))
            return false;
        if ((i + 1) % ROWS_A_PIECE == 0 && !index_set_commit(set, false, err))
            return false;
    }
    return index_set_commit(set, false, err);
}

bool index_copy(struct index_set *set, struct collection *from, const struct index_prefix *prefix,
                vkclip_error *err)
{
    struct index_lines items = {0}, failed = {0};
    float *rows = calloc(ROWS_A_PIECE, from->facts.width * sizeof *rows);
    bool is_fine = rows || report_fill(err, VKCLIP_ERROR_MEMORY, "no memory for rows");
    is_fine =
        is_fine &&
        index_lines_open(&items, from->folder, COLLECTION_ITEMS, prefix->items_bytes, err) &&
        index_lines_open(&failed, from->folder, COLLECTION_FAILED, prefix->failed_bytes, err) &&
        copy_rows(set, from, prefix->row_count, &items, rows, err) &&
        copy_failures(set, prefix->failed_count, &failed, err);
    index_lines_close(&items);
    index_lines_close(&failed);
    free(rows);
    return is_fine;
}
