// search.c: vkclip_search, the nearest rows of each query.
//
// The device finds candidates, the host computes their scores anew, and a bound on the device's
// error proves that no other row can be among the best; where it does not, as among very many rows
// that score alike, the host goes through the piece itself.
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "search/exact.h"
#include "search/scan.h"

// Candidates beyond the hits that are wanted: as many rows as may score alike within the device's
// error before the host has to help.
#define SPARE_CANDIDATES(top) (32 + (top) / 8)

struct search {
    struct exact exact;
    uint32_t top;
    uint32_t most;     // candidates of a piece
    vkclip_hit *hits;  // [query_count, top]
    uint32_t *counts;  // [query_count]
    vkclip_hit *merge; // [top + max(most, EXACT_ROWS)]
};

// Whether as many hits as are wanted were found; then the score of the last one counts.
static bool is_full(const struct search *search, size_t query)
{
    return search->counts[query] == search->top;
}

static double last_score(const struct search *search, size_t query)
{
    return search->hits[query * search->top + search->top - 1].score;
}

// What scores less cannot be among the best, whatever the device's error.
static struct score_bounds bound(void *user, size_t query)
{
    const struct search *search = user;
    struct score_bounds bounds = {-FLT_MAX, FLT_MAX};
    if (is_full(search, query))
        bounds.least = exact_below(last_score(search, query) - search->exact.errors[query]);
    return bounds;
}

static int compare_hits(const void *a, const void *b)
{
    const vkclip_hit *left = a, *right = b;
    if (left->score != right->score)
        return left->score > right->score ? -1 : 1;
    return left->row < right->row ? -1 : left->row > right->row;
}

// Adds the hits of a query to the count in search->merge and sorts them; returns how many of them
// are kept.
static uint32_t merge(struct search *search, size_t query, uint32_t count)
{
    const uint32_t before = search->counts[query];
    memcpy(search->merge + count, search->hits + query * search->top,
           before * sizeof *search->merge);
    count += before;
    qsort(search->merge, count, sizeof *search->merge, compare_hits);
    return min_u32(count, search->top);
}

static void keep(struct search *search, size_t query, uint32_t count)
{
    memcpy(search->hits + query * search->top, search->merge, count * sizeof *search->merge);
    search->counts[query] = count;
}

// Goes through all rows of a piece on the host.
static bool search_piece(struct search *search, const struct scan_found *found, vkclip_error *err)
{
    for (uint32_t done = 0; done < found->row_count;) {
        const uint64_t first = found->first_row + done;
        const uint32_t now = min_u32(found->row_count - done, EXACT_ROWS);
        uint32_t count = 0;
        if (!exact_read(&search->exact, first, now, err))
            return false;
        for (uint32_t i = 0; i < now; i++) {
            vkclip_hit *hit = &search->merge[count];
            bool is_zero;
            hit->row = first + i;
            if (!exact_score(&search->exact, found->query, i, hit->row, &hit->score, &is_zero, err))
                return false;
            count += !is_zero && !isnan(hit->score);
        }
        keep(search, found->query, merge(search, found->query, count));
        done += now;
    }
    return true;
}

// Any row of the piece that the device did not name scores at most as much there as the least that
// it named, or less than the bounds it was given.
static bool is_proven(const struct search *search, const struct scan_found *found, uint32_t count)
{
    if (found->counts->within <= search->most)
        return true;
    float least = FLT_MAX;
    for (uint32_t i = 0; i < search->most; i++)
        least = fminf(least, found->rows[i].score);
    return count == search->top && (double)least + search->exact.errors[found->query] <
                                       search->merge[search->top - 1].score;
}

static bool collect(void *user, const struct scan_found *found, vkclip_error *err)
{
    struct search *search = user;
    const uint32_t named = min_u32(found->counts->within, search->most);
    uint32_t count = 0;
    for (uint32_t i = 0; i < named; i++) {
        bool is_zero;
        if (!exact_check(&search->exact, found, i, &search->merge[count], &is_zero, err))
            return false;
        count += !is_zero;
    }
    count = merge(search, found->query, count);
    if (!is_proven(search, found, count))
        return search_piece(search, found, err);
    keep(search, found->query, count);
    return true;
}

static bool check(const vkclip_engine *engine, const vkclip_search_params *params,
                  const vkclip_hit *hits, const uint32_t *counts, vkclip_error *err)
{
    if (!engine || !params || !hits || !counts || !params->queries || params->query_count == 0 ||
        (!params->rows.values && !params->rows.read))
        return fail(err, VKCLIP_ERROR_ARGUMENT, "vkclip_search: nothing to search");
    if (params->top == 0 || params->top > VKCLIP_SEARCH_MOST_TOP)
        return fail(err, VKCLIP_ERROR_ARGUMENT, "vkclip_search: top is %u, 1 to %d are possible",
                    params->top, VKCLIP_SEARCH_MOST_TOP);
    return gpu_check_alive(engine->gpu, err);
}

bool vkclip_search(vkclip_engine *engine, const vkclip_search_params *params, vkclip_hit *hits,
                   uint32_t *counts, vkclip_error *err)
{
    if (!check(engine, params, hits, counts, err))
        return false;
    memset(counts, 0, params->query_count * sizeof *counts);
    if (params->rows.count == 0)
        return true;
    const uint32_t width = engine->model->facts.embedding_width;
    struct search search = {
        .top = params->top,
        .most = min_u32(params->rows.count, params->top + SPARE_CANDIDATES(params->top)),
        .hits = hits,
        .counts = counts,
    };
    const size_t added = search.most > EXACT_ROWS ? search.most : EXACT_ROWS;
    search.merge = calloc(params->top + added, sizeof *search.merge);
    bool is_done = search.merge || fail(err, VKCLIP_ERROR_MEMORY, "no memory for a search");
    is_done = is_done && exact_init(&search.exact, params, width, err) &&
              scan_run(
                  &(struct scan_params){
                      .gpu = engine->gpu,
                      .width = width,
                      .rows = &params->rows,
                      .queries = params->queries,
                      .query_count = params->query_count,
                      .most = search.most,
                      .bound = bound,
                      .collect = collect,
                      .user = &search,
                      .progress = params->progress,
                      .progress_user = params->user,
                  },
                  err);
    exact_finish(&search.exact);
    free(search.merge);
    return is_done;
}
