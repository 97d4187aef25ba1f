#include "golden.h"

#include "test.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

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

static const cJSON *field(const cJSON *json, const char *name)
{
    const cJSON *found = cJSON_GetObjectItemCaseSensitive(json, name);
    if (!found)
        fail_msg("the golden has no %s", name);
    return found;
}

// All numbers of nested arrays, in order.
static void flatten(const cJSON *array, float *out, size_t *count)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, array)
    {
        if (cJSON_IsArray(item))
            flatten(item, out, count);
        else if (out)
            out[(*count)++] = (float)item->valuedouble;
        else
            (*count)++;
    }
}

static float *floats(const cJSON *array)
{
    size_t count = 0;
    flatten(array, NULL, &count);
    float *out = malloc(count * sizeof *out);
    assert_non_null(out);
    count = 0;
    flatten(array, out, &count);
    return out;
}

static void read_ids(struct golden *golden, const cJSON *ids)
{
    const cJSON *text, *id;
    uint32_t total = 0;
    golden->text_count = (uint32_t)cJSON_GetArraySize(ids);
    assert_true(golden->text_count >= 1 && golden->text_count <= GOLDEN_MOST_TEXTS);
    golden->ids = malloc(GOLDEN_MOST_TEXTS * 512 * sizeof *golden->ids);
    uint32_t i = 0;
    cJSON_ArrayForEach(text, ids)
    {
        golden->lengths[i++] = (uint32_t)cJSON_GetArraySize(text);
        cJSON_ArrayForEach(id, text) golden->ids[total++] = id->valueint;
    }
}

void golden_open(struct golden *golden, const char *path)
{
    char *text = read_text(path);
    *golden = (struct golden){.json = cJSON_Parse(text)};
    free(text);
    assert_non_null(golden->json);

    const cJSON *item, *pictures = field(golden->json, "pictures");
    cJSON_ArrayForEach(item, pictures)
    {
        assert_true(golden->picture_count < GOLDEN_MOST_PICTURES);
        snprintf(golden->pictures[golden->picture_count++], sizeof *golden->pictures, "%.*s/%s",
                 (int)(strrchr(path, '/') - path), path, item->valuestring);
    }
    read_ids(golden, field(golden->json, "ids"));
    uint32_t i = 0;
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(golden->json, "texts"))
        golden->texts[i++] = item->valuestring;

    const cJSON *images = field(golden->json, "image_embeddings");
    const cJSON *embeddings = field(golden->json, "text_embeddings");
    golden->width = (uint32_t)cJSON_GetArraySize(cJSON_GetArrayItem(embeddings, 0));
    golden->image_embeddings = floats(images);
    golden->text_embeddings = floats(embeddings);
    golden->logits = floats(field(golden->json, "logits"));
}

void golden_close(struct golden *golden)
{
    cJSON_Delete(golden->json);
    free(golden->ids);
    free(golden->image_embeddings);
    free(golden->text_embeddings);
    free(golden->logits);
}

static double cosine(const float *a, const float *b, uint32_t width)
{
    double ab = 0.0, aa = 0.0, bb = 0.0;
    for (uint32_t c = 0; c < width; c++) {
        ab += (double)a[c] * (double)b[c];
        aa += (double)a[c] * (double)a[c];
        bb += (double)b[c] * (double)b[c];
    }
    return ab / sqrt(aa * bb);
}

void golden_check(const char *what, const float *got, const float *want, uint32_t count,
                  uint32_t width, double tolerance, double least_cosine)
{
    double worst = 1.0;
    uint32_t worst_row = 0;
    for (uint32_t i = 0; i < count; i++) {
        double of_row = cosine(got + (size_t)i * width, want + (size_t)i * width, width);
        if (!(of_row >= worst))
            worst = of_row, worst_row = i;
    }
    printf("%-52s 1 - cosine %.2e at %u, allowed %.2e\n", what, 1.0 - worst, worst_row,
           1.0 - least_cosine);
    check_near(what, got, want, (size_t)count * width, tolerance);
    assert_true(worst >= least_cosine);
}
