#include "variant.h"

#include "test.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef _WIN32
#include <direct.h>
#endif

#define TINY_DIRECTORY "tests/golden/tiny/"

static unsigned char *read_file(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        fail_msg("%s is missing", path);
    fseek(file, 0, SEEK_END);
    *size = (size_t)ftell(file);
    rewind(file);
    unsigned char *bytes = malloc(*size + 1);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, *size, file), *size);
    bytes[*size] = 0;
    fclose(file);
    return bytes;
}

static void write_file(const struct variant *variant, const char *name, const void *bytes,
                       size_t size)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", variant->directory, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static const char *const side_files[] = {"open_clip_config.json", "config.json", "vocab.txt"};

static void make_directory(char *path)
{
    strcpy(path, "/tmp/vkclip-variant-XXXXXX");
#ifdef _WIN32
    assert_non_null(_mktemp(path));
    assert_int_equal(_mkdir(path), 0);
#else
    assert_non_null(mkdtemp(path));
#endif
}

void variant_begin(struct variant *variant)
{
    make_directory(variant->directory);
    for (size_t i = 0; i < COUNT(side_files); i++) {
        char path[128];
        size_t size;
        snprintf(path, sizeof path, TINY_DIRECTORY "%s", side_files[i]);
        unsigned char *bytes = read_file(path, &size);
        write_file(variant, side_files[i], bytes, size);
        free(bytes);
    }
    variant->weights = read_file(TINY_DIRECTORY "tiny.safetensors", &variant->weights_bytes);
}

static size_t header_bytes(const struct variant *variant)
{
    size_t count = 0;
    for (int i = 7; i >= 0; i--)
        count = count << 8 | variant->weights[i];
    return count;
}

static unsigned char *find(const struct variant *variant, const char *text)
{
    unsigned char *header = variant->weights + 8;
    for (size_t i = 0; i + strlen(text) <= header_bytes(variant); i++)
        if (memcmp(header + i, text, strlen(text)) == 0)
            return header + i;
    fail_msg("the header has no %s", text);
    return NULL;
}

void variant_replace(struct variant *variant, const char *old_text, const char *new_text)
{
    assert_int_equal(strlen(old_text), strlen(new_text));
    memcpy(find(variant, old_text), new_text, strlen(new_text));
}

void variant_append_empty(struct variant *variant, const char *tensor, const char *shape)
{
    size_t header = header_bytes(variant), brace = 8 + header;
    while (variant->weights[--brace] != '}')
        ;
    size_t data_bytes = variant->weights_bytes - 8 - header;
    char entry[256];
    size_t entry_bytes = (size_t)snprintf(
        entry, sizeof entry, ",\"%s\":{\"dtype\":\"F32\",\"shape\":%s,\"data_offsets\":[%zu,%zu]}",
        tensor, shape, data_bytes, data_bytes);
    variant->weights = realloc(variant->weights, variant->weights_bytes + entry_bytes);
    assert_non_null(variant->weights);
    memmove(variant->weights + brace + entry_bytes, variant->weights + brace,
            variant->weights_bytes - brace);
    memcpy(variant->weights + brace, entry, entry_bytes);
    variant->weights_bytes += entry_bytes;
    for (int i = 0; i < 8; i++)
        variant->weights[i] = (unsigned char)((uint64_t)(header + entry_bytes) >> 8 * i);
}

void variant_fill(struct variant *variant, const char *tensor, float value)
{
    char quoted[128];
    snprintf(quoted, sizeof quoted, "\"%s\":", tensor);
    const char *entry = (const char *)find(variant, quoted);
    const char *offsets = strstr(entry, "\"data_offsets\":[") + strlen("\"data_offsets\":[");
    char *rest;
    size_t begin = strtoul(offsets, &rest, 10), end = strtoul(rest + 1, NULL, 10);
    unsigned char *data = variant->weights + 8 + header_bytes(variant);
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    for (size_t i = begin; i < end; i++)
        data[i] = (unsigned char)(bits >> (i - begin) % 4 * 8);
}

void variant_write(const struct variant *variant, const char *name, const char *text)
{
    write_file(variant, name, text, strlen(text));
}

void variant_end(const struct variant *variant)
{
    write_file(variant, "model.safetensors", variant->weights, variant->weights_bytes);
}

void variant_remove(struct variant *variant)
{
    static const char *const names[] = {"model.safetensors", "tokenizer.json",
                                        "open_clip_config.json", "config.json", "vocab.txt"};
    for (size_t i = 0; i < COUNT(names); i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%s", variant->directory, names[i]);
        unlink(path);
    }
    rmdir(variant->directory);
    free(variant->weights);
}
