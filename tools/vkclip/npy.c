#include "npy.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "report.h"

// Numbers are stored as they lie in memory, and the header says how that is.
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define NPY_ORDER "<"
enum { IS_HOST_BIG_ENDIAN = 0 };
#else
#define NPY_ORDER ">"
enum { IS_HOST_BIG_ENDIAN = 1 };
#endif

static const char magic[6] = {'\x93', 'N', 'U', 'M', 'P', 'Y'};

// ---- writing -------------------------------------------------------------------------------

void npy_add_header(struct text *text, enum npy_type type, const size_t *shape, size_t rank)
{
    static const char *const names[] = {
        [NPY_U8] = "|u1", [NPY_F16] = NPY_ORDER "f2", [NPY_F32] = NPY_ORDER "f4"};
    struct text header = {0};
    text_add(&header, "{'descr': '%s', 'fortran_order': False, 'shape': (", names[type]);
    for (size_t i = 0; i < rank; i++)
        text_add(&header, "%s%zu", i ? ", " : "", shape[i]);
    text_add(&header, "), }");
    // Magic, version and length take 10 bytes, the newline 1; the data starts at a multiple of 64.
    while ((10 + header.byte_count + 1) % 64 != 0 && !header.is_out_of_memory)
        text_add(&header, " ");
    text_add(&header, "\n");

    const char version_and_length[4] = {1, 0, (char)(header.byte_count & 0xff),
                                        (char)(header.byte_count >> 8)};
    text_add_bytes(text, magic, sizeof magic);
    text_add_bytes(text, version_and_length, sizeof version_and_length);
    if (header.bytes)
        text_add_bytes(text, header.bytes, header.byte_count);
    text->is_out_of_memory |= header.is_out_of_memory;
    text_finish(&header);
}

bool npy_write_header(struct output_file *output, enum npy_type type, const size_t *shape,
                      size_t rank)
{
    struct text header = {0};
    npy_add_header(&header, type, shape, rank);
    if (header.is_out_of_memory) {
        text_finish(&header);
        report_out_of_memory();
        return false;
    }
    bool is_written = output_file_write(output, header.bytes, header.byte_count);
    text_finish(&header);
    return is_written;
}

uint16_t npy_half(float value)
{
    int exponent;
    frexpf(value, &exponent); // |value| < 2^exponent
    if (exponent < -13 || value == 0.0f)
        exponent = -13; // below are the subnormals, all of the same unit
    if (isinf(value) || exponent > 16)
        return value < 0.0f ? 0xfc00 : 0x7c00;
    // In units of the last of 11 bits. A carry is right as it is, up to infinity.
    long units = lrintf(ldexpf(fabsf(value), 11 - exponent));
    long bits = ((exponent + 13) * 1024L) + units;
    return (uint16_t)(bits | (signbit(value) ? 0x8000 : 0));
}

// ---- headers -------------------------------------------------------------------------------

// The text of a header, a Python dictionary, as far as it was read.
struct header_text {
    const char *at, *end;
};

static void skip_blanks(struct header_text *text)
{
    while (text->at < text->end && (*text->at == ' ' || *text->at == '\n'))
        text->at++;
}

static bool take(struct header_text *text, const char *word)
{
    size_t length = strlen(word);
    skip_blanks(text);
    if ((size_t)(text->end - text->at) < length || memcmp(text->at, word, length) != 0)
        return false;
    text->at += length;
    return true;
}

// A string of up to 15 characters in quotes of either kind, without escapes.
static bool take_string(struct header_text *text, char string[16])
{
    skip_blanks(text);
    if (text->at == text->end || (*text->at != '\'' && *text->at != '"'))
        return false;
    const char quote = *text->at++;
    size_t length = 0;
    while (text->at < text->end && *text->at != quote && length < 15)
        string[length++] = *text->at++;
    string[length] = '\0';
    return text->at < text->end && *text->at++ == quote;
}

