// Any bytes as both configuration files: what is accepted is inside the limits the towers count
// on, a refusal has a message.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "model/config.h"

#define FUZZ_CHECK(condition) \
    do {                      \
        if (!(condition))     \
            abort();          \
    } while (0)

static const char sound[] = "{\"embed_dim\":8,\"vision_cfg\":{\"timm_model_name\":\"vit_x\","
                            "\"timm_pool\":\"\"},\"text_cfg\":{\"hf_model_name\":\"x\","
                            "\"hf_pooler_type\":\"cls_last_hidden_state_pooler\"}}";

static int file_of(const void *data, size_t size, char path[64])
{
    int file = memfd_create("fuzz", 0);
    FUZZ_CHECK(file >= 0 && pwrite(file, data, size, 0) == (ssize_t)size);
    snprintf(path, 64, "/proc/self/fd/%d", file);
    return file;
}

static void check(const char *path, const char *bert_path)
{
    struct config config;
    vkclip_error error = {0};
    const struct config_files files = {.open_clip = path, .model = bert_path};
    if (!config_read(&config, &files, &error)) {
        FUZZ_CHECK(error.status != VKCLIP_OK && error.message[0] != '\0');
        return;
    }
    FUZZ_CHECK(config.image.size_px >= 1 && config.image.size_px <= 4096);
    FUZZ_CHECK(config.text.context_tokens >= 2 && config.text.context_tokens <= 65536);
    FUZZ_CHECK(config.embedding_width >= 1);
    FUZZ_CHECK(config.text.blocks.norm_epsilon >= 0.0f && config.text.blocks.norm_epsilon <= 1.0f);
    for (int i = 0; i < 3; i++)
        FUZZ_CHECK(isfinite(config.image.mean[i]) && config.image.std[i] > 0.0f &&
                   isfinite(config.image.std[i]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64], sound_path[64];
    int file = file_of(data, size, path);
    int sound_file = file_of(sound, sizeof sound - 1, sound_path);
    check(path, NULL);
    check(sound_path, path);
    close(file);
    close(sound_file);
    return 0;
}
