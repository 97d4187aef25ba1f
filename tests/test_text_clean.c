// Defends the cleaning of texts, against what ftfy 6.3.1 and Python 3.11's html.unescape give.
#include "test.h"

#include <string.h>
#include <utf8proc.h>

#include "host/mojibake.h"
#include "host/text_clean.h"

// Cleans one line after others and compares the result as UTF-8.
static void check_with(struct text_cleaner *cleaner, const char *text, size_t byte_count,
                       const char *want)
{
    struct points clean = {0};
    text_clean_line(cleaner, text, byte_count, &clean);
    assert_false(clean.is_broken);
    char got[4096];
    size_t got_bytes = 0;
    for (size_t i = 0; i < clean.count; i++) {
        assert_true(got_bytes + 5 < sizeof got);
        got_bytes += (size_t)utf8proc_encode_char(clean.at[i], (utf8proc_uint8_t *)got + got_bytes);
    }
    got[got_bytes] = 0;
    points_finish(&clean);
    assert_string_equal(got, want);
}

static void check(const char *text, const char *want)
{
    struct text_cleaner cleaner;
    text_cleaner_init(&cleaner);
    check_with(&cleaner, text, strlen(text), want);
    text_cleaner_finish(&cleaner);
}

static void plain_ascii_stays_as_it_is_but_for_spaces(void **state)
{
    (void)state;
    check("this is a photo of chest X-ray", "this is a photo of chest X-ray");
    check("  a \t b\f\v c\r\n", "a b c");
    check("", "");
    check(" \t\n", "");
    check("a\x1c"
          "b",
          "ab"); // a control character to ftfy before it is a space to Python
    check("a\xc2\xa0\xe3\x80\x80\xe2\x80\xa8"
          "b",
          "a b");
}

static void quotes_ligatures_and_widths_become_plain(void **state)
{
    (void)state;
    check("\xe2\x80\x9cquoted\xe2\x80\x9d \xe2\x80\x98it\xe2\x80\x99s\xe2\x80\x99",
          "\"quoted\" 'it's'");
    check("o\xef\xac\x83"
          "ce \xef\xac\x81le \xc4\xb2 \xc5\x89",
          "office file IJ 'n");
    check("\xef\xac\x85", "\xc5\xbft"); // the long s stays long
    check("\xef\xbc\xa3\xef\xbc\xb4\xe3\x80\x80\xef\xbc\x91", "CT 1");
    check("\xef\xbe\x8a\xef\xbe\x9e", "\xe3\x83\x90"); // half-width ha and voicing become ba
}

static void control_characters_and_terminal_colours_vanish(void **state)
{
    (void)state;
    check("a\x01\x7f\xef\xbb\xbf\xef\xbf\xbc"
          "b",
          "ab");
    check("\x1b[36;44mblue\x1b[0m", "blue");
    check("\x1b[36", "[36");
    check("\x1b\x1b[1m[1m", "[1m");
    check("\xef\xbb\xbf\x1b[1", "[1");
    check("\xc2\x93x\xc2\x94 \xc2\x85 \xc2\x81", "\"x\" \xe2\x80\xa6 \xc2\x81"); // windows-1252
}

static void text_is_composed(void **state)
{
    (void)state;
    check("Sjo\xcc\x88gren", "Sj\xc3\xb6gren");
    check("a\xcc\x81\xcc\xa3", "\xe1\xba\xa1\xcc\x81");            // the mark below binds first
    check("\xe1\x84\x92\xe1\x85\xa1\xe1\x86\xab", "\xed\x95\x9c"); // Hangul
    check("[MAS\xe2\x84\xaa]", "[MASK]");                          // Kelvin sign
}

static void named_entities_are_decoded(void **state)
{
    (void)state;
    check("H&amp;E", "H&E");
    check("P&eacute;rez &lt;5 mm", "P\xc3\xa9rez <5 mm");
    check("37.5&nbsp;&deg;C", "37.5 \xc2\xb0"
                              "C");
    check("&NotEqualTilde;", "\xe2\x89\x82\xcc\xb8"); // two code points
    check("&CounterClockwiseContourIntegral;", "\xe2\x88\xb3");
    check("&nosuch; &; & &&amp", "&nosuch; &; & &&");
}

