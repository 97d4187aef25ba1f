// Defends that a search is exact: the rows, their order and their scores to the bit are those of a
// brute force in double precision, whatever the device rounds.
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "search/scan.h"

static struct gpu *gpu;

// A collection, and an engine that knows no more of its model than the width.
struct collection {
    vkclip_model model;
    vkclip_engine engine;
    uint32_t width;
    uint64_t count;
    float *rows;
    size_t query_count;
    float *queries;
    uint64_t read_rows; // that were asked for, by the piece and singly
};

static uint32_t random_state = 1;

static double next_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    random_state ^= random_state << 5;
    return (double)random_state * 0x1p-31 - 1.0;
}

static void make_unit(float *row, uint32_t width)
{
    double squares = 0.0;
    for (uint32_t c = 0; c < width; c++)
        squares += (double)row[c] * (double)row[c];
    for (uint32_t c = 0; c < width; c++)
        row[c] = (float)((double)row[c] / sqrt(squares));
}

static float *make_rows(uint64_t count, uint32_t width)
{
    float *rows = malloc(count * width * sizeof *rows);
    assert_non_null(rows);
    for (uint64_t i = 0; i < count * width; i++)
        rows[i] = (float)next_random();
    for (uint64_t i = 0; i < count; i++)
        make_unit(rows + i * width, width);
    return rows;
}

static void begin(struct collection *c, uint64_t count, size_t query_count, uint32_t width)
{
    *c = (struct collection){
        .model.facts.embedding_width = width,
        .width = width,
        .count = count,
        .rows = make_rows(count, width),
        .query_count = query_count,
        .queries = make_rows(query_count, width),
    };
    c->engine = (vkclip_engine){.gpu = gpu};
}

static void end(struct collection *c)
{
    free(c->rows);
    free(c->queries);
}

static bool read_rows(void *user, uint64_t first, uint32_t count, float *values, vkclip_error *err)
{
    (void)err;
    struct collection *c = user;
    assert_true(first + count <= c->count);
    memcpy(values, c->rows + first * c->width, (size_t)count * c->width * sizeof *values);
    c->read_rows += count;
    return true;
}

static vkclip_search_params params_of(struct collection *c, uint32_t top)
{
    c->engine.model = &c->model;
    c->read_rows = 0;
    return (vkclip_search_params){
        .rows = {.count = c->count, .read = read_rows, .user = c},
        .queries = c->queries,
        .query_count = c->query_count,
        .top = top,
    };
}

// ---- brute force -----------------------------------------------------------------------------

static double score_of(const struct collection *c, size_t query, uint64_t row)
{
    double sum = 0.0;
    for (uint32_t i = 0; i < c->width; i++)
        sum += (double)c->rows[row * c->width + i] * (double)c->queries[query * c->width + i];
    return sum;
}

static bool is_searched(const struct collection *c, uint64_t row)
{
    double squares = 0.0;
    for (uint32_t i = 0; i < c->width; i++)
        squares += (double)c->rows[row * c->width + i] * (double)c->rows[row * c->width + i];
    return isfinite(squares) && squares > 0.0;
}

static int compare_hits(const void *a, const void *b)
{
    const vkclip_hit *left = a, *right = b;
    if (left->score != right->score)
        return left->score > right->score ? -1 : 1;
    return left->row < right->row ? -1 : 1;
}

// All rows of a query, best first.
static vkclip_hit *sort_rows(const struct collection *c, size_t query, uint64_t *count)
{
    vkclip_hit *all = malloc((c->count + 1) * sizeof *all);
    assert_non_null(all);
    *count = 0;
    for (uint64_t row = 0; row < c->count; row++)
        if (is_searched(c, row))
            all[(*count)++] = (vkclip_hit){row, score_of(c, query, row)};
    qsort(all, *count, sizeof *all, compare_hits);
    return all;
}

