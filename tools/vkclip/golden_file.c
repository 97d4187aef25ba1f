#include "golden_file.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model_path.h"
#include "report.h"
#include "whole_file.h"

static bool read_row(const cJSON *row, size_t width, float *out)
{
    double squares = 0.0;
    const cJSON *number;
    if (!cJSON_IsArray(row) || (size_t)cJSON_GetArraySize(row) != width)
        return false;
    cJSON_ArrayForEach(number, row)
    {
        if (!cJSON_IsNumber(number))
            return false;
        *out++ = (float)number->valuedouble;
        squares += number->valuedouble * number->valuedouble;
    }
    return squares > 1e-6 && squares < 1e12; // neither nothing nor infinity
}

// Reads the inputs named so and their embeddings, where they are there.
static bool read_half(struct golden *golden, const cJSON *json, const char *const names[2],
                      size_t width, const char *path, vkclip_error *err)
{
    const cJSON *inputs = cJSON_GetObjectItemCaseSensitive(json, names[0]);
    const cJSON *rows = cJSON_GetObjectItemCaseSensitive(json, names[1]);
    if (!inputs && !rows)
        return true;
    const int count = cJSON_GetArraySize(inputs);
    if (!cJSON_IsArray(inputs) || !cJSON_IsArray(rows) || cJSON_GetArraySize(rows) != count ||
        count == 0)
        return report_fill(err, VKCLIP_ERROR_FILE, "%s: %s and %s are not lists of one length",
                           path, names[0], names[1]);
    golden->inputs = calloc((size_t)count, sizeof *golden->inputs);
    golden->embeddings = calloc((size_t)count, width * sizeof *golden->embeddings);
    if (!golden->inputs || !golden->embeddings)
        return report_fill(err, VKCLIP_ERROR_MEMORY, "%s: no memory for %d rows", path, count);

    for (const cJSON *input = inputs->child, *row = rows->child; input && row;
         input = input->next, row = row->next) {
        if (!cJSON_IsString(input))
            return report_fill(err, VKCLIP_ERROR_FILE, "%s: item %zu of %s is no string", path,
                               golden->count + 1, names[0]);
        if (!read_row(row, width, golden->embeddings + golden->count * width))
            return report_fill(err, VKCLIP_ERROR_FILE,
                               "%s: row %zu of %s is no vector of the model's %zu numbers", path,
                               golden->count + 1, names[1], width);
        golden->inputs[golden->count++] = input->valuestring;
    }
    return true;
}

// Names of pictures become paths.
static bool place_pictures(struct golden_file *golden, const char *path, vkclip_error *err)
{
    enum { PATH_BYTES = 4096 };
    const size_t count = golden->pictures.count;
    golden->paths = count ? malloc(count * PATH_BYTES) : NULL;
    if (count && !golden->paths)
        return report_fill(err, VKCLIP_ERROR_MEMORY, "%s: no memory for %zu paths", path, count);
    for (size_t i = 0; i < count; i++) {
        char *out = golden->paths + i * PATH_BYTES;
        if (!model_path_beside(path, golden->pictures.inputs[i], out, PATH_BYTES))
            return report_fill(err, VKCLIP_ERROR_FILE, "%s: the path of picture %zu is too long",
                               path, i + 1);
        golden->pictures.inputs[i] = out;
    }
    return true;
}

bool golden_file_open(struct golden_file *golden, const char *path, size_t embedding_width,
                      vkclip_error *err)
{
    static const char *const pictures[] = {"pictures", "image_embeddings"};
    static const char *const texts[] = {"texts", "text_embeddings"};
    size_t byte_count;
    *golden = (struct golden_file){0};
    char *bytes = whole_file_read(path, &byte_count, err);
    if (!bytes)
        return false;
    golden->json = cJSON_ParseWithLength(bytes, byte_count);
    free(bytes);
    bool is_read = cJSON_IsObject(golden->json) ||
                   report_fill(err, VKCLIP_ERROR_FILE, "%s: is not a JSON object", path);
    is_read = is_read &&
              read_half(&golden->pictures, golden->json, pictures, embedding_width, path, err) &&
              read_half(&golden->texts, golden->json, texts, embedding_width, path, err) &&
              place_pictures(golden, path, err);
    if (is_read && golden->pictures.count + golden->texts.count == 0)
        is_read = report_fill(err, VKCLIP_ERROR_FILE, "%s: has neither pictures nor texts", path);
    if (!is_read)
        golden_file_close(golden);
    return is_read;
}

void golden_file_close(struct golden_file *golden)
{
    cJSON_Delete(golden->json);
    free(golden->pictures.inputs);
    free(golden->pictures.embeddings);
    free(golden->texts.inputs);
    free(golden->texts.embeddings);
    free(golden->paths);
    *golden = (struct golden_file){0};
}
