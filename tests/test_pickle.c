// The pickle interpreter, fed with programs that torch.save never writes. Cases named m.. are those
// of the list of faults.
#include <pthread.h>
#include <time.h>

#include "host/pickle.h"
#include "weights_testing.h"

// The text after the protocol byte; only for programs without zero bytes.
static void expect_program_refused(const char *program, const char *why)
{
    struct bytes pickle = {0};
    put(&pickle, "\x80\x02", 2);
    put_text(&pickle, program);
    expect_pickle_refused(&pickle, why);
}

static void m11_a_pickle_that_wants_to_call_something_is_refused(void **state)
{
    (void)state;
    expect_program_refused("cos\nsystem\n(U\x02idtR.", "asks for 'os system'");
    expect_program_refused("cposix\nsystem\n.", "asks for 'posix system'");
    expect_program_refused("cbuiltins\neval\n.", "asks for 'builtins eval'");
    expect_program_refused("c__builtin__\neval\n.", "asks for '__builtin__ eval'");
    expect_program_refused("ctorch.serialization\nload\n.", "asks for 'torch.serialization load'");
    expect_program_refused("U\x02osU\x06system\x93.", "instruction 0x93"); // STACK_GLOBAL
    expect_program_refused("(ios\nsystem\n.", "instruction 0x69");         // INST
    expect_program_refused("c\x1b[2J\nsystem\n.", "a name is not plain text");
}

static void m12_calls_with_strange_arguments_are_refused(void **state)
{
    (void)state;
    static const char ordered[] = "ccollections\nOrderedDict\n";
    static const char tensor[] = "ctorch._utils\n_rebuild_tensor_v2\n";
    char program[200];
    snprintf(program, sizeof program, "%s]R.", ordered);
    expect_program_refused(program, "without a tuple");
    snprintf(program, sizeof program, "%s]\x85R.", ordered);
    expect_program_refused(program, "an OrderedDict is made with arguments");
    snprintf(program, sizeof program, "%s)R.", tensor);
    expect_program_refused(program, "a tensor is rebuilt from strange arguments");
    snprintf(program, sizeof program, "%s(NK\x01))\x89}tR.", tensor);
    expect_program_refused(program, "a tensor is rebuilt from strange arguments");
    expect_program_refused("ctorch._utils\n_rebuild_parameter\n)R.", "a parameter is rebuilt");
    expect_program_refused("ctorch\nSize\nK\x01\x85R.", "a size is made of strange");
    expect_program_refused("ctorch\nFloatStorage\n)R.", "a storage type is called");
    expect_program_refused("})R.", "a call of something that is no name");
    expect_program_refused("]}b.", "a state is set on something that is no dict");
    expect_program_refused("}Nb.", "a state is set on something that is no dict");
    expect_program_refused("NQ.", "a persistent id is not that of a storage");
    expect_program_refused(")Q.", "a persistent id is not that of a storage");
    expect_program_refused("(U\x07storagecos\n", "a name does not end");
    expect_program_refused("(U\x07storagectorch\nSize\nU\x01"
                           "0U\x03"
                           "cpuK\x06tQ.",
                           "a persistent id is not that of a storage");
}

static void m13_opcode_soup_is_refused(void **state)
{
    (void)state;
    expect_program_refused(")", "does not end");
    expect_program_refused(".", "does not end with one value");
    expect_program_refused("NN.", "does not end with one value");
    expect_program_refused("(.", "does not end with one value");
    expect_program_refused("N.N", "bytes after its end");
    expect_program_refused("t.", "no mark on the stack");
    expect_program_refused("R.", "nothing on the stack");
    expect_program_refused("(R.", "nothing on the stack");
    expect_program_refused("N\x87.", "nothing on the stack");
    expect_program_refused("(N\x86.", "nothing on the stack");
    expect_program_refused("(u.", "no dict and pairs on the stack");
    expect_program_refused("](NNu.", "no dict to put items into");
    expect_program_refused("}(Nu.", "no dict and pairs on the stack");
    expect_program_refused("}Na.", "no list to append to");
    expect_program_refused("e.", "no mark on the stack");
    expect_program_refused("q\x01.", "nothing on the stack");
    expect_program_refused("h\x05.", "a memo index was never set");
    expect_program_refused("Nr\xff\xff\xff\x7f.", "a memo index is out of range");
    expect_program_refused("\x8a\x09xxxxxxxxx.", "a number of more than 64 bits");
    expect_program_refused("X\xff\xff\xff\x7fy.", "in the middle of an instruction");
    expect_program_refused("\x8d\xff\xff\xff\xff\xff\xff\xff\x7f.", "instruction 0x8d");
    expect_program_refused("\x8b\x01\x01\x01\x7f.", "instruction 0x8b"); // LONG4 of 2 GB
    expect_program_refused("\x95\x01\x01\x01.", "instruction 0x95");     // FRAME

    struct bytes pickle = {0};
    put(&pickle, "\x80\xff.", 3);
    expect_pickle_refused(&pickle, "not a pickle of protocol 2");
}

