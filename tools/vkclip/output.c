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

static bool write_all(int file, const char *bytes, size_t byte_count)
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
    if (output_errno == 0 && !write_all(STDOUT_FILENO, text->bytes, text->byte_count))
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

static void end_by_signal(int number)
{
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

// ---- .npy files ----------------------------------------------------------------------------

// Numbers are stored as they lie in memory, and the header says how that is.
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define NPY_F32_NAME "<f4"
#else
#define NPY_F32_NAME ">f4"
#endif

static bool fail_with_errno(const struct npy *npy)
{
    report_error("%s: %s", npy->path, strerror(errno));
    return false;
}

// Creates the temporary file with the mode the target has or would get.
static bool create_temporary(struct npy *npy)
{
    struct stat target;
    bool is_there = stat(npy->path, &target) == 0;
    if (is_there && !S_ISREG(target.st_mode)) {
        report_error("%s: %s", npy->path,
                     S_ISDIR(target.st_mode) ? "is a directory" : "is not a regular file");
        return false;
    }

    size_t capacity = strlen(npy->path) + sizeof ".XXXXXX";
    char *path = malloc(capacity);
    if (!path) {
        report_out_of_memory();
        return false;
    }
    snprintf(path, capacity, "%s.XXXXXX", npy->path);

    // A signal between the creation and the note of it would leave the file behind.
    platform_hold_signals(true);
    npy->file = mkstemp(path);
    if (npy->file >= 0) {
        half_written_file = npy->file;
        half_written_path = npy->temporary_path = path;
    }
    platform_hold_signals(false);

    if (npy->file < 0) {
        free(path);
        return fail_with_errno(npy);
    }
    return platform_set_mode(npy->file, is_there ? &target : NULL) || fail_with_errno(npy);
}

bool npy_open(struct npy *npy, const char *path)
{
    // The target of a link is replaced, not the link.
    *npy = (struct npy){.path = platform_resolve(path), .file = -1};
    if (!npy->path) {
        report_out_of_memory();
        return false;
    }
    return create_temporary(npy);
}

bool npy_write_header(struct npy *npy, enum npy_type type, const size_t *shape, size_t rank)
{
    static const char *const names[] = {[NPY_U8] = "|u1", [NPY_F32] = NPY_F32_NAME};
    struct text header = {0};
    text_add(&header, "{'descr': '%s', 'fortran_order': False, 'shape': (", names[type]);
    for (size_t i = 0; i < rank; i++)
        text_add(&header, "%s%zu", i ? ", " : "", shape[i]);
    text_add(&header, "), }");
    // Magic, version and length take 10 bytes, the newline 1; the data starts at a multiple of 64.
    while ((10 + header.byte_count + 1) % 64 != 0 && !header.is_out_of_memory)
        text_add(&header, " ");
    text_add(&header, "\n");
    if (header.is_out_of_memory) {
        report_out_of_memory();
        return false;
    }

    char start[10] = {'\x93', 'N', 'U', 'M', 'P', 'Y', 1, 0};
    start[8] = (char)(header.byte_count & 0xff);
    start[9] = (char)(header.byte_count >> 8);
    bool is_written =
        npy_write(npy, start, sizeof start) && npy_write(npy, header.bytes, header.byte_count);
    text_finish(&header);
    return is_written;
}

bool npy_write(struct npy *npy, const void *bytes, size_t byte_count)
{
    if (npy->is_failed)
        return false;
    npy->is_failed = !write_all(npy->file, bytes, byte_count);
    return !npy->is_failed || fail_with_errno(npy);
}

bool npy_commit(struct npy *npy)
{
    if (npy->is_failed)
        return false;
    if (!platform_flush(npy->file))
        return fail_with_errno(npy);
    int file = npy->file;
    npy->file = -1;
    if (close(file) != 0 || !platform_replace(npy->temporary_path, npy->path))
        return fail_with_errno(npy);
    half_written_path = NULL;
    free(npy->temporary_path);
    npy->temporary_path = NULL;
    return true;
}

void npy_close(struct npy *npy)
{
    if (npy->temporary_path) {
        if (npy->file >= 0)
            close(npy->file);
        unlink(npy->temporary_path);
        half_written_path = NULL;
    }
    free(npy->temporary_path);
    free(npy->path);
    *npy = (struct npy){.file = -1};
}
