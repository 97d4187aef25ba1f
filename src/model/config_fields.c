#include "model/config_fields.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "host/file.h"
#include "host/vocabulary.h"

// The published files have 780 and 383 bytes.
#define MOST_BYTES (UINT64_C(1) << 20)

// cJSON recurses; published files are 4 deep.
#define MOST_DEPTH 32

// Of one object, so that looking for a key given twice stays quick. Published ones have 24.
#define MOST_KEYS 500

#define MOST_IMAGE_PX 4096

// ---- documents -------------------------------------------------------------------------------

static bool refuse(struct document *document, const char *what)
{
    return fail(document->err, VKCLIP_ERROR_FILE, "%s: %s", document->path, what);
}

// How deep brackets nest outside strings; exact for JSON, and for anything else an upper bound of
// how deep a parser gets.
static int nesting(const char *text)
{
    int depth = 0, deepest = 0;
    bool is_string = false;
    for (; *text; text++) {
        if (is_string && *text == '\\' && text[1])
            text++;
        else if (*text == '"')
            is_string = !is_string;
        else if (!is_string && (*text == '{' || *text == '['))
            deepest = ++depth > deepest ? depth : deepest;
        else if (!is_string && (*text == '}' || *text == ']'))
            depth--;
    }
    return deepest;
}

bool document_check_keys(struct document *document, const cJSON *object)
{
    int count = 0;
    for (const cJSON *a = object->child; a; a = a->next) {
        if (++count > MOST_KEYS)
            return refuse(document, "an object has too many keys");
        for (const cJSON *b = object->child; b != a; b = b->next)
            if (strcmp(a->string, b->string) == 0)
                return fail(document->err, VKCLIP_ERROR_FILE, "%s: the key \"%s\" is there twice",
                            document->path, a->string);
    }
    return true;
}

bool document_open(struct document *document, const char *path, bool is_list, vkclip_error *err)
{
    size_t byte_count;
    *document = (struct document){.path = path, .err = err};
    if (!file_load(path, MOST_BYTES, &document->bytes, &byte_count, err))
        return false;
    const char *text = (const char *)document->bytes;
    if (strlen(text) != byte_count || !vocabulary_is_utf8(text, byte_count))
        return refuse(document, "is not UTF-8 text");
    if (nesting(text) > MOST_DEPTH)
        return refuse(document, "its JSON is nested too deep");

    const char *end = NULL;
    document->root = cJSON_ParseWithLengthOpts(text, byte_count + 1, &end, true);
    if (!document->root)
        return fail(err, VKCLIP_ERROR_FILE, "%s: byte %lld is not JSON", path,
                    end ? (long long)(end - text) : 0LL);
    if (is_list ? !cJSON_IsArray(document->root) : !cJSON_IsObject(document->root))
        return refuse(document, is_list ? "is not a JSON list" : "is not a JSON object");
    return is_list || document_check_keys(document, document->root);
}

void document_close(struct document *document)
{
    cJSON_Delete(document->root);
    free(document->bytes);
}

// ---- fields ----------------------------------------------------------------------------------

bool section_open(struct document *document, const cJSON *parent, const char *key, const char *name,
                  struct section *section)
{
    const cJSON *object = cJSON_GetObjectItemCaseSensitive(parent, key);
    *section = (struct section){document, object, name};
    if (!object)
        return true;
    if (!cJSON_IsObject(object))
        return fail(document->err, VKCLIP_ERROR_FILE, "%s: \"%s\" is not an object", document->path,
                    key);
    return document_check_keys(document, object);
}

struct section section_of_root(struct document *document)
{
    return (struct section){document, document->root, ""};
}

const cJSON *field_get(const struct section *section, const char *key)
{
    return cJSON_GetObjectItemCaseSensitive(section->object, key);
}

const char *field_text(const struct section *section, const char *key)
{
    return cJSON_GetStringValue(field_get(section, key));
}

bool field_refuse_kind(const struct section *section, const char *key, const char *kind)
{
    return fail(section->document->err, VKCLIP_ERROR_FILE, "%s: %s%s is not %s",
                section->document->path, section->name, key, kind);
}

