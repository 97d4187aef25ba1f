// search.c: vkclip search, the pictures of an index that are nearest to texts and pictures.
#include "search.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "progress.h"
#include "report.h"

static const char *const formats[] = {"table", "csv", "json", "paths0", NULL};

const char *search_input(const struct search_job *job, size_t index, bool *is_text)
{
    *is_text = index < job->texts.count;
    return *is_text ? job->texts.items[index] : job->pictures.items[index - job->texts.count];
}

size_t search_row(const struct search_job *job, const vkclip_hit *hit)
{
    return (size_t)(job->rows ? job->rows[hit->row] : hit->row);
}

// ---- the index -------------------------------------------------------------------------------

// Query pictures are read as those of the index were, unless the command line says otherwise.
static void read_as_index(const struct command *command, struct search_job *job)
{
    const struct collection_facts *facts = &job->collection.facts;
    const vkclip_image *given = &job->images.reading;
    const bool says_otherwise =
        job->images.window || given->allows_truncated || given->applies_exif || given->frame > 0;
    job->index_images = (struct image_options){
        .reading = {.allows_truncated = facts->allows_truncated,
                    .applies_exif = facts->applies_exif,
                    .frame = facts->frame},
        .window = facts->window[0] ? facts->window : NULL,
    };
    images_check_options(command, &job->index_images);
    if (!says_otherwise)
        job->images = job->index_images;
}

static enum exit_status open_index(const struct command *command, struct search_job *job)
{
    char sha256[65];
    vkclip_error err = {0};
    if (!collection_open(&job->collection, job->index, &err)) {
        report_error("%s", err.message);
        return STATUS_INPUT;
    }
    read_as_index(command, job);
    enum exit_status status = session_open_model(&job->session, &job->common, VKCLIP_MODEL_WHOLE);
    if (status != STATUS_FINE)
        return status;
    if (!vkclip_model_sha256(job->session.model, sha256, &err))
        return report_failure(&err);
    const struct collection_facts *facts = &job->collection.facts;
    if (strcmp(sha256, facts->model_sha256) != 0 ||
        vkclip_model_get_facts(job->session.model)->embedding_width != facts->width) {
        report_error("%s was made with another model: sha256 %.12s..., this one has %.12s...",
                     job->index, facts->model_sha256, sha256);
        return STATUS_INPUT;
    }
    if (!facts->is_complete)
        report_remark("%s is not complete: %zu pictures so far", job->index, facts->row_count);
    return session_open_engine(&job->session, &job->common);
}

// Whether the item that was read last has all the values that are asked for.
static bool passes(struct search_job *job)
{
    for (size_t i = 0; i < job->filters.count; i++) {
        const char *filter = job->filters.items[i], *equals = strchr(filter, '=');
        char key[256];
        snprintf(key, sizeof key, "%.*s", (int)(equals - filter), filter);
        const char *value = collection_get_metadata(&job->collection, key);
        if (!value || strcmp(value, equals + 1) != 0)
            return false;
    }
    return true;
}

static enum exit_status filter_rows(struct search_job *job)
{
    const size_t count = job->collection.facts.row_count;
    job->row_count = count;
    if (job->filters.count == 0)
        return STATUS_FINE;
    job->rows = calloc(count + 1, sizeof *job->rows);
    if (!job->rows)
        return report_out_of_memory();
    job->row_count = 0;
    for (size_t row = 0; row < count; row++) {
        struct collection_item item;
        vkclip_error err;
        if (!collection_get(&job->collection, row, &item, &err)) {
            report_error("%s", err.message);
            return STATUS_INPUT;
        }
        if (passes(job))
            job->rows[job->row_count++] = row;
    }
    if (job->row_count > 0)
        return STATUS_FINE;
    report_error("%s: nothing in it is as --where says", job->index);
    return STATUS_INPUT;
}

// ---- queries ---------------------------------------------------------------------------------

// To unit length, which not every text tower gives.
static bool normalize(float *row, size_t width)
{
    double squares = 0.0;
    for (size_t i = 0; i < width; i++)
        squares += (double)row[i] * (double)row[i];
    for (size_t i = 0; squares > 0.0 && i < width; i++)
        row[i] = (float)((double)row[i] / sqrt(squares));
    return squares > 0.0;
}

static bool embed_texts(struct search_job *job, vkclip_error *err)
{
    if (job->texts.count == 0)
        return true;
    if (job->templates.count == 0)
        return vkclip_embed_texts(job->session.engine, job->texts.items, job->texts.count,
                                  job->queries, err);
    return vkclip_embed_labels(job->session.engine, job->texts.items, job->texts.count,
                               job->templates.items, job->templates.count, job->queries, err);
}

