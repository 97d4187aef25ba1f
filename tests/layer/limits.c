// limits.c: the stage that makes a device as small as a profile says.
#include "layer.h"

#include <string.h>

struct limits {
    const char *profile;
};

static bool read_clause(void *state, const char *name, const char *value)
{
    struct limits *limits = state;
    if (strcmp(name, "profile") != 0)
        return false;
    limits->profile = value;
    return true;
}

static const struct layer_hook hooks[] = {{0}};

const struct layer_stage limits_stage = {
    .hooks = hooks,
    .read_clause = read_clause,
    .instance_bytes = sizeof(struct limits),
};