static bool take_number(struct header_text *text, size_t *number)
{
    skip_blanks(text);
    const char *first = text->at;
    *number = 0;
    for (; text->at < text->end && *text->at >= '0' && *text->at <= '9'; text->at++) {
        size_t digit = (size_t)(*text->at - '0');
        if (*number > (SIZE_MAX - digit) / 10)
            return false;
        *number = *number * 10 + digit;
    }
    return text->at > first;
}

static bool take_type(struct header_text *text, struct npy_layout *layout)
{
    static const struct {
        const char *name;
        enum npy_type type;
        bool is_big_endian;
    } types[] = {{"<f4", NPY_F32, false},
                 {"<f2", NPY_F16, false},
                 {">f4", NPY_F32, true},
                 {">f2", NPY_F16, true}};
    char name[16];
    if (!take_string(text, name))
        return false;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strcmp(types[i].name, name) == 0) {
            layout->type = types[i].type;
            layout->is_big_endian = types[i].is_big_endian;
            return true;
        }
    return false;
}

static bool take_shape(struct header_text *text, struct npy_layout *layout)
{
    if (!take(text, "(") || !take_number(text, &layout->row_count) || !take(text, ",") ||
        !take_number(text, &layout->width))
        return false;
    take(text, ",");
    return take(text, ")") && layout->width > 0;
}

// Each key once, in any order. What is wrong is the key, or NULL.
static const char *read_dictionary(struct header_text *text, struct npy_layout *layout)
{
    bool has_type = false, has_order = false, has_shape = false;
    if (!take(text, "{"))
        return "form";
    bool is_closed = take(text, "}");
    while (!is_closed) {
        char key[16];
        if (!take_string(text, key) || !take(text, ":"))
            return "form";
        if (strcmp(key, "descr") == 0 && !has_type)
            has_type = take_type(text, layout);
        else if (strcmp(key, "fortran_order") == 0 && !has_order)
            has_order = take(text, "False");
        else if (strcmp(key, "shape") == 0 && !has_shape)
            has_shape = take_shape(text, layout);
        else
            return "form";
        bool goes_on = take(text, ",");
        is_closed = take(text, "}");
        if (!goes_on && !is_closed)
            return "form";
    }
    skip_blanks(text);
    return !has_type               ? "type"
           : !has_order            ? "order"
           : !has_shape            ? "shape"
           : text->at != text->end ? "form"
                                   : NULL;
}

bool npy_read_layout(struct npy_layout *layout, const void *bytes, size_t byte_count,
                     const char *name, vkclip_error *err)
{
    const unsigned char *at = bytes;
    *layout = (struct npy_layout){0};
    if (byte_count < 12 || memcmp(at, magic, sizeof magic) != 0)
        return report_fill(err, VKCLIP_ERROR_FILE, "%s: is not an .npy file", name);
    if (at[6] < 1 || at[6] > 3 || at[7] != 0)
        return report_fill(err, VKCLIP_ERROR_FILE,
                           "%s: is of .npy format %u.%u, which is not known", name, at[6], at[7]);
    size_t start = at[6] == 1 ? 10 : 12;
    size_t length = at[8] | (size_t)at[9] << 8;
    if (at[6] > 1)
        length |= (size_t)at[10] << 16 | (size_t)at[11] << 24;
    if (length > byte_count - start)
        return report_fill(err, VKCLIP_ERROR_FILE, "%s: its header of %zu bytes is not all there",
                           name, length);

    struct header_text text = {(const char *)at + start, (const char *)at + start + length};
    const char *wrong = read_dictionary(&text, layout);
    if (wrong)
        return report_fill(err, VKCLIP_ERROR_FILE,
                           "%s: is not a matrix of float32 or float16 in C order: the header's %s",
                           name, wrong);
    size_t item_bytes = layout->type == NPY_F32 ? 4 : 2;
    layout->header_bytes = start + length;
    if (layout->width > SIZE_MAX / item_bytes)
        return report_fill(err, VKCLIP_ERROR_FILE, "%s: has rows that are too long", name);
    layout->row_bytes = layout->width * item_bytes;
    return true;
}

// ---- reading -------------------------------------------------------------------------------

// Far more than any matrix needs, and than NumPy accepts without being asked.
enum { HEADER_BYTES_MOST = 10000 };

