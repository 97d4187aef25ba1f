// Defends the way of weights to the device: packed by many threads, piece by piece, they lie there
// as the kernels read them, to the bit, whatever the sizes; and of several units that cannot be
// loaded the first is the one that is told of. Without threads, planted by way of the linker,
// likewise.
#include "test.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "no_threads.h"
#include "base/half.h"
#include "gpu/internal.h"
#include "model/upload.h"

// ---- what is uploaded ------------------------------------------------------------------------

// A tensor [rows, cols] in a file without a name, and the device memory it goes to, which the host
// must be able to read here.
struct cargo {
    struct gpu *gpu;
    struct weights weights;
    float *values;
    struct loader loader;
    struct gpu_range target;
    uint8_t *bytes; // of the target
};

#define UNTOUCHED 0xa5 // what device memory holds before

static void cargo_close(struct cargo *cargo)
{
    loader_finish(&cargo->loader);
    weights_close(&cargo->weights);
    free(cargo->values);
    gpu_buffer_destroy(cargo->gpu, cargo->target.buffer);
}

// The tensor is all the file holds.
static void open_tensor(struct cargo *cargo, const struct weight *tensor)
{
    FILE *file = tmpfile();
    struct weight *items = malloc(sizeof *items);
    assert_non_null(file);
    assert_non_null(items);
    *items = *tensor;
    cargo->weights = (struct weights){
        .path = strdup("cargo"),
        .file = dup(fileno(file)),
        .file_bytes = tensor->element_count * sizeof(float),
        .items = items,
        .count = 1,
    };
    fclose(file);
}

static void write_tensor(const struct cargo *cargo)
{
    const size_t byte_count = (size_t)cargo->weights.file_bytes;
    const int file = cargo->weights.file; // Windows has no pwrite
    assert_int_equal(lseek(file, 0, SEEK_SET), 0);
    assert_int_equal(write(file, cargo->values, (unsigned)byte_count), byte_count);
}

static void cargo_open(struct cargo *cargo, struct gpu *gpu, uint32_t rows, uint32_t cols,
                       vkclip_precision precision)
{
    vkclip_error err;
    const uint64_t padded = (uint64_t)(rows + 2 * PANEL_COLS) * (cols + 4),
                   count = (uint64_t)rows * cols;
    float *values = malloc(count * sizeof *values);
    const struct weight tensor = {
        .name = "tensor", .rank = 2, .shape = {rows, cols}, .element_count = count};
    *cargo = (struct cargo){.gpu = gpu, .values = values};
    for (uint64_t i = 0; i < count; i++) // both signs, subnormal halves among them
        values[i] = (float)((int64_t)(i * 2654435761u % 20011) - 10005) * 3e-6f;
    open_tensor(cargo, &tensor);
    assert_true(loader_init(&cargo->loader, &cargo->weights, precision, NULL, &err));

    const uint64_t size_bytes = padded * cargo->loader.element_bytes;
    struct gpu_buffer *buffer = gpu_buffer_create(gpu, size_bytes, GPU_MEMORY_DEVICE, &err);
    assert_non_null(buffer);
    cargo->target = (struct gpu_range){.buffer = buffer, .size_bytes = size_bytes};
    assert_non_null(gpu_upload_begin(gpu, buffer, 0, &err));
    cargo->bytes = buffer->upload_address;
    if (!cargo->bytes) {
        printf("skipped: the host does not see the memory of this device\n");
        cargo_close(cargo);
        skip();
    }
    memset(cargo->bytes, UNTOUCHED, size_bytes);
}

// Through staging pieces, or written to the target.
static bool send(struct cargo *cargo, bool is_table, bool is_staged, vkclip_error *err)
{
    cargo->target.buffer->can_be_mapped = false;
    cargo->target.buffer->upload_address = is_staged ? NULL : cargo->bytes;
    const struct weight *tensor = &cargo->weights.items[0];
    const uint32_t rows = (uint32_t)tensor->shape[0], cols = (uint32_t)tensor->shape[1];
    const struct matrix matrix = {
        .parts = {tensor}, .part_rows = rows, .in_cols = cols, .out_cols = rows};
    write_tensor(cargo);
    loader_begin_upload(&cargo->loader, cargo->gpu, NULL);
    if (is_table) // but for its first row
        upload_words(&cargo->loader, tensor, 1, (size_t)(rows - 1) * cols, cols, cargo->target);
    else
        upload_panels(&cargo->loader, &matrix, cargo->target);
    return loader_end_upload(&cargo->loader, err);
}

