#include "walk.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "glob.h"
#include "platform.h"

// Of the formats the library reads.
static const char *const picture_endings[] = {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tga",
                                              ".pnm", ".ppm",  ".pgm", ".pbm", ".dcm", ".dicom"};

struct walk_level {
    struct text names; // each behind a byte that tells its kind, and with a zero byte
    const char **sorted;
    size_t count, next;
    size_t path_bytes; // of the folder, with a slash
};

// ---- which files ---------------------------------------------------------------------------

static bool any_matches(const struct string_list *globs, const char *path, const char *name)
{
    for (size_t i = 0; i < globs->count; i++)
        if (glob_matches(globs->items[i], strchr(globs->items[i], '/') ? path : name))
            return true;
    return false;
}

static bool ends_like_a_picture(const char *name)
{
    const char *ending = strrchr(name, '.');
    for (size_t i = 0; ending && i < COUNT(picture_endings); i++)
        if (strcasecmp(ending, picture_endings[i]) == 0)
            return true;
    return false;
}

static bool is_wanted(const struct walk *walk, const char *name, bool is_folder)
{
    const struct walk_rules *rules = walk->rules;
    const char *path = walk->path.bytes + walk->root_bytes;
    if (any_matches(&rules->exclude, path, name))
        return false;
    return is_folder || (rules->include.count ? any_matches(&rules->include, path, name)
                                              : ends_like_a_picture(name));
}

// ---- levels --------------------------------------------------------------------------------

static void finish_level(struct walk_level *level)
{
    text_finish(&level->names);
    free(level->sorted);
    *level = (struct walk_level){0};
}

static bool add_name(void *user, const char *name, enum platform_kind kind)
{
    struct walk_level *level = user;
    if (name[0] == '.' || kind == PLATFORM_OTHER)
        return true;
    text_add_bytes(&level->names, kind == PLATFORM_FOLDER ? "d" : "f", 1);
    text_add_bytes(&level->names, name, strlen(name) + 1);
    level->count++;
    return !level->names.is_out_of_memory;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a + 1, *(const char *const *)b + 1);
}

static bool sort_names(struct walk_level *level)
{
    level->sorted = calloc(level->count + 1, sizeof *level->sorted);
    if (!level->sorted || level->names.is_out_of_memory)
        return false;
    const char *name = level->names.bytes;
    for (size_t i = 0; i < level->count; i++, name += strlen(name) + 1)
        level->sorted[i] = name;
    qsort(level->sorted, level->count, sizeof *level->sorted, compare_names);
    return true;
}

static bool reserve_level(struct walk *walk)
{
    if (walk->level_count < walk->level_capacity)
        return true;
    size_t capacity = walk->level_capacity ? walk->level_capacity * 2 : 16;
    struct walk_level *levels = realloc(walk->levels, capacity * sizeof *levels);
    if (!levels)
        return false;
    walk->levels = levels;
    walk->level_capacity = capacity;
    return true;
}

// Goes into the folder that walk->path names.
static enum walk_step enter(struct walk *walk)
{
    if (!reserve_level(walk))
        return WALK_NO_MEMORY;
    struct walk_level *level = &walk->levels[walk->level_count];
    *level = (struct walk_level){0};
    bool is_listed = platform_list(walk->path.bytes, add_name, level);
    int reason = errno;
    if (is_listed && sort_names(level)) {
        if (walk->path.bytes[walk->path.byte_count - 1] != '/')
            text_add_bytes(&walk->path, "/", 1);
        level->path_bytes = walk->path.byte_count;
        if (walk->level_count++ == 0)
            walk->root_bytes = level->path_bytes;
        return WALK_FILE;
    }
    bool has_memory = !is_listed && !level->names.is_out_of_memory;
    finish_level(level);
    errno = reason;
    return has_memory ? WALK_UNREADABLE : WALK_NO_MEMORY;
}

// ---- the walk ------------------------------------------------------------------------------

void walk_begin(struct walk *walk, const char *folder, const struct walk_rules *rules)
{
    *walk = (struct walk){.rules = rules};
    text_add_bytes(&walk->path, folder, strlen(folder));
}

// Looks at the next name of a level: a file that is wanted, or a folder that cannot be read, ends
// the search.
static enum walk_step look_at(struct walk *walk, const char *name)
{
    bool is_folder = *name++ == 'd';
    text_add_bytes(&walk->path, name, strlen(name));
    if (walk->path.is_out_of_memory)
        return WALK_NO_MEMORY;
    if (!is_wanted(walk, name, is_folder)) {
        walk->skipped_count += !is_folder;
        return WALK_END;
    }
    if (!is_folder)
        return WALK_FILE;
    enum walk_step step = enter(walk);
    return step == WALK_FILE ? WALK_END : step;
}

enum walk_step walk_next(struct walk *walk)
{
    if (!walk->levels) {
        enum walk_step step = walk->path.is_out_of_memory ? WALK_NO_MEMORY : enter(walk);
        if (step != WALK_FILE)
            return step;
    }
    while (walk->level_count > 0) {
        struct walk_level *level = &walk->levels[walk->level_count - 1];
        walk->path.byte_count = level->path_bytes;
        if (level->next == level->count) {
            finish_level(level);
            walk->level_count--;
            continue;
        }
        enum walk_step step = look_at(walk, level->sorted[level->next++]);
        if (step != WALK_END)
            return step;
    }
    return WALK_END;
}

void walk_end(struct walk *walk)
{
    for (size_t i = 0; i < walk->level_count; i++)
        finish_level(&walk->levels[i]);
    free(walk->levels);
    text_finish(&walk->path);
    *walk = (struct walk){0};
}
