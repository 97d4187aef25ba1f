#include "host/unicode.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

void points_finish(struct points *points)
{
    free(points->at);
    *points = (struct points){0};
}

static bool points_reserve(struct points *points, size_t more)
{
    if (more <= points->capacity - points->count)
        return true;
    size_t capacity = points->capacity ? points->capacity : 64;
    while (capacity - points->count < more) {
        if (capacity > SIZE_MAX / sizeof *points->at / 2)
            return false;
        capacity *= 2;
    }
    int32_t *at = realloc(points->at, capacity * sizeof *at);
    if (!at)
        return false;
    points->at = at;
    points->capacity = capacity;
    return true;
}

void points_push(struct points *points, int32_t point)
{
    if (points_reserve(points, 1))
        points->at[points->count++] = point;
    else
        points->is_broken = true;
}

void points_append(struct points *points, const int32_t *from, size_t count)
{
    if (count == 0)
        return;
    if (!points_reserve(points, count)) {
        points->is_broken = true;
        return;
    }
    memcpy(points->at + points->count, from, count * sizeof *from);
    points->count += count;
}

void points_swap(struct points *a, struct points *b)
{
    struct points swap = *a;
    *a = *b;
    *b = swap;
}

bool points_equal(const struct points *a, const struct points *b)
{
    return a->count == b->count &&
           (a->count == 0 || memcmp(a->at, b->at, a->count * sizeof *a->at) == 0);
}

void points_decode(struct points *points, const char *text, size_t byte_count)
{
    const utf8proc_uint8_t *next = (const utf8proc_uint8_t *)text;
    while (byte_count > 0) {
        utf8proc_int32_t point;
        utf8proc_ssize_t used = utf8proc_iterate(next, (utf8proc_ssize_t)byte_count, &point);
        if (used <= 0) {
            point = REPLACEMENT_POINT;
            used = 1;
        }
        points_push(points, point);
        next += used;
        byte_count -= (size_t)used;
    }
}

size_t unicode_decompose(int32_t point, int32_t out[4])
{
    if (point < 0xc0) { // nothing below decomposes
        out[0] = point;
        return 1;
    }
    utf8proc_ssize_t count = utf8proc_decompose_char(point, out, 4, UTF8PROC_DECOMPOSE, NULL);
    assert(count >= 1 && count <= 4); // the longest canonical decomposition is four points
    return (size_t)count;
}

static unsigned combining_class(int32_t point)
{
    return point < 0x300 ? 0 : (unsigned)utf8proc_get_property(point)->combining_class;
}

// Counting sort, since a hostile text can be nothing but marks and insertion is quadratic.
static void sort_long_run(int32_t *run, size_t count, struct points *spare)
{
    size_t starts[257] = {0};
    spare->count = 0;
    points_append(spare, run, count);
    if (spare->is_broken)
        return;
    for (size_t i = 0; i < count; i++)
        starts[combining_class(run[i]) + 1]++;
    for (size_t i = 1; i < 257; i++)
        starts[i] += starts[i - 1];
    for (size_t i = 0; i < count; i++)
        run[starts[combining_class(spare->at[i])]++] = spare->at[i];
}

static void sort_short_run(int32_t *run, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        int32_t point = run[i];
        size_t at = i;
        for (; at > 0 && combining_class(run[at - 1]) > combining_class(point); at--)
            run[at] = run[at - 1];
        run[at] = point;
    }
}

void unicode_sort_marks(struct points *points, struct points *spare)
{
    size_t first = 0; // of the run of marks that ends before i
    for (size_t i = 0; i <= points->count; i++) {
        if (i < points->count && combining_class(points->at[i]) > 0)
            continue;
        if (i - first > 32)
            sort_long_run(points->at + first, i - first, spare);
        else if (i - first > 1)
            sort_short_run(points->at + first, i - first);
        first = i + 1;
    }
    points->is_broken |= spare->is_broken;
}

void unicode_compose(struct points *points, struct points *spare)
{
    // Every point below U+0300 is its own NFC and combines with nothing.
    bool is_composed = true;
    for (size_t i = 0; i < points->count && is_composed; i++)
        is_composed = points->at[i] < 0x300;
    if (is_composed)
        return;

    spare->count = 0;
    for (size_t i = 0; i < points->count; i++) {
        int32_t parts[4];
        points_append(spare, parts, unicode_decompose(points->at[i], parts));
    }
    unicode_sort_marks(spare, points); // whose content is in *spare now
    utf8proc_ssize_t count = utf8proc_normalize_utf32(spare->at, (utf8proc_ssize_t)spare->count,
                                                      UTF8PROC_STABLE | UTF8PROC_COMPOSE);
    points->count = 0;
    points_append(points, spare->at, count < 0 ? 0 : (size_t)count);
    points->is_broken |= spare->is_broken;
}

bool unicode_is_space(int32_t point)
{
    return (point >= 0x09 && point <= 0x0d) || (point >= 0x1c && point <= 0x20) || point == 0x85 ||
           point == 0xa0 || point == 0x1680 || (point >= 0x2000 && point <= 0x200a) ||
           point == 0x2028 || point == 0x2029 || point == 0x202f || point == 0x205f ||
           point == 0x3000;
}

struct range {
    int32_t first, last;
};

struct letters {
    int32_t first, last, step, distance;
};

#include "host/unicode.inc"

#define IS_WITHIN(point, ranges) is_within(point, ranges, sizeof ranges / sizeof *ranges)

static bool is_within(int32_t point, const struct range *ranges, size_t count)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (point < ranges[middle].first)
            high = middle;
        else if (point > ranges[middle].last)
            low = middle + 1;
        else
            return true;
    }
    return false;
}

bool unicode_is_removed(int32_t point)
{
    return IS_WITHIN(point, removed);
}

bool unicode_is_nonspacing_mark(int32_t point)
{
    return point >= 0x300 && IS_WITHIN(point, nonspacing_marks);
}

bool unicode_is_punctuation(int32_t point)
{
    return IS_WITHIN(point, punctuation);
}

int32_t unicode_lower(int32_t point)
{
    if (point < 0x80)
        return point >= 'A' && point <= 'Z' ? point + 32 : point;
    size_t low = 0, high = sizeof capitals / sizeof *capitals;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct letters *letters = &capitals[middle];
        if (point < letters->first)
            high = middle;
        else if (point > letters->last)
            low = middle + 1;
        else
            return (point - letters->first) % letters->step ? point : point + letters->distance;
    }
    return point;
}

int32_t unicode_upper(int32_t point)
{
    return utf8proc_toupper(point);
}

bool unicode_is_digit(int32_t point)
{
    return utf8proc_category(point) == UTF8PROC_CATEGORY_ND;
}

bool unicode_is_word(int32_t point)
{
    utf8proc_category_t category = utf8proc_category(point);
    bool is_letter = category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO;
    bool is_number = category >= UTF8PROC_CATEGORY_ND && category <= UTF8PROC_CATEGORY_NO;
    return is_letter || is_number || point == '_';
}
