// collection_facts.c: index.json, which says how the rows of an INDEX were made.
#include <cjson/cJSON.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "collection.h"
#include "report.h"

enum { FORMAT = 1, FILE_BYTES_MOST = 65536 };

static const char *const type_names[] = {[NPY_F16] = "float16", [NPY_F32] = "float32"};

void collection_add_facts(struct text *text, const struct collection_facts *facts)
{
    static const char *const truths[] = {"false", "true"};
    text_add(text, "{\n \"format\": %d,\n \"version\": ", FORMAT);
    text_add_json(text, facts->version);
    text_add(text, ",\n \"model_sha256\": \"%s\",\n", facts->model_sha256);
    text_add(text, " \"precision\": \"%s\",\n", facts->precision);
    text_add(text,
             " \"preprocessing\": {\"image_size_px\": %u, \"allow_truncated\": %s, \"exif\": %s, "
             "\"window\": ",
             facts->image_size_px, truths[facts->allows_truncated], truths[facts->applies_exif]);
    if (facts->window[0])
        text_add_json(text, facts->window);
    else
        text_add(text, "null");
    text_add(text, ", \"frame\": %u},\n", facts->frame);
    text_add(text, " \"embeddings\": {\"rows\": %zu, \"width\": %zu, \"type\": \"%s\"},\n",
             facts->row_count, facts->width, type_names[facts->type]);
    text_add(text, " \"items_bytes\": %" PRIu64 ",\n", facts->items_bytes);
    text_add(text, " \"failed\": %zu,\n \"failed_bytes\": %" PRIu64 ",\n", facts->failed_count,
             facts->failed_bytes);
    text_add(text, " \"complete\": %s\n}\n", truths[facts->is_complete]);
}

// ---- reading -------------------------------------------------------------------------------

// Members as they are asked for; one that is missing, or of another kind, makes all wrong.
struct members {
    const cJSON *object;
    bool are_sound;
};

static const cJSON *find(struct members *members, const char *name)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(members->object, name);
    members->are_sound = members->are_sound && item;
    return item;
}

static uint64_t find_number(struct members *members, const char *name)
{
    const cJSON *item = find(members, name);
    // Doubles have all whole numbers up to 2^53.
    members->are_sound = members->are_sound && cJSON_IsNumber(item) && item->valuedouble >= 0.0 &&
                         item->valuedouble <= 0x1p53 &&
                         (double)(uint64_t)item->valuedouble == item->valuedouble;
    return members->are_sound ? (uint64_t)item->valuedouble : 0;
}

static bool find_truth(struct members *members, const char *name)
{
    const cJSON *item = find(members, name);
    members->are_sound = members->are_sound && cJSON_IsBool(item);
    return members->are_sound && cJSON_IsTrue(item);
}

static void find_string(struct members *members, const char *name, char *string,
                        size_t capacity_bytes)
{
    const cJSON *item = find(members, name);
    members->are_sound =
        members->are_sound && cJSON_IsString(item) && strlen(item->valuestring) < capacity_bytes;
    snprintf(string, capacity_bytes, "%s", members->are_sound ? item->valuestring : "");
}

static struct members find_object(struct members *members, const char *name)
{
    const cJSON *item = find(members, name);
    return (struct members){item, members->are_sound && cJSON_IsObject(item)};
}

