// index.c: vkclip index, the embeddings of a collection in a folder, however often it is
// interrupted.
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "images.h"
#include "index_copy.h"
#include "index_folder.h"
#include "index_known.h"
#include "index_portion.h"
#include "index_resume.h"
#include "index_set.h"
#include "output.h"
#include "progress.h"
#include "report.h"
#include "session.h"

static volatile sig_atomic_t end_signal; // the one that wants the program to end

struct index_job {
    struct session_options common;
    struct image_options images;
    struct source_rules rules;
    const char *output, *shard;
    bool is_half, is_update;
    char *const *operands;
    size_t operand_count;

    struct session session;
    struct index_folder folder;
    struct collection_facts wanted;
    struct index_queue queue;
    struct index_set set;
    struct index_known known;
    bool is_aside; // the set is one that is to take the place of the old one
};

static enum exit_status report_input(const vkclip_error *err)
{
    if (err->status != VKCLIP_ERROR_FILE)
        return report_failure(err);
    report_error("%s", err->message);
    return STATUS_INPUT;
}

// ---- the rows that are there ---------------------------------------------------------------

static bool want_facts(struct index_job *job, vkclip_error *err)
{
    const vkclip_model_facts *model = vkclip_model_get_facts(job->session.model);
    const vkclip_image *reading = &job->images.reading;
    struct collection_facts *facts = &job->wanted;
    *facts = (struct collection_facts){
        .image_size_px = model->image_size_px,
        .allows_truncated = reading->allows_truncated,
        .applies_exif = reading->applies_exif,
        .frame = reading->frame ? reading->frame : 1,
        .type = job->is_half ? NPY_F16 : NPY_F32,
        .width = model->embedding_width,
    };
    snprintf(facts->version, sizeof facts->version, "%s", vkclip_version());
    snprintf(facts->window, sizeof facts->window, "%s",
             job->images.window ? job->images.window : "");
    snprintf(facts->precision, sizeof facts->precision, "%s",
             session_precisions[vkclip_engine_get_facts(job->session.engine)->precision]);
    return vkclip_model_sha256(job->session.model, facts->model_sha256, err);
}

// Begins a set aside with what the old one has of its first pictures; the old one's others will be
// looked up.
static bool begin_aside(struct index_job *job, const struct index_prefix *prefix, vkclip_error *err)
{
    index_set_close(&job->set);
    job->is_aside = true;
    return index_folder_begin_update(&job->folder, err) &&
           index_set_open(&job->set, job->folder.update_path, &job->wanted, err) &&
           index_known_open(&job->known, job->folder.path, err) &&
           index_copy(&job->set, &job->known.old, prefix, err);
}

// Goes on with the set that an update was building when it was interrupted.
static bool resume_aside(struct index_job *job, vkclip_error *err)
{
    struct index_prefix prefix;
    job->is_aside = true;
    return index_set_open(&job->set, job->folder.update_path, &job->wanted, err) &&
           index_known_open(&job->known, job->folder.path, err) &&
           collection_is_alike(&job->known.old.facts, job->folder.path, &job->wanted, err) &&
           index_resume(&job->set, &job->queue, &prefix, err) &&
           (prefix.is_whole || index_set_cut(&job->set, prefix.row_count, prefix.items_bytes,
                                             prefix.failed_count, prefix.failed_bytes, err));
}

static enum exit_status refuse_change(const struct index_job *job, const char *when)
{
    report_error("%s: the pictures are not those that were there %s", job->folder.path, when);
    report_hint("--update embeds what is new or changed, and drops what is gone");
    return STATUS_INPUT;
}

// Opens the set that pictures are to be added to, and finds where to go on.
static enum exit_status find_place(struct index_job *job, vkclip_error *err)
{
    struct index_prefix prefix;
    struct index_queue *queue = &job->queue;
    if (job->folder.has_update && !job->is_update) {
        report_error("%s: an update of it was interrupted", job->folder.path);
        report_hint("--update goes on with it");
        return STATUS_INPUT;
    }
    if (job->folder.has_update)
        return resume_aside(job, err) ? STATUS_FINE : report_input(err);
    if (!index_set_open(&job->set, job->folder.path, &job->wanted, err) ||
        !index_resume(&job->set, queue, &prefix, err))
        return report_input(err);
    if (!prefix.is_whole) {
        if (!job->is_update)
            return refuse_change(job, "when it was begun");
        return begin_aside(job, &prefix, err) ? STATUS_FINE : report_input(err);
    }
    if (!job->set.facts.is_complete || job->is_update)
        return STATUS_FINE;
    if (!sources_next(&queue->sources, &queue->source, &queue->is_waiting, err))
        return report_input(err);
    return queue->is_waiting ? refuse_change(job, "when it was completed") : STATUS_FINE;
}

