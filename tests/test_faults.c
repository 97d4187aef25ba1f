// Every Vulkan call that can fail is failed at its every use with every VkResult it may return,
// by the layer of tests/layer. Defends that the library then says so in one sentence, that nothing
// is leaked, that a lost device stays lost with one and the same error, and that after a failure
// that passes the next call gives the right numbers.
//
// On the Khronos mock driver, which computes nothing, every use of every call is failed; on drivers
// that compute, the first, the middle and the last one.
#include "test.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vkclip.h"

#define HOST   "VK_ERROR_OUT_OF_HOST_MEMORY"
#define DEVICE "VK_ERROR_OUT_OF_DEVICE_MEMORY"
#define LOST   "VK_ERROR_DEVICE_LOST"

// What each call may return: Vulkan 1.3.239, vk.xml, without what belongs to features the library
// does not use. Every call may return VK_ERROR_UNKNOWN as well.
static const struct {
    const char *call;
    const char *results[8];
} calls[] = {
    {"vkCreateInstance",
     {HOST, DEVICE, "VK_ERROR_INITIALIZATION_FAILED", "VK_ERROR_LAYER_NOT_PRESENT",
      "VK_ERROR_EXTENSION_NOT_PRESENT", "VK_ERROR_INCOMPATIBLE_DRIVER"}},
    {"vkEnumeratePhysicalDevices", {HOST, DEVICE, "VK_ERROR_INITIALIZATION_FAILED"}},
    {"vkEnumerateDeviceExtensionProperties", {HOST, DEVICE, "VK_ERROR_LAYER_NOT_PRESENT"}},
    {"vkCreateDevice",
     {HOST, DEVICE, "VK_ERROR_INITIALIZATION_FAILED", "VK_ERROR_EXTENSION_NOT_PRESENT",
      "VK_ERROR_FEATURE_NOT_PRESENT", "VK_ERROR_TOO_MANY_OBJECTS", LOST}},
    {"vkCreateCommandPool", {HOST, DEVICE}},
    {"vkAllocateCommandBuffers", {HOST, DEVICE}},
    {"vkBeginCommandBuffer", {HOST, DEVICE}},
    {"vkEndCommandBuffer", {HOST, DEVICE}},
    {"vkCreateFence", {HOST, DEVICE}},
    {"vkResetFences", {DEVICE}},
    {"vkWaitForFences", {HOST, DEVICE, LOST, "VK_TIMEOUT"}},
    {"vkQueueSubmit", {HOST, DEVICE, LOST}},
    {"vkDeviceWaitIdle", {HOST, DEVICE, LOST}},
    {"vkCreateDescriptorSetLayout", {HOST, DEVICE}},
    {"vkCreatePipelineLayout", {HOST, DEVICE}},
    {"vkCreateDescriptorPool", {HOST, DEVICE, "VK_ERROR_FRAGMENTATION"}},
    {"vkAllocateDescriptorSets",
     {HOST, DEVICE, "VK_ERROR_FRAGMENTED_POOL", "VK_ERROR_OUT_OF_POOL_MEMORY"}},
    {"vkCreateShaderModule", {HOST, DEVICE, "VK_ERROR_INVALID_SHADER_NV"}},
    {"vkCreateComputePipelines", {HOST, DEVICE, "VK_ERROR_INVALID_SHADER_NV"}},
    {"vkCreatePipelineCache", {HOST, DEVICE}},
    {"vkGetPipelineCacheData", {HOST, DEVICE, "VK_INCOMPLETE"}},
    {"vkCreateBuffer", {HOST, DEVICE}},
    {"vkAllocateMemory", {HOST, DEVICE}},
    {"vkBindBufferMemory", {HOST, DEVICE}},
    {"vkMapMemory", {HOST, DEVICE, "VK_ERROR_MEMORY_MAP_FAILED"}},
    {"vkFlushMappedMemoryRanges", {HOST, DEVICE}},
    {"vkInvalidateMappedMemoryRanges", {HOST, DEVICE}},
    {"vkCreateQueryPool", {HOST, DEVICE}},
    {"vkGetQueryPoolResults", {HOST, DEVICE, LOST, "VK_NOT_READY"}},
};

