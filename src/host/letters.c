#include "host/letters.h"

#include <utf8proc.h>

bool letters_is_letter(int32_t point)
{
    utf8proc_category_t category = utf8proc_category(point);
    return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO;
}

bool letters_is_number(int32_t point)
{
    utf8proc_category_t category = utf8proc_category(point);
    return category >= UTF8PROC_CATEGORY_ND && category <= UTF8PROC_CATEGORY_NO;
}

// ---- small letters ----------------------------------------------------------------------------

static bool is_in_ranges(int32_t point, const int32_t (*ranges)[2], size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (point >= ranges[i][0] && point <= ranges[i][1])
            return true;
    return false;
}

// Unicode's property Cased, without what is case-ignorable as well.
// Source: DerivedCoreProperties.txt, Cased; PropList.txt, Other_Lowercase and Other_Uppercase.
static bool is_cased(int32_t point)
{
    static const int32_t others[][2] = {
        {0xaa, 0xaa},       {0xba, 0xba},       {0x2160, 0x217f},   {0x24b6, 0x24e9},
        {0x1f130, 0x1f149}, {0x1f150, 0x1f169}, {0x1f170, 0x1f189},
    };
    utf8proc_category_t category = utf8proc_category(point);
    return (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LT) ||
           is_in_ranges(point, others, sizeof others / sizeof *others);
}

// Unicode's property Case_Ignorable. Source: DerivedCoreProperties.txt; the single points are
// those of the word breaks MidLetter, MidNumLet and Single_Quote.
static bool is_case_ignorable(int32_t point)
{
    static const int32_t others[][2] = {
        {'\'', '\''},     {'.', '.'},       {':', ':'},       {0xb7, 0xb7},
        {0x387, 0x387},   {0x55f, 0x55f},   {0x5f4, 0x5f4},   {0x2018, 0x2019},
        {0x2024, 0x2024}, {0x2027, 0x2027}, {0xfe13, 0xfe13}, {0xfe52, 0xfe52},
        {0xfe55, 0xfe55}, {0xff07, 0xff07}, {0xff0e, 0xff0e}, {0xff1a, 0xff1a},
    };
    switch (utf8proc_category(point)) {
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_SK:
        return true;
    default:
        return is_in_ranges(point, others, sizeof others / sizeof *others);
    }
}

// Whether the sigma at a place ends a word. Each search stops at the next sigma, so that a text
// full of them takes linear time. Source: Python unicodeobject.c, handle_capital_sigma().
static bool is_final(const struct points *text, size_t at)
{
    size_t before = at, after = at + 1;
    while (before > 0 && is_case_ignorable(text->at[before - 1]))
        before--;
    if (before == 0 || !is_cased(text->at[before - 1]))
        return false;
    while (after < text->count && is_case_ignorable(text->at[after]))
        after++;
    return after == text->count || !is_cased(text->at[after]);
}

void letters_lower(const struct points *text, struct points *lower)
{
    for (size_t i = 0; i < text->count; i++) {
        int32_t point = text->at[i];
        if (point == 0x130) {
            points_append(lower, (const int32_t[]){'i', 0x307}, 2);
            continue;
        }
        bool is_final_sigma = point == 0x3a3 && is_final(text, i);
        points_push(lower, is_final_sigma ? 0x3c2 : utf8proc_tolower(point));
    }
}
