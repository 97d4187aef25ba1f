// eval_retrieval.c: vkclip eval retrieval, how early a picture finds its caption among all
// captions, and a caption its picture.
#include <math.h>
#include <stdlib.h>

#include "eval_report.h"
#include "html.h"
#include "model_path.h"
#include "pairs.h"
#include "progress.h"
#include "report.h"
#include "scratch.h"
#include "session.h"
#include "texts.h"
#include "thumbnail.h"

enum direction { TO_CAPTION, TO_PICTURE, DIRECTION_COUNT };
static const char *const direction_names[] = {"picture to caption", "caption to picture"};
static const char *const direction_keys[] = {"picture_to_caption", "caption_to_picture"};

static const uint32_t depths[] = {1, 5, 10};

// What the ranks of one direction come to.
struct recall {
    double at[COUNT(depths)]; // share of partners among that many
    double median, mean;
};

struct retrieval {
    struct session_options common;
    struct image_options images;
    const char *path;
    const char *html;
    uint32_t format;

    struct session session;
    struct output_file page;
    struct pairs pairs;
    size_t failed_count;
    bool *is_wanted;                     // [pairs.count] at first
    struct scratch rows[2];              // of pictures, of captions
    vkclip_rank *ranks[DIRECTION_COUNT]; // [pairs.count]
    struct recall recalls[DIRECTION_COUNT];
    vkclip_error err;
};

static enum exit_status report_input(const vkclip_error *err)
{
    enum exit_status status = report_failure(err);
    return err->status == VKCLIP_ERROR_FILE ? STATUS_INPUT : status;
}

// ---- embeddings ----------------------------------------------------------------------------

static bool take_picture(void *user, size_t index, const float *row, bool is_readable)
{
    struct retrieval *r = user;
    r->is_wanted[index] = is_readable;
    r->failed_count += !is_readable;
    return !is_readable || scratch_add(&r->rows[0], row, 1, &r->err);
}

static bool take_texts(void *user, size_t first, const float *rows, size_t count)
{
    (void)first;
    struct retrieval *r = user;
    if (scratch_add(&r->rows[1], rows, count, &r->err))
        return true;
    report_error("%s", r->err.message);
    return false;
}

// A pair whose picture cannot be read is none.
static enum exit_status embed(struct retrieval *r)
{
    const size_t width = vkclip_model_get_facts(r->session.model)->embedding_width;
    r->is_wanted = calloc(r->pairs.count, sizeof *r->is_wanted);
    if (!r->is_wanted)
        return report_out_of_memory();
    if (!scratch_open(&r->rows[0], width, &r->err) || !scratch_open(&r->rows[1], width, &r->err))
        return report_input(&r->err);
    const enum exit_status status =
        images_run(&r->session, &r->images, r->pairs.paths, r->pairs.count,
                   &(struct image_user){take_picture, r, false});
    if (r->err.status != VKCLIP_OK)
        return report_input(&r->err);
    if (status != STATUS_FINE && status != STATUS_INPUT)
        return status;
    pairs_keep(&r->pairs, r->is_wanted);
    if (r->pairs.count == 0) {
        report_error("%s: no picture could be read", r->path);
        return STATUS_INPUT;
    }
    return texts_run(&r->session, (const char *const *)r->pairs.captions, r->pairs.count,
                     &(struct text_user){take_texts, r});
}

// ---- ranks ---------------------------------------------------------------------------------

// The rows of each direction are read once for so many queries, which with what is known of them
// take 8 MB.
enum { QUERIES_AT_ONCE = 4096 };

struct queries {
    float *rows;       // [QUERIES_AT_ONCE, width]
    uint64_t *targets; // [QUERIES_AT_ONCE]
};