// A pickle of `count` copies of one instruction must be done with quickly and in little memory.
static void expect_flood_refused(const char *instruction, size_t count, const char *why)
{
    struct bytes pickle = {0};
    put(&pickle, "\x80\x02}", 3);
    for (size_t i = 0; i < count; i++)
        put_text(&pickle, instruction);
    struct pickle values;
    vkclip_error error = {0};
    struct timespec start, end;
    clock_gettime(CLOCK_MONOTONIC, &start);
    assert_false(pickle_read(&values, "x", pickle.at, pickle.count, &error));
    clock_gettime(CLOCK_MONOTONIC, &end);
    assert_non_null(strstr(error.message, why));
    size_t held_bytes =
        values.value_capacity * sizeof *values.values +
        (values.part_capacity + values.stack_capacity + values.memo_capacity) * 4UL +
        values.pair_capacity * sizeof *values.pairs;
    double seconds =
        (double)(end.tv_sec - start.tv_sec) + 1e-9 * (double)(end.tv_nsec - start.tv_nsec);
    printf("%zu times '%s': %.1f MiB, %.3f s\n", count, instruction, (double)held_bytes / 0x1p20,
           seconds);
    assert_true(held_bytes < 64UL << 20);
    assert_true(seconds < 5.0); // 1 s without sanitizers on an idle machine
    pickle_finish(&values);
    bytes_finish(&pickle);
}

static void m13_a_flood_of_instructions_is_refused_in_bounded_memory(void **state)
{
    (void)state;
    expect_flood_refused("(", 1000000, "more values than a model has");
    expect_flood_refused("N", 1000000, "more values than a model has");
    expect_flood_refused(")", 1000000, "more values than a model has");
    expect_flood_refused("NNs", 1000000, "more values than a model has");
    expect_flood_refused("(t", 1000000, "more values than a model has");
}

static void m14_containers_that_hold_themselves_are_refused(void **state)
{
    (void)state;
    expect_program_refused("}q\x01U\x0astate_dicth\x01s.", "'state_dict' is not a tensor");
    expect_program_refused("]q\x01h\x01"
                           "a.",
                           "holds no state_dict");
}

// On a thread with as little stack as `ulimit -s 128` leaves; sanitizers' frames are larger.
static void *nest(void *unused)
{
    (void)unused;
    struct bytes pickle = {0};
    put(&pickle, "\x80\x02N", 3);
    for (int i = 0; i < 100000; i++)
        put(&pickle, "\x85", 1);
    put(&pickle, ".", 1);
    struct archive archive = {0};
    struct weights weights;
    vkclip_error error = {0};
    struct scratch_file scratch;
    archive_whole(&archive, &pickle, stored, sizeof stored);
    scratch_init(&scratch, archive.file.at, archive.file.count);
    bool is_open = weights_open(&weights, scratch.path, &error);
    scratch_finish(&scratch);
    archive_finish(&archive);
    bytes_finish(&pickle);
    return is_open || !strstr(error.message, "holds no state_dict") ? "accepted" : NULL;
}

static void m15_deep_nesting_needs_no_stack(void **state)
{
    (void)state;
    pthread_attr_t attributes;
    pthread_t thread;
    void *problem;
    assert_int_equal(pthread_attr_init(&attributes), 0);
    assert_int_equal(pthread_attr_setstacksize(&attributes, 128 << 10), 0);
    assert_int_equal(pthread_create(&thread, &attributes, nest, NULL), 0);
    assert_int_equal(pthread_join(thread, &problem), 0);
    pthread_attr_destroy(&attributes);
    assert_null(problem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(m11_a_pickle_that_wants_to_call_something_is_refused),
        cmocka_unit_test(m12_calls_with_strange_arguments_are_refused),
        cmocka_unit_test(m13_opcode_soup_is_refused),
        cmocka_unit_test(m13_a_flood_of_instructions_is_refused_in_bounded_memory),
        cmocka_unit_test(m14_containers_that_hold_themselves_are_refused),
        cmocka_unit_test(m15_deep_nesting_needs_no_stack),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
