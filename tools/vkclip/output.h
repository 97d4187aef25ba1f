// output.h: where results go: standard output, and .npy files that appear whole or not at all.
#ifndef VKCLIP_OUTPUT_H
#define VKCLIP_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "command.h"
#include "text.h"

// Writes the text to standard output and empties it. Returns false when that failed, now or
// before; output_finish reports why, once.
bool output_write(struct text *text);

// Prints what --version prints.
enum exit_status output_version(void);

// What to exit with, given how the command ended: STATUS_INPUT when standard output could not
// be written. A reader that went away is no failure.
enum exit_status output_finish(enum exit_status status);

// Signals that end the program first remove a half-written file and the progress line.
void output_init(void);

enum npy_type { NPY_U8, NPY_F32 };

// A .npy file while it is written: a temporary file beside its target.
struct npy {
    char *path;           // the target, links resolved
    char *temporary_path; // NULL once it is gone
    int file;
    bool is_failed; // a write failed and was reported; the file will not be put in place
};

// Creates the temporary file; writes the header, format 1.0; writes data.
//
//   shape  [rank], at least two numbers: a tuple of one needs a comma more
//
// Each reports what is wrong and returns false. Source: numpy/lib/format.py.
bool npy_open(struct npy *npy, const char *path);
bool npy_write_header(struct npy *npy, enum npy_type type, const size_t *shape, size_t rank);
bool npy_write(struct npy *npy, const void *bytes, size_t byte_count);

// Puts the file in place. Reports what is wrong and returns false.
bool npy_commit(struct npy *npy);

// Removes what was not put in place. Accepts a zeroed or half-built npy.
void npy_close(struct npy *npy);

#endif
