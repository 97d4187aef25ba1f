// table_json.c: the fields of a JSON object. cJSON keeps numbers as doubles, which
// have no room for the digits of many an identifier, and takes more than JSON (RFC 8259) is; so
// values are taken as they stand, and held to the standard where cJSON is not.
#include <cjson/cJSON.h>
#include <string.h>

#include "table.h"

// Each returns the end of what begins at at, or NULL where it is no JSON. cJSON has seen that
// strings end, brackets match, and what is between is in order.

static char *skip_blanks(char *at)
{
    return at + strspn(at, " \t\r");
}

static char *skip_string(char *at)
{
    for (at++; *at != '"'; at++) {
        if ((unsigned char)*at < 0x20)
            return NULL;
        if (*at != '\\')
            continue;
        at++;
        // Strings end in a zero byte here.
        if (strncmp(at, "u0000", 5) == 0)
            return NULL;
    }
    return at + 1;
}

static char *skip_digits(char *at)
{
    size_t count = strspn(at, "0123456789");
    return count > 0 ? at + count : NULL;
}

static char *skip_number(char *at)
{
    at += *at == '-';
    at = *at == '0' ? at + 1 : skip_digits(at);
    if (at && *at == '.')
        at = skip_digits(at + 1);
    if (at && (*at == 'e' || *at == 'E')) {
        at++;
        at = skip_digits(at + (*at == '+' || *at == '-'));
    }
    // A digit here follows a zero.
    return at && strspn(at, "0123456789.+-eE") == 0 ? at : NULL;
}

static char *skip_value(char *at)
{
    size_t depth = 0;
    do {
        if (*at == '"')
            at = skip_string(at);
        else if (*at == '-' || (*at >= '0' && *at <= '9'))
            at = skip_number(at);
        else if (*at >= 'a' && *at <= 'z') // true, false, null
            at += strspn(at, "abcdefghijklmnopqrstuvwxyz");
        else if (*at == '{' || *at == '[')
            at++, depth++;
        else if (*at == '}' || *at == ']')
            at++, depth--;
        else if (strchr(",: \t\r", *at) && *at)
            at++;
        else
            at = NULL;
    } while (at && depth > 0);
    return at;
}

// Finds the value of the next pair of an object, at or after at.
static bool find_value(char *at, char **value, char **end)
{
    at += strspn(at, ", \t\r");
    at = *at == '"' ? skip_string(at) : NULL;
    if (!at)
        return false;
    at = skip_blanks(at);
    if (*at != ':')
        return false;
    *value = skip_blanks(at + 1);
    *end = skip_value(*value);
    return *end && *end > *value;
}

const char *table_check_name(const struct table_field *fields, size_t index)
{
    if (!text_is_utf8(fields[index].name))
        return "a name is not UTF-8";
    for (size_t i = 0; i < index; i++)
        if (strcmp(fields[i].name, fields[index].name) == 0)
            return "two names are the same";
    return NULL;
}

const char *table_read_object(char *json, struct table_field *fields, size_t *field_count,
                              struct cJSON **object)
{
    *field_count = 0;
    *object = cJSON_ParseWithLengthOpts(json, strlen(json) + 1, NULL, true);
    if (!cJSON_IsObject(*object))
        return "is not a JSON object";
    char *at = strchr(json, '{') + 1;
    for (const cJSON *item = (*object)->child; item; item = item->next) {
        char *value, *end;
        if (*field_count == TABLE_MOST_FIELDS)
            return "has more than 1,024 fields";
        if (!find_value(at, &value, &end))
            return "is not strictly JSON, or has a zero character";
        // The byte behind a value, of no further use, ends its text.
        *end = '\0';
        at = end + 1;
        fields[*field_count] = (struct table_field){
            .name = item->string,
            .text = cJSON_IsString(item) ? item->valuestring
                    : cJSON_IsNull(item) ? NULL
                                         : value,
            .json = value,
        };
        const char *fault = table_check_name(fields, (*field_count)++);
        if (fault)
            return fault;
    }
    return NULL;
}
