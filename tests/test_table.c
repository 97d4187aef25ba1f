// Defends that tables are read as RFC 4180 and RFC 8259 say, that bytes survive, and that what is
// wrong is refused with its line.
#include "folder.h"

#include "table.h"

// Opens a table of that content.
static bool open_table(struct table *table, const char *name, const char *text, size_t byte_count,
                       vkclip_error *err)
{
    write_file(name, text, byte_count);
    return table_open(table, path, err);
}

// Closes it before the file goes, which Windows insists on.
static void close_table(struct table *table)
{
    table_close(table);
    assert_int_equal(unlink(path), 0);
}

// Reads a row and holds it to "name=text|name=text"; NULL: there is none.
static void check_row(struct table *table, const char *want)
{
    vkclip_error err = {0};
    bool is_row;
    struct text got = {0};
    if (!table_next(table, &is_row, &err))
        fail_msg("%s", err.message);
    assert_int_equal(is_row, want != NULL);
    for (size_t i = 0; is_row && i < table->field_count; i++)
        text_add(&got, "%s%s=%s", i ? "|" : "", table->fields[i].name,
                 table->fields[i].text ? table->fields[i].text : "(null)");
    if (want)
        assert_string_equal(got.bytes, want);
    text_finish(&got);
}

static void csv_is_read_with_quotes_and_newlines(void **state)
{
    (void)state;
    static const char text[] = "\xef\xbb\xbfpath,\"a \"\"name\"\"\",\r\n"
                               "\r\n"
                               "x.png,\"line\r\none, two\",5\" wide\r\n"
                               "\"\",\"\",\"\"\n"
                               "\xff\xfe,\r,\"\"\"\"";
    vkclip_error err = {0};
    struct table table;
    if (!open_table(&table, "a.CSV", text, sizeof text - 1, &err))
        fail_msg("%s", err.message);
    check_row(&table, "path=x.png|a \"name\"=line\r\none, two|=5\" wide");
    assert_int_equal(table.line, 3);
    assert_string_equal(table_get(&table, "path"), "x.png");
    assert_null(table_get(&table, "Path"));
    assert_null(table.fields[0].json);
    check_row(&table, "path=|a \"name\"=|=");
    assert_int_equal(table.line, 5);
    check_row(&table, "path=\xff\xfe|a \"name\"=\r|=\"");
    check_row(&table, NULL);
    check_row(&table, NULL);
    close_table(&table);
}

static void json_lines_are_read_as_they_stand(void **state)
{
    (void)state;
    static const char text[] = "\n{\"path\": \"\\u00e9\\ud83d\\ude00\\n\", \"id\" "
                               ":12345678901234567890 ,\"x\":[1, {\"y\": "
                               "\"]\\\"\"}]}\r\n"
                               "  {}  \n"
                               "{\"a\": null, \"b\": true, \"c\": -0.10e+5, \"\": \"\xff\"}";
    vkclip_error err = {0};
    struct table table;
    if (!open_table(&table, "a.jsonl", text, sizeof text - 1, &err))
        fail_msg("%s", err.message);
    check_row(&table, "path=\xc3\xa9\xf0\x9f\x98\x80\n|id=12345678901234567890|"
                      "x=[1, {\"y\": \"]\\\"\"}]");
    assert_string_equal(table.fields[0].json, "\"\\u00e9\\ud83d\\ude00\\n\"");
    assert_string_equal(table.fields[1].json, "12345678901234567890");
    assert_int_equal(table.line, 2);
    bool is_row;
    assert_true(table_next(&table, &is_row, &err) && is_row);
    assert_int_equal(table.field_count, 0);
    check_row(&table, "a=(null)|b=true|c=-0.10e+5|=\xff");
    assert_null(table_get(&table, "a"));
    assert_string_equal(table.fields[0].json, "null");
    check_row(&table, NULL);
    close_table(&table);
}

