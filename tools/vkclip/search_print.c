// search_print.c: what vkclip search found, as table, CSV, JSON, paths and a page.
#include <string.h>

#include "html.h"
#include "report.h"
#include "search.h"
#include "thumbnail.h"

// Inputs that make up a query.
static size_t first_input(const struct search_job *job, size_t query)
{
    return job->combines ? 0 : query;
}

static size_t past_input(const struct search_job *job, size_t query)
{
    return job->combines ? job->texts.count + job->pictures.count : query + 1;
}

// A query in one line.
static void describe(const struct search_job *job, size_t query, struct text *text)
{
    const size_t first = first_input(job, query);
    for (size_t i = first; i < past_input(job, query); i++) {
        bool is_text;
        text_add(text, "%s%s", i > first ? " and " : "", search_input(job, i, &is_text));
    }
}

static bool get_item(struct search_job *job, const vkclip_hit *hit, struct collection_item *item)
{
    vkclip_error err;
    if (collection_get(&job->collection, search_row(job, hit), item, &err))
        return true;
    report_error("%s", err.message);
    return false;
}

// ---- standard output -------------------------------------------------------------------------

static void add_inputs_json(struct text *text, const struct search_job *job, size_t query)
{
    const size_t first = first_input(job, query);
    text_add(text, "{\"query\": [");
    for (size_t i = first; i < past_input(job, query); i++) {
        bool is_text;
        const char *input = search_input(job, i, &is_text);
        text_add(text, "%s{\"%s\": ", i > first ? ", " : "", is_text ? "text" : "image");
        text_add_json(text, input);
        text_add(text, "}");
    }
    text_add(text, "], \"hits\": [");
}

static void add_head(struct text *text, const struct search_job *job, size_t query)
{
    struct text line = {0};
    describe(job, query, &line);
    if (job->format == SEARCH_TABLE) {
        text_add_plain(text, line.bytes ? line.bytes : "");
        text_add(text, "\n");
    } else if (job->format == SEARCH_JSON) {
        add_inputs_json(text, job, query);
    }
    text_finish(&line);
}

static void add_csv(struct text *text, const struct search_job *job, size_t query, uint32_t place,
                    const struct collection_item *item)
{
    const vkclip_hit *hit = &job->hits[query * job->top + place];
    struct text line = {0};
    describe(job, query, &line);
    text_add_csv(text, line.bytes ? line.bytes : "");
    text_add(text, ",%u,%.9g,%zu,", place + 1, hit->score, search_row(job, hit));
    text_add_csv(text, item->path);
    text_add(text, "\r\n");
    text_finish(&line);
}

static void add_hit(struct text *text, const struct search_job *job, size_t query, uint32_t place,
                    const struct collection_item *item)
{
    const vkclip_hit *hit = &job->hits[query * job->top + place];
    switch ((enum search_format)job->format) {
    case SEARCH_TABLE:
        text_add(text, "  %4u  %7.4f  ", place + 1, hit->score);
        text_add_plain(text, item->path);
        text_add(text, "\n");
        break;
    case SEARCH_CSV:
        add_csv(text, job, query, place, item);
        break;
    case SEARCH_JSON:
        text_add(text, "%s{\"rank\": %u, \"score\": %.9g, \"row\": %zu, \"item\": %s}",
                 place ? ", " : "", place + 1, hit->score, search_row(job, hit), item->json);
        break;
    case SEARCH_PATHS0:
        text_add_bytes(text, item->path, strlen(item->path) + 1);
        break;
    }
}

enum exit_status search_print(struct search_job *job)
{
    struct text text = {0};
    if (job->format == SEARCH_CSV)
        text_add(&text, "query,rank,score,row,path\r\n");
    for (size_t query = 0; query < job->query_count; query++) {
        add_head(&text, job, query);
        for (uint32_t place = 0; place < job->hit_counts[query]; place++) {
            struct collection_item item;
            if (!get_item(job, &job->hits[query * job->top + place], &item)) {
                text_finish(&text);
                return STATUS_INPUT;
            }
            add_hit(&text, job, query, place, &item);
        }
        if (job->format == SEARCH_JSON)
            text_add(&text, "]}\n");
        if (!output_write(&text))
            return STATUS_FINE; // output_finish says why
    }
    return STATUS_FINE;
}

// ---- the page --------------------------------------------------------------------------------

static bool write_piece(struct output_file *file, struct text *page)
{
    bool is_written =
        !page->is_out_of_memory && output_file_write(file, page->bytes, page->byte_count);
    if (page->is_out_of_memory)
        report_out_of_memory();
    text_finish(page);
    return is_written;
}

// The query on top: its words, and its pictures as the model sees them.
static void begin_query(struct text *page, const struct search_job *job, size_t query)
{
    struct text line = {0}, remark = {0};
    describe(job, query, &line);
    text_add(&remark, "the nearest %u of %llu pictures in %s", job->hit_counts[query],
             (unsigned long long)job->row_count, job->index);
    for (size_t i = 0; i < job->filters.count; i++)
        text_add(&remark, "%s%s", i ? ", " : " where ", job->filters.items[i]);
    html_begin_section(page, line.bytes ? line.bytes : "", remark.bytes ? remark.bytes : "");
    for (size_t i = first_input(job, query); i < past_input(job, query); i++) {
        bool is_text;
        const char *path = search_input(job, i, &is_text);
        if (is_text)
            continue;
        const vkclip_image image = image_at(&job->images, path);
        html_begin_pictures(page);
        html_begin_picture(page);
        thumbnail_add(page, job->session.model, &image, path);
        html_add_line(page, "query");
        html_end_picture(page);
        html_end_pictures(page);
    }
    text_finish(&line);
    text_finish(&remark);
}

static void add_picture(struct text *page, const struct search_job *job, uint32_t place,
                        const vkclip_hit *hit, const struct collection_item *item)
{
    char line[64];
    const vkclip_image image = image_at(&job->index_images, item->path);
    snprintf(line, sizeof line, "%u: %.4f", place + 1, hit->score);
    html_begin_picture(page);
    thumbnail_add(page, job->session.model, &image, item->path);
    html_add_line(page, line);
    html_add_line(page, item->path);
    html_end_picture(page);
}

static bool write_query(struct output_file *file, struct search_job *job, size_t query)
{
    struct text page = {0};
    begin_query(&page, job, query);
    html_begin_pictures(&page);
    for (uint32_t place = 0; place < job->hit_counts[query]; place++) {
        const vkclip_hit *hit = &job->hits[query * job->top + place];
        struct collection_item item;
        if (!get_item(job, hit, &item)) {
            text_finish(&page);
            return false;
        }
        add_picture(&page, job, place, hit, &item);
        if (!write_piece(file, &page))
            return false;
    }
    html_end_pictures(&page);
    html_end_section(&page);
    return write_piece(file, &page);
}

enum exit_status search_write_html(struct search_job *job)
{
    struct output_file file = {0};
    struct text page = {0};
    html_begin(&page, "vkclip search");
    bool is_written = output_file_open(&file, job->html) && write_piece(&file, &page);
    for (size_t query = 0; is_written && query < job->query_count; query++)
        is_written = write_query(&file, job, query);
    html_end(&page);
    is_written = is_written && write_piece(&file, &page) && output_file_commit(&file);
    text_finish(&page);
    output_file_close(&file);
    return is_written ? STATUS_FINE : STATUS_INPUT;
}