static void check_search(struct collection *c, const char *what, uint32_t top)
{
    vkclip_hit *hits = malloc(c->query_count * top * sizeof *hits);
    uint32_t *counts = malloc(c->query_count * sizeof *counts);
    const vkclip_search_params params = params_of(c, top);
    vkclip_error err;
    assert_true(hits && counts);
    if (!vkclip_search(&c->engine, &params, hits, counts, &err))
        fail_msg("%s: %s", what, err.message);
    for (size_t query = 0; query < c->query_count; query++) {
        uint64_t count;
        vkclip_hit *want = sort_rows(c, query, &count);
        assert_int_equal(counts[query], count < top ? count : top);
        for (uint32_t i = 0; i < counts[query]; i++) {
            const vkclip_hit *hit = &hits[query * top + i];
            if (hit->row != want[i].row || hit->score != want[i].score)
                fail_msg("%s, query %zu, hit %u: row %llu, %.17g; want row %llu, %.17g", what,
                         query, i, (unsigned long long)hit->row, hit->score,
                         (unsigned long long)want[i].row, want[i].score);
        }
        free(want);
    }
    printf("%-44s %u of %llu rows, %zu queries, width %u: %.3f rows read a row\n", what, top,
           (unsigned long long)c->count, c->query_count, c->width,
           (double)c->read_rows / (double)(c->count ? c->count : 1));
    free(hits);
    free(counts);
}

// ---- tests -----------------------------------------------------------------------------------

static void search_of_100000_rows_is_exact(void **state)
{
    (void)state;
    struct collection c;
    begin(&c, 100000, 5, 512);
    check_search(&c, "random", 10);
    // A row in a thousand is computed anew, at most; else the bound is of no use.
    assert_true(c.read_rows < 101 * c.count / 100);
    c.query_count = 1;
    check_search(&c, "random", 1000);
    end(&c);
}

// Around pieces, which here have 65535 rows, and around tiles.
static void search_is_exact_for_any_number_of_rows(void **state)
{
    (void)state;
    static const uint64_t row_counts[] = {0, 1, 31, 33, 197, 255, 65534, 65535, 65536};
    for (size_t i = 0; i < COUNT(row_counts); i++) {
        struct collection c;
        begin(&c, row_counts[i], 3, 16);
        check_search(&c, "any number of rows", 7);
        end(&c);
    }
}

// One more than a block, a tile's columns and one more, 4 and 16 of the narrow tiles and one more.
static void search_is_exact_for_any_number_of_queries(void **state)
{
    (void)state;
    static const size_t query_counts[] = {1, 4, 5, 16, 17, 33, 129};
    for (size_t i = 0; i < COUNT(query_counts); i++) {
        struct collection c;
        begin(&c, 500, query_counts[i], 96);
        check_search(&c, "any number of queries", 10);
        end(&c);
    }
}

static void search_finds_all_rows_where_more_are_wanted(void **state)
{
    (void)state;
    struct collection c;
    begin(&c, 300, 2, 64);
    check_search(&c, "more than there are", 300);
    check_search(&c, "more than there are", 301);
    check_search(&c, "more than there are", VKCLIP_SEARCH_MOST_TOP);
    end(&c);
}

// Rows that score alike to the bit, or nearly: more of them than the device names.
static void search_orders_ties_by_row_and_near_ties_by_score(void **state)
{
    (void)state;
    struct collection c;
    begin(&c, 70000, 3, 32);
    for (uint64_t row = 100; row < c.count; row += 3)
        memcpy(c.rows + row * c.width, c.rows + row % 5 * c.width, c.width * sizeof *c.rows);
    memcpy(c.queries, c.rows + 2 * c.width, c.width * sizeof *c.rows);
    check_search(&c, "duplicates", 10);
    assert_true(c.read_rows > 3 * c.count / 2); // the host had to help

    // Off by a last place, which is less than the device sees.
    for (uint64_t row = 0; row < c.count; row += 2) {
        float *values = c.rows + row * c.width;
        memcpy(values, c.queries, c.width * sizeof *values);
        values[row % c.width] = nextafterf(values[row % c.width], row % 3 ? 1.0f : -1.0f);
    }
    check_search(&c, "near duplicates", 10);
    end(&c);
}

