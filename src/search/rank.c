// rank.c: vkclip_rank_rows, how many rows score more than a given one.
//
// The device counts the rows that score more than its error could make of the target's score; those
// within the error the host computes anew.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "search/exact.h"
#include "search/scan.h"

// Rows within the error that the device names of a piece; where there are more, the host goes
// through the piece itself.
#define MOST_NEAR 256

struct ranking {
    struct exact exact;
    const uint64_t *targets; // [query_count]
    double *scores;          // [query_count] of the targets
    vkclip_rank *ranks;      // [query_count]
};

static struct score_bounds bound(void *user, size_t query)
{
    const struct ranking *ranking = user;
    const double score = ranking->scores[query], error = ranking->exact.errors[query];
    return (struct score_bounds){exact_below(score - error), exact_above(score + error)};
}

static void count_row(struct ranking *ranking, size_t query, const vkclip_hit *row)
{
    if (row->row == ranking->targets[query])
        return;
    ranking->ranks[query].better += row->score > ranking->scores[query];
    ranking->ranks[query].equal += row->score == ranking->scores[query];
}

static bool count_piece(struct ranking *ranking, const struct scan_found *found, vkclip_error *err)
{
    bool is_zero;
    for (uint32_t done = 0; done < found->row_count;) {
        const uint64_t first = found->first_row + done;
        const uint32_t now = min_u32(found->row_count - done, EXACT_ROWS);
        if (!exact_read(&ranking->exact, first, now, err))
            return false;
        for (uint32_t i = 0; i < now; i++) {
            vkclip_hit row = {.row = first + i};
            if (!exact_score(&ranking->exact, found->query, i, row.row, &row.score, &is_zero, err))
                return false;
            count_row(ranking, found->query, &row);
        }
        done += now;
    }
    return true;
}

static bool collect(void *user, const struct scan_found *found, vkclip_error *err)
{
    struct ranking *ranking = user;
    if (found->counts->within > MOST_NEAR)
        return count_piece(ranking, found, err);
    for (uint32_t i = 0; i < found->counts->within; i++) {
        vkclip_hit row;
        bool is_zero;
        if (!exact_check(&ranking->exact, found, i, &row, &is_zero, err))
            return false;
        count_row(ranking, found->query, &row);
    }
    ranking->ranks[found->query].better += found->counts->above;
    return true;
}

static bool score_targets(struct ranking *ranking, vkclip_error *err)
{
    const vkclip_search_params *params = ranking->exact.params;
    for (size_t i = 0; i < params->query_count; i++) {
        bool is_zero;
        if (ranking->targets[i] >= params->rows.count)
            return fail(err, VKCLIP_ERROR_ARGUMENT, "vkclip_rank_rows: target %zu is no row", i);
        if (!exact_read(&ranking->exact, ranking->targets[i], 1, err) ||
            !exact_score(&ranking->exact, i, 0, ranking->targets[i], &ranking->scores[i], &is_zero,
                         err))
            return false;
        if (isnan(ranking->scores[i]))
            return fail(err, VKCLIP_ERROR_ARGUMENT, "vkclip_rank_rows: target %zu is not finite",
                        i);
    }
    return true;
}

bool vkclip_rank_rows(vkclip_engine *engine, const vkclip_search_params *params,
                      const uint64_t *targets, vkclip_rank *ranks, vkclip_error *err)
{
    if (!engine || !params || !targets || !ranks || !params->queries || params->query_count == 0 ||
        (!params->rows.values && !params->rows.read))
        return fail(err, VKCLIP_ERROR_ARGUMENT, "vkclip_rank_rows: nothing to rank");
    if (!gpu_check_alive(engine->gpu, err))
        return false;
    memset(ranks, 0, params->query_count * sizeof *ranks);
    const uint32_t width = engine->model->facts.embedding_width;
    struct ranking ranking = {
        .targets = targets,
        .scores = calloc(params->query_count, sizeof *ranking.scores),
        .ranks = ranks,
    };
    bool is_done = ranking.scores || fail(err, VKCLIP_ERROR_MEMORY, "no memory for a ranking");
    is_done = is_done && exact_init(&ranking.exact, params, width, err) &&
              score_targets(&ranking, err) &&
              scan_run(
                  &(struct scan_params){
                      .gpu = engine->gpu,
                      .width = width,
                      .rows = &params->rows,
                      .queries = params->queries,
                      .query_count = params->query_count,
                      .most = min_u32(params->rows.count, MOST_NEAR),
                      .bound = bound,
                      .collect = collect,
                      .user = &ranking,
                      .progress = params->progress,
                      .progress_user = params->user,
                  },
                  err);
    exact_finish(&ranking.exact);
    free(ranking.scores);
    return is_done;
}