// The partners of pairs first .. first + count, among all.
static bool rank_queries(struct retrieval *r, enum direction direction, struct queries *queries,
                         size_t first, uint32_t count)
{
    struct scratch *from = &r->rows[direction], *among = &r->rows[1 - direction];
    const vkclip_search_params params = {
        .rows = {.count = among->count, .read = scratch_read, .user = among},
        .queries = queries->rows,
        .query_count = count,
    };
    for (uint32_t i = 0; i < count; i++)
        queries->targets[i] = first + i;
    return scratch_read(from, first, count, queries->rows, &r->err) &&
           vkclip_rank_rows(r->session.engine, &params, queries->targets,
                            r->ranks[direction] + first, &r->err);
}

static enum exit_status rank(struct retrieval *r)
{
    const size_t width = r->rows[0].width, count = r->pairs.count;
    struct queries queries = {
        .rows = malloc(QUERIES_AT_ONCE * width * sizeof(float)),
        .targets = malloc(QUERIES_AT_ONCE * sizeof(uint64_t)),
    };
    bool is_reserved = queries.rows && queries.targets;
    for (int d = 0; d < DIRECTION_COUNT; d++) {
        r->ranks[d] = calloc(count, sizeof *r->ranks[d]);
        is_reserved = is_reserved && r->ranks[d];
    }
    bool is_done = is_reserved;
    progress_begin("ranks", DIRECTION_COUNT * count);
    for (size_t done = 0; is_done && done < DIRECTION_COUNT * count;) {
        const enum direction direction = done < count ? TO_CAPTION : TO_PICTURE;
        const size_t first = done % count, left = count - first;
        const uint32_t now = left < QUERIES_AT_ONCE ? (uint32_t)left : QUERIES_AT_ONCE;
        is_done = rank_queries(r, direction, &queries, first, now);
        done += now;
        progress_show(done);
    }
    progress_hide();
    free(queries.rows);
    free(queries.targets);
    if (!is_reserved)
        return report_out_of_memory();
    return is_done ? STATUS_FINE : report_input(&r->err);
}