static enum exit_status embed_picture(struct search_job *job, const char *path, float *row)
{
    vkclip_error of_picture = {0}, err = {0};
    const vkclip_image image = image_at(&job->images, path);
    if (!vkclip_embed_images(job->session.engine, &image, 1, row, &of_picture, &err))
        return report_failure(&err);
    if (of_picture.status == VKCLIP_OK)
        return STATUS_FINE;
    images_report(path, &of_picture);
    return STATUS_INPUT;
}

static enum exit_status embed_queries(struct search_job *job)
{
    const size_t width = job->collection.facts.width;
    const size_t count = job->texts.count + job->pictures.count;
    vkclip_error err = {0};
    job->queries = calloc(count, width * sizeof *job->queries);
    if (!job->queries)
        return report_out_of_memory();
    if (!embed_texts(job, &err))
        return report_failure(&err);
    for (size_t i = 0; i < job->pictures.count; i++) {
        enum exit_status status = embed_picture(job, job->pictures.items[i],
                                                job->queries + (job->texts.count + i) * width);
        if (status != STATUS_FINE)
            return status;
    }
    bool are_queries = true;
    for (size_t i = 0; i < count; i++)
        are_queries = normalize(job->queries + i * width, width) && are_queries;
    job->query_count = job->combines ? 1 : count;
    for (size_t i = width; job->combines && i < count * width; i++)
        job->queries[i % width] += job->queries[i];
    if (are_queries && normalize(job->queries, width))
        return STATUS_FINE;
    report_error("a query is embedded as zeros, which is near to nothing");
    return STATUS_INPUT;
}

// ---- the search ------------------------------------------------------------------------------

// Rows that follow each other are read at once.
static bool read_rows(void *user, uint64_t first, uint32_t count, float *values, vkclip_error *err)
{
    struct search_job *job = user;
    struct npy_matrix *matrix = &job->collection.embeddings;
    if (!job->rows)
        return npy_matrix_read(matrix, (size_t)first, count, values, err);
    for (uint32_t done = 0; done < count;) {
        const uint64_t *rows = job->rows + first + done;
        uint32_t now = 1;
        while (done + now < count && rows[now] == rows[0] + now)
            now++;
        if (!npy_matrix_read(matrix, (size_t)rows[0], now, values + done * matrix->layout.width,
                             err))
            return false;
        done += now;
    }
    return true;
}

static void show_progress(void *user, uint64_t done, uint64_t total)
{
    (void)user, (void)total;
    progress_show((size_t)done);
}

// For --verbose.
static void tell_rate(const struct search_job *job, double seconds)
{
    char line[160];
    const double bytes =
        (double)job->row_count * (double)job->collection.embeddings.layout.row_bytes;
    snprintf(line, sizeof line, "%llu rows, %.2f GB, searched in %.3f s, %.2f GB/s",
             (unsigned long long)job->row_count, bytes * 1e-9, seconds, bytes * 1e-9 / seconds);
    report_log.write(report_log.user, VKCLIP_LOG_INFO, line);
}

static enum exit_status search_rows(struct search_job *job)
{
    vkclip_error err = {0};
    job->hits = calloc(job->query_count, job->top * sizeof *job->hits);
    job->hit_counts = calloc(job->query_count, sizeof *job->hit_counts);
    if (!job->hits || !job->hit_counts)
        return report_out_of_memory();
    const vkclip_search_params params = {
        .rows = {.count = job->row_count, .read = read_rows, .user = job},
        .queries = job->queries,
        .query_count = job->query_count,
        .top = job->top,
        .progress = show_progress,
    };
    progress_begin("rows", (size_t)job->row_count);
    const double start = vkclip_clock_seconds();
    bool is_done = vkclip_search(job->session.engine, &params, job->hits, job->hit_counts, &err);
    progress_hide();
    if (is_done) {
        tell_rate(job, vkclip_clock_seconds() - start);
        return STATUS_FINE;
    }
    // A row that is not of unit length is the index's fault, as a file that cannot be read is.
    enum exit_status status = report_failure(&err);
    return err.status == VKCLIP_ERROR_ARGUMENT || err.status == VKCLIP_ERROR_FILE ? STATUS_INPUT
                                                                                  : status;
}

static enum exit_status search(const struct command *command, struct search_job *job)
{
    enum exit_status status = open_index(command, job);
    if (status == STATUS_FINE)
        status = embed_queries(job);
    if (status == STATUS_FINE)
        status = filter_rows(job);
    if (status == STATUS_FINE)
        status = search_rows(job);
    if (status == STATUS_FINE && job->html)
        status = search_write_html(job);
    return status == STATUS_FINE ? search_print(job) : status;
}

