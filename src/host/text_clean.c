#include "host/text_clean.h"

#include <assert.h>
#include <string.h>
#include <utf8proc.h>

#include "host/entities.h"
#include "host/mojibake.h"

// ftfy cuts longer lines at this many points.
#define SEGMENT_LONGEST 1000000
// ftfy looks for entities of up to 24 letters and digits, by &#?[0-9A-Za-z]{1,24};
#define FTFY_LONGEST_NAME 24

// ftfy repeats its steps on a segment until nothing changes. Each round may leave a single entity
// or mojibake less, so a hostile text would take quadratic time; so many points are looked at for
// a text, and so many more for each of its points. What is nested deeper than that stays nested:
// a text of 2,000 points never is.
#define BUDGET_OF_TEXT  ((size_t)1 << 24)
#define BUDGET_OF_POINT 16

void text_cleaner_init(struct text_cleaner *cleaner)
{
    *cleaner = (struct text_cleaner){.budget = BUDGET_OF_TEXT};
}

void text_cleaner_finish(struct text_cleaner *cleaner)
{
    points_finish(&cleaner->raw);
    points_finish(&cleaner->text);
    points_finish(&cleaner->before);
    points_finish(&cleaner->spare);
}

// ---- single characters ------------------------------------------------------------------------

// Takes Latin ligatures and digraphs apart, and brings full and half width forms to the usual
// one. Source: ftfy chardata.py, LIGATURES and WIDTH_MAP.
static size_t split_point(int32_t point, int32_t out[4])
{
    if (point == 0xfb05) { // long s and t; the compatibility mapping would give a plain s
        out[0] = 0x17f;
        out[1] = 't';
        return 2;
    }
    bool is_ligature = point == 0x132 || point == 0x133 || point == 0x149 ||
                       (point >= 0x1c4 && point <= 0x1cc) || (point >= 0x1f1 && point <= 0x1f3) ||
                       (point >= 0xfb00 && point <= 0xfb06);
    bool is_wide = point >= 0xff01 && point <= 0xffef;
    if (is_ligature || is_wide) {
        utf8proc_ssize_t count =
            utf8proc_decompose_char(point, out, 4, UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT, NULL);
        assert(count >= 1 && count <= 4);
        return (size_t)count;
    }
    out[0] = point == 0x3000 ? ' ' : point;
    return 1;
}

// Straightens quotes and line ends.
static int32_t plain_point(int32_t point)
{
    if ((point >= 0x2018 && point <= 0x201b) || point == 0x2bc)
        return '\'';
    if (point >= 0x201c && point <= 0x201f)
        return '"';
    if (point == '\r' || point == 0x2028 || point == 0x2029)
        return '\n';
    return point;
}

// Source: ftfy chardata.py, CONTROL_CHARS.
static bool is_removed(int32_t point)
{
    return (point >= 0 && point <= 8) || point == 0xb || (point >= 0xe && point <= 0x1f) ||
           point == 0x7f || (point >= 0x206a && point <= 0x206f) || point == 0xfeff ||
           (point >= 0xfff9 && point <= 0xfffc);
}

// From C1 control characters to line ends, character by character.
static void simplify(struct points *text, struct points *spare)
{
    spare->count = 0;
    for (size_t i = 0; i < text->count; i++) {
        int32_t parts[4];
        size_t count = split_point(entity_windows_1252(text->at[i]), parts);
        for (size_t j = 0; j < count; j++)
            points_push(spare, plain_point(parts[j]));
        if (text->at[i] == '\r' && i + 1 < text->count && text->at[i + 1] == '\n')
            i++;
    }
    points_swap(text, spare);
}

// ---- entities, as ftfy takes them -------------------------------------------------------------

static bool is_ascii_alphanumeric(int32_t point)
{
    return (point >= '0' && point <= '9') || (point >= 'A' && point <= 'Z') ||
           (point >= 'a' && point <= 'z');
}

// Finds a name of which ftfy takes the shouted form as well, "EACUTE" for "eacute": one without
// capital letters, where html.unescape() makes nothing of the shouted form.
static const struct entity *find_shouted(const int32_t *name, size_t length)
{
    int32_t quiet[FTFY_LONGEST_NAME];
    for (size_t i = 0; i < length; i++) {
        if (name[i] >= 'a' && name[i] <= 'z')
            return NULL;
        quiet[i] = unicode_lower(name[i]);
    }
    size_t bare_length;
    return entity_find_bare(name, length, &bare_length) ? NULL : entity_find(quiet, length);
}