static void entities_without_semicolon_follow_the_longest_prefix_rule(void **state)
{
    (void)state;
    check("a&ampb &ltx &copy2024", "a&b <x \xc2\xa9"
                                   "2024");
    check("&notit; &notin; &notinx", "\xc2\xacit; \xe2\x88\x89 \xc2\xacinx");
    check("&eacut &eacute", "&eacut \xc3\xa9");
    check("&l &g;", "&l &g;");
}

static void shouted_entities_are_decoded_as_ftfy_does(void **state)
{
    (void)state;
    check("P&EACUTE;REZ", "P\xc3\x89REZ");
    check("BUNDESSTRA&SZLIG;E", "BUNDESSTRASSE");
    check("&NTILDE; &nTILDE;", "\xc3\x91 &nTILDE;");
    check("&FILIG;&NAPOS;", "FI'N");
    check("&GTDOT;", ">DOT;"); // &GT alone means something already
}

static void numeric_entities_follow_html5(void **state)
{
    (void)state;
    check("&#65;&#x42;&#X43;&#68", "ABCD");
    check("&#150; &#x80;", "\xe2\x80\x93 \xe2\x82\xac"); // windows-1252
    check("a&#0;b&#xD800;c&#x110000;d&#99999999999999999999;", "a\xef\xbf\xbd"
                                                               "b\xef\xbf\xbd"
                                                               "c\xef\xbf\xbd"
                                                               "d\xef\xbf\xbd");
    check("a&#1;b&#xFDD0;c&#xFFFF;d", "abcd");
    check("&#; &#x; &#xg;", "&#; &#x; &#xg;");
    check("a&#4294967361;", "a\xef\xbf\xbd"); // 2^32 + 65 is no A
    check("&#59;", ";");
    check("&lt&#59;", "<;"); // ftfy leaves this one to html.unescape
    check("a&#10;b&#13;c", "a b c");
}

static void hidden_entities_are_decoded_to_the_fixed_point(void **state)
{
    (void)state;
    check("&amp;amp;amp;amp;lt;", "<");
    check("&amp;&#97;mp;lt;", "<");               // the inner one completes the outer one
    check("\357\274\206amp\357\274\233lt;", "<"); // full width
    check("&am\x01p;lt;", "<");
    // The Greek question mark, which NFC makes a semicolon.
    check("&amp\315\276amp\315\276amp\315\276lt\315\276", "<");
    check("&#xff1b;&lt&#xff1b;", ";<");
    check("&#000000000000000000000038;amp;lt;", "<");     // 24 digits: ftfy looks as far
    check("&#0000000000000000000000038;amp;lt;", "&lt;"); // 25: it does not
    check("\x1b&amp;#91;1m", "[1m"); // no terminal escape yet when those are looked for
}

// ftfy leaves the entities of real HTML alone; html.unescape, which runs twice, does not.
static void an_angle_bracket_turns_the_first_decoding_off_for_all_lines_to_come(void **state)
{
    (void)state;
    check("<b> &amp;amp;amp;", "<b> &amp;");
    struct text_cleaner cleaner;
    text_cleaner_init(&cleaner);
    check_with(&cleaner, "&amp;amp;amp;\n", 14, "&");
    check_with(&cleaner, "a < b\n", 6, "a < b");
    check_with(&cleaner, "&amp;amp;amp;\n", 14, "&amp;");
    text_cleaner_finish(&cleaner);
}

static void mojibake_is_repaired(void **state)
{
    (void)state;
    check("sch\xc3\x83\xc2\xb6n", "sch\xc3\xb6n");
    check("sch\xc3\x83\xc6\x92\xc3\x82\xc2\xb6n", "sch\xc3\xb6n"); // twice
    check("\xe2\x88\x9a\xc2\xa9", "\xc3\xa9");                     // read as MacRoman
    check("na\xc3\xafve, na\xc3\x83\xc2\xafve \xe8\x82\xba",
          "na\xc3\xafve, na\xc3\xafve \xe8\x82\xba");
    check("voil\xc3\x83 le travail", "voil\xc3\xa0 le travail"); // the no-break space is lost
    check("\xc3\xa2\xe2\x82\xac\xef\xbf\xbd", "\xef\xbf\xbd");   // a byte is lost
    // CESU-8, and what ftfy makes of a line end after C0.
    check("\xc3\xad\xc2\xa0\xc2\xbd\xc3\xad\xc2\xb8\xc2\xad", "\xf0\x9f\x98\xad");
    check("\xc3\x83\xc2\xa9\xc3\x80\nb", "\xc3\xa9"
                                         "b");
}

