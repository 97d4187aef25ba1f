// engine.c: a model on a device: device memory, the plans of both towers, their inputs.
#include "engine.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/precision.h"
#include "model/tuning.h"

// How much one submit may compute, by kind of device, so that it stays well under 250 ms on a
// slow one: watchdogs kill jobs of seconds. llvmpipe does 10 to 30 GFLOP/s and SwiftShader 3;
// the slowest integrated GPUs 20; a slow discrete one 500.
static double submit_gflop(vkclip_device_kind kind)
{
    switch (kind) {
    case VKCLIP_DEVICE_SOFTWARE:
        return 0.7;
    case VKCLIP_DEVICE_DISCRETE:
        return 40.0;
    default:
        return 4.0;
    }
}

#define MAX_IMAGES_CHOSEN 32 // beyond that batches gain nothing
#define TOKENS_PER_TEXT   8  // a text's share of a plan; shorter ones fill fewer rows

// ---- sizes -----------------------------------------------------------------------------------

static uint32_t max_u32(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

// How many rows a device can bind of a tower's widest activation.
static uint64_t bindable_rows(const vkclip_engine *engine, const struct encoder *e,
                              uint32_t input_cols)
{
    uint32_t cols = max_u32(max_u32(3 * e->width, e->hidden), input_cols);
    uint64_t row_bytes = (uint64_t)cols * engine->kernels.element_bytes;
    if (row_bytes < (uint64_t)e->width * sizeof(float))
        row_bytes = (uint64_t)e->width * sizeof(float);
    uint64_t rows = gpu_get_facts(engine->gpu)->storage_range_bytes / row_bytes;
    return rows < PLAN_MAX_TOKENS ? rows : PLAN_MAX_TOKENS;
}

static bool is_software(const vkclip_engine *engine)
{
    return gpu_get_facts(engine->gpu)->kind == VKCLIP_DEVICE_SOFTWARE;
}

// GFLOP of the largest step of an image: a linear layer or attention. A step is never cut, so it
// decides how many images a submit can take.
static double largest_step_gflop(const struct encoder *e, uint32_t tokens)
{
    double linear = 2e-9 * tokens * e->width * max_u32(3 * e->width, e->hidden);
    double attention = 4e-9 * tokens * tokens * e->width;
    return linear > attention ? linear : attention;
}

static void choose_image_limits(vkclip_engine *engine, uint32_t wanted)
{
    if (!model_has_images(engine->model))
        return;
    const struct vit *vit = &engine->vit;
    const uint32_t tokens = vit_tokens(vit), patch_px = vit->patch_size_px;
    const uint64_t range = gpu_get_facts(engine->gpu)->storage_range_bytes;
    const uint64_t picture_bytes = 3 * (uint64_t)vit->image_size_px * vit->image_size_px;
    uint64_t most = bindable_rows(engine, &vit->encoder, 3 * patch_px * patch_px) / tokens;
    most = min_u32(most, range / picture_bytes);

    double fitting =
        submit_gflop(gpu_get_facts(engine->gpu)->kind) / largest_step_gflop(&vit->encoder, tokens);
    uint32_t images = fitting < MAX_IMAGES_CHOSEN ? (uint32_t)fitting : MAX_IMAGES_CHOSEN;
    if (wanted && is_software(engine)) // no watchdog there
        images = min_u32(wanted, ENGINE_MAX_IMAGES);
    else if (wanted)
        images =
            min_u32(wanted, fitting < ENGINE_MAX_IMAGES ? (uint64_t)fitting : ENGINE_MAX_IMAGES);
    images = max_u32(1, min_u32(most, images));
    engine->images.limits = (struct plan_limits){
        .sequences = images,
        .tokens = images * tokens,
        .longest = tokens,
    };
    engine->one_image.limits = (struct plan_limits){1, tokens, tokens};
}

static struct plan_limits text_limits(uint32_t tokens, uint32_t longest)
{
    return (struct plan_limits){
        .sequences = max_u32(1, tokens / TOKENS_PER_TEXT),
        .tokens = tokens,
        .longest = min_u32(longest, tokens),
    };
}

// fraction, 1 or more, of what the device can bind and compute at once.
static void choose_text_limits(vkclip_engine *engine, uint32_t fraction)
{
    if (!model_has_texts(engine->model))
        return;
    const struct encoder *e = &engine->text.encoder;
    const uint32_t longest = engine->model->config.text.context_tokens;
    double gflop = submit_gflop(gpu_get_facts(engine->gpu)->kind);
    double fitting = gflop / (2e-9 * e->width * e->hidden);
    uint64_t most = bindable_rows(engine, e, 0);
    // At most 64 of the longest texts, or 16384 tokens of small models.
    uint32_t tokens = min_u32(most, fitting < 16384.0 ? (uint64_t)fitting : 16384);
    tokens = max_u32(longest, min_u32(tokens, 64 * (uint64_t)longest));
    tokens = max_u32(longest, tokens / fraction);
    engine->texts.limits = text_limits(tokens, longest);
    engine->few_texts.limits = text_limits(LINEAR_FEW_ROWS, longest);
}

// ---- creation --------------------------------------------------------------------------------

// Whether vkclip_verify left a mark on the device.
static bool check_mark(const vkclip_engine *engine, const char *directory, vkclip_error *err)
{
    char reason[400];
    if (!directory || !gpu_note_read(engine->gpu, directory, engine->facts.precision,
                                     GPU_NOTE_FAILED, reason, sizeof reason))
        return true;
    return fail(err, VKCLIP_ERROR_DEVICE,
                "%s failed 'vkclip verify' in %s: passing it lifts this, --force overrides it (%s)",
                engine->facts.device.name, precision_name(engine->facts.precision), reason);
}

static bool open_device(vkclip_engine *engine, const vkclip_engine_params *params,
                        vkclip_error *err)
{
    const double start = vkclip_clock_seconds();
    engine->gpu = gpu_create(params->device, &engine->log, err);
    if (!engine->gpu)
        return false;
    engine->facts.device_s = vkclip_clock_seconds() - start;
    const vkclip_device_facts *device = gpu_get_facts(engine->gpu);
    engine->facts.device = *device;
    if (device->kind == VKCLIP_DEVICE_SOFTWARE && !params->device)
        log_line(&engine->log, VKCLIP_LOG_WARNING, "no GPU found, running on the CPU with %s",
                 device->name);
    engine->facts.precision = tuning_precision(device, params->precision);
    return params->allows_failed_device || check_mark(engine, params->cache_directory, err);
}

static void note_variants(const struct kernels *kernels, vkclip_engine_facts *facts)
{
    const struct linear_variant *const *linear = kernels->choice.linear;
    const struct linear_variant *const *f32 = kernels->choice.linear_f32;
    int length = snprintf(facts->variants, sizeof facts->variants,
                          "linear %s of few rows, %s of an image, %s of more", linear[0]->name,
                          linear[1]->name, linear[2]->name);
    if (kernels->precision == VKCLIP_PRECISION_FP16)
        length += snprintf(facts->variants + length, sizeof facts->variants - (size_t)length,
                           "; to fp32 %s, %s, %s", f32[0]->name, f32[1]->name, f32[2]->name);
    snprintf(facts->variants + length, sizeof facts->variants - (size_t)length, "; attention %s",
             kernels->choice.attention->name);
}

static bool create_kernels(vkclip_engine *engine, const char *cache_directory, vkclip_error *err)
{
    const double start = vkclip_clock_seconds();
    const struct encoder *encoder =
        model_has_images(engine->model) ? &engine->vit.encoder : &engine->text.encoder;
    struct kernels_choice choice;
    const bool is_tuned =
        tuning_read_choice(engine->gpu, cache_directory, engine->facts.precision, &choice);
    gpu_cache_load(engine->gpu, cache_directory);
    if (!kernels_init(&engine->kernels, engine->gpu,
                      &(struct kernels_params){
                          .precision = engine->facts.precision,
                          .tiles = kernels_choose_tiles(&engine->facts.device),
                          .head_dim = encoder->width / encoder->heads,
                          .is_causal = engine->text.encoder.is_causal,
                          .has_mean = engine->vit.pooling == POOLING_MEAN ||
                                      engine->text.pooling == POOLING_MEAN,
                          .choice = is_tuned ? &choice : NULL,
                      },
                      err))
        return false;
    gpu_cache_save(engine->gpu, cache_directory);
    note_variants(&engine->kernels, &engine->facts);
    engine->facts.pipelines_s = vkclip_clock_seconds() - start;
    return true;
}

// Where the device's memory ran out, one sentence with what is needed and what there is; else the
// reason as it is. Returns false.
static bool explain_memory(const vkclip_engine *engine, const char *what, uint64_t need_bytes,
                           const vkclip_error *reason, vkclip_error *err)
{
    struct gpu_room room = {0};
    if (reason->status == VKCLIP_ERROR_MEMORY)
        room = gpu_get_room(engine->gpu);
    if (!room.is_short) {
        if (err)
            *err = *reason;
        return false;
    }
    char left[48] = "";
    if (room.free_bytes != UINT64_MAX)
        snprintf(left, sizeof left, ", of which %" PRIu64 " are free", room.free_bytes >> 20);
    return fail(err, VKCLIP_ERROR_MEMORY,
                "%s is out of memory: %s need %" PRIu64 " MiB, the device has %" PRIu64 "%s",
                engine->facts.device.name, what, (need_bytes + 0xfffff) >> 20,
                room.heap_bytes >> 20, left);
}

static bool upload_weights(vkclip_engine *engine, vkclip_error *err)
{
    const double start = vkclip_clock_seconds();
    struct loader loader;
    const vkclip_model *model = engine->model;
    if (!loader_init(&loader, &model->weights, engine->facts.precision, &engine->log, err))
        return false;
    model_load(model, &engine->vit, &engine->text, &loader); // counts bytes; was checked before

    const uint64_t need_bytes = loader.need_bytes;
    const uint64_t free_bytes = gpu_get_room(engine->gpu).free_bytes;
    if (need_bytes > free_bytes) // which is an estimate, so it is tried
        log_line(&engine->log, VKCLIP_LOG_WARNING,
                 "the weights need %" PRIu64 " MiB, %s has %" PRIu64 " free",
                 (need_bytes + 0xfffff) >> 20, engine->facts.device.name, free_bytes >> 20);
    loader_begin_upload(&loader, engine->gpu, &engine->weights);
    model_load(model, &engine->vit, &engine->text, &loader);
    vkclip_error reason = {0};
    bool is_done = loader_end_upload(&loader, &reason);
    if (!is_done)
        explain_memory(engine, "the weights", need_bytes, &reason, err);
    engine->facts.read_s = loader.times.read_s;
    engine->facts.convert_s = loader.times.convert_s;
    engine->facts.upload_s = loader.times.upload_s;
    loader_finish(&loader);
    engine->facts.weights_bytes = engine->weights.size_bytes;
    engine->facts.weights_s = vkclip_clock_seconds() - start;
    return is_done;
}

static struct gpu_range whole(struct gpu_buffer *buffer, uint64_t size_bytes)
{
    return (struct gpu_range){.buffer = buffer, .size_bytes = size_bytes};
}

// Tiles of the first rows, then those of the other queries; see plan_cut_tiles.
static uint64_t most_tiles(const vkclip_engine *engine, const struct plan_limits *limits)
{
    uint32_t width = engine->kernels.shapes[KERNEL_ATTENTION].rows;
    return 2 * (uint64_t)limits->sequences + limits->tokens / width;
}

// Buffers of a run; 0 for what the model does not have.
struct input_sizes {
    uint64_t pixels, tokens, tiles, out, logits;
};

static struct input_sizes input_sizes(const vkclip_engine *engine)
{
    const struct plan_limits *images = &engine->images.limits, *texts = &engine->texts.limits;
    const uint64_t side = engine->vit.image_size_px;
    uint64_t image_tiles = most_tiles(engine, images), text_tiles = most_tiles(engine, texts);
    return (struct input_sizes){
        .pixels = (images->sequences * side * side * 3 + 3) / 4 * 4,
        .tokens = texts->tokens * (uint64_t)sizeof(struct token),
        .tiles =
            (image_tiles > text_tiles ? image_tiles : text_tiles) * sizeof(struct attention_tile),
        .out = (uint64_t)max_u32(images->sequences, texts->sequences) *
               engine->model->facts.embedding_width * sizeof(float),
        .logits = (uint64_t)images->sequences * engine->vit.class_count * sizeof(float),
    };
}

static bool create_inputs(vkclip_engine *engine, vkclip_error *err)
{
    const struct input_sizes sizes = input_sizes(engine);
    const struct {
        struct gpu_buffer **buffer;
        uint64_t size_bytes;
        enum gpu_memory memory;
    } buffers[] = {
        {&engine->pixels, sizes.pixels, GPU_MEMORY_UPLOAD},
        {&engine->tokens, sizes.tokens, GPU_MEMORY_UPLOAD},
        {&engine->tiles, sizes.tiles, GPU_MEMORY_UPLOAD},
        {&engine->out, sizes.out, GPU_MEMORY_READBACK},
        {&engine->logits, sizes.logits, GPU_MEMORY_READBACK},
    };
    if (!pictures_init(&engine->pictures, engine->model, engine->images.limits.sequences, err))
        return false;
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++) {
        if (buffers[i].size_bytes == 0)
            continue;
        *buffers[i].buffer =
            gpu_buffer_create(engine->gpu, buffers[i].size_bytes, buffers[i].memory, err);
        if (!*buffers[i].buffer)
            return false;
    }
    return true;
}