// Bits of a float in the storage type.
static uint32_t bits_of(float value, uint32_t element_bytes)
{
    return element_bytes == 2 ? half_from_float(value) : float_to_bits(value);
}

static uint32_t bits_at(const struct cargo *cargo, uint64_t i, uint32_t element_bytes)
{
    const void *bytes = cargo->bytes;
    return element_bytes == 2 ? ((const uint16_t *)bytes)[i] : ((const uint32_t *)bytes)[i];
}

static void check_untouched(const struct cargo *cargo, uint64_t first_byte)
{
    for (uint64_t i = first_byte; i < cargo->target.size_bytes; i++)
        if (cargo->bytes[i] != UNTOUCHED)
            fail_msg("byte %llu, behind what was sent, was written", (unsigned long long)i);
}

static void check_panels(const struct cargo *cargo, uint32_t rows, uint32_t cols,
                         uint32_t element_bytes)
{
    const uint32_t padded = (rows + PANEL_COLS - 1) / PANEL_COLS * PANEL_COLS;
    for (uint32_t row = 0; row < padded; row++)
        for (uint32_t k = 0; k < cols; k++) {
            uint64_t at = (uint64_t)(row / PANEL_COLS) * PANEL_COLS * cols +
                          (uint64_t)k * PANEL_COLS + row % PANEL_COLS;
            float value = row < rows ? cargo->values[(uint64_t)row * cols + k] : 0.0f;
            if (bits_at(cargo, at, element_bytes) != bits_of(value, element_bytes))
                fail_msg("%u x %u, %u bytes each: row %u, column %u is wrong", rows, cols,
                         element_bytes, row, k);
        }
    check_untouched(cargo, (uint64_t)padded * cols * element_bytes);
}

static void check_table(const struct cargo *cargo, uint32_t rows, uint32_t cols,
                        uint32_t element_bytes)
{
    for (uint64_t i = cols; i < (uint64_t)rows * cols; i++)
        if (bits_at(cargo, i - cols, element_bytes) != bits_of(cargo->values[i], element_bytes))
            fail_msg("table %u x %u, %u bytes each: element %llu is wrong", rows, cols,
                     element_bytes, (unsigned long long)i);
    check_untouched(cargo, (uint64_t)(rows - 1) * cols * element_bytes);
}

// Row of int8: each integer is its value over the scale, within half of one; the largest is 127.
static void check_int8_row(const struct cargo *cargo, uint32_t row, uint32_t cols)
{
    const uint32_t words = (cols + 3) / 4;
    const float *values = cargo->values + (uint64_t)row * cols;
    const uint32_t *column = (const uint32_t *)cargo->bytes +
                             (uint64_t)(row / PANEL_COLS) * (words + 1) * PANEL_COLS +
                             row % PANEL_COLS;
    const double scale = (double)float_from_bits(column[(size_t)words * PANEL_COLS]);
    double largest = 0.0;
    for (uint32_t k = 0; k < 4 * words; k++) {
        const uint32_t byte = column[(size_t)(k / 4) * PANEL_COLS] >> 8 * (k % 4) & 0xff;
        const double value = k < cols ? (double)values[k] : 0.0;
        const double off = (byte > 127 ? byte - 256.0 : byte) * scale - value;
        if (!(fabs(off) <= 0.50001 * scale))
            fail_msg("row %u, column %u: %u times %g for %g", row, k, byte, scale, value);
        largest = fmax(largest, fabs(value));
    }
    assert_true(fabs(127.0 * scale - largest) <= 1e-6 * largest);
}

static void check_int8(const struct cargo *cargo, uint32_t rows, uint32_t cols)
{
    const uint64_t panels = (rows + PANEL_COLS - 1) / PANEL_COLS, words = (cols + 3) / 4 + 1;
    const uint32_t *last = (const uint32_t *)cargo->bytes + (panels - 1) * words * PANEL_COLS;
    for (uint32_t row = 0; row < rows; row++)
        check_int8_row(cargo, row, cols);
    for (uint32_t i = 0; i < words * PANEL_COLS; i++)
        if ((rows - 1) % PANEL_COLS < i % PANEL_COLS)
            assert_int_equal(last[i], 0);
    check_untouched(cargo, panels * words * PANEL_COLS * sizeof *last);
}