static size_t shout(const struct entity *entity, int32_t out[8])
{
    size_t count = 0;
    for (size_t i = 0; i < 2 && entity->points[i]; i++) {
        int32_t parts[4];
        size_t part_count = split_point(entity->points[i], parts);
        for (size_t j = 0; j < part_count; j++) {
            bool is_sharp_s = parts[j] == 0xdf;
            out[count++] = is_sharp_s ? 'S' : unicode_upper(parts[j]);
            if (is_sharp_s)
                out[count++] = 'S';
        }
    }
    return count;
}

// The value of "&name;", where there is one. Source: ftfy fixes.py, _unescape_fixup().
static bool entity_value(const int32_t *name, size_t length, int32_t out[8], size_t *count)
{
    *count = 0;
    if (name[0] == '#') {
        uint32_t number;
        if (entity_number(name + 1, length - 1, &number) != length - 1 || length == 1)
            return false;
        int32_t point = entity_character(number);
        if (point == ';') // ftfy takes a semicolon in the result for one left over
            return false;
        if (point >= 0)
            out[(*count)++] = point;
        return true;
    }
    const struct entity *entity = entity_find(name, length);
    if (entity) {
        while (*count < 2 && entity->points[*count]) {
            out[*count] = entity->points[*count];
            ++*count;
        }
        return true;
    }
    entity = find_shouted(name, length);
    if (entity)
        *count = shout(entity, out);
    return entity != NULL;
}

// How many points "&name;" takes at the beginning of the text, 0 when it is not there.
static size_t entity_length(const int32_t *text, size_t count)
{
    size_t first = count > 1 && text[1] == '#' ? 2 : 1, end = first;
    while (end < count && end - first < FTFY_LONGEST_NAME && is_ascii_alphanumeric(text[end]))
        end++;
    return end > first && end < count && text[end] == ';' ? end + 1 : 0;
}

static void unescape_names(struct points *text, struct points *spare)
{
    spare->count = 0;
    for (size_t i = 0; i < text->count;) {
        const int32_t *at = text->at + i;
        size_t length = *at == '&' ? entity_length(at, text->count - i) : 0, value_count;
        int32_t value[8];
        if (length > 0 && entity_value(at + 1, length - 2, value, &value_count))
            points_append(spare, value, value_count);
        else
            points_append(spare, at, length ? length : 1);
        i += length ? length : 1;
    }
    points_swap(text, spare);
}

// ---- ftfy.fix_text ----------------------------------------------------------------------------

// Removes what colours a terminal, \033\[[\d;]*[a-zA-Z] in Python's sense of a digit.
static void remove_terminal_escapes(struct points *text)
{
    size_t kept = 0;
    for (size_t i = 0; i < text->count;) {
        size_t next = i + 1;
        if (text->at[i] == 0x1b && next < text->count && text->at[next] == '[') {
            do
                next++;
            while (next < text->count &&
                   (text->at[next] == ';' || unicode_is_digit(text->at[next])));
            bool is_letter = next < text->count && is_ascii_alphanumeric(text->at[next]);
            if (is_letter) { // a digit was passed over above
                i = next + 1;
                continue;
            }
        }
        text->at[kept++] = text->at[i++];
    }
    text->count = kept;
}

static void remove_controls(struct points *text)
{
    size_t kept = 0;
    for (size_t i = 0; i < text->count; i++)
        if (!is_removed(text->at[i]))
            text->at[kept++] = text->at[i];
    text->count = kept;
}

// Nothing in such a segment can change but its spaces.
static bool is_plain(const int32_t *segment, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (segment[i] > '~' || segment[i] == '&' || is_removed(segment[i]))
            return false;
    return true;
}

// Fixes one segment and appends it to *clean.
static void fix_segment(struct text_cleaner *cleaner, const int32_t *segment, size_t count,
                        struct points *clean)
{
    struct points *text = &cleaner->text, *spare = &cleaner->spare;
    for (size_t i = 0; i < count; i++)
        cleaner->keeps_entities |= segment[i] == '<';
    if (is_plain(segment, count)) {
        points_append(clean, segment, count);
        return;
    }