static struct tower_plan *tower(vkclip_engine *engine, int index)
{
    struct tower_plan *towers[] = {&engine->images, &engine->one_image, &engine->texts,
                                   &engine->few_texts};
    return towers[index];
}
#define TOWER_PLANS 4

static bool plan_towers(vkclip_engine *engine, uint64_t *arena_bytes, vkclip_error *err)
{
    const struct input_sizes sizes = input_sizes(engine);
    const double gflop = submit_gflop(engine->facts.device.kind);
    struct gpu_range tiles = whole(engine->tiles, sizes.tiles);
    struct gpu_range out = whole(engine->out, sizes.out);
    *arena_bytes = 0;
    for (int i = 0; i < TOWER_PLANS; i++) {
        struct tower_plan *t = tower(engine, i);
        if (t->limits.sequences == 0)
            continue;
        t->plan = plan_create(&engine->kernels, &t->limits, gflop);
        if (!t->plan)
            return fail(err, VKCLIP_ERROR_MEMORY, "no memory for a plan");
        if (t == &engine->images || t == &engine->one_image)
            vit_plan(&engine->vit, t->plan, whole(engine->pixels, sizes.pixels), tiles,
                     &(struct vit_outputs){out, whole(engine->logits, sizes.logits)});
        else
            text_plan(&engine->text, t->plan, whole(engine->tokens, sizes.tokens), tiles, out);
        uint64_t needed;
        if (!plan_layout(t->plan, &needed, err))
            return false;
        if (*arena_bytes < needed)
            *arena_bytes = needed;
    }
    return true;
}