// A row in four scores better than all before it, so that no bound of earlier pieces helps.
static void search_is_exact_where_later_rows_are_better(void **state)
{
    (void)state;
    struct collection c;
    begin(&c, 140000, 1, 8);
    for (uint64_t row = 0; row < c.count; row += 4) {
        float *values = c.rows + row * c.width;
        const float share = (float)row / (float)c.count;
        for (uint32_t i = 0; i < c.width; i++)
            values[i] = share * c.queries[i] + (1.0f - share) * 0.1f * values[i];
        make_unit(values, c.width);
    }
    check_search(&c, "better and better", 10);
    end(&c);
}

static void search_leaves_out_rows_that_are_nothing(void **state)
{
    (void)state;
    struct collection c;
    begin(&c, 1000, 2, 64);
    for (uint64_t row = 0; row < c.count; row++) {
        float *values = c.rows + row * c.width;
        if (row % 5 == 0)
            memset(values, 0, c.width * sizeof *values);
        if (row % 5 == 1)
            values[row % c.width] = NAN;
        if (row % 5 == 2)
            values[row % c.width] = row % 2 ? INFINITY : -INFINITY;
    }
    check_search(&c, "rows of zeros, NaN and infinity", 10);
    check_search(&c, "rows of zeros, NaN and infinity", 500);
    end(&c);
}

static void search_refuses_what_it_cannot_search(void **state)
{
    (void)state;
    struct collection c;
    vkclip_hit hits[20];
    uint32_t counts[2];
    vkclip_error err;
    begin(&c, 100, 2, 64);
    vkclip_search_params params = params_of(&c, 0);
    assert_false(vkclip_search(&c.engine, &params, hits, counts, &err));
    assert_int_equal(err.status, VKCLIP_ERROR_ARGUMENT);
    params.top = VKCLIP_SEARCH_MOST_TOP + 1;
    assert_false(vkclip_search(&c.engine, &params, hits, counts, &err));
    assert_int_equal(err.status, VKCLIP_ERROR_ARGUMENT);
    params.top = 10;

    // A long row that scores well.
    for (uint32_t i = 0; i < c.width; i++)
        c.rows[7 * c.width + i] = 3.0f * c.queries[i];
    assert_false(vkclip_search(&c.engine, &params, hits, counts, &err));
    assert_int_equal(err.status, VKCLIP_ERROR_ARGUMENT);
    assert_non_null(strstr(err.message, "row 7"));
    memset(c.queries + c.width, 0, c.width * sizeof *c.queries);
    assert_false(vkclip_search(&c.engine, &params, hits, counts, &err));
    assert_non_null(strstr(err.message, "query 1 is zero"));

    c.model.facts.embedding_width = 63;
    assert_false(vkclip_search(&c.engine, &params, hits, counts, &err));
    end(&c);
}

static bool refuse_to_read(void *user, uint64_t first, uint32_t count, float *values,
                           vkclip_error *err)
{
    uint64_t *refused = user;
    (void)count, (void)values;
    if (first < *refused) {
        memset(values, 0, count * sizeof *values * 512);
        return true;
    }
    err->status = VKCLIP_ERROR_FILE;
    strcpy(err->message, "no more");
    return false;
}

// At the first piece, and while the device works on it.
static void search_ends_where_rows_cannot_be_read(void **state)
{
    (void)state;
    struct collection c;
    vkclip_hit hits[10];
    uint32_t count;
    begin(&c, 1, 1, 512);
    for (uint64_t refused = 0; refused < 40000; refused += 20000) {
        vkclip_search_params params = params_of(&c, 10);
        params.rows = (vkclip_rows){.count = 100000, .read = refuse_to_read, .user = &refused};
        vkclip_error err;
        assert_false(vkclip_search(&c.engine, &params, hits, &count, &err));
        assert_int_equal(err.status, VKCLIP_ERROR_FILE);
        assert_string_equal(err.message, "no more");
    }
    end(&c);
}