// ---- what is done with an engine -------------------------------------------------------------

#define IMAGES 3
#define TEXTS  2
#define SIDE   32 // of the tiny model's pictures
#define WIDTH  40 // of its embeddings
#define TIMES  16

static struct {
    vkclip_model *model;
    uint8_t pixels[IMAGES * SIDE * SIDE * 3];
    char directory[64]; // for the pipeline cache and the counts
    bool computes;
} fixed;

enum step { LOAD, EMBED_IMAGES, EMBED_TEXTS, EMBED_LABELS, PROFILE_ON, PROFILED, PROFILE_OFF };
#define STEPS 7
static const char *const step_names[STEPS] = {"load",          "embed images",  "embed texts",
                                              "embed labels",  "begin profile", "embed in turn",
                                              "end of profile"};

struct session {
    vkclip_engine *engine;
    float embeddings[STEPS][IMAGES * WIDTH];
};

static bool do_step(struct session *session, enum step step, vkclip_error *err)
{
    static const char *const texts[TEXTS] = {"cells", "pink cells of the liver"};
    static const char *const templates[] = {"{}", "a photo of {}"};
    float *out = session->embeddings[step];
    vkclip_kernel_time times[TIMES];
    uint32_t count;
    switch (step) {
    case LOAD:
        session->engine = vkclip_engine_create(
            fixed.model, &(vkclip_engine_params){.cache_directory = fixed.directory}, err);
        return session->engine != NULL;
    case EMBED_IMAGES:
    case PROFILED:
        return vkclip_embed_pixels(session->engine, fixed.pixels, IMAGES, out, err);
    case EMBED_TEXTS:
        return vkclip_embed_texts(session->engine, texts, TEXTS, out, err);
    case EMBED_LABELS:
        return vkclip_embed_labels(session->engine, texts, TEXTS, templates, 2, out, err);
    case PROFILE_ON:
        return vkclip_profile_begin(session->engine, err);
    case PROFILE_OFF:
        return vkclip_profile_end(session->engine, times, TIMES, &count, err);
    }
    return false;
}

// What a driver that computes nothing leaves in a buffer may be no number.
static bool succeeds(struct session *session, enum step step, vkclip_error *err)
{
    *err = (vkclip_error){0};
    return do_step(session, step, err) || (!fixed.computes && err->status == VKCLIP_ERROR_NUMBERS);
}

static struct session wanted; // embeddings without any fault

// ---- one run with a fault --------------------------------------------------------------------

struct fault {
    const char *call, *result;
    uint32_t use;
    bool is_lasting;
};

static void plant(const char *clauses)
{
    char setting[256];
    snprintf(setting, sizeof setting, "%s;leaks=abort;count=%s/count", clauses, fixed.directory);
    setenv("VKCLIP_LAYER", setting, 1);
}

// How often a call was used in the last run.
static uint32_t uses_of(const char *call)
{
    char path[80], name[64];
    uint32_t count, found = 0;
    snprintf(path, sizeof path, "%s/count", fixed.directory);
    FILE *file = fopen(path, "r");
    if (!file)
        return 0;
    while (fscanf(file, "%63s %u", name, &count) == 2)
        if (strcmp(name, call) == 0)
            found = count;
    fclose(file);
    return found;
}

static bool complain(const struct fault *fault, enum step step, const char *what)
{
    printf("%s, use %u, %s%s: %s: %s\n", fault->call, fault->use, fault->result,
           fault->is_lasting ? " from then on" : "", step_names[step], what);
    return false;
}

static bool is_one_of(const char *call, const char *const *list)
{
    while (*list && strcmp(*list, call) != 0)
        list++;
    return *list;
}

// No step depends on these: a cache that is lost, a wait before destruction.
static const char *const harmless[] = {"vkCreatePipelineCache", "vkGetPipelineCacheData",
                                       "vkDeviceWaitIdle", NULL};

// Without these there is another way: no extension is needed, though the loader wants the list
// when it creates a device; other memory may have room; weights that cannot be written to the
// device's memory are copied.
static const char *const avoidable[] = {"vkEnumerateDeviceExtensionProperties", "vkAllocateMemory",
                                        "vkMapMemory", NULL};

