#include "output.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "platform.h"
#include "progress.h"
#include "report.h"
#include "vkclip.h"

static int output_errno; // why standard output failed first; 0: it has not

bool output_write_all(int file, const char *bytes, size_t byte_count)
{
    const size_t most = 1u << 30; // what every write() takes
    while (byte_count > 0) {
        ssize_t written = write(file, bytes, (unsigned)(byte_count < most ? byte_count : most));
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        bytes += written;
        byte_count -= (size_t)written;
    }
    return true;
}

bool output_write(struct text *text)
{
    if (output_errno == 0 && text->is_out_of_memory)
        output_errno = ENOMEM;
    progress_hide();
    if (output_errno == 0 && !output_write_all(STDOUT_FILENO, text->bytes, text->byte_count))
        output_errno = errno;
    text_finish(text);
    return output_errno == 0;
}

enum exit_status output_version(void)
{
    struct text line = {0};
    text_add(&line, "vkclip %s\n", vkclip_version());
    output_write(&line);
    return STATUS_FINE;
}

enum exit_status output_finish(enum exit_status status)
{
    if (output_errno == 0 || output_errno == EPIPE)
        return status;
    report_error("standard output: %s", strerror(output_errno));
    return status == STATUS_FINE ? STATUS_INPUT : status;
}

// ---- signals -------------------------------------------------------------------------------

static char *volatile half_written_path;
static volatile sig_atomic_t half_written_file;

static volatile sig_atomic_t *soft_end; // NULL: signals end the program at once

static void end_by_signal(int number)
{
    if (soft_end && !*soft_end) {
        *soft_end = number;
        return;
    }
    if (half_written_path) {
        close(half_written_file); // Windows removes no open file
        unlink(half_written_path);
    }
    progress_hide();
    raise(number);
}

void output_init(void)
{
    platform_init(end_by_signal);
}

void output_end_softly(volatile sig_atomic_t *number)
{
    soft_end = number;
}

// ---- files ---------------------------------------------------------------------------------

static bool fail_with_errno(const struct output_file *output)
{
    report_error("%s: %s", output->path, strerror(errno));
    return false;
}

// Creates the temporary file with the mode the target has or would get.
static bool create_temporary(struct output_file *output)
{
    struct stat target;
    bool is_there = stat(output->path, &target) == 0;
    if (is_there && !S_ISREG(target.st_mode)) {
        report_error("%s: %s", output->path,
                     S_ISDIR(target.st_mode) ? "is a directory" : "is not a regular file");
        return false;
    }

    size_t capacity = strlen(output->path) + sizeof ".XXXXXX";
    char *path = malloc(capacity);
    if (!path) {
        report_out_of_memory();
        return false;
    }
    snprintf(path, capacity, "%s.XXXXXX", output->path);

    // A signal between the creation and the note of it would leave the file behind.
    platform_hold_signals(true);
    output->file = mkstemp(path);
    if (output->file >= 0) {
        half_written_file = output->file;
        half_written_path = output->temporary_path = path;
    }
    platform_hold_signals(false);

    if (output->file < 0) {
        free(path);
        return fail_with_errno(output);
    }
    return platform_set_mode(output->file, is_there ? &target : NULL) || fail_with_errno(output);
}

bool output_file_open(struct output_file *output, const char *path)
{
    // The target of a link is replaced, not the link.
    *output = (struct output_file){.path = platform_resolve(path), .file = -1};
    if (!output->path) {
        report_out_of_memory();
        return false;
    }
    return create_temporary(output);
}

bool output_file_write(struct output_file *output, const void *bytes, size_t byte_count)
{
    if (output->is_failed)
        return false;
    output->is_failed = !output_write_all(output->file, bytes, byte_count);
    return !output->is_failed || fail_with_errno(output);
}

bool output_file_commit(struct output_file *output)
{
    if (output->is_failed)
        return false;
    if (!platform_flush(output->file))
        return fail_with_errno(output);
    int file = output->file;
    output->file = -1;
    if (close(file) != 0 || !platform_replace(output->temporary_path, output->path))
        return fail_with_errno(output);
    half_written_path = NULL;
    free(output->temporary_path);
    output->temporary_path = NULL;
    return true;
}

void output_file_close(struct output_file *output)
{
    if (output->temporary_path) {
        if (output->file >= 0)
            close(output->file);
        unlink(output->temporary_path);
        half_written_path = NULL;
    }
    free(output->temporary_path);
    free(output->path);
    *output = (struct output_file){.file = -1};
}
