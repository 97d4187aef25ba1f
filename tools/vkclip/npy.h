// npy.h: NumPy's .npy files: writes their headers, reads matrices of floating-point numbers.
// Source: numpy/lib/format.py.
#ifndef VKCLIP_NPY_H
#define VKCLIP_NPY_H

#include <stdio.h>

#include "output.h"
#include "vkclip.h"

enum npy_type { NPY_U8, NPY_F16, NPY_F32 };

// The header of a matrix has as many bytes whatever its rows, so that rows can be added to it.
#define NPY_MATRIX_HEADER_BYTES 128

// Adds a header, format 1.0.
//
//   shape  [rank], at least two numbers: a tuple of one needs a comma more
void npy_add_header(struct text *text, enum npy_type type, const size_t *shape, size_t rank);

// Writes a header. Reports what is wrong and returns false.
bool npy_write_header(struct output_file *output, enum npy_type type, const size_t *shape,
                      size_t rank);

// What a header says of a matrix.
struct npy_layout {
    enum npy_type type; // NPY_F16 or NPY_F32
    bool is_big_endian;
    size_t row_count, width; // width is 1 or more
    size_t header_bytes;     // where the numbers begin
    size_t row_bytes;
};

// Reads the header that bytes begin with, of format 1, 2 or 3: a matrix of '<f4' or '<f2', or big-
// endian, in C order. Nothing else is accepted, whatever NumPy might make of it.
//
//   name  what errors call the file
bool npy_read_layout(struct npy_layout *layout, const void *bytes, size_t byte_count,
                     const char *name, vkclip_error *err);

// A matrix in a file, read in pieces.
struct npy_matrix {
    struct npy_layout layout;
    char *path;
    FILE *file;
};

// Opens a file that has at least the bytes its header promises; more may follow, as while rows are
// added. Fails with VKCLIP_ERROR_FILE or VKCLIP_ERROR_MEMORY.
bool npy_matrix_open(struct npy_matrix *matrix, const char *path, vkclip_error *err);

// Reads rows first .. first + count.
//
//   values  [count, width]
bool npy_matrix_read(struct npy_matrix *matrix, size_t first, size_t count, float *values,
                     vkclip_error *err);

// Accepts a zeroed or half-open matrix.
void npy_matrix_close(struct npy_matrix *matrix);

// Rounds to 16 bits, to the nearest, ties to even; beyond 65504 to infinity. No NaN.
uint16_t npy_half(float value);

#endif
