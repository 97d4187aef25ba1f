// bench.h: what the files of vkclip bench share: a run's measurements, and who makes and prints
// them.
#ifndef VKCLIP_BENCH_H
#define VKCLIP_BENCH_H

#include "session.h"
#include "text.h"

enum {
    BENCH_LABEL_TOKENS = 11, // "this is a photo of adenocarcinoma histopathology" and its like
    BENCH_MOST_BATCH = 64,   // that a sweep goes to
    BENCH_MOST_ROWS = 24,    // two sweeps of batches and one of lengths, seven rows each
    BENCH_MOST_RUNS = 1000,
    BENCH_MOST_KERNELS = 16,
};

// A row is warmed up for so long at most, and then measured for so long, but three times.
#define BENCH_WARM_SECONDS 1.0
#define BENCH_ROW_SECONDS  2.0

// Beyond its first row a sweep ends where a single run would take longer: a software driver needs
// seconds for a picture.
#define BENCH_RUN_SECONDS 1.0

// One line: the same call over and over.
struct bench_row {
    bool is_image;
    uint32_t batch;  // pictures or texts a call
    uint32_t tokens; // of each text
    uint32_t run_count;
    bool is_warm; // three successive medians agreed before it was measured
    double median_s, p10_s, p90_s;
};

struct bench_profile {
    uint32_t batch;
    vkclip_kernel_time kernels[BENCH_MOST_KERNELS];
    uint32_t count; // 0 where the device has no timestamps
};

struct bench {
    struct session_options common;
    uint32_t run_count; // of a row, if time allows
    bool is_json;

    struct session session;
    double open_s;                      // opening the model
    double first_image_s, first_text_s; // the first call of each tower; 0 without one
    struct bench_row rows[BENCH_MOST_ROWS];
    uint32_t row_count;
    bool is_cut; // a sweep ended early
    struct bench_profile images, texts;
    uint64_t peak_memory_bytes; // of the process, the roof's own aside
    vkclip_roof roof;           // zeros where it could not be measured
};

// Measures all rows and profiles. Every run is checked before it counts: the same bits at any place
// in any batch. Fails with VKCLIP_ERROR_NUMBERS when they are not, or as the library does.
bool bench_measure(struct bench *bench, vkclip_error *err);

void bench_print_tables(struct text *text, const struct bench *bench);
void bench_print_json(struct text *text, const struct bench *bench);

#endif