    text->count = 0;
    points_append(text, segment, count);
    cleaner->budget += BUDGET_OF_POINT * count;
    bool is_fixed = false;
    while (!is_fixed && cleaner->budget >= text->count) {
        cleaner->budget -= text->count;
        cleaner->before.count = 0;
        points_append(&cleaner->before, text->at, text->count);
        if (!cleaner->keeps_entities)
            unescape_names(text, spare);
        mojibake_repair(text, &cleaner->budget);
        simplify(text, spare);
        remove_terminal_escapes(text);
        remove_controls(text);
        unicode_compose(text, spare);
        is_fixed = points_equal(text, &cleaner->before);
    }
    points_append(clean, text->at, text->count);
    clean->is_broken |= text->is_broken | cleaner->before.is_broken;
}

// ---- html.unescape ----------------------------------------------------------------------------

// Appends the value of the reference that follows an ampersand; returns how many points it took,
// 0 when there is none.
static size_t unescape_reference(const int32_t *text, size_t count, struct points *out)
{
    if (count > 0 && text[0] == '#') {
        uint32_t number;
        size_t used = 1 + entity_number(text + 1, count - 1, &number);
        if (used == 1)
            return 0;
        int32_t point = entity_character(number);
        if (point >= 0)
            points_push(out, point);
        return used + (used < count && text[used] == ';');
    }

    size_t length = 0;
    while (length < count && length < ENTITY_LONGEST_NAME && is_ascii_alphanumeric(text[length]))
        length++;
    bool has_semicolon = length < count && text[length] == ';';
    const struct entity *entity = has_semicolon ? entity_find(text, length) : NULL;
    size_t used = length + 1;
    if (!entity) {
        entity = entity_find_bare(text, length, &length);
        used = length;
    }
    if (!entity)
        return 0;
    points_append(out, entity->points, entity->points[1] ? 2 : 1);
    return used;
}

static void unescape(struct points *text, struct points *spare)
{
    bool has_reference = false;
    for (size_t i = 0; i < text->count; i++)
        has_reference |= text->at[i] == '&';
    if (!has_reference)
        return;

    spare->count = 0;
    for (size_t i = 0; i < text->count;) {
        size_t used = 0;
        if (text->at[i] == '&')
            used = unescape_reference(text->at + i + 1, text->count - i - 1, spare);
        if (used == 0)
            points_push(spare, text->at[i]);
        i += 1 + used;
    }
    points_swap(text, spare);
}

// ---- the whole --------------------------------------------------------------------------------

static void collapse_spaces(struct points *text)
{
    size_t kept = 0;
    for (size_t i = 0; i < text->count; i++) {
        bool is_space = unicode_is_space(text->at[i]);
        if (is_space && (kept == 0 || text->at[kept - 1] == ' '))
            continue;
        text->at[kept++] = is_space ? ' ' : text->at[i];
    }
    if (kept > 0 && text->at[kept - 1] == ' ')
        kept--;
    text->count = kept;
}

size_t text_clean_line(struct text_cleaner *cleaner, const char *text, size_t byte_count,
                       struct points *clean)
{
    struct points *raw = &cleaner->raw;
    size_t used = 0;
    clean->count = 0;
    do {
        const char *line = text + used, *end = memchr(line, '\n', byte_count - used);
        size_t line_bytes = end ? (size_t)(end - line) + 1 : byte_count - used;
        used += line_bytes;
        raw->count = 0;
        points_decode(raw, line, line_bytes);
        for (size_t i = 0; i < raw->count; i += SEGMENT_LONGEST) {
            size_t left = raw->count - i;
            fix_segment(cleaner, raw->at + i, left < SEGMENT_LONGEST ? left : SEGMENT_LONGEST,
                        clean);
        }
    } while (used < byte_count && clean->count > 0 && clean->at[clean->count - 1] != '\n');
    unescape(clean, &cleaner->spare);
    unescape(clean, &cleaner->spare);
    collapse_spaces(clean);
    clean->is_broken |= raw->is_broken | cleaner->spare.is_broken;
    return used;
}
