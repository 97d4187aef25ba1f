// safetensors.c: a length, a JSON header of that length, then all tensors without a gap.
//
// The header is scanned here and not by a JSON library: this grammar has two levels, so nothing
// recurses, and offsets are whole numbers that a double could round.
//
// Source: the format's description and the checks of safetensors/src/tensor.rs.
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "host/file.h"
#include "host/little_endian.h"
#include "host/vocabulary.h"
#include "host/weights_formats.h"

#define MOST_HEADER_BYTES UINT64_C(100000000) // as the reference implementation

// Whole numbers up to here survive every JSON library, so writers do not go beyond.
#define MOST_NUMBER (UINT64_C(1) << 53)

struct scanner {
    struct weight_list *list;
    const char *text; // [end]
    size_t at, end;
    char *string; // the last string, unescaped; as large as the text
    size_t string_bytes;
    vkclip_error *err;
};

// ---- tokens ----------------------------------------------------------------------------------

static bool refuse(struct scanner *scanner, const char *what)
{
    return fail(scanner->err, VKCLIP_ERROR_FILE, "%s: safetensors header, byte %zu: %s",
                scanner->list->path, scanner->at + 8, what);
}

static void skip_space(struct scanner *scanner)
{
    while (scanner->at < scanner->end && strchr(" \t\r\n", scanner->text[scanner->at]) &&
           scanner->text[scanner->at])
        scanner->at++;
}

static bool take(struct scanner *scanner, char wanted)
{
    skip_space(scanner);
    if (scanner->at == scanner->end || scanner->text[scanner->at] != wanted)
        return false;
    scanner->at++;
    return true;
}

static bool want(struct scanner *scanner, char wanted)
{
    if (take(scanner, wanted))
        return true;
    char what[] = "' ' expected";
    what[1] = wanted;
    return refuse(scanner, what);
}

// Four hexadecimal digits at scanner->at.
static bool scan_unit(struct scanner *scanner, uint32_t *unit)
{
    *unit = 0;
    for (int i = 0; i < 4; i++) {
        char c = scanner->at < scanner->end ? scanner->text[scanner->at] : '\0';
        uint32_t digit = c >= '0' && c <= '9'   ? (uint32_t)(c - '0')
                         : c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a' + 10)
                         : c >= 'A' && c <= 'F' ? (uint32_t)(c - 'A' + 10)
                                                : 16;
        if (digit == 16)
            return refuse(scanner, "four hexadecimal digits expected");
        *unit = *unit << 4 | digit;
        scanner->at++;
    }
    return true;
}

static void push(struct scanner *scanner, uint32_t byte)
{
    scanner->string[scanner->string_bytes++] = (char)byte;
}

// A code point takes no more bytes in UTF-8 than in its escape.
static bool scan_point(struct scanner *scanner)
{
    uint32_t point, low;
    if (!scan_unit(scanner, &point))
        return false;
    if (point >= 0xd800 && point < 0xe000) {
        bool is_pair = point < 0xdc00 && scanner->end - scanner->at > 2 &&
                       memcmp(scanner->text + scanner->at, "\\u", 2) == 0;
        if (!is_pair)
            return refuse(scanner, "half of a surrogate pair");
        scanner->at += 2;
        if (!scan_unit(scanner, &low))
            return false;
        if (low < 0xdc00 || low >= 0xe000)
            return refuse(scanner, "half of a surrogate pair");
        point = 0x10000 + ((point - 0xd800) << 10) + (low - 0xdc00);
    }
    if (point < 0x80) {
        push(scanner, point);
        return true;
    }
    int more = point < 0x800 ? 1 : point < 0x10000 ? 2 : 3;
    push(scanner, (0xff00U >> (more + 1) & 0xff) | point >> 6 * more);
    while (more-- > 0)
        push(scanner, 0x80 | (point >> 6 * more & 0x3f));
    return true;
}