static void letters_that_are_meant_stay(void **state)
{
    (void)state;
    check("10 \xc2\xb5m \xc2\xb1 2, \xc2\xa9 \xc3\x85",
          "10 \xc2\xb5m \xc2\xb1 2, \xc2\xa9 \xc3\x85");
    check("S\xc3\x83O \xc3\x82me", "S\xc3\x83O \xc3\x82me");
    check("\xc2\xbd\xc3\x83\xc2\xa9", "\xc2\xbd\xc3\x83\xc2\xa9"); // part of a garble
}

// Each \x83 costs ftfy a round over the whole text. Here rounds end when the budget does.
static void nested_texts_are_repaired_as_deep_as_the_budget_goes(void **state)
{
    (void)state;
    struct points text = {0};
    points_push(&text, 0xc3);
    for (int i = 0; i < 999; i++)
        points_push(&text, 0x83);
    size_t budget = 1000 * 1000;
    mojibake_repair(&text, &budget);
    assert_int_equal(text.count, 1);
    assert_int_equal(text.at[0], 0xc3);

    for (int i = 0; i < 999; i++)
        points_push(&text, 0x83);
    budget = 10000;
    mojibake_repair(&text, &budget);
    printf("%zu of 1000 points left, %zu of 10000 points of budget\n", text.count, budget);
    assert_true(text.count > 985 && text.count < 1000 && budget < 1000);
    points_finish(&text);
}

static void t03_invalid_utf8_becomes_replacement_characters(void **state)
{
    (void)state;
    check("a\xff"
          "b",
          "a\xef\xbf\xbd"
          "b");
    check("\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd");                                   // overlong
    check("\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");                   // surrogate
    check("a\xe2\x82", "a\xef\xbf\xbd\xef\xbf\xbd");                                 // truncated
    check("\xf4\x90\x80\x80z", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz"); // too high
    check("\xef\xbf\xbe", "\xef\xbf\xbe"); // U+FFFE is valid UTF-8
}

static void long_runs_of_marks_are_ordered_as_short_ones(void **state)
{
    (void)state;
    struct points run = {0}, spare = {0};
    for (int i = 0; i < 1000; i++)
        points_push(&run, i % 2 ? 0x301 : 0x327); // classes 230 and 202
    points_push(&run, 'a');
    unicode_sort_marks(&run, &spare);
    for (size_t i = 0; i < 1000; i++)
        assert_int_equal(run.at[i], i < 500 ? 0x327 : 0x301);
    assert_int_equal(run.at[1000], 'a');
    points_finish(&run);
    points_finish(&spare);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_ascii_stays_as_it_is_but_for_spaces),
        cmocka_unit_test(quotes_ligatures_and_widths_become_plain),
        cmocka_unit_test(control_characters_and_terminal_colours_vanish),
        cmocka_unit_test(text_is_composed),
        cmocka_unit_test(named_entities_are_decoded),
        cmocka_unit_test(entities_without_semicolon_follow_the_longest_prefix_rule),
        cmocka_unit_test(shouted_entities_are_decoded_as_ftfy_does),
        cmocka_unit_test(numeric_entities_follow_html5),
        cmocka_unit_test(hidden_entities_are_decoded_to_the_fixed_point),
        cmocka_unit_test(an_angle_bracket_turns_the_first_decoding_off_for_all_lines_to_come),
        cmocka_unit_test(mojibake_is_repaired),
        cmocka_unit_test(letters_that_are_meant_stay),
        cmocka_unit_test(nested_texts_are_repaired_as_deep_as_the_budget_goes),
        cmocka_unit_test(t03_invalid_utf8_becomes_replacement_characters),
        cmocka_unit_test(long_runs_of_marks_are_ordered_as_short_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