static void drop_plans(vkclip_engine *engine)
{
    for (int i = 0; i < TOWER_PLANS; i++) {
        plan_destroy(tower(engine, i)->plan);
        tower(engine, i)->plan = NULL;
    }
    gpu_buffer_destroy(engine->gpu, engine->arena);
    gpu_buffer_destroy(engine->gpu, engine->pixels);
    gpu_buffer_destroy(engine->gpu, engine->tokens);
    gpu_buffer_destroy(engine->gpu, engine->tiles);
    gpu_buffer_destroy(engine->gpu, engine->out);
    gpu_buffer_destroy(engine->gpu, engine->logits);
    pictures_finish(&engine->pictures);
    engine->arena = engine->pixels = engine->tokens = engine->tiles = engine->out = NULL;
    engine->logits = NULL;
}

static bool record_towers(vkclip_engine *engine, bool is_timed, vkclip_error *err)
{
    for (int i = 0; i < TOWER_PLANS; i++)
        if (tower(engine, i)->plan &&
            !plan_record(tower(engine, i)->plan, engine->arena, is_timed, err))
            return false;
    return true;
}

// Whether the plans are as small as they can be.
static bool are_least(const vkclip_engine *engine)
{
    return engine->images.limits.sequences <= 1 &&
           engine->texts.limits.tokens <= engine->model->config.text.context_tokens;
}

