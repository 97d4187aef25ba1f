#include "class_set.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "prompts.h"
#include "report.h"
#include "text.h"
#include "whole_file.h"

static bool fail_without_memory(vkclip_error *err)
{
    return report_fill(err, VKCLIP_ERROR_MEMORY, "no memory for classes");
}

// What is wrong, in the file as a whole or, from 1 on, in an entry of a list.
static bool refuse(const char *path, const char *list, uint32_t number, const char *reason,
                   vkclip_error *err)
{
    if (number == 0)
        return report_fill(err, VKCLIP_ERROR_FILE, "%.300s: %s %s", path, list, reason);
    return report_fill(err, VKCLIP_ERROR_FILE, "%.300s: number %u of %s %s", path, number, list,
                       reason);
}

// ---- reading a file -------------------------------------------------------------------------

// A string that is there and not empty, or NULL.
static const char *get_string(const cJSON *object, const char *name)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
    return cJSON_IsString(item) && item->valuestring[0] ? item->valuestring : NULL;
}

static bool has(const cJSON *object, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(object, name) != NULL;
}

// A list of strings. Returns what is wrong with it, or NULL; one that is missing stays empty.
static const char *read_strings(struct string_list *list, const cJSON *object, const char *name)
{
    const cJSON *items = cJSON_GetObjectItemCaseSensitive(object, name), *item;
    if (!items)
        return NULL;
    if (!cJSON_IsArray(items) || cJSON_GetArraySize(items) == 0)
        return "is not a list of strings";
    cJSON_ArrayForEach(item, items)
    {
        if (!cJSON_IsString(item) || !item->valuestring[0])
            return "has something other than strings, or an empty one";
        if (!string_list_add(list, item->valuestring))
            return "needs more memory than there is";
    }
    return NULL;
}

static bool is_taken(const struct class_set *set, const char *label)
{
    for (uint32_t c = 0; c < set->count; c++)
        for (size_t i = 0; i < set->classes[c].labels.count; i++)
            if (strcmp(set->classes[c].labels.items[i], label) == 0)
                return true;
    return false;
}

// Returns what is wrong, or NULL. The class is counted in by the caller, so that it is freed.
static const char *read_class(const struct class_set *set, struct class_words *words,
                              const cJSON *json)
{
    const char *reason = read_strings(&words->labels, json, "labels");
    if (reason || words->labels.count == 0)
        return "has no list of labels";
    for (size_t i = 0; i < words->labels.count; i++)
        if (is_taken(set, words->labels.items[i]))
            return "has a label of another class";
    if (has(json, "name") && !get_string(json, "name"))
        return "has a name that is not a string";
    words->name = has(json, "name") ? get_string(json, "name") : words->labels.items[0];
    if (read_strings(&words->prompts, json, "prompts"))
        return "has prompts that are no list of strings";
    if (words->prompts.count == 0 && !string_list_add(&words->prompts, words->name))
        return "needs more memory than there is";
    return NULL;
}

static bool read_classes(struct class_set *set, const cJSON *json, const char *path,
                         vkclip_error *err)
{
    const cJSON *items = cJSON_GetObjectItemCaseSensitive(json, "classes"), *item;
    const int count = cJSON_IsArray(items) ? cJSON_GetArraySize(items) : 0;
    if (count < 2 || count > DATASET_MOST_LABELS)
        return refuse(path, "\"classes\"", 0, "is not a list of 2 to 10000", err);
    set->classes = calloc((size_t)count, sizeof *set->classes);
    if (!set->classes)
        return fail_without_memory(err);
    cJSON_ArrayForEach(item, items)
    {
        struct class_words *words = &set->classes[set->count];
        const char *reason = read_class(set, words, item);
        set->count++;
        if (reason)
            return refuse(path, "\"classes\"", set->count, reason, err);
    }
    return true;
}

static bool find_metric(const char *key, enum metric *metric)
{
    for (uint32_t m = 0; key && m < METRIC_COUNT; m++) {
        *metric = (enum metric)m;
        if (strcmp(metric_keys[m], key) == 0)
            return true;
    }
    return false;
}

static bool read_published(struct class_set *set, const cJSON *json, const char *path,
                           vkclip_error *err)
{
    const cJSON *items = cJSON_GetObjectItemCaseSensitive(json, "published"), *item;
    if (!items)
        return true;
    if (!cJSON_IsArray(items) || cJSON_GetArraySize(items) == 0)
        return refuse(path, "\"published\"", 0, "is not a list", err);
    set->published = calloc((size_t)cJSON_GetArraySize(items), sizeof *set->published);
    if (!set->published)
        return fail_without_memory(err);
    cJSON_ArrayForEach(item, items)
    {
        struct published_figure *figure = &set->published[set->published_count++];
        const cJSON *value = cJSON_GetObjectItemCaseSensitive(item, "value");
        figure->source = get_string(item, "source");
        if (!find_metric(get_string(item, "metric"), &figure->metric))
            return refuse(path, "\"published\"", set->published_count, "has no metric of ours",
                          err);
        if (!cJSON_IsNumber(value) || !(value->valuedouble >= 0.0 && value->valuedouble <= 1.0))
            return refuse(path, "\"published\"", set->published_count, "has no value from 0 to 1",
                          err);
        if (!figure->source)
            return refuse(path, "\"published\"", set->published_count, "has no source", err);
        figure->value = value->valuedouble;
    }
    return true;
}