static int compare_numbers(const void *a, const void *b)
{
    const double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

// Scores that are equal may stand in any order: their rank is the mean of their places.
static double rank_of(const vkclip_rank *rank)
{
    return 1.0 + (double)rank->better + (double)rank->equal / 2.0;
}

// In so many of these orders the partner is among the first.
static double share_at(const vkclip_rank *rank, uint32_t depth)
{
    const double left = (double)depth - (double)rank->better;
    return fmin(fmax(left / (double)(rank->equal + 1), 0.0), 1.0);
}

static bool measure(const vkclip_rank *ranks, size_t count, struct recall *recall)
{
    double *sorted = malloc(count * sizeof *sorted), sum = 0.0;
    if (!sorted)
        return false;
    *recall = (struct recall){0};
    for (size_t i = 0; i < count; i++) {
        sum += sorted[i] = rank_of(&ranks[i]);
        for (size_t d = 0; d < COUNT(depths); d++)
            recall->at[d] += share_at(&ranks[i], depths[d]);
    }
    qsort(sorted, count, sizeof *sorted, compare_numbers);
    recall->median = (sorted[(count - 1) / 2] + sorted[count / 2]) / 2.0;
    recall->mean = sum / (double)count;
    for (size_t d = 0; d < COUNT(depths); d++)
        recall->at[d] /= (double)count;
    free(sorted);
    return true;
}

// ---- the report ----------------------------------------------------------------------------

static void add_table(struct text *text, const struct retrieval *r)
{
    text_add(text, "%zu pairs", r->pairs.count);
    if (r->failed_count > 0)
        text_add(text, "; %zu more whose pictures could not be read", r->failed_count);
    text_add(text, "\n\n%18s", "");
    for (size_t i = 0; i < COUNT(depths); i++)
        text_add(text, "%7s%-2u", "R@", depths[i]);
    text_add(text, "%13s%11s\n", "median rank", "mean rank");
    for (int d = 0; d < DIRECTION_COUNT; d++) {
        text_add(text, "%s", direction_names[d]);
        for (size_t i = 0; i < COUNT(depths); i++)
            text_add(text, "%9.4f", r->recalls[d].at[i]);
        text_add(text, "%13.1f%11.2f\n", r->recalls[d].median, r->recalls[d].mean);
    }
}

static void add_json(struct text *text, const struct retrieval *r, const char *model)
{
    text_add(text, "{\"evaluation\": \"Retrieval\", \"dataset\": ");
    text_add_json(text, r->path);
    text_add(text, ", \"model\": ");
    text_add_json(text, model);
    text_add(text, ", \"pairs\": %zu, \"failed\": %zu", r->pairs.count, r->failed_count);
    for (int d = 0; d < DIRECTION_COUNT; d++) {
        text_add(text, ", \"%s\": {", direction_keys[d]);
        for (size_t i = 0; i < COUNT(depths); i++)
            text_add(text, "\"recall_at_%u\": %.12g, ", depths[i], r->recalls[d].at[i]);
        text_add(text, "\"median_rank\": %.12g, \"mean_rank\": %.12g}", r->recalls[d].median,
                 r->recalls[d].mean);
    }
    text_add(text, "}\n");
}

static void add_figures(struct text *page, const struct retrieval *r)
{
    static const char *const heads[] = {"", "R@1", "R@5", "R@10", "median rank", "mean rank"};
    html_begin_section(
        page, "Figures",
        "R@K: share of pairs whose partner is among the first K of all. Equal scores "
        "may stand in any order: R@K is the mean over these, and so is a rank.");
    html_begin_table(page, heads, COUNT(heads));
    for (int d = 0; d < DIRECTION_COUNT; d++) {
        html_begin_row(page, false);
        html_add_cell(page, direction_names[d]);
        for (size_t i = 0; i < COUNT(depths); i++)
            html_add_number(page, "%.4f", r->recalls[d].at[i]);
        html_add_number(page, "%.1f", r->recalls[d].median);
        html_add_number(page, "%.2f", r->recalls[d].mean);
        html_end_row(page);
    }
    html_end_table(page);
    html_end_section(page);
}

// The pictures whose captions come last, the last first.
enum { MOST_LAST = 24 };

static size_t find_last(const vkclip_rank *ranks, size_t count, size_t last[MOST_LAST])
{
    size_t found = 0;
    for (size_t i = 0; i < count; i++) {
        size_t place = found;
        while (place > 0 && rank_of(&ranks[i]) > rank_of(&ranks[last[place - 1]]))
            place--;
        if (place == MOST_LAST || rank_of(&ranks[i]) <= 1.0)
            continue;
        found += found < MOST_LAST;
        for (size_t j = found - 1; j > place; j--)
            last[j] = last[j - 1];
        last[place] = i;
    }
    return found;
}

static void add_last(struct text *page, const struct retrieval *r)
{
    size_t last[MOST_LAST];
    const size_t count = find_last(r->ranks[TO_CAPTION], r->pairs.count, last);
    html_begin_section(page, "Pictures whose captions come last",
                       count > 0 ? "As the model sees them." : "Every caption comes first.");
    html_begin_pictures(page);
    for (size_t i = 0; i < count; i++) {
        const vkclip_image image = image_at(&r->images, r->pairs.paths[last[i]]);
        struct text line = {0};
        text_add(&line, "rank %.1f of %zu", rank_of(&r->ranks[TO_CAPTION][last[i]]),
                 r->pairs.count);
        html_begin_picture(page);
        thumbnail_add(page, r->session.model, &image, image.path);
        html_add_line(page, line.bytes ? line.bytes : "");
        html_add_line(page, r->pairs.captions[last[i]]);
        html_add_line(page, image.path);
        html_end_picture(page);
        text_finish(&line);
    }
    html_end_pictures(page);
    html_end_section(page);
}

static enum exit_status write_page(struct retrieval *r, const char *model)
{
    struct text page = {0};
    html_begin(&page, "Retrieval");
    text_add(&page, "<p>");
    text_add_html(&page, r->path);
    text_add(&page, " by ");
    text_add_html(&page, model);
    text_add(&page, ": %zu pairs", r->pairs.count);
    if (r->failed_count > 0)
        text_add(&page, "; %zu more whose pictures could not be read", r->failed_count);
    text_add(&page, "</p>\n");
    add_figures(&page, r);
    add_last(&page, r);
    html_end(&page);
    bool is_written = !page.is_out_of_memory;
    if (!is_written)
        report_out_of_memory();
    is_written = is_written && output_file_write(&r->page, page.bytes, page.byte_count) &&
                 output_file_commit(&r->page);
    text_finish(&page);
    return is_written ? STATUS_FINE : STATUS_INPUT;
}

static enum exit_status write_report(struct retrieval *r)
{
    struct text text = {0};
    char found[4096];
    const char *model = r->common.model;
    if (!model)
        model = model_path_find(found, sizeof found) ? found : "a model";
    for (int d = 0; d < DIRECTION_COUNT; d++)
        if (!measure(r->ranks[d], r->pairs.count, &r->recalls[d]))
            return report_out_of_memory();
    if (r->format == EVAL_JSON)
        add_json(&text, r, model);
    else
        add_table(&text, r);
    output_write(&text);
    return r->html ? write_page(r, model) : STATUS_FINE;
}

// ---- the command ---------------------------------------------------------------------------

static enum exit_status retrieve(struct retrieval *r)
{
    if (!pairs_read(&r->pairs, r->path, &r->err))
        return report_input(&r->err);
    // So that a wrong name is not found out after an hour of work.
    if (r->html && !output_file_open(&r->page, r->html))
        return STATUS_INPUT;
    enum exit_status status = session_open(&r->session, &r->common);
    if (status == STATUS_FINE)
        status = embed(r);
    if (status == STATUS_FINE)
        status = rank(r);
    if (status == STATUS_FINE)
        status = write_report(r);
    return status == STATUS_FINE && r->failed_count > 0 ? STATUS_INPUT : status;
}

static void finish(struct retrieval *r)
{
    for (int d = 0; d < DIRECTION_COUNT; d++) {
        free(r->ranks[d]);
        scratch_close(&r->rows[d]);
    }
    free(r->is_wanted);
    pairs_finish(&r->pairs);
    output_file_close(&r->page);
    session_close(&r->session);
}

static enum exit_status run(const struct command *command, int count, char **arguments)
{
    struct retrieval r = {.common.needs = NEEDS_IMAGES};
    const struct option options[] = {
        {.name = "format",
         .argument = "FORMAT",
         .number = &r.format,
         .choices = eval_formats,
         .help = "table or json"},
        {.name = "html",
         .argument = "FILE",
         .string = &r.html,
         .help = "write a page with the pictures that failed most as well"},
        IMAGE_OPTIONS(r.images),
        SESSION_ENGINE_OPTIONS(r.common),
    };
    enum exit_status status;
    if (!options_parse(command, options, COUNT(options), &count, arguments, &status))
        return status;
    if (!session_check_options(command, &r.common) || !images_check_options(command, &r.images))
        return STATUS_USAGE;
    if (count != 1)
        return options_refuse(command, count == 0 ? "no pairs are given" : "more than one table");
    r.path = arguments[0];
    status = retrieve(&r);
    finish(&r);
    return status;
}

const struct command eval_retrieval_command = {
    .name = "eval retrieval",
    .usage = "-m MODEL [options] PAIRS.csv",
    .summary = "Measures how early pictures and captions find one another.",
    .notes =
        "PAIRS is a table, CSV or JSON Lines, with the columns path and caption. Each picture\n"
        "is compared with all captions, and each caption with all pictures. R@K is the share\n"
        "whose partner is among the first K; partners that score exactly as much as others\n"
        "share the mean of their ranks. Scores are those of double precision. Embeddings lie in\n"
        "a temporary file in ${TMPDIR:-/var/tmp}, 4 KB a pair of 512 numbers; memory holds\n"
        "paths and captions. A pair whose picture cannot be read is reported and left out; the\n"
        "exit status is then 1.\n\n" IMAGE_NOTES SESSION_ENGINE_NOTES,
    .examples = "  vkclip eval retrieval figures.csv\n"
                "  vkclip eval retrieval --html report.html --format json figures.jsonl\n",
    .run = run,
};