// ---- embedding -----------------------------------------------------------------------------

static enum exit_status add_portion(struct index_job *job, struct index_portion *portion,
                                    vkclip_error *err)
{
    if (!index_portion_embed(portion, err)) {
        progress_hide();
        return report_failure(err);
    }
    return index_portion_store(portion, &job->set, err) && index_set_commit(&job->set, false, err)
               ? STATUS_FINE
               : report_input(err);
}

static void show_progress(const struct index_job *job)
{
    const struct collection_facts *facts = &job->set.facts;
    progress_set_failed(facts->failed_count);
    progress_show(facts->row_count + facts->failed_count);
}

// Adds portion after portion until nothing is left, or the program is to end.
static enum exit_status add_pictures(struct index_job *job, vkclip_error *err)
{
    struct index_portion portion;
    if (!index_portion_init(&portion, &job->images, job->session.engine, job->set.facts.width, err))
        return report_failure(err);
    if (job->is_aside)
        portion.known = &job->known;
    progress_skip(job->set.facts.row_count + job->set.facts.failed_count);
    enum exit_status status = STATUS_FINE;
    while (status == STATUS_FINE && !end_signal) {
        show_progress(job);
        if (!index_portion_fill(&portion, &job->queue, err)) {
            // Reading a list may be what the signal interrupted.
            status = end_signal ? STATUS_FINE : report_input(err);
            break;
        }
        if (portion.entry_count == 0)
            break;
        status = add_portion(job, &portion, err);
    }
    bool is_complete = status == STATUS_FINE && !end_signal;
    if (is_complete && !job->set.facts.is_complete && !index_set_commit(&job->set, true, err))
        status = report_input(err);
    progress_hide();
    index_portion_finish(&portion);
    return status;
}

// Puts a set that was built aside in place.
static enum exit_status put_in_place(struct index_job *job, vkclip_error *err)
{
    if (!job->is_aside)
        return STATUS_FINE;
    index_set_close(&job->set);
    index_known_close(&job->known);
    return index_folder_swap(&job->folder, err) ? STATUS_FINE : report_input(err);
}

// ---- the command ---------------------------------------------------------------------------

static enum exit_status report_end(struct index_job *job, const struct collection_facts *facts)
{
    const char *path = job->folder.path;
    const size_t count = facts->row_count + facts->failed_count;
    if (end_signal) {
        report_remark("stopped with %zu pictures in %s; the same command goes on from there", count,
                      path);
        return STATUS_INPUT;
    }
    report_remark("%s: %zu pictures", path, facts->row_count);
    if (job->queue.sources.skipped_count > 0)
        report_remark("%zu files do not end as pictures do, or were not wanted; --include GLOB "
                      "takes any",
                      job->queue.sources.skipped_count);
    if (facts->failed_count == 0)
        return STATUS_FINE;
    report_error("%zu of %zu pictures could not be read: %s/%s says why", facts->failed_count,
                 count, path, COLLECTION_FAILED);
    return STATUS_INPUT;
}

static enum exit_status run_job(struct index_job *job)
{
    size_t total;
    vkclip_error err = {0};
    if (!sources_count(&job->rules, job->operands, job->operand_count, &total, &err))
        return report_input(&err);
    // Before the model is loaded: a wrong name is found out at once.
    if (!index_folder_open(&job->folder, job->output, &err))
        return report_input(&err);
    enum exit_status status = session_open(&job->session, &job->common);
    if (status != STATUS_FINE)
        return status;
    if (!want_facts(job, &err))
        return report_failure(&err);