static bool is_memory(const struct fault *fault)
{
    return strcmp(fault->result, HOST) == 0 || strcmp(fault->result, DEVICE) == 0;
}

static vkclip_status fitting_status(const struct fault *fault)
{
    bool is_wait = strcmp(fault->call, "vkWaitForFences") == 0;
    if (is_wait || strcmp(fault->result, LOST) == 0)
        return VKCLIP_ERROR_LOST;
    return is_memory(fault) ? VKCLIP_ERROR_MEMORY : VKCLIP_ERROR_DEVICE;
}

static bool check_numbers(const struct session *session, const struct fault *fault, enum step step)
{
    if (fixed.computes && memcmp(session->embeddings[step], wanted.embeddings[step],
                                 sizeof wanted.embeddings[step]) != 0)
        return complain(fault, step, "other numbers than without the fault");
    return true;
}

// A step that failed: the error must fit, and a failure that has passed must not come again.
static bool check_failure(struct session *session, const struct fault *fault, enum step step,
                          vkclip_error *err)
{
    if (!err->message[0] || strchr(err->message, '\n'))
        return complain(fault, step, "fails without a sentence");
    if (is_one_of(fault->call, harmless) || err->status != fitting_status(fault))
        return complain(fault, step, err->message);
    if (step == LOAD || err->status == VKCLIP_ERROR_LOST || fault->is_lasting)
        return true;
    vkclip_error again;
    if (!succeeds(session, step, &again))
        return complain(fault, step, again.message);
    return check_numbers(session, fault, step);
}

static bool run_steps(struct session *session, const struct fault *fault, uint32_t *failure_count)
{
    vkclip_error first = {0}, err;
    for (int i = 0; i < STEPS; i++) {
        enum step step = (enum step)i;
        bool is_done = succeeds(session, step, &err);
        if (is_done && first.status == VKCLIP_ERROR_LOST)
            return complain(fault, step, "succeeds on a lost device");
        if (is_done && !check_numbers(session, fault, step))
            return false;
        if (is_done)
            continue;
        ++*failure_count;
        if (!check_failure(session, fault, step, &err))
            return false;
        if (first.status == VKCLIP_ERROR_LOST && memcmp(&first, &err, sizeof err) != 0)
            return complain(fault, step, "another error than the first on a lost device");
        first = err;
        if (step == LOAD)
            return true;
    }
    return true;
}

static bool survives(const struct fault *fault)
{
    char clause[160];
    snprintf(clause, sizeof clause, "fail=%s:%u:%s%s", fault->call, fault->use, fault->result,
             fault->is_lasting ? ":on" : "");
    plant(clause);
    struct session session = {0};
    uint32_t failure_count = 0;
    bool is_fine = run_steps(&session, fault, &failure_count);
    vkclip_engine_destroy(session.engine);
    // Where memory is short, loading makes do with less.
    bool may_pass =
        is_one_of(fault->call, harmless) || is_one_of(fault->call, avoidable) || is_memory(fault);
    if (is_fine && failure_count == 0 && !may_pass)
        return complain(fault, LOAD, "no step fails");
    return is_fine;
}

// In a process of its own: the instance of a device that hangs lives to the end of the process.
static bool survives_apart(const struct fault *fault)
{
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        bool is_fine = survives(fault);
        fflush(stdout);
        _exit(is_fine ? 0 : 1);
    }
    int status;
    if (waitpid(child, &status, 0) != child || status != 0)
        return complain(fault, LOAD, "ends the process or was not survived");
    return true;
}

// ---- all of them -----------------------------------------------------------------------------

static bool is_sampled(uint32_t use, uint32_t uses)
{
    return use == 1 || use == uses || use == (uses + 1) / 2;
}

// A fault that passes at every use; one that lasts at the sampled ones.
static uint32_t fail_use(struct fault fault, uint32_t uses, uint32_t *run_count)
{
    const bool is_hang = strcmp(fault.result, "VK_TIMEOUT") == 0;
    const bool may_last = is_sampled(fault.use, uses) && !is_hang;
    uint32_t failures = 0;
    for (int lasts = 0; lasts <= may_last; lasts++) {
        fault.is_lasting = lasts;
        failures += !(is_hang ? survives_apart(&fault) : survives(&fault));
        ++*run_count;
    }
    return failures;
}

