#include "host/mojibake.h"

#include "host/entities.h"

// In the order in which they are tried.
enum encoding {
    LATIN_1,
    WINDOWS_1252,
    WINDOWS_1251,
    WINDOWS_1250,
    WINDOWS_1253,
    WINDOWS_1254,
    WINDOWS_1257,
    ISO_8859_2,
    MACROMAN,
    CP437,
    ENCODING_COUNT,
};

// What a character can be of UTF-8, in some encoding.
enum role {
    FIRST_OF_2 = 1,
    FIRST_OF_3 = 2,
    FIRST_OF_4 = 4,
    CONTINUES = 8,
    HARDLY_ELSE = 16, // continues, and is rare otherwise
};

// A character that encodings or rules know.
struct sign {
    uint16_t point;
    uint8_t class;
    uint8_t roles;
    uint16_t encodings; // bit i: enum encoding has it, as bytes[i]
    uint8_t bytes[ENCODING_COUNT];
};

// Classes of other characters.
#define CLASS_WORD  0
#define CLASS_SPACE 1
#define CLASS_OTHER 2

#include "host/mojibake.inc"

// Parts of a text are repaired by themselves, and theirs in turn. Of three million garbles made
// to nest, none went deeper than 3; Python, too, would stop somewhere.
#define MOST_DEPTH 32

struct repair {
    struct points bytes, spare; // of one step
    size_t *budget;
    unsigned depth;
    bool is_broken;
};

static const struct sign *find_sign(int32_t point)
{
    if (point < 0x80)
        return &signs[point];
    size_t low = 0x80, high = sizeof signs / sizeof *signs;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (signs[middle].point == point)
            return &signs[middle];
        if (signs[middle].point > point)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

// ---- whether ----------------------------------------------------------------------------------

static unsigned class_of(int32_t point)
{
    const struct sign *sign = find_sign(point);
    if (sign)
        return sign->class;
    return unicode_is_word(point)    ? CLASS_WORD
           : unicode_is_space(point) ? CLASS_SPACE
                                     : CLASS_OTHER;
}

// Whether a sequence of characters is there that hardly occurs but in mojibake. All sequences are
// followed at once: bit i of state says that the text up to here ends as place i wants it.
static bool is_bad(const struct points *text)
{
    uint64_t state[2] = {0, 0};
    for (size_t i = 0; i < text->count; i++) {
        const uint64_t *accepted = accepts[class_of(text->at[i])];
        for (int word = 0; word < 2; word++) {
            uint64_t begun = starts[word] | (i == 0 ? starts_once[word] : 0);
            state[word] = (state[word] << 1 | begun) & accepted[word];
        }
        if ((state[0] & ends[0]) || (state[1] & ends[1]))
            return true;
    }
    return false;
}

static bool is_ascii(const struct points *text)
{
    for (size_t i = 0; i < text->count; i++)
        if (text->at[i] >= 0x80)
            return false;
    return true;
}

// ---- back to bytes ----------------------------------------------------------------------------

// A bit for each encoding that has all characters of the text.
static unsigned possible_encodings(const struct points *text)
{
    unsigned possible = (1u << ENCODING_COUNT) - 1;
    for (size_t i = 0; i < text->count && possible; i++) {
        const struct sign *sign = find_sign(text->at[i]);
        possible &= sign ? sign->encodings : 0;
    }
    return possible;
}

static void encode(const struct points *text, enum encoding encoding, struct points *bytes)
{
    bytes->count = 0;
    for (size_t i = 0; i < text->count; i++)
        points_push(bytes, find_sign(text->at[i])->bytes[encoding]);
}

// ---- the steps --------------------------------------------------------------------------------

// Reads the whole text as UTF-8 through one encoding, into repair->spare.
static bool recode(struct repair *repair, const struct points *text, enum encoding encoding)
{
    encode(text, encoding, &repair->bytes);
    if (encoding != MACROMAN) // whose D0 and 20 are a dash and a space
        mojibake_restore_a0(&repair->bytes, &repair->spare);
    if (encoding >= WINDOWS_1252 && encoding <= WINDOWS_1257)
        mojibake_replace_lossy(&repair->bytes, &repair->spare);
    return mojibake_decode(&repair->bytes, &repair->spare);
}

static bool has_role(int32_t point, enum role role)
{
    const struct sign *sign = find_sign(point);
    return sign && (sign->roles & role);
}

// How many points look like characters of UTF-8, in whatever encoding.
static size_t utf8_like_length(const int32_t *points, size_t count)
{
    size_t length = 0;
    while (length < count) {
        const struct sign *sign = find_sign(points[length]);
        int roles = sign ? sign->roles : 0;
        size_t wanted = roles & FIRST_OF_2   ? 2
                        : roles & FIRST_OF_3 ? 3
                        : roles & FIRST_OF_4 ? 4
                                             : 0;
        if (wanted == 0 || wanted > count - length)
            break;
        for (size_t i = 1; i < wanted; i++)
            if (!has_role(points[length + i], CONTINUES))
                return length;
        length += wanted;
    }
    return length;
}

static void repair_steps(struct repair *repair, struct points *text);

// Repairs the parts that look like UTF-8, each by itself. One that follows more of the kind is
// left alone: of a large garble, a few repaired characters make a larger one.
static bool repair_parts(struct repair *repair, struct points *text)
{
    struct points out = {0}, part = {0};
    for (size_t i = 0; i < text->count;) {
        size_t length = 0;
        if (i == 0 || !has_role(text->at[i - 1], HARDLY_ELSE))
            length = utf8_like_length(text->at + i, text->count - i);
        if (length == 0 || length == text->count) {
            points_append(&out, text->at + i, length ? length : 1);
            i += length ? length : 1;
            continue;
        }
        part.count = 0;
        points_append(&part, text->at + i, length);
        repair_steps(repair, &part);
        points_append(&out, part.at, part.count);
        i += length;
    }
    points_swap(text, &out);
    bool is_changed = !points_equal(text, &out);
    repair->is_broken |= out.is_broken | part.is_broken;
    points_finish(&out);
    points_finish(&part);
    return is_changed;
}

static bool repair_controls(struct points *text)
{
    bool is_changed = false;
    for (size_t i = 0; i < text->count; i++) {
        int32_t point = entity_windows_1252(text->at[i]);
        is_changed |= point != text->at[i];
        text->at[i] = point;
    }
    return is_changed;
}

// Returns whether the text is another one now.
static bool repair_step(struct repair *repair, struct points *text)
{
    if (is_ascii(text) || !is_bad(text))
        return false;
    unsigned possible = possible_encodings(text);
    for (int encoding = 0; encoding < ENCODING_COUNT; encoding++) {
        if ((possible >> encoding & 1) && recode(repair, text, (enum encoding)encoding)) {
            points_swap(text, &repair->spare);
            return !points_equal(text, &repair->spare);
        }
    }
    return repair_parts(repair, text) || repair_controls(text);
}

static void repair_steps(struct repair *repair, struct points *text)
{
    if (repair->depth == MOST_DEPTH)
        return;
    repair->depth++;
    while (*repair->budget >= text->count) {
        *repair->budget -= text->count;
        if (!repair_step(repair, text))
            break;
    }
    repair->depth--;
}

void mojibake_repair(struct points *text, size_t *budget)
{
    struct repair repair = {.budget = budget};
    repair_steps(&repair, text);
    text->is_broken |= repair.is_broken | repair.bytes.is_broken | repair.spare.is_broken;
    points_finish(&repair.bytes);
    points_finish(&repair.spare);
}
