// A page is text from outside among tags: whatever a name holds, it stays text.
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "html.h"
#include "thumbnail.h"

static void check_html(const char *string, const char *want)
{
    struct text text = {0};
    text_add_html(&text, string);
    assert_string_equal(text.bytes ? text.bytes : "", want);
    text_finish(&text);
}

static void html_escapes_what_has_a_meaning(void **state)
{
    (void)state;
    check_html("", "");
    check_html("chest X-ray, 2 %", "chest X-ray, 2 %");
    check_html("<script>alert(1)</script>", "&#60;script&#62;alert(1)&#60;/script&#62;");
    check_html("a \"b\" 'c' &amp;", "a &#34;b&#34; &#39;c&#39; &#38;amp;");
    check_html("two\nlines\ttab\x7f\x01", "two\u240alines\u2409tab\u2421\u2401");
    check_html("caf\u00e9 \U0001f9ec", "caf\u00e9 \U0001f9ec");
    // Overlong, cut off, alone, a surrogate, and a control character of two bytes.
    check_html("\xc0\xbcscript", "\ufffd\ufffdscript");
    check_html("a\xe2\x82", "a\ufffd");
    check_html("\x80<", "\ufffd&#60;");
    check_html("\xed\xa0\x80", "\ufffd\ufffd\ufffd");
    check_html("\xc2\x85", "\ufffd");
}

#define HOSTILE "</td></title><img src=x onerror='alert(1)'>\"\n\xff"

// Between the tags that a page is made of, nothing else opens one.
static void page_keeps_hostile_names_as_text(void **state)
{
    (void)state;
    const char *heads[] = {HOSTILE, "score"};
    struct text page = {0};
    html_begin(&page, HOSTILE);
    html_begin_section(&page, HOSTILE, HOSTILE);
    html_begin_table(&page, heads, COUNT(heads));
    html_begin_row(&page, true);
    html_add_cell(&page, HOSTILE);
    html_add_number(&page, "%.4f", 0.25);
    html_end_row(&page);
    html_end_table(&page);
    html_begin_pictures(&page);
    html_begin_picture(&page);
    html_add_line(&page, HOSTILE);
    html_end_picture(&page);
    html_end_pictures(&page);
    html_end_section(&page);
    html_end(&page);
    assert_false(page.is_out_of_memory);

    assert_null(strstr(page.bytes, "<img"));
    assert_null(strchr(page.bytes, '\xff'));
    int count = 0;
    for (const char *at = page.bytes; (at = strstr(at, "&#60;/td&#62;")) != NULL; at++)
        count++;
    assert_int_equal(count, 7);
    assert_non_null(strstr(page.bytes, "default-src 'none'"));
    assert_null(strstr(page.bytes, "http:"));
    assert_null(strstr(page.bytes, "https:"));
    assert_null(strstr(page.bytes, "<script"));
    text_finish(&page);
}

static int value_of(char letter)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = strchr(letters, letter);
    assert_non_null(at);
    return (int)(at - letters);
}

// Returns how many bytes the base64 text stands for.
static size_t decode(const char *text, size_t length, uint8_t *bytes)
{
    size_t count = 0;
    assert_int_equal(length % 4, 0);
    for (size_t i = 0; i < length; i += 4) {
        const size_t pads = (text[i + 3] == '=') + (size_t)(text[i + 2] == '=');
        uint32_t bits = 0;
        for (size_t j = 0; j < 4; j++)
            bits = bits << 6 | (j < 4 - pads ? (uint32_t)value_of(text[i + j]) : 0);
        for (size_t j = 0; j < 3 - pads; j++)
            bytes[count++] = (uint8_t)(bits >> (16 - 8 * j));
        assert_true(pads == 0 || i + 4 == length);
    }
    return count;
}

// The thumbnail, decoded by the library, is what the model sees but for JPEG's losses.
static void thumbnail_is_what_the_model_sees(void **state)
{
    (void)state;
    vkclip_error err;
    vkclip_model *model =
        vkclip_model_open("tools/demo/model", VKCLIP_MODEL_SIDE_FILES, NULL, &err);
    if (!model) {
        printf("skipped: %s\n", err.message);
        skip();
    }
    const size_t value_count = 3 * (size_t)vkclip_model_get_facts(model)->image_size_px *
                               vkclip_model_get_facts(model)->image_size_px;
    uint8_t *want = malloc(value_count), *got = malloc(value_count);
    static uint8_t jpeg[1 << 20];
    // 16 x 16 of one colour left and another right.
    uint8_t ppm[13 + 768] = "P6 16 16 255\n";
    for (size_t i = 0; i < 256; i++)
        memcpy(ppm + 13 + 3 * i, i % 16 < 8 ? "\xc0\x40\x80" : "\x40\xa0\xc0", 3);
    const vkclip_image image = {.path = "a.ppm", .bytes = ppm, .byte_count = sizeof ppm};
    assert_true(vkclip_preprocess(model, &image, want, NULL));

    struct text page = {0};
    assert_true(thumbnail_add(&page, model, &image, "\"><script>"));
    static const char head[] = "<img src=\"data:image/jpeg;base64,";
    assert_memory_equal(page.bytes, head, sizeof head - 1);
    assert_non_null(strstr(page.bytes, "alt=\"&#34;&#62;&#60;script&#62;\">"));
    const char *base64 = page.bytes + sizeof head - 1;
    const size_t length = strcspn(base64, "\"");
    assert_true(length / 4 * 3 <= sizeof jpeg);
    const vkclip_image thumbnail = {
        .path = "thumbnail", .bytes = jpeg, .byte_count = decode(base64, length, jpeg)};
    if (!vkclip_preprocess(model, &thumbnail, got, &err))
        fail_msg("%s", err.message);

    double sum = 0.0;
    for (size_t i = 0; i < value_count; i++)
        sum += abs(got[i] - want[i]);
    // Quality 85 rounds smooth pictures by a few of 255 levels; the edge in the middle costs more,
    // in few pixels.
    printf("mean difference %.2f of 255, allowed 2; %zu bytes of JPEG\n", sum / (double)value_count,
           thumbnail.byte_count);
    assert_true(sum / (double)value_count < 2.0);
    text_finish(&page);
    free(want);
    free(got);
    vkclip_model_close(model);
}

static void missing_picture_is_shown_as_missing(void **state)
{
    (void)state;
    vkclip_error err;
    vkclip_model *model =
        vkclip_model_open("tools/demo/model", VKCLIP_MODEL_SIDE_FILES, NULL, &err);
    if (!model) {
        printf("skipped: %s\n", err.message);
        skip();
    }
    struct text page = {0};
    assert_false(thumbnail_add(&page, model, &(vkclip_image){.path = "no <such> file"}, "name"));
    assert_non_null(strstr(page.bytes, "class=\"missing\">missing: "));
    assert_non_null(strstr(page.bytes, "no &#60;such&#62; file"));
    assert_null(strstr(page.bytes, "<img"));
    text_finish(&page);
    vkclip_model_close(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(html_escapes_what_has_a_meaning),
        cmocka_unit_test(page_keeps_hostile_names_as_text),
        cmocka_unit_test(thumbnail_is_what_the_model_sees),
        cmocka_unit_test(missing_picture_is_shown_as_missing),
    };
    return cmocka_run_group_tests_name("html", tests, NULL, NULL);
}