// Beyond what the driver thinks is left, a device may swap until a watchdog ends it; the smallest
// plans are tried all the same.
static bool allocate_and_plan(vkclip_engine *engine, vkclip_error *err)
{
    uint64_t *arena_bytes = &engine->facts.arena_bytes;
    if (!create_inputs(engine, err) || !plan_towers(engine, arena_bytes, err))
        return false;
    if (*arena_bytes > gpu_get_room(engine->gpu).free_bytes && !are_least(engine))
        return fail(err, VKCLIP_ERROR_MEMORY, "little memory left");
    engine->arena = gpu_buffer_create(engine->gpu, *arena_bytes, GPU_MEMORY_DEVICE, err);
    return engine->arena && record_towers(engine, false, err);
}

static uint64_t needed_bytes(const vkclip_engine *engine)
{
    const struct input_sizes inputs = input_sizes(engine);
    return engine->facts.weights_bytes + engine->facts.arena_bytes + inputs.pixels + inputs.tokens +
           inputs.tiles + inputs.out + inputs.logits;
}

// Where memory is short, fewer images and texts at once, down to one.
static bool plan_within_memory(vkclip_engine *engine, uint32_t max_images, vkclip_error *err)
{
    const double start = vkclip_clock_seconds();
    vkclip_error reason;
    uint32_t fraction = 1;
    choose_image_limits(engine, max_images);
    choose_text_limits(engine, fraction);
    while (!allocate_and_plan(engine, &reason)) {
        uint32_t images = engine->images.limits.sequences;
        drop_plans(engine);
        if (reason.status != VKCLIP_ERROR_MEMORY || are_least(engine))
            return explain_memory(engine, "the model's weights and one image or text",
                                  needed_bytes(engine), &reason, err);
        fraction *= 2;
        choose_image_limits(engine, max_u32(1, images / 2));
        choose_text_limits(engine, fraction);
    }
    engine->facts.max_images = engine->images.limits.sequences;
    engine->facts.max_text_tokens = engine->texts.limits.tokens;
    engine->facts.plan_s = vkclip_clock_seconds() - start;
    return true;
}