// ---- the command line ------------------------------------------------------------------------

static enum exit_status check(const struct command *command, struct search_job *job, int count,
                              char **arguments)
{
    if (!session_check_options(command, &job->common))
        return STATUS_USAGE;
    if (!images_check_options(command, &job->images))
        return STATUS_USAGE;
    if (!job->index)
        return options_refuse(command, "no index is given: -i INDEX");
    if (count == 0 && job->pictures.count == 0)
        return options_refuse(command, "no text and no picture is given");
    if (job->templates.count > 0 && count == 0)
        return options_refuse(command, "--template is for texts, and none is given");
    if (job->html && strcmp(job->html, "-") == 0)
        return options_refuse(command, "--html - is not possible; ./- is a file of that name");
    for (size_t i = 0; i < job->filters.count; i++) {
        const char *filter = job->filters.items[i], *equals = strchr(filter, '=');
        if (!equals || equals == filter || equals - filter > 255)
            return options_refuse(command, "--where %s: want KEY=VALUE", filter);
    }
    for (int i = 0; i < count; i++)
        if (!string_list_add(&job->texts, arguments[i]))
            return report_out_of_memory();
    job->common.needs = count > 0 ? NEEDS_TEXTS : NEEDS_IMAGES;
    return STATUS_FINE;
}

static void finish(struct search_job *job)
{
    free(job->hits);
    free(job->hit_counts);
    free(job->queries);
    free(job->rows);
    collection_close(&job->collection);
    session_close(&job->session);
    string_list_finish(&job->texts);
    string_list_finish(&job->pictures);
    string_list_finish(&job->templates);
    string_list_finish(&job->filters);
}

static enum exit_status run(const struct command *command, int count, char **arguments)
{
    struct search_job job = {.top = 10};
    const struct option options[] = {
        {.name = "index",
         .letter = 'i',
         .argument = "INDEX",
         .string = &job.index,
         .help = "folder that 'vkclip index' wrote"},
        {.name = "image",
         .argument = "FILE",
         .list = &job.pictures,
         .help = "a picture to search by; once for each"},
        {.name = "top",
         .argument = "K",
         .number = &job.top,
         .least = 1,
         .most = VKCLIP_SEARCH_MOST_TOP,
         .help = "how many to find of each query, 1 to 10000; default: 10"},
        {.name = "and",
         .flag = &job.combines,
         .help = "one query of all: the mean of texts and pictures"},
        {.name = "where",
         .argument = "KEY=VALUE",
         .list = &job.filters,
         .help = "only pictures with this metadata; several must all hold"},
        {.name = "template",
         .argument = "TEMPLATE",
         .list = &job.templates,
         .help = "sentence around {}, the text; several are averaged; default: the text as it is"},
        {.name = "format",
         .argument = "FORMAT",
         .number = &job.format,
         .choices = formats,
         .help = "table, csv, json (an object a query and line) or paths0 (for xargs -0)"},
        {.name = "html",
         .argument = "FILE",
         .string = &job.html,
         .help = "write a page with the pictures as well, which needs no network"},
        IMAGE_OPTIONS(job.images),
        SESSION_ENGINE_OPTIONS(job.common),
    };
    enum exit_status status;
    if (options_parse(command, options, COUNT(options), &count, arguments, &status)) {
        status = check(command, &job, count, arguments);
        if (status == STATUS_FINE)
            status = search(command, &job);
    }
    finish(&job);
    return status;
}

const struct command search_command = {
    .name = "search",
    .usage = "-m MODEL -i INDEX [options] (TEXT | --image FILE)...",
    .summary = "Finds the pictures of an index that are nearest to texts and pictures.",
    .notes = IMAGE_NOTES
    "Every picture of the index is compared; the result is exact, and of pictures that score\n"
    "alike the earlier ones come first. Queries are listed apart, texts before pictures, or\n"
    "made one with --and. The score is the cosine. Texts are queries as they are: a sentence\n"
    "such as 'chest X-ray of pneumonia' needs no template. The index must be of the same\n"
    "model. Query pictures are read as those of the index were, unless an option says\n"
    "otherwise.\n\n" SESSION_ENGINE_NOTES,
    .examples = "  vkclip search -i slides.index 'a lymph node with metastasis'\n"
                "  vkclip search -i slides.index --image case.jpg --top 50 --format csv\n"
                "  vkclip search -i slides.index --and 'inflamed' --image case.jpg \\\n"
                "      --where organ=colon --html hits.html\n"
                "  vkclip search -i slides.index --format paths0 'blurred' | xargs -0 ls -l\n",
    .run = run,
};