bool npy_matrix_open(struct npy_matrix *matrix, const char *path, vkclip_error *err)
{
    char header[HEADER_BYTES_MOST];
    struct stat facts;
    *matrix = (struct npy_matrix){.path = strdup(path)};
    if (!matrix->path)
        return report_fill(err, VKCLIP_ERROR_MEMORY, "%s: no memory to read it", path);
    // Before the file is opened: that of a FIFO would wait for a writer.
    bool is_there = stat(path, &facts) == 0;
    if (is_there && S_ISREG(facts.st_mode))
        matrix->file = fopen(path, "rb");
    if (!matrix->file) {
        report_fill(err, VKCLIP_ERROR_FILE, "%s: %s", path,
                    is_there && !S_ISREG(facts.st_mode) ? "is not a regular file"
                                                        : strerror(errno));
        goto failed;
    }
    size_t byte_count = fread(header, 1, sizeof header, matrix->file);
    if (!npy_read_layout(&matrix->layout, header, byte_count, path, err))
        goto failed;
    const struct npy_layout *layout = &matrix->layout;
    uint64_t rows_there = ((uint64_t)facts.st_size - layout->header_bytes) / layout->row_bytes;
    if (rows_there < layout->row_count) {
        report_fill(err, VKCLIP_ERROR_FILE, "%s: ends in row %llu of %zu", path,
                    (unsigned long long)rows_there + 1, layout->row_count);
        goto failed;
    }
    return true;

failed:
    npy_matrix_close(matrix);
    return false;
}

void npy_matrix_close(struct npy_matrix *matrix)
{
    if (matrix->file)
        fclose(matrix->file);
    free(matrix->path);
    *matrix = (struct npy_matrix){0};
}

// Exact: the exponent's bias is undone by a multiplication, which is right for subnormals as well.
static float float_of_half(uint16_t half)
{
    uint32_t magnitude = (uint32_t)(half & 0x7fff) << 13, sign = (uint32_t)(half & 0x8000) << 16;
    float value;
    memcpy(&value, &magnitude, sizeof value);
    value *= 0x1p112f;
    memcpy(&magnitude, &value, sizeof value);
    if ((half & 0x7c00) == 0x7c00)
        magnitude = 0x7f800000 | (uint32_t)(half & 0x3ff) << 13;
    magnitude |= sign;
    memcpy(&value, &magnitude, sizeof value);
    return value;
}

static void swap_bytes(unsigned char *bytes, size_t count, size_t item_bytes)
{
    for (size_t i = 0; i < count; i++, bytes += item_bytes)
        for (size_t j = 0; j < item_bytes / 2; j++) {
            unsigned char byte = bytes[j];
            bytes[j] = bytes[item_bytes - 1 - j];
            bytes[item_bytes - 1 - j] = byte;
        }
}

bool npy_matrix_read(struct npy_matrix *matrix, size_t first, size_t count, float *values,
                     vkclip_error *err)
{
    const struct npy_layout *layout = &matrix->layout;
    const size_t value_count = count * layout->width;
    const size_t item_bytes = layout->type == NPY_F32 ? 4 : 2;
    // Halves are read into the second half of the room, which they leave from its start on.
    unsigned char *raw = (unsigned char *)values + value_count * (sizeof *values - item_bytes);
    off_t offset = (off_t)(layout->header_bytes + (uint64_t)first * layout->row_bytes);
    errno = 0;
    if (fseeko(matrix->file, offset, SEEK_SET) != 0 ||
        fread(raw, layout->row_bytes, count, matrix->file) != count)
        return report_fill(err, VKCLIP_ERROR_FILE, "%s: rows from %zu on: %s", matrix->path, first,
                           errno ? strerror(errno) : "the file has become shorter");
    if (layout->is_big_endian != IS_HOST_BIG_ENDIAN)
        swap_bytes(raw, value_count, item_bytes);
    for (size_t i = 0; layout->type == NPY_F16 && i < value_count; i++) {
        uint16_t half;
        memcpy(&half, raw + 2 * i, sizeof half);
        values[i] = float_of_half(half);
    }
    return true;
}