// ---- tests -----------------------------------------------------------------------------------

// Around a panel of 32 rows; one panel to a thread and several; more than a piece of 16 MiB, the
// last not full.
static void weights_lie_as_the_kernels_read_them(void **state)
{
    static const struct {
        uint32_t rows, cols;
    } sizes[] = {{1, 1}, {31, 7}, {32, 64}, {33, 5}, {1100, 48}, {3000, 3072}, {66000, 77}};
    for (uint32_t i = 0; i < COUNT(sizes) * 16; i++) {
        const uint32_t rows = sizes[i / 16].rows, cols = sizes[i / 16].cols;
        const vkclip_precision precision = i & 1 ? VKCLIP_PRECISION_FP16 : VKCLIP_PRECISION_FP32;
        const bool is_table = (i & 2) && rows > 1;
        struct cargo cargo;
        vkclip_error err = {0};
        has_threads = i & 4;
        cargo_open(&cargo, *state, rows, cols, precision);
        if (!send(&cargo, is_table, i & 8, &err))
            fail_msg("%s", err.message);
        if (is_table)
            check_table(&cargo, rows, cols, cargo.loader.element_bytes);
        else
            check_panels(&cargo, rows, cols, cargo.loader.element_bytes);
        cargo_close(&cargo);
    }
}

// Sizes as above; columns that fill no word are followed by zeros.
static void integers_lie_as_the_kernels_read_them(void **state)
{
    static const struct {
        uint32_t rows, cols;
    } sizes[] = {{1, 1}, {31, 7}, {32, 64}, {33, 5}, {1100, 48}, {9000, 3072}};
    for (uint32_t i = 0; i < COUNT(sizes) * 4; i++) {
        const uint32_t rows = sizes[i / 4].rows, cols = sizes[i / 4].cols;
        struct cargo cargo;
        vkclip_error err = {0};
        has_threads = i & 1;
        cargo_open(&cargo, *state, rows, cols, VKCLIP_PRECISION_INT8);
        memset(cargo.values, 0, cols * sizeof *cargo.values); // a row without a scale
        if (!send(&cargo, false, i & 2, &err))
            fail_msg("%s", err.message);
        check_int8(&cargo, rows, cols);
        cargo_close(&cargo);
    }
}

// Values beyond fp16 near the beginning, in the middle of the first piece and in the last one.
static void the_first_weight_that_cannot_be_stored_is_told_of(void **state)
{
    const uint32_t rows = 9000, cols = 1024;
    for (uint32_t first = 0; first < 3; first++)
        for (uint32_t i = 0; i < 8; i++) {
            const uint64_t bad_rows[] = {5, 4000, 8990};
            struct cargo cargo;
            vkclip_error err = {0};
            char wanted[32];
            has_threads = i & 1;
            cargo_open(&cargo, *state, rows, cols, VKCLIP_PRECISION_FP16);
            for (uint32_t bad = first; bad < 3; bad++)
                cargo.values[bad_rows[bad] * cols + 77] = -1e5f * (float)(3 - bad);
            cargo.values[2] = -INFINITY; // has a half
            cargo.values[cols + 2] = NAN;
            assert_false(send(&cargo, i & 2, i & 4, &err));
            snprintf(wanted, sizeof wanted, "'tensor' holds %u00000,", 3 - first);
            if (err.status != VKCLIP_ERROR_MODEL || !strstr(err.message, wanted))
                fail_msg("status %d: %s; wanted: %s", (int)err.status, err.message, wanted);
            cargo_close(&cargo);
        }
}

static int set_up(void **state)
{
    vkclip_error err;
    has_threads = true;
    *state = gpu_create(NULL, NULL, &err);
    if (!*state)
        print_error("%s\n", err.message);
    return *state ? 0 : -1;
}

static int tear_down(void **state)
{
    gpu_destroy(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weights_lie_as_the_kernels_read_them),
        cmocka_unit_test(integers_lie_as_the_kernels_read_them),
        cmocka_unit_test(the_first_weight_that_cannot_be_stored_is_told_of),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