    output_end_softly(&end_signal);
    sources_begin(&job->queue.sources, &job->rules, job->operands, job->operand_count);
    progress_begin("pictures", total);
    status = find_place(job, &err);
    progress_hide();
    if (status == STATUS_FINE)
        status = add_pictures(job, &err);
    if (status != STATUS_FINE)
        return status;
    const struct collection_facts facts = job->set.facts;
    if (!end_signal)
        status = put_in_place(job, &err);
    return status == STATUS_FINE ? report_end(job, &facts) : status;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

// Reads --shard I/N.
static bool parse_shard(const struct command *command, struct index_job *job)
{
    unsigned long shard = 1, shards = 1;
    bool is_right = true;
    if (job->shard) {
        char *end = (char[]){""};
        is_right = is_digit(job->shard[0]);
        shard = strtoul(job->shard, &end, 10);
        is_right = is_right && end[0] == '/' && is_digit(end[1]);
        if (is_right)
            shards = strtoul(end + 1, &end, 10);
        is_right = is_right && *end == '\0' && shard >= 1 && shard <= shards && shards <= 1000000;
    }
    job->rules.shard = (uint32_t)shard;
    job->rules.shards = (uint32_t)shards;
    if (!is_right)
        options_refuse(command, "--shard %s: want I/N, two numbers, I from 1 to N", job->shard);
    return is_right;
}

static bool check_job(const struct command *command, struct index_job *job)
{
    if (!session_check_options(command, &job->common) ||
        !images_check_options(command, &job->images) || !parse_shard(command, job))
        return false;
    if (!job->output)
        options_refuse(command, "no index is given: -o INDEX");
    else if (strcmp(job->output, "-") == 0 || !job->output[0])
        options_refuse(command, "-o wants a folder to write");
    else if (job->operand_count == 0)
        options_refuse(command, "no pictures are given");
    else
        return true;
    return false;
}

static enum exit_status run(const struct command *command, int count, char **arguments)
{
    struct index_job job = {.common.needs = NEEDS_IMAGES, .rules.path_column = "path"};
    const struct option options[] = {
        {.name = "output",
         .letter = 'o',
         .argument = "INDEX",
         .string = &job.output,
         .help = "folder to write, or to go on with"},
        {.name = "update",
         .flag = &job.is_update,
         .help = "embed what is new or changed, drop what is gone"},
        {.name = "half", .flag = &job.is_half, .help = "store embeddings as float16, not float32"},
        {.name = "include",
         .argument = "GLOB",
         .list = &job.rules.walk.include,
         .help = "files of folders to take; default: those that end as pictures do"},
        {.name = "exclude",
         .argument = "GLOB",
         .list = &job.rules.walk.exclude,
         .help = "files and folders in folders to leave out"},
        {.name = "path-column",
         .argument = "NAME",
         .string = &job.rules.path_column,
         .help = "of CSV and JSON Lines files; default: path"},
        {.name = "null",
         .letter = '0',
         .flag = &job.rules.list_has_zeros,
         .help = "names on standard input end in zero bytes, as of find -print0"},
        {.name = "shard",
         .argument = "I/N",
         .string = &job.shard,
         .help = "take the Ith part of N, by the paths"},
        IMAGE_OPTIONS(job.images),
        SESSION_ENGINE_OPTIONS(job.common),
    };
    enum exit_status status;
    if (options_parse(command, options, COUNT(options), &count, arguments, &status)) {
        job.operands = arguments;
        job.operand_count = (size_t)count;
        status = check_job(command, &job) ? run_job(&job) : STATUS_USAGE;
    }
    sources_end(&job.queue.sources);
    index_set_close(&job.set);
    index_known_close(&job.known);
    index_folder_close(&job.folder);
    session_close(&job.session);
    string_list_finish(&job.rules.walk.include);
    string_list_finish(&job.rules.walk.exclude);
    if (end_signal)
        raise(end_signal); // ends as the one who sent it expects
    return status;
}

const struct command index_command = {
    .name = "index",
    .usage = "-m MODEL -o INDEX [options] SOURCE...",
    .summary = "Embeds a collection of pictures, and goes on after an interruption.",
    .notes =
        "SOURCE is a folder, a file, a CSV or JSON Lines file (.csv, .jsonl, .ndjson) with a\n"
        "column of paths, or -, a list of paths on standard input. Paths are relative to the\n"
        "working directory. Of folders, hidden files are left out, and so are names that do not\n"
        "end as pictures' do, unless --include takes them. In a GLOB * is anything but a slash,\n"
        "** anything; one without a slash is held to the name.\n\n"
        "INDEX is a folder:\n"
        "  embeddings.npy  float32 or float16 [n, width], a unit row a picture\n"
        "  items.jsonl     a line a row: path, size, modified, metadata (the other columns)\n"
        "  failed.jsonl    pictures that could not be read, and the reason\n"
        "  index.json      model, preprocessing, precision, version; how much there is\n\n"
        "However it ends, the same command goes on from the last batch that it finished. Where\n"
        "pictures have changed since, --update is asked for, which builds the new set beside the\n"
        "old one. A picture that cannot be read stops nothing; the exit status is then 1.\n"
        "--shard takes the paths whose CRC-32 leaves I - 1 when divided by N; 'index merge'\n"
        "joins them.\n\n" IMAGE_NOTES SESSION_ENGINE_NOTES,
    .examples = "  vkclip index -o slides.index slides/\n"
                "  vkclip index -o cxr.index --window auto --exclude lateral studies.csv\n"
                "  find /data -name '*.png' -size +10k -print0 | vkclip index -0 -o big.index -\n"
                "  vkclip index -o part3 --shard 3/8 /data\n",
    .run = run,
};
