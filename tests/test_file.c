// Paths that lead to no file, to one that may not be read, or to one too large for 32 bits, as only
// POSIX can make them. Cases named f.. are those of the list of faults.
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "weights_testing.h"

static void expect_path_refused(const char *path, const char *why)
{
    struct weights weights;
    vkclip_error error = {0};
    assert_false(weights_open(&weights, path, &error));
    if (!strstr(error.message, why))
        print_error("'%s' wanted, got: %s\n", why, error.message);
    assert_non_null(strstr(error.message, why));
    assert_int_equal(error.status, VKCLIP_ERROR_FILE);
    assert_null(strchr(error.message, '\n'));
    weights_close(&weights);
}

static void f01_what_is_no_regular_file_is_refused_without_waiting(void **state)
{
    (void)state;
    char folder[] = "/tmp/vkclip_test_XXXXXX", path[64], other[64];
    assert_non_null(mkdtemp(folder));
    expect_path_refused(folder, "is a directory");
    expect_path_refused("/dev/zero", "is not a regular file");
    expect_path_refused("/dev/full", "is not a regular file");
    expect_path_refused("/proc/self/mem", "/proc/self/mem");
    expect_path_refused("", "No such file");

    snprintf(path, sizeof path, "%s/missing", folder);
    expect_path_refused(path, "No such file");
    snprintf(path, sizeof path, "%s/a\nb\xff", folder);
    expect_path_refused(path, "a?b");

    snprintf(path, sizeof path, "%s/fifo", folder);
    assert_int_equal(mkfifo(path, 0600), 0);
    alarm(10); // a reader of a FIFO without a writer would wait forever
    expect_path_refused(path, "is not a regular file");
    alarm(0);
    unlink(path);

    snprintf(path, sizeof path, "%s/loop1", folder);
    snprintf(other, sizeof other, "%s/loop2", folder);
    assert_int_equal(symlink(path, other) + symlink(other, path), 0);
    expect_path_refused(path, strerror(ELOOP));
    unlink(path);
    unlink(other);

    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s/socket", folder);
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    expect_path_refused(address.sun_path, "socket");
    close(listener);
    unlink(address.sun_path);
    rmdir(folder);
}

static void f01_very_long_names_are_refused_with_the_reason(void **state)
{
    (void)state;
    static char path[5001];
    memset(path, 'a', 4096);
    expect_path_refused(path, strerror(ENAMETOOLONG));
    memset(path, 'a', 5000);
    expect_path_refused(path, strerror(ENAMETOOLONG));
}

static void f01_a_file_without_permission_is_refused(void **state)
{
    (void)state;
    struct scratch_file scratch;
    scratch_init(&scratch, "file", 4);
    assert_int_equal(chmod(scratch.path, 0), 0);
    bool is_root = geteuid() == 0; // who may read everything
    assert_true(!is_root || seteuid(65534) == 0);
    expect_path_refused(scratch.path, "Permission denied");
    assert_true(!is_root || seteuid(0) == 0);
    scratch_finish(&scratch);
}

// A gigabyte-sized hole costs no disk; offsets beyond 2^32 must be read where they are.
static void f05_a_file_beyond_4_gib_is_read(void **state)
{
    (void)state;
    static const char header[] =
        "{\"hole\":{\"dtype\":\"U8\",\"shape\":[5000000000],\"data_offsets\":[0,5000000000]},"
        "\"w\":{\"dtype\":\"F32\",\"shape\":[6],\"data_offsets\":[5000000000,5000000024]}}";
    const off_t at = (off_t)(8 + sizeof header - 1 + 5000000000);
    struct scratch_file scratch;
    struct bytes start = {0};
    struct weights weights;
    put_number(&start, sizeof header - 1, 8);
    put_text(&start, header);
    scratch_init(&scratch, start.at, start.count);
    bytes_finish(&start);
    int file = open(scratch.path, O_WRONLY);
    bool is_written = pwrite(file, stored, sizeof stored, at) == (ssize_t)sizeof stored;
    close(file);
    if (!is_written) {
        scratch_finish(&scratch);
        printf("skipped: no sparse file of 5 GB here\n");
        skip();
    }
    bool is_open = weights_open(&weights, scratch.path, NULL);
    scratch_finish(&scratch);
    assert_true(is_open);
    expect_values(&weights, "w", storage, 6);
    weights_close(&weights);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(f01_what_is_no_regular_file_is_refused_without_waiting),
        cmocka_unit_test(f01_very_long_names_are_refused_with_the_reason),
        cmocka_unit_test(f01_a_file_without_permission_is_refused),
        cmocka_unit_test(f05_a_file_beyond_4_gib_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
