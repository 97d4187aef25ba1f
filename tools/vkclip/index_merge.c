// index_merge.c: vkclip index merge, shards of a collection joined.
#include <string.h>

#include "index_copy.h"
#include "index_folder.h"
#include "index_set.h"
#include "options.h"
#include "progress.h"
#include "report.h"
#include "session.h"

struct merge_job {
    struct session_options common;
    const char *output;
    struct index_folder folder;
    struct index_set set;
    size_t row_count; // done
};

static enum exit_status report_input(const vkclip_error *err)
{
    if (err->status == VKCLIP_ERROR_MEMORY)
        return report_failure(err);
    report_error("%s", err->message);
    return STATUS_INPUT;
}

// What the shards are, before anything is written: complete, and rows that can be compared.
static bool check_shards(char *const *paths, size_t count, struct collection_facts *first,
                         size_t *row_count, vkclip_error *err)
{
    *row_count = 0;
    for (size_t i = 0; i < count; i++) {
        struct collection_facts facts;
        if (!collection_read_facts(&facts, paths[i], err))
            return false;
        if (!facts.is_complete)
            return report_fill(err, VKCLIP_ERROR_FILE, "%s: is not complete", paths[i]);
        if (i == 0)
            *first = facts;
        if (!collection_is_alike(&facts, paths[i], first, err))
            return false;
        if (facts.type != first->type)
            return report_fill(err, VKCLIP_ERROR_FILE, "%s: is of another type, see --half",
                               paths[i]);
        *row_count += facts.row_count;
    }
    first->row_count = first->failed_count = 0;
    first->items_bytes = first->failed_bytes = 0;
    first->is_complete = false;
    return true;
}

static bool copy_shard(struct merge_job *job, const char *path, vkclip_error *err)
{
    struct collection shard;
    if (!collection_open(&shard, path, err))
        return false;
    const struct index_prefix all = index_copy_all(&shard);
    bool is_copied = index_copy(&job->set, &shard, &all, err);
    collection_close(&shard);
    job->row_count += all.row_count;
    progress_show(job->row_count);
    return is_copied;
}

// The set is built aside, so that an INDEX is there whole or not at all. What an interrupted merge
// left is begun anew.
static bool merge(struct merge_job *job, char *const *paths, size_t count, vkclip_error *err)
{
    struct collection_facts facts;
    size_t row_count;
    if (!check_shards(paths, count, &facts, &row_count, err) ||
        !index_folder_open(&job->folder, job->output, err))
        return false;
    if (job->folder.has_set)
        return report_fill(err, VKCLIP_ERROR_FILE, "%s: is an index already", job->output);
    if ((job->folder.has_update && !index_folder_drop_update(&job->folder, err)) ||
        !index_folder_begin_update(&job->folder, err) ||
        !index_set_open(&job->set, job->folder.update_path, &facts, err))
        return false;
    progress_begin("rows", row_count);
    bool is_copied = true;
    for (size_t i = 0; is_copied && i < count; i++)
        is_copied = copy_shard(job, paths[i], err);
    is_copied = is_copied && index_set_commit(&job->set, true, err);
    progress_hide();
    index_set_close(&job->set);
    return is_copied && index_folder_swap(&job->folder, err);
}

static enum exit_status run(const struct command *command, int count, char **arguments)
{
    struct merge_job job = {0};
    const struct option options[] = {
        {.name = "output",
         .letter = 'o',
         .argument = "INDEX",
         .string = &job.output,
         .help = "folder to write"},
        SESSION_REPORT_OPTIONS(job.common),
    };
    enum exit_status status;
    if (!options_parse(command, options, COUNT(options), &count, arguments, &status))
        return status;
    if (!session_check_options(command, &job.common))
        return STATUS_USAGE;
    if (!job.output || !job.output[0])
        return options_refuse(command, "no index is given: -o INDEX");
    if (count == 0)
        return options_refuse(command, "no shards are given");

    vkclip_error err = {0};
    if (merge(&job, arguments, (size_t)count, &err))
        report_remark("%s: %zu pictures of %d shards", job.output, job.row_count, count);
    else
        status = report_input(&err);
    index_set_close(&job.set);
    index_folder_close(&job.folder);
    return status;
}

const struct command index_merge_command = {
    .name = "index merge",
    .usage = "-o INDEX SHARD...",
    .summary = "Joins shards of a collection into one index.",
    .notes = "Rows come in the order of the shards. All must be complete, and made with the same\n"
             "model, preprocessing and precision. INDEX appears whole or not at all.\n",
    .examples = "  vkclip index merge -o big.index part1 part2 part3\n",
    .run = run,
};
