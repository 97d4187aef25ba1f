// output.h: where results go: standard output, and files that appear whole or not at all.
#ifndef VKCLIP_OUTPUT_H
#define VKCLIP_OUTPUT_H

#include <signal.h>
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

// From now on the first such signal only sets *number to its own, for a program that ends itself at
// the next good moment; a second one ends it.
void output_end_softly(volatile sig_atomic_t *number);

// Writes all of the bytes to an open file. Returns false with errno set.
bool output_write_all(int file, const char *bytes, size_t byte_count);

// A file that appears whole or not at all: until it is put in place it is a temporary one beside
// its target. One at a time.
struct output_file {
    char *path;           // the target, links resolved
    char *temporary_path; // NULL once it is gone
    int file;
    bool is_failed; // a write failed and was reported; the file will not be put in place
};

// Creates the temporary file; writes to it; puts it in place, on the disk. Each reports what is
// wrong and returns false.
bool output_file_open(struct output_file *output, const char *path);
bool output_file_write(struct output_file *output, const void *bytes, size_t byte_count);
bool output_file_commit(struct output_file *output);

// Removes what was not put in place. Accepts a zeroed or half-built file.
void output_file_close(struct output_file *output);

#endif