static bool scan_escape(struct scanner *scanner)
{
    static const char escapes[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    char c = scanner->at < scanner->end ? scanner->text[scanner->at] : '\0';
    const char *escape = c ? strchr(escapes, c) : NULL;
    if (c != 'u' && !escape)
        return refuse(scanner, "unknown escape in a string");
    scanner->at++;
    if (c == 'u')
        return scan_point(scanner);
    push(scanner, (unsigned char)meanings[escape - escapes]);
    return true;
}

static bool scan_string(struct scanner *scanner)
{
    if (!want(scanner, '"'))
        return false;
    scanner->string_bytes = 0;
    while (scanner->at < scanner->end) {
        char c = scanner->text[scanner->at];
        if ((unsigned char)c < 0x20)
            return refuse(scanner, "control character in a string");
        scanner->at++;
        if (c == '"')
            return true;
        if (c == '\\' && !scan_escape(scanner))
            return false;
        if (c != '\\')
            push(scanner, (unsigned char)c);
    }
    return refuse(scanner, "a string does not end");
}

static bool string_is(const struct scanner *scanner, const char *text)
{
    return scanner->string_bytes == strlen(text) &&
           memcmp(scanner->string, text, scanner->string_bytes) == 0;
}

static bool scan_number(struct scanner *scanner, uint64_t *number)
{
    skip_space(scanner);
    size_t first = scanner->at;
    *number = 0;
    for (; scanner->at < scanner->end; scanner->at++) {
        char c = scanner->text[scanner->at];
        if (c < '0' || c > '9')
            break;
        *number = *number * 10 + (uint64_t)(c - '0');
        if (*number > MOST_NUMBER)
            return refuse(scanner, "a number is above 2^53");
    }
    char next = scanner->at < scanner->end ? scanner->text[scanner->at] : '\0';
    size_t digits = scanner->at - first;
    bool is_whole = digits > 0 && !(digits > 1 && scanner->text[first] == '0') && next != '.' &&
                    next != 'e' && next != 'E';
    return is_whole || refuse(scanner, "a whole number from 0 expected");
}

// Up to `most` whole numbers in brackets.
static bool scan_numbers(struct scanner *scanner, uint64_t *numbers, uint32_t most, uint32_t *count)
{
    *count = 0;
    if (!want(scanner, '['))
        return false;
    if (take(scanner, ']'))
        return true;
    do {
        if (*count == most)
            return refuse(scanner, "too many numbers in a list");
        if (!scan_number(scanner, &numbers[*count]))
            return false;
        ++*count;
    } while (take(scanner, ','));
    return want(scanner, ']');
}

// ---- header ----------------------------------------------------------------------------------

// {"text": "text", ...}; nothing of it is kept.
static bool scan_metadata(struct scanner *scanner)
{
    if (!want(scanner, '{'))
        return false;
    if (take(scanner, '}'))
        return true;
    do {
        if (!scan_string(scanner) || !want(scanner, ':') || !scan_string(scanner))
            return false;
    } while (take(scanner, ','));
    return want(scanner, '}');
}

static bool scan_type(struct scanner *scanner, enum weight_type *type)
{
    if (!scan_string(scanner))
        return false;
    for (*type = 0; *type < WEIGHT_TYPE_COUNT; ++*type)
        if (string_is(scanner, weight_type_name(*type)))
            return true;
    return fail(scanner->err, VKCLIP_ERROR_FILE,
                "%s: safetensors header, byte %zu: element type '%.*s' is not supported",
                scanner->list->path, scanner->at + 8,
                weight_name_shown(scanner->string, scanner->string_bytes), scanner->string);
}

// {"dtype": .., "shape": [..], "data_offsets": [begin, end]} in any order.
static bool scan_tensor(struct scanner *scanner, struct weight *tensor, uint64_t offsets[2])
{
    bool has_type = false, has_shape = false, has_offsets = false;
    uint32_t count = 0;
    if (!want(scanner, '{'))
        return false;
    do {
        bool is_read = scan_string(scanner) && want(scanner, ':');
        if (!is_read)
            return false;
        if (string_is(scanner, "dtype") && !has_type)
            has_type = is_read = scan_type(scanner, &tensor->type);
        else if (string_is(scanner, "shape") && !has_shape)
            has_shape = is_read =
                scan_numbers(scanner, tensor->shape, WEIGHT_MAX_RANK, &tensor->rank);
        else if (string_is(scanner, "data_offsets") && !has_offsets)
            has_offsets = is_read = scan_numbers(scanner, offsets, 2, &count);
        else
            return refuse(scanner, "a key is unknown or there twice");
        if (!is_read)
            return false;
    } while (take(scanner, ','));
    if (!want(scanner, '}'))
        return false;
    if (!has_type || !has_shape || !has_offsets || count != 2)
        return refuse(scanner, "a tensor lacks dtype, shape or two data_offsets");
    return true;
}

// The distance of the offsets must be what type and shape say.
static bool check_size(struct scanner *scanner, const struct weight *tensor,
                       const uint64_t offsets[2])
{
    uint64_t size_bytes = weight_type_bytes(tensor->type);
    bool is_sound = true;
    for (uint32_t i = 0; i < tensor->rank; i++)
        is_sound = is_sound && checked_mul(size_bytes, tensor->shape[i], &size_bytes);
    if (!is_sound || offsets[1] < offsets[0] || offsets[1] - offsets[0] != size_bytes)
        return refuse(scanner, "data_offsets do not fit the shape and type of a tensor");
    return true;
}

static bool scan_entry(struct scanner *scanner, bool *has_metadata)
{
    if (!scan_string(scanner))
        return false;
    if (string_is(scanner, "__metadata__")) {
        if (*has_metadata)
            return refuse(scanner, "__metadata__ is there twice");
        *has_metadata = true;
        return want(scanner, ':') && scan_metadata(scanner);
    }

    // The string is overwritten by the next one.
    char name[WEIGHTS_MOST_NAME_BYTES + 1];
    size_t name_bytes = scanner->string_bytes;
    memcpy(name, scanner->string, name_bytes < sizeof name ? name_bytes : sizeof name);
    struct weight tensor = {0};
    uint64_t offsets[2];
    if (!want(scanner, ':') || !scan_tensor(scanner, &tensor, offsets) ||
        !check_size(scanner, &tensor, offsets))
        return false;
    tensor.offset_bytes = 8 + scanner->end + offsets[0];
    return weight_list_add(scanner->list, name, name_bytes, &tensor, scanner->err);
}

static bool scan_header(struct scanner *scanner)
{
    bool has_metadata = false;
    if (!want(scanner, '{'))
        return false;
    if (!take(scanner, '}')) {
        do {
            if (!scan_entry(scanner, &has_metadata))
                return false;
        } while (take(scanner, ','));
        if (!want(scanner, '}'))
            return false;
    }
    skip_space(scanner);
    return scanner->at == scanner->end || refuse(scanner, "bytes after the JSON object");
}

// ---- the whole -------------------------------------------------------------------------------

static uint64_t end_of(const struct weight *weight)
{
    return weight->offset_bytes + weight->element_count * weight_type_bytes(weight->type);
}

static int compare_places(const void *a, const void *b)
{
    const struct weight *x = a, *y = b;
    if (x->offset_bytes != y->offset_bytes)
        return x->offset_bytes < y->offset_bytes ? -1 : 1;
    return (end_of(x) > end_of(y)) - (end_of(x) < end_of(y));
}

// Tensors must fill the file from the header to its end, each byte once: bytes that belong to no
// tensor are where a file could carry something else.
static bool check_places(struct weight_list *list, uint64_t at, vkclip_error *err)
{
    if (list->count > 0)
        qsort(list->items, list->count, sizeof *list->items, compare_places);
    for (uint32_t i = 0; i < list->count; i++) {
        const struct weight *weight = &list->items[i];
        if (weight->offset_bytes != at)
            return fail(err, VKCLIP_ERROR_FILE,
                        "%s: '%s' begins at byte %" PRIu64 ", the one before ends at %" PRIu64,
                        list->path, weight->name, weight->offset_bytes, at);
        at = end_of(weight);
    }
    if (at > list->file_bytes)
        return fail(err, VKCLIP_ERROR_FILE,
                    "%s: file is %" PRIu64 " bytes, needs %" PRIu64 ": it is cut short", list->path,
                    list->file_bytes, at);
    if (at < list->file_bytes)
        return fail(err, VKCLIP_ERROR_FILE,
                    "%s: file is %" PRIu64 " bytes, its tensors end at %" PRIu64, list->path,
                    list->file_bytes, at);
    return true;
}

static bool read_header(struct scanner *scanner, uint64_t header_bytes)
{
    struct weight_list *list = scanner->list;
    char *text = malloc((size_t)header_bytes);
    scanner->string = malloc((size_t)header_bytes);
    scanner->text = text;
    scanner->end = (size_t)header_bytes;
    bool is_read = false;
    if (!text || !scanner->string)
        fail(scanner->err, VKCLIP_ERROR_MEMORY, "%s: no memory for a header of %" PRIu64 " bytes",
             list->path, header_bytes);
    else if (weight_list_reserve_names(list, scanner->end, scanner->err) &&
             file_read(list->file, list->path, 8, text, scanner->end, scanner->err))
        is_read = vocabulary_is_utf8(text, scanner->end) ? scan_header(scanner)
                                                         : refuse(scanner, "is not UTF-8");
    free(text);
    free(scanner->string);
    return is_read;
}

bool safetensors_read(struct weight_list *list, vkclip_error *err)
{
    uint8_t length[8];
    if (!file_read(list->file, list->path, 0, length, sizeof length, err))
        return false;
    uint64_t header_bytes = get_u64(length);
    if (header_bytes < 2)
        return fail(err, VKCLIP_ERROR_FILE, "%s: safetensors header of %" PRIu64 " bytes",
                    list->path, header_bytes);
    if (header_bytes > MOST_HEADER_BYTES)
        return fail(err, VKCLIP_ERROR_FILE,
                    "%s: safetensors header of %" PRIu64 " bytes, at most %" PRIu64 " are accepted",
                    list->path, header_bytes, MOST_HEADER_BYTES);
    if (header_bytes > list->file_bytes - 8)
        return fail(err, VKCLIP_ERROR_FILE,
                    "%s: file is %" PRIu64 " bytes, its header needs %" PRIu64, list->path,
                    list->file_bytes, header_bytes + 8);
    struct scanner scanner = {.list = list, .err = err};
    return read_header(&scanner, header_bytes) && check_places(list, 8 + header_bytes, err);
}
