// What mojibake.c does to bytes.
#include "host/mojibake.h"

static bool is_within(int32_t byte, int32_t first, int32_t last)
{
    return byte >= first && byte <= last;
}

static bool is_tail(int32_t byte)
{
    return is_within(byte, 0x80, 0xbf);
}

static size_t length_by_lead(int32_t lead)
{
    if (lead < 0x80)
        return 1;
    if (is_within(lead, 0xc2, 0xdf))
        return 2;
    if (is_within(lead, 0xe0, 0xef))
        return 3;
    return is_within(lead, 0xf0, 0xf4) ? 4 : 0;
}

// Whether bytes go on in a way that makes the space before them a part of à: another space, or
// Portuguese, which writes àquele, àquela, àquilo and às in one.
static bool belongs_to_a_grave(const int32_t *bytes, size_t count)
{
    static const char *const words[] = {" ", "quele", "quela", "quilo", "s "};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t length = 0;
        while (words[i][length] && length < count && bytes[length] == words[i][length])
            length++;
        if (!words[i][length])
            return true;
    }
    return false;
}

// How many bytes are UTF-8 but for one that is a space and was A0, a no-break space; or 0. The
// rarer results are left out.
static size_t altered_length(const int32_t *bytes, size_t count)
{
    int32_t lead = bytes[0];
    size_t length = lead == 0xf0 ? 4 : is_within(lead, 0xe0, 0xe3) ? 3 : 2;
    if (count < length)
        return 0;
    bool is_usual = length > 2 || lead == 0xc2 || lead == 0xc3 || lead == 0xc5 || lead == 0xce ||
                    lead == 0xd0 || lead == 0xd9;
    size_t spaces = 0;
    for (size_t i = 1; i < length; i++) {
        bool is_odd = length == 3 && (bytes[i] == 0x85 || bytes[i] == 0xa0);
        if (bytes[i] != ' ' && (!is_tail(bytes[i]) || is_odd))
            return 0;
        spaces += bytes[i] == ' ';
    }
    if (length == 3 && bytes[1] == ' ' && lead < 0xe2)
        return 0;
    return is_usual && spaces == 1 ? length : 0;
}

void mojibake_restore_a0(struct points *bytes, struct points *spare)
{
    spare->count = 0;
    for (size_t i = 0; i < bytes->count; i++) {
        bool is_space = bytes->at[i] == ' ' && i > 0 && bytes->at[i - 1] == 0xc3;
        if (is_space && !belongs_to_a_grave(bytes->at + i + 1, bytes->count - i - 1))
            points_push(spare, 0xa0);
        points_push(spare, bytes->at[i]);
    }
    for (size_t i = 0; i < spare->count;) {
        size_t length = altered_length(spare->at + i, spare->count - i);
        for (size_t j = i; j < i + length; j++)
            if (spare->at[j] == ' ')
                spare->at[j] = 0xa0;
        i += length ? length : 1;
    }
    points_swap(bytes, spare);
}

// How many bytes are UTF-8, or CESU-8, of which some are lost; or 0. Question marks stand for lost
// bytes as well, but not all over.
static size_t lossy_length(const int32_t *bytes, size_t count)
{
    int32_t lead = bytes[0];
    if (lead == MOJIBAKE_LOST)
        return 1;
    if (lead == 0xed && count >= 6 && is_within(bytes[1], 0xa0, 0xaf) && bytes[3] == 0xed &&
        is_within(bytes[4], 0xb0, 0xbf)) {
        bool is_third_lost = bytes[2] == MOJIBAKE_LOST || bytes[2] == '?';
        bool is_sixth_lost = bytes[5] == MOJIBAKE_LOST || bytes[5] == '?';
        if ((is_third_lost || is_tail(bytes[2])) && (is_sixth_lost || is_tail(bytes[5])) &&
            (is_third_lost || is_sixth_lost))
            return 6;
    }
    size_t length = length_by_lead(lead);
    if (length < 2 || count < length)
        return 0;
    size_t lost = 0, questions = 0;
    for (size_t i = 1; i < length; i++) {
        lost += bytes[i] == MOJIBAKE_LOST;
        questions += bytes[i] == '?';
        if (bytes[i] != MOJIBAKE_LOST && bytes[i] != '?' && !is_tail(bytes[i]))
            return 0;
    }
    if (length == 2 && questions > 0 && lead > 0xc3)
        return 0;
    return lost + questions > 0 && questions <= 1 ? length : 0;
}

void mojibake_replace_lossy(struct points *bytes, struct points *spare)
{
    static const int32_t replacement[] = {0xef, 0xbf, 0xbd};
    spare->count = 0;
    for (size_t i = 0; i < bytes->count;) {
        size_t length = lossy_length(bytes->at + i, bytes->count - i);
        points_append(spare, length ? replacement : bytes->at + i, length ? 3 : 1);
        i += length ? length : 1;
    }
    points_swap(bytes, spare);
}

// Reads one character of UTF-8; returns how many bytes it takes, 0 when there is none.
static size_t decode_utf8(const int32_t *bytes, size_t count, int32_t *point)
{
    static const int32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    int32_t lead = bytes[0];
    size_t length = length_by_lead(lead);
    if (length == 0 || count < length)
        return 0;
    *point = length == 1 ? lead : lead & (0x7f >> length);
    for (size_t i = 1; i < length; i++) {
        if (!is_tail(bytes[i]))
            return 0;
        *point = *point << 6 | (bytes[i] & 0x3f);
    }
    bool is_sound =
        *point >= least[length] && *point <= 0x10ffff && !is_within(*point, 0xd800, 0xdfff);
    return is_sound ? length : 0;
}

// The same for what Java and Oracle write: C0 80 for zero, and surrogates in pairs. A line end
// that ends the text is taken for the last byte of either, as by ftfy, whose expressions end in $.
static size_t decode_variant(const int32_t *bytes, size_t count, int32_t *point)
{
    if (bytes[0] == 0xc0 && count >= 2 && (bytes[1] == 0x80 || (bytes[1] == '\n' && count == 2))) {
        *point = 0;
        return 2;
    }
    if (bytes[0] == 0xed && count >= 6 && is_within(bytes[1], 0xa0, 0xaf) && is_tail(bytes[2]) &&
        bytes[3] == 0xed && is_within(bytes[4], 0xb0, 0xbf) &&
        (is_tail(bytes[5]) || (bytes[5] == '\n' && count == 6))) {
        *point = 0x10000 + ((bytes[1] & 0xf) << 16 | (bytes[2] & 0x3f) << 10 |
                            (bytes[4] & 0xf) << 6 | (bytes[5] & 0x3f));
        return 6;
    }
    return 0;
}

bool mojibake_decode(const struct points *bytes, struct points *out)
{
    out->count = 0;
    for (size_t i = 0; i < bytes->count;) {
        int32_t point;
        size_t used = decode_utf8(bytes->at + i, bytes->count - i, &point);
        if (used == 0)
            used = decode_variant(bytes->at + i, bytes->count - i, &point);
        if (used == 0)
            return false;
        points_push(out, point);
        i += used;
    }
    return true;
}