static void check_ranks(struct collection *c, const char *what)
{
    uint64_t *targets = malloc(c->query_count * sizeof *targets);
    vkclip_rank *ranks = malloc(c->query_count * sizeof *ranks);
    const vkclip_search_params params = params_of(c, 0);
    vkclip_error err;
    assert_true(targets && ranks);
    for (size_t i = 0; i < c->query_count; i++)
        targets[i] = i * 7919 % c->count;
    if (!vkclip_rank_rows(&c->engine, &params, targets, ranks, &err))
        fail_msg("%s: %s", what, err.message);
    for (size_t query = 0; query < c->query_count; query++) {
        const double target = score_of(c, query, targets[query]);
        vkclip_rank want = {0};
        for (uint64_t row = 0; row < c->count; row++) {
            const double score = score_of(c, query, row);
            want.better += score > target;
            want.equal += score == target && row != targets[query];
        }
        assert_int_equal(ranks[query].better, want.better);
        assert_int_equal(ranks[query].equal, want.equal);
    }
    printf("%-44s %zu of %llu rows, width %u: %.3f rows read a row\n", what, c->query_count,
           (unsigned long long)c->count, c->width, (double)c->read_rows / (double)c->count);
    free(targets);
    free(ranks);
}

static void ranks_are_exact(void **state)
{
    (void)state;
    struct collection c;
    begin(&c, 20000, 130, 64);
    check_ranks(&c, "ranks");
    // Each row three times, so that others score as much as the target; and the target of query 0
    // is among more equals than the device names.
    for (uint64_t row = 0; row < c.count; row++)
        memcpy(c.rows + row * c.width, c.rows + (row < 1000 ? 0 : row % 7000) * c.width,
               c.width * sizeof *c.rows);
    check_ranks(&c, "ranks among equals");
    c.rows[5 * c.width] = NAN;
    memset(c.rows + 6 * c.width, 0, c.width * sizeof *c.rows);
    check_ranks(&c, "ranks among rows that are nothing");
    end(&c);
}

// Every score that a search checks is held to this bound; here it is held to the book.
static void error_of_the_device_is_that_of_513_roundings(void **state)
{
    (void)state;
    const double error = scan_error(512, 1.0, 1.0);
    printf("a score of the device is off by at most %.2e\n", error);
    assert_true(error > 513 * 0x1p-23 && error < 515 * 0x1p-23);
}

static int open_gpu(void **state)
{
    (void)state;
    vkclip_error err;
    gpu = gpu_create(NULL, NULL, &err);
    if (!gpu) {
        printf("no device: %s\n", err.message);
        return 1;
    }
    gpu_cache_load(gpu, NULL);
    printf("device: %s, %s\n", gpu_get_facts(gpu)->name, gpu_get_facts(gpu)->driver);
    return 0;
}

static int close_gpu(void **state)
{
    (void)state;
    gpu_destroy(gpu);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(search_of_100000_rows_is_exact),
        cmocka_unit_test(search_is_exact_for_any_number_of_rows),
        cmocka_unit_test(search_is_exact_for_any_number_of_queries),
        cmocka_unit_test(search_finds_all_rows_where_more_are_wanted),
        cmocka_unit_test(search_orders_ties_by_row_and_near_ties_by_score),
        cmocka_unit_test(search_is_exact_where_later_rows_are_better),
        cmocka_unit_test(search_leaves_out_rows_that_are_nothing),
        cmocka_unit_test(search_refuses_what_it_cannot_search),
        cmocka_unit_test(search_ends_where_rows_cannot_be_read),
        cmocka_unit_test(ranks_are_exact),
        cmocka_unit_test(error_of_the_device_is_that_of_513_roundings),
    };
    return cmocka_run_group_tests_name("search", tests, open_gpu, close_gpu);
}
