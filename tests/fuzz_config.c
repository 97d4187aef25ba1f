// Any bytes as any one of the configuration files: what is accepted is inside the limits the towers
// count on, a refusal has a message.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

static void check_image(const struct image_config *image)
{
    const struct resize_target *resize = &image->resize;
    if (image->scheme == IMAGE_NONE)
        return;
    FUZZ_CHECK(image->size_px >= 1 && image->size_px <= 4096);
    FUZZ_CHECK(resize->side_px == image->size_px && resize->resized_px >= resize->side_px);
    FUZZ_CHECK(resize->resized_px <= 4 * 4096);
    for (int i = 0; i < 3; i++)
        FUZZ_CHECK(isfinite(image->mean[i]) && image->std[i] > 0.0f && isfinite(image->std[i]));
    for (uint32_t i = 0; image->classes && i < image->class_count; i++)
        FUZZ_CHECK(image->classes[i]);
}

static void check(const struct config_files *files)
{
    struct config config;
    vkclip_error error = {0};
    if (!config_read(&config, files, &error)) {
        FUZZ_CHECK(error.status != VKCLIP_OK && error.message[0] != '\0');
        config_finish(&config);
        return;
    }
    const struct text_config *text = &config.text;
    FUZZ_CHECK(config.image.scheme != IMAGE_NONE || text->scheme != TEXT_NONE);
    check_image(&config.image);
    if (text->scheme != TEXT_NONE) {
        FUZZ_CHECK(text->context_tokens >= 2 && text->context_tokens <= 65536);
        FUZZ_CHECK(text->blocks.norm_epsilon >= 0.0f && text->blocks.norm_epsilon <= 1.0f);
    }
    config_finish(&config);
}

static void check_beside(const char *model, const char *path)
{
    char model_path[64];
    int file = file_of(model, strlen(model), model_path);
    check(&(struct config_files){.model = model_path, .preprocessor = path});
    check(&(struct config_files){.model = model_path, .modules = path});
    check(&(struct config_files){.model = model_path, .pooling = path, .sentence = path});
    check(&(struct config_files){.model = model_path, .tokenizer = path});
    close(file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64], sound_path[64];
    int file = file_of(data, size, path);
    int sound_file = file_of(sound, sizeof sound - 1, sound_path);
    check(&(struct config_files){.open_clip = path});
    check(&(struct config_files){.open_clip = sound_path, .model = path});
    check(&(struct config_files){.model = path});
    check_beside("{\"model_type\":\"bert\"}", path);
    check_beside("{\"model_type\":\"vit\"}", path);
    check_beside("{\"model_type\":\"dinov2\"}", path);
    close(file);
    close(sound_file);
    return 0;
}
