#include "host/text_clean.h"

#include <assert.h>
#include <utf8proc.h>

#include "host/entities.h"

// ftfy cuts longer lines at this many points.
#define SEGMENT_LONGEST 1000000
// ftfy looks for entities of up to 24 letters and digits, by &#?[0-9A-Za-z]{1,24};
#define FTFY_LONGEST_NAME 24

// ftfy repeats its steps on a segment until nothing changes, which takes quadratic time on a
// text like "&amp;amp;amp;...". The same fixed point is found in one pass by a stack: each point
// goes through the character steps and onto the text; where that completes an entity, the entity
// is taken off again and its value is put through the same. No two entities can overlap, so the
// order of replacements does not matter.
enum stage {
    STAGE_ONCE,  // entities once, nothing else
    STAGE_MAP,   // the character steps but the removal of control characters
    STAGE_FINAL, // all, to the fixed point
};

struct scan {
    enum stage stage;
    bool unescapes;
    struct points *text;
    size_t floor; // in STAGE_ONCE, the text below is replaced already
};

void text_cleaner_finish(struct text_cleaner *cleaner)
{
    points_finish(&cleaner->raw);
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

// The three points that NFC turns into ASCII signs, which could complete an entity.
static int32_t ascii_point(int32_t point)
{
    return point == 0x37e ? ';' : point == 0x212a ? 'K' : point == 0x1fef ? '`' : point;
}

// Source: ftfy chardata.py, CONTROL_CHARS.
static bool is_removed(int32_t point)
{
    return (point >= 0 && point <= 8) || point == 0xb || (point >= 0xe && point <= 0x1f) ||
           point == 0x7f || (point >= 0x206a && point <= 0x206f) || point == 0xfeff ||
           (point >= 0xfff9 && point <= 0xfffc);
}

static size_t map_point(enum stage stage, int32_t point, int32_t out[4])
{
    if (stage == STAGE_ONCE || (point >= ' ' && point < 0x7f)) {
        out[0] = point;
        return 1;
    }
    size_t count = split_point(entity_windows_1252(point), out), kept = 0;
    for (size_t i = 0; i < count; i++) {
        int32_t plain = plain_point(out[i]);
        if (stage == STAGE_FINAL && is_removed(plain))
            continue;
        out[kept++] = stage == STAGE_FINAL ? ascii_point(plain) : plain;
    }
    return kept;
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

// Where the text ends in "&name;", takes it off and gives its value.
static bool take_entity(struct scan *scan, int32_t out[8], size_t *count)
{
    const struct points *text = scan->text;
    size_t end = text->count - 1, first = end; // of the name; end is the semicolon
    while (first > scan->floor && end - first < FTFY_LONGEST_NAME &&
           is_ascii_alphanumeric(text->at[first - 1]))
        first--;
    if (first == end)
        return false;
    if (first > scan->floor && text->at[first - 1] == '#')
        first--;
    if (first == scan->floor || text->at[first - 1] != '&' ||
        !entity_value(text->at + first, end - first, out, count))
        return false;
    scan->text->count = first - 1;
    return true;
}

// Puts a point through the stage and onto the text.
static void scan_point(struct scan *scan, int32_t point)
{
    // What waits to be put on the text, last first. A value with a semicolon in it is that
    // semicolon alone, so nothing piles up behind it: two points of four parts, and one more.
    int32_t waiting[16];
    size_t count = 0;
    waiting[count++] = point;
    while (count > 0) {
        int32_t parts[4];
        size_t part_count = map_point(scan->stage, waiting[--count], parts);
        for (size_t i = 0; i < part_count; i++) {
            points_push(scan->text, parts[i]);
            int32_t value[8];
            size_t value_count;
            if (parts[i] != ';' || !scan->unescapes || scan->text->is_broken ||
                !take_entity(scan, value, &value_count))
                continue;
            assert(count + value_count <= sizeof waiting / sizeof *waiting);
            if (scan->stage == STAGE_ONCE) {
                points_append(scan->text, value, value_count);
                scan->floor = scan->text->count;
                continue;
            }
            while (value_count > 0)
                waiting[count++] = value[--value_count];
        }
    }
}

static void run_stage(enum stage stage, bool unescapes, const int32_t *segment, size_t count,
                      struct points *out)
{
    out->count = 0;
    struct scan scan = {.stage = stage, .unescapes = unescapes, .text = out};
    for (size_t i = 0; i < count; i++)
        scan_point(&scan, segment[i]);
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

// Fixes one segment and appends it to *clean.
static void fix_segment(struct text_cleaner *cleaner, const int32_t *segment, size_t count,
                        struct points *clean)
{
    bool has_escape = false;
    for (size_t i = 0; i < count; i++) {
        cleaner->keeps_entities |= segment[i] == '<';
        has_escape |= segment[i] == 0x1b;
    }
    bool unescapes = !cleaner->keeps_entities;

    struct points work = {0};
    if (has_escape) {
        // Terminal escapes go after the first round of the other steps and before the control
        // characters do, so they are looked for once, in the text of that moment.
        struct points once = {0};
        run_stage(STAGE_ONCE, unescapes, segment, count, &once);
        run_stage(STAGE_MAP, false, once.at, once.count, &work);
        remove_terminal_escapes(&work);
        run_stage(STAGE_FINAL, unescapes, work.at, work.count, &once);
        work.is_broken |= once.is_broken;
        clean->is_broken |= work.is_broken;
        points_finish(&work);
        work = once;
    } else {
        run_stage(STAGE_FINAL, unescapes, segment, count, &work);
    }
    unicode_compose(&work, &cleaner->spare);
    points_append(clean, work.at, work.count);
    clean->is_broken |= work.is_broken;
    points_finish(&work);
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
    struct points swap = *text;
    *text = *spare;
    *spare = swap;
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

void text_clean_line(struct text_cleaner *cleaner, const char *line, size_t byte_count,
                     struct points *clean)
{
    struct points *raw = &cleaner->raw;
    raw->count = 0;
    points_decode(raw, line, byte_count);
    clean->count = 0;
    for (size_t i = 0; i < raw->count; i += SEGMENT_LONGEST) {
        size_t left = raw->count - i;
        fix_segment(cleaner, raw->at + i, left < SEGMENT_LONGEST ? left : SEGMENT_LONGEST, clean);
    }
    unescape(clean, &cleaner->spare);
    unescape(clean, &cleaner->spare);
    collapse_spaces(clean);
    clean->is_broken |= raw->is_broken | cleaner->spare.is_broken;
}