static void what_is_wrong_is_refused_with_its_line(void **state)
{
    (void)state;
#define TEXT(literal) literal, sizeof literal - 1
    static const struct {
        const char *name, *text;
        size_t byte_count;
        const char *says;
    } cases[] = {
        {"a.csv", TEXT(""), "has no row of names"},
        {"a.csv", TEXT("\n\n"), "has no row of names"},
        {"a.csv", TEXT("a,b,a\n"), "line 1: two names are the same"},
        {"a.csv", TEXT("\n\xff\n"), "line 2: a name is not UTF-8"},
        {"a.csv", TEXT("a,b\n1,2\n\"x\ny\",2\n3\n"), "line 5: has 1 fields, not 2"},
        {"a.csv", TEXT("a,b\n1,2,3\n"), "line 2: has 3 fields, not 2"},
        {"a.csv", TEXT("a\n\"x"), "line 2: a quoted field has no end"},
        {"a.csv", TEXT("a\n\"x\"y\n"), "line 2: a field goes on behind its closing quote"},
        {"a.csv", TEXT("a\nx\0y\n"), "line 2: has a zero byte"},
        {"a.jsonl", TEXT("{}\n{\"a\": 1\n"), "line 2: is not a JSON object"},
        {"a.jsonl", TEXT("[]\n"), "line 1: is not a JSON object"},
        {"a.jsonl", TEXT("{} {}\n"), "line 1: is not a JSON object"},
        {"a.ndjson", TEXT("{\"a\": 1, \"a\": 2}\n"), "line 1: two names are the same"},
        {"a.jsonl", TEXT("{\"\xff\": 1}\n"), "line 1: a name is not UTF-8"},
        {"a.jsonl", TEXT("{\"a\": \"\\u0000\"}\n"), "line 1: is not strictly JSON"},
        {"a.jsonl", TEXT("{\"a\": \"\1\"}\n"), "line 1: is not strictly JSON"},
        {"a.jsonl", TEXT("{\"a\": 01}\n"), "line 1: is not strictly JSON"},
        {"a.jsonl", TEXT("{\"a\": [1.]}\n"), "line 1: is not strictly JSON"},
        {"a.jsonl", TEXT("{\"a\":\1 1}\n"), "line 1: is not strictly JSON"},
        {"a.jsonl", TEXT("{\"a\": 1}\0\n"), "line 1: has a zero byte"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        vkclip_error err = {0};
        struct table table;
        bool is_row = true;
        if (open_table(&table, cases[i].name, cases[i].text, cases[i].byte_count, &err))
            while (is_row && table_next(&table, &is_row, &err))
                continue;
        if (err.status != VKCLIP_ERROR_FILE || !strstr(err.message, cases[i].says))
            fail_msg("%s\n  gave: %s", cases[i].text, err.message);
        close_table(&table);
    }
}

// Memory is bounded by what a row may have.
static void a_row_without_end_is_refused(void **state)
{
    (void)state;
    static char text[(1 << 21) + 8];
    static const char *const names[] = {"a.csv", "a.jsonl"};
    for (size_t i = 0; i < COUNT(names); i++)
        for (int has_commas = 0; has_commas < 2; has_commas++) {
            vkclip_error err = {0};
            struct table table;
            bool is_row;
            memset(text, has_commas ? ',' : 'x', sizeof text);
            memcpy(text, "a\n", 2);
            if (open_table(&table, names[i], text + 2 * i, sizeof text - 2, &err))
                assert_false(table_next(&table, &is_row, &err));
            assert_non_null(strstr(err.message, has_commas && i == 0 ? "more than 1,024 fields"
                                                                     : "longer than 1 MiB"));
            close_table(&table);
        }
}

static void names_tell_what_is_a_table(void **state)
{
    (void)state;
    assert_true(table_is_named("a/b.csv") && table_is_named("b.JSONL") &&
                table_is_named("c.ndjson"));
    assert_false(table_is_named(".csv") || table_is_named("csv") || table_is_named("a.csv.png") ||
                 table_is_named("-"));
}

static void what_is_no_file_is_refused(void **state)
{
    (void)state;
    vkclip_error err = {0};
    struct table table;
    assert_false(table_open(&table, folder, &err));
    assert_non_null(strstr(err.message, "is not a regular file"));
    assert_false(table_open(&table, "/nonexistent.csv", &err));
    assert_non_null(strstr(err.message, "No such file"));
    table_close(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(csv_is_read_with_quotes_and_newlines),
        cmocka_unit_test(json_lines_are_read_as_they_stand),
        cmocka_unit_test(what_is_wrong_is_refused_with_its_line),
        cmocka_unit_test(a_row_without_end_is_refused),
        cmocka_unit_test(names_tell_what_is_a_table),
        cmocka_unit_test(what_is_no_file_is_refused),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