vkclip_engine *vkclip_engine_create(const vkclip_model *model, const vkclip_engine_params *params,
                                    vkclip_error *err)
{
    if (!model || !params || !model->is_whole) {
        fail(err, VKCLIP_ERROR_ARGUMENT,
             "vkclip_engine_create wants a model opened with VKCLIP_MODEL_WHOLE, and params");
        return NULL;
    }
    vkclip_engine *engine = calloc(1, sizeof *engine);
    if (!engine) {
        fail(err, VKCLIP_ERROR_MEMORY, "no memory for an engine");
        return NULL;
    }
    engine->model = model;
    engine->log = params->log;
    engine->vit = model->vit;
    engine->text = model->text;
    if (open_device(engine, params, err) && create_kernels(engine, params->cache_directory, err) &&
        upload_weights(engine, err) && plan_within_memory(engine, params->max_images, err))
        return engine;
    vkclip_engine_destroy(engine);
    return NULL;
}

void vkclip_engine_destroy(vkclip_engine *engine)
{
    if (!engine)
        return;
    if (engine->gpu) {
        gpu_wait_idle(engine->gpu);
        drop_plans(engine);
        weight_memory_finish(&engine->weights, engine->gpu);
        if (engine->kernels.gpu)
            kernels_finish(&engine->kernels);
        gpu_destroy(engine->gpu);
    }
    free(engine);
}

const vkclip_engine_facts *vkclip_engine_get_facts(const vkclip_engine *engine)
{
    return &engine->facts;
}

const char *vkclip_version(void)
{
    return VKCLIP_VERSION;
}

bool vkclip_devices(vkclip_device_facts *devices, uint32_t capacity, uint32_t *count,
                    vkclip_error *err)
{
    if (!count || (capacity && !devices))
        return fail(err, VKCLIP_ERROR_ARGUMENT, "vkclip_devices: nowhere to write to");
    return gpu_list(devices, capacity, count, err);
}

// ---- profile ---------------------------------------------------------------------------------

bool vkclip_profile_begin(vkclip_engine *engine, vkclip_error *err)
{
    if (!engine)
        return fail(err, VKCLIP_ERROR_ARGUMENT, "vkclip_profile_begin: no engine");
    if (!engine->facts.device.has_timestamps)
        return fail(err, VKCLIP_ERROR_DEVICE, "%s has no timestamps", engine->facts.device.name);
    memset(engine->times, 0, sizeof engine->times);
    if (!record_towers(engine, true, err))
        return false;
    engine->is_profiling = true;
    return true;
}

bool vkclip_profile_end(vkclip_engine *engine, vkclip_kernel_time *rows, uint32_t capacity,
                        uint32_t *count, vkclip_error *err)
{
    if (!engine || !rows || !count)
        return fail(err, VKCLIP_ERROR_ARGUMENT, "vkclip_profile_end: a NULL argument");
    *count = 0;
    for (int i = 0; i < KERNEL_COUNT; i++) {
        const vkclip_kernel_time *time = &engine->times[i];
        uint32_t row = 0;
        while (row < *count && (strcmp(rows[row].kernel, kernel_name((enum kernel)i)) != 0 ||
                                rows[row].arithmetic != time->arithmetic))
            row++;
        if (time->calls == 0 || row == capacity)
            continue;
        if (row == *count) {
            rows[row] = (vkclip_kernel_time){.arithmetic = time->arithmetic};
            snprintf(rows[row].kernel, sizeof rows[row].kernel, "%s", kernel_name((enum kernel)i));
            (*count)++;
        }
        rows[row].calls += time->calls;
        rows[row].milliseconds += time->milliseconds;
        rows[row].gflop += time->gflop;
        rows[row].gigabytes += time->gigabytes;
    }
    engine->is_profiling = false;
    return record_towers(engine, false, err);
}