bool field_want_text(const struct section *section, const char *key, const char *fallback,
                     const char *one, const char *other)
{
    const cJSON *item = field_get(section, key);
    const char *text = item ? cJSON_GetStringValue(item) : fallback;
    if (item && !text && !cJSON_IsNull(item))
        return field_refuse_kind(section, key, "a text");
    if (text && (strcmp(text, one) == 0 || strcmp(text, other) == 0))
        return true;
    bool is_one = strcmp(one, other) == 0;
    return fail(section->document->err, VKCLIP_ERROR_MODEL,
                "%s: %s%s is %s%s%s%s; supported: \"%s\"%s%s%s", section->document->path,
                section->name, key, item ? "" : "absent, which means ", text ? "\"" : "",
                text ? text : "null", text ? "\"" : "", one, is_one ? "" : ", \"",
                is_one ? "" : other, is_one ? "" : "\"");
}

bool field_want_off(const struct section *section, const char *key)
{
    const cJSON *item = field_get(section, key);
    if (!item || cJSON_IsNull(item) || cJSON_IsFalse(item))
        return true;
    if (!cJSON_IsTrue(item))
        return field_refuse_kind(section, key, "true or false");
    return fail(section->document->err, VKCLIP_ERROR_MODEL, "%s: %s%s is true; supported: false",
                section->document->path, section->name, key);
}

static bool read_count(const struct section *section, const char *key, const cJSON *item,
                       uint32_t fallback, uint32_t most, uint32_t *out)
{
    *out = fallback;
    if (!item && fallback)
        return true;
    double value = cJSON_IsNumber(item) ? item->valuedouble : NAN;
    if (!(value >= 1 && value <= most && floor(value) == value))
        return fail(section->document->err, VKCLIP_ERROR_FILE,
                    "%s: %s%s is %s whole number from 1 to %u", section->document->path,
                    section->name, key, item ? "not a" : "absent, wanted a", most);
    *out = (uint32_t)value;
    return true;
}

bool field_get_count(const struct section *section, const char *key, uint32_t fallback,
                     uint32_t most, uint32_t *out)
{
    return read_count(section, key, field_get(section, key), fallback, most, out);
}

bool field_get_switch(const struct section *section, const char *key, bool fallback, bool *out)
{
    const cJSON *item = field_get(section, key);
    *out = fallback;
    if (!item || cJSON_IsNull(item))
        return true;
    if (!cJSON_IsBool(item))
        return field_refuse_kind(section, key, "true or false");
    *out = cJSON_IsTrue(item);
    return true;
}

bool field_get_fraction(const struct section *section, const char *key, float fallback, float *out)
{
    const cJSON *item = field_get(section, key);
    *out = fallback;
    if (!item)
        return true;
    if (!(cJSON_IsNumber(item) && item->valuedouble >= 0 && item->valuedouble <= 1))
        return field_refuse_kind(section, key, "a number from 0 to 1");
    *out = (float)item->valuedouble;
    return true;
}

bool field_get_square(const struct section *section, const char *key, uint32_t fallback,
                      uint32_t *out)
{
    const cJSON *item = field_get(section, key);
    uint32_t width;
    if (!cJSON_IsArray(item))
        return read_count(section, key, item, fallback, MOST_IMAGE_PX, out);
    if (cJSON_GetArraySize(item) != 2)
        return field_refuse_kind(section, key, "one side or two");
    if (!read_count(section, key, item->child, fallback, MOST_IMAGE_PX, out) ||
        !read_count(section, key, item->child->next, fallback, MOST_IMAGE_PX, &width))
        return false;
    if (*out != width)
        return fail(section->document->err, VKCLIP_ERROR_MODEL,
                    "%s: %s%s is %u by %u; supported: squares", section->document->path,
                    section->name, key, *out, width);
    return true;
}

bool field_get_colour(const struct section *section, const char *key, const float fallback[3],
                      bool is_divisor, float out[3])
{
    memcpy(out, fallback, 3 * sizeof *out);
    const cJSON *item = field_get(section, key);
    if (!item)
        return true;
    if (!cJSON_IsArray(item) || cJSON_GetArraySize(item) != 3)
        return field_refuse_kind(section, key, "a list of three numbers");
    const cJSON *number = item->child;
    for (int i = 0; i < 3; i++, number = number->next) {
        double value = cJSON_IsNumber(number) ? number->valuedouble : NAN;
        if (!(fabs(value) <= 1000) || (is_divisor && !(value >= 1e-6)))
            return field_refuse_kind(
                section, key, is_divisor ? "three positive numbers" : "three sensible numbers");
        out[i] = (float)value;
    }
    return true;
}
