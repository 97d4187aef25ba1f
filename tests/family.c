#include "family.h"

#include "base/seeded.h"
#include "test.h"

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char *read_text(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        fail_msg("%s is missing", path);
    fseek(file, 0, SEEK_END);
    size_t size = (size_t)ftell(file);
    rewind(file);
    char *text = malloc(size + 1);
    assert_non_null(text);
    assert_int_equal(fread(text, 1, size, file), size);
    text[size] = '\0';
    fclose(file);
    return text;
}

static const cJSON *field(const struct family *family, const char *key)
{
    return cJSON_GetObjectItemCaseSensitive(family->json, key);
}

// A row of the table: name, shape, scale, offset.
static uint32_t element_count(const cJSON *tensor)
{
    const cJSON *size;
    uint32_t count = 1;
    cJSON_ArrayForEach(size, cJSON_GetArrayItem(tensor, 1)) count *= (uint32_t)size->valueint;
    return count;
}

static void write_header(const struct family *family, FILE *file)
{
    cJSON *header = cJSON_CreateObject();
    const cJSON *tensor;
    uint64_t offset = 0;
    cJSON_ArrayForEach(tensor, field(family, "tensors"))
    {
        cJSON *entry = cJSON_AddObjectToObject(header, cJSON_GetArrayItem(tensor, 0)->valuestring);
        cJSON_AddStringToObject(entry, "dtype", "F32");
        cJSON_AddItemToObject(entry, "shape", cJSON_Duplicate(cJSON_GetArrayItem(tensor, 1), true));
        cJSON *offsets = cJSON_AddArrayToObject(entry, "data_offsets");
        cJSON_AddItemToArray(offsets, cJSON_CreateNumber((double)offset));
        offset += element_count(tensor) * sizeof(float);
        cJSON_AddItemToArray(offsets, cJSON_CreateNumber((double)offset));
    }
    char *text = cJSON_PrintUnformatted(header);
    uint64_t length = strlen(text);
    assert_int_equal(fwrite(&length, sizeof length, 1, file), 1);
    assert_int_equal(fwrite(text, 1, length, file), length);
    free(text);
    cJSON_Delete(header);
}

static void write_weights(const struct family *family)
{
    char path[128];
    snprintf(path, sizeof path, "%s/model.safetensors", family->directory);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    write_header(family, file);
    const cJSON *tensor;
    uint32_t stream = 0;
    cJSON_ArrayForEach(tensor, field(family, "tensors"))
    {
        const float scale = (float)cJSON_GetArrayItem(tensor, 2)->valuedouble;
        const float offset = (float)cJSON_GetArrayItem(tensor, 3)->valuedouble;
        for (uint32_t i = 0; i < element_count(tensor); i++) {
            float unit = seeded_unit(seeded_key(stream), i);
            float value = unit * scale + offset;
            assert_int_equal(fwrite(&value, sizeof value, 1, file), 1);
        }
        stream++;
    }
    assert_int_equal(fclose(file), 0);
}

void family_write(const struct family *family, const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", family->directory, name);
    char *slash = strrchr(path, '/');
    *slash = '\0';
    mkdir(path, 0700); // of 1_Pooling
    *slash = '/';
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
}

void family_copy(const struct family *family, const char *directory, const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    char *text = read_text(path);
    family_write(family, name, text);
    free(text);
}

void family_begin(struct family *family, const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "tests/golden/families/%s.json", name);
    char *text = read_text(path);
    *family = (struct family){.json = cJSON_Parse(text)};
    free(text);
    assert_non_null(family->json);
    strcpy(family->directory, "/tmp/vkclip-family-XXXXXX");
    assert_non_null(mkdtemp(family->directory));
    const cJSON *file;
    cJSON_ArrayForEach(file, field(family, "files"))
    {
        char *content = cJSON_IsString(file) ? strdup(file->valuestring) : cJSON_Print(file);
        family_write(family, file->string, content);
        free(content);
    }
    family->tensor_count = (uint32_t)cJSON_GetArraySize(field(family, "tensors"));
    write_weights(family);
}

void family_end(struct family *family)
{
    static const char *const names[] = {"model.safetensors",
                                        "config.json",
                                        "open_clip_config.json",
                                        "vocab.txt",
                                        "vocab.json",
                                        "merges.txt",
                                        "tokenizer.json",
                                        "1_Pooling/config.json",
                                        "1_Pooling",
                                        "modules.json",
                                        "sentence_bert_config.json",
                                        "preprocessor_config.json",
                                        "tokenizer_config.json",
                                        "noise.ppm"};
    char path[128];
    for (size_t i = 0; i < COUNT(names); i++) {
        snprintf(path, sizeof path, "%s/%s", family->directory, names[i]);
        remove(path);
    }
    assert_int_equal(rmdir(family->directory), 0);
    cJSON_Delete(family->json);
}

void family_pictures(const struct family *family, uint32_t side, uint8_t *pixels)
{
    for (uint32_t i = 0; i < FAMILY_PICTURES; i++)
        for (uint32_t p = 0; p < 3 * side * side; p++)
            *pixels++ = (uint8_t)(seeded_word(seeded_key(family->tensor_count + i), p) >> (24 + i));
}

void family_noise(const struct family *family, uint32_t index, const char *name)
{
    static const uint32_t sizes[FAMILY_NOISE][2] = {{57, 83}, {91, 62}, {61, 190}};
    const uint32_t width = sizes[index][0], height = sizes[index][1];
    char path[128];
    snprintf(path, sizeof path, "%s/%s", family->directory, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    fprintf(file, "P6 %u %u 255\n", width, height);
    for (uint32_t i = 0; i < 3 * width * height; i++)
        fputc((int)(seeded_word(seeded_key(1000 + index), i) >> 24), file);
    assert_int_equal(fclose(file), 0);
}

const char *family_noise_sha256(const struct family *family, uint32_t index)
{
    const cJSON *hashes = field(family, "pixels_sha256");
    return hashes ? cJSON_GetArrayItem(hashes, (int)index)->valuestring : NULL;
}

uint32_t family_texts(const struct family *family, int32_t *ids, uint32_t *lengths)
{
    const cJSON *text, *id;
    uint32_t count = 0;
    cJSON_ArrayForEach(text, field(family, "ids"))
    {
        assert_true(count < FAMILY_MOST_TEXTS);
        lengths[count++] = (uint32_t)cJSON_GetArraySize(text);
        cJSON_ArrayForEach(id, text) *ids++ = id->valueint;
    }
    return count;
}

float *family_rows(const struct family *family, const char *key, uint32_t *count)
{
    const cJSON *matrix = field(family, key), *row, *number;
    if (!matrix)
        return NULL;
    *count = (uint32_t)(cJSON_GetArraySize(matrix) * cJSON_GetArraySize(matrix->child));
    float *rows = malloc(*count * sizeof *rows), *next = rows;
    assert_non_null(rows);
    cJSON_ArrayForEach(row, matrix)
    {
        cJSON_ArrayForEach(number, row) *next++ = (float)number->valuedouble;
    }
    return rows;
}