static uint32_t fail_call(size_t index, uint32_t uses, uint32_t *run_count)
{
    uint32_t failures = 0;
    for (uint32_t use = 1; use <= uses; use++) {
        if (fixed.computes && !is_sampled(use, uses))
            continue;
        struct fault fault = {.call = calls[index].call, .use = use};
        for (size_t i = 0; i < COUNT(calls[index].results) && calls[index].results[i]; i++) {
            fault.result = calls[index].results[i];
            failures += fail_use(fault, uses, run_count);
        }
        fault.result = "VK_ERROR_UNKNOWN";
        failures += fail_use(fault, uses, run_count);
    }
    return failures;
}

static void d05_every_call_may_fail_at_its_every_use(void **state)
{
    (void)state;
    uint32_t uses[COUNT(calls)], run_count = 0, failures = 0;
    plant("");
    struct fault none = {.call = "no fault", .result = "", .is_lasting = true};
    for (int i = 0; i < 2; i++) { // the second finds the pipeline cache of the first
        struct session session = {0};
        assert_true(run_steps(&session, &none, &failures));
        assert_int_equal(failures, 0);
        vkclip_engine_destroy(session.engine);
    }
    for (size_t i = 0; i < COUNT(calls); i++)
        uses[i] = uses_of(calls[i].call);
    for (size_t i = 0; i < COUNT(calls); i++) {
        uint32_t found = fail_call(i, uses[i], &run_count);
        printf("  %-38s %3u uses%s\n", calls[i].call, uses[i], found ? ", FAILED" : "");
        failures += found;
    }
    printf("  %u faults planted\n", run_count);
    assert_int_equal(failures, 0);
}

// ---- set-up ----------------------------------------------------------------------------------

// The layer comes behind those that are asked for already, so that validation sees what it does.
static void switch_layer_on(const char *folder)
{
    char layers[256], path[4096];
    const char *others = getenv("VK_INSTANCE_LAYERS"), *only = getenv("VK_LAYER_PATH");
    snprintf(layers, sizeof layers, "%s%sVK_LAYER_VKCLIP_test", others ? others : "",
             others ? ":" : "");
    setenv("VK_INSTANCE_LAYERS", layers, 1);
    snprintf(path, sizeof path, "%s%s%s", folder, only ? ":" : "", only ? only : "");
    setenv(only ? "VK_LAYER_PATH" : "VK_ADD_LAYER_PATH", path, 1);
    setenv("VKCLIP_LAYER", "", 1);
    setenv("NODEVICE_SELECT", "1", 1); // Mesa's own layer crashes where listing extensions fails
}

static int set_up(void **state)
{
    (void)state;
    vkclip_device_facts device;
    vkclip_error err;
    uint32_t count;
    fixed.model =
        vkclip_model_open("tests/golden/tiny/tiny.safetensors", VKCLIP_MODEL_WHOLE, NULL, &err);
    if (!fixed.model || !vkclip_devices(&device, 1, &count, &err) || count == 0) {
        print_error("%s\n", err.message);
        return -1;
    }
    fixed.computes = !strstr(device.name, "Mock");
    for (size_t i = 0; i < sizeof fixed.pixels; i++)
        fixed.pixels[i] = (uint8_t)(i * 2654435761u >> 24);
    strcpy(fixed.directory, "/tmp/vkclip-faults-XXXXXX");
    if (!mkdtemp(fixed.directory))
        return -1;
    for (int i = 0; i < STEPS; i++)
        if (!succeeds(&wanted, (enum step)i, &err)) {
            print_error("%s: %s\n", step_names[i], err.message);
            return -1;
        }
    vkclip_engine_destroy(wanted.engine);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    char command[96];
    vkclip_model_close(fixed.model);
    snprintf(command, sizeof command, "rm -rf %s", fixed.directory);
    return system(command);
}

int main(int argument_count, char **arguments)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(d05_every_call_may_fail_at_its_every_use),
    };
    if (argument_count != 2)
        return 2;
    switch_layer_on(arguments[1]);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