static bool read_members(struct collection_facts *facts, const cJSON *json)
{
    char type[8];
    struct members all = {json, cJSON_IsObject(json)};
    find_string(&all, "version", facts->version, sizeof facts->version);
    find_string(&all, "model_sha256", facts->model_sha256, sizeof facts->model_sha256);
    find_string(&all, "precision", facts->precision, sizeof facts->precision);
    facts->items_bytes = find_number(&all, "items_bytes");
    facts->failed_count = (size_t)find_number(&all, "failed");
    facts->failed_bytes = find_number(&all, "failed_bytes");
    facts->is_complete = find_truth(&all, "complete");

    struct members reading = find_object(&all, "preprocessing");
    facts->image_size_px = (uint32_t)find_number(&reading, "image_size_px");
    facts->allows_truncated = find_truth(&reading, "allow_truncated");
    facts->applies_exif = find_truth(&reading, "exif");
    facts->frame = (uint32_t)find_number(&reading, "frame");
    if (!cJSON_IsNull(find(&reading, "window")))
        find_string(&reading, "window", facts->window, sizeof facts->window);

    struct members embeddings = find_object(&all, "embeddings");
    facts->row_count = (size_t)find_number(&embeddings, "rows");
    facts->width = (size_t)find_number(&embeddings, "width");
    find_string(&embeddings, "type", type, sizeof type);
    facts->type = strcmp(type, type_names[NPY_F16]) == 0 ? NPY_F16 : NPY_F32;
    bool is_known = facts->type == NPY_F16 || strcmp(type, type_names[NPY_F32]) == 0;
    return all.are_sound && reading.are_sound && embeddings.are_sound && is_known &&
           facts->width > 0;
}

static bool parse_facts(struct collection_facts *facts, const char *bytes, size_t byte_count,
                        const char *path, vkclip_error *err)
{
    cJSON *json = cJSON_ParseWithLength(bytes, byte_count);
    const cJSON *format = cJSON_GetObjectItemCaseSensitive(json, "format");
    bool is_other = cJSON_IsNumber(format) && format->valuedouble != (double)FORMAT;
    bool is_read = !is_other && format && read_members(facts, json);
    cJSON_Delete(json);
    if (is_other)
        return report_fill(err, VKCLIP_ERROR_FILE, "%s: is of a format that is not known", path);
    return is_read || report_fill(err, VKCLIP_ERROR_FILE, "%s: does not describe an index", path);
}

bool collection_read_facts(struct collection_facts *facts, const char *folder, vkclip_error *err)
{
    char bytes[FILE_BYTES_MOST];
    struct stat kind;
    *facts = (struct collection_facts){0};
    char *path = collection_path(folder, COLLECTION_FACTS);
    if (!path)
        return report_fill(err, VKCLIP_ERROR_MEMORY, "%s: no memory to read it", folder);
    FILE *file = NULL;
    bool is_there = stat(path, &kind) == 0;
    if (is_there && S_ISREG(kind.st_mode))
        file = fopen(path, "rb");
    bool is_read = file != NULL;
    if (file) {
        size_t byte_count = fread(bytes, 1, sizeof bytes, file);
        is_read = parse_facts(facts, bytes, byte_count, path, err);
        fclose(file);
    } else {
        report_fill(err, VKCLIP_ERROR_FILE, "%s: %s", path,
                    is_there && !S_ISREG(kind.st_mode) ? "is not a regular file" : strerror(errno));
    }
    free(path);
    return is_read;
}

// ---- comparison ----------------------------------------------------------------------------

bool collection_is_alike(const struct collection_facts *a, const char *name,
                         const struct collection_facts *b, vkclip_error *err)
{
    const char *what = NULL;
    if (strcmp(a->model_sha256, b->model_sha256) != 0)
        what = "model";
    else if (a->width != b->width)
        what = "width of the rows";
    else if (strcmp(a->precision, b->precision) != 0)
        what = "--precision";
    else if (a->image_size_px != b->image_size_px)
        what = "image size of the model";
    else if (a->allows_truncated != b->allows_truncated)
        what = "--allow-truncated";
    else if (a->applies_exif != b->applies_exif)
        what = "--exif";
    else if (strcmp(a->window, b->window) != 0)
        what = "--window";
    else if (a->frame != b->frame)
        what = "--frame";
    return !what ||
           report_fill(err, VKCLIP_ERROR_ARGUMENT, "%s: was made with another %s", name, what);
}