bool class_set_read(struct class_set *set, const char *path, vkclip_error *err)
{
    *set = (struct class_set){0};
    size_t byte_count;
    char *bytes = whole_file_read(path, &byte_count, err);
    if (!bytes)
        return false;
    set->json = cJSON_ParseWithLength(bytes, byte_count);
    free(bytes);
    if (!cJSON_IsObject(set->json))
        return refuse(path, "it", 0, "is not a JSON object", err);

    set->title = get_string(set->json, "title");
    set->source = get_string(set->json, "source");
    const char *reason = read_strings(&set->templates, set->json, "templates");
    if (reason)
        return refuse(path, "\"templates\"", 0, reason, err);
    return read_classes(set, set->json, path, err) && read_published(set, set->json, path, err);
}

// ---- with a dataset -------------------------------------------------------------------------

bool class_set_from_labels(struct class_set *set, const struct dataset *dataset, vkclip_error *err)
{
    *set = (struct class_set){.classes = calloc(dataset->name_count, sizeof *set->classes)};
    if (!set->classes)
        return fail_without_memory(err);
    for (; set->count < dataset->name_count; set->count++) {
        struct class_words *words = &set->classes[set->count];
        words->name = dataset->names[set->count];
        if (!string_list_add(&words->labels, words->name) ||
            !string_list_add(&words->prompts, words->name))
            return fail_without_memory(err);
    }
    return true;
}

static bool find_class(const struct class_set *set, const char *label, uint32_t *class_index)
{
    for (*class_index = 0; *class_index < set->count; ++*class_index) {
        const struct string_list *labels = &set->classes[*class_index].labels;
        for (size_t i = 0; i < labels->count; i++)
            if (strcmp(labels->items[i], label) == 0)
                return true;
    }
    return false;
}

bool class_set_apply(const struct class_set *set, struct dataset *dataset, const char *path,
                     vkclip_error *err)
{
    uint32_t *classes = malloc(dataset->name_count * sizeof *classes);
    if (!classes)
        return fail_without_memory(err);
    for (uint32_t i = 0; i < dataset->name_count; i++)
        if (!find_class(set, dataset->names[i], &classes[i])) {
            free(classes);
            return report_fill(err, VKCLIP_ERROR_FILE, "%.300s: no class has the label '%.100s'",
                               path, dataset->names[i]);
        }
    for (size_t i = 0; i < dataset->count; i++)
        dataset->labels[i] = classes[dataset->labels[i]];
    free(classes);
    return true;
}

// The label in place of the first "{}", or behind a template without it, as in vkclip_embed_labels.
static char *fill_template(const char *template, const char *label)
{
    struct text sentence = {0};
    const char *gap = strstr(template, "{}");
    const size_t before = gap ? (size_t)(gap - template) : strlen(template);
    text_add(&sentence, "%.*s%s%s", (int)before, template, label, gap ? gap + 2 : "");
    if (sentence.is_out_of_memory)
        text_finish(&sentence);
    return sentence.bytes;
}

static bool embed_class(const struct class_set *set, const struct class_words *words,
                        vkclip_engine *engine, float *embedding, vkclip_error *err)
{
    const size_t templates = set->templates.count, count = templates * words->prompts.count;
    char **sentences = calloc(count, sizeof *sentences);
    bool is_done = sentences != NULL;
    for (size_t i = 0; is_done && i < count; i++) {
        sentences[i] =
            fill_template(set->templates.items[i % templates], words->prompts.items[i / templates]);
        is_done = sentences[i] != NULL;
    }
    is_done = is_done ? prompts_embed(engine, (const char *const *)sentences, count, embedding, err)
                      : fail_without_memory(err);
    for (size_t i = 0; sentences && i < count; i++)
        free(sentences[i]);
    free(sentences);
    return is_done;
}

bool class_set_embed(const struct class_set *set, vkclip_engine *engine, size_t width,
                     float *embeddings, vkclip_error *err)
{
    for (uint32_t c = 0; c < set->count; c++)
        if (!embed_class(set, &set->classes[c], engine, embeddings + c * width, err))
            return false;
    return true;
}

void class_set_finish(struct class_set *set)
{
    for (uint32_t c = 0; set->classes && c < set->count; c++) {
        string_list_finish(&set->classes[c].labels);
        string_list_finish(&set->classes[c].prompts);
    }
    free(set->classes);
    free(set->published);
    string_list_finish(&set->templates);
    cJSON_Delete(set->json);
    *set = (struct class_set){0};
}
