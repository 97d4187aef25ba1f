// walk.h: the files below a folder, in an order that depends on their names alone.
#ifndef VKCLIP_WALK_H
#define VKCLIP_WALK_H

#include "options.h"
#include "text.h"

// Which files of a folder are wanted. A pattern with a slash is held to the path below the folder,
// one without to the name.
struct walk_rules {
    struct string_list include; // none: names that end as those of pictures do
    struct string_list exclude; // of files and of folders
};

struct walk {
    const struct walk_rules *rules;
    struct text path;          // of what was found last
    size_t root_bytes;         // of the folder's own path, with a slash
    struct walk_level *levels; // [level_count] the folder, one in it, one in that
    size_t level_count, level_capacity;
    size_t skipped_count; // files that were not wanted
};

// What was found: a file; a folder that cannot be read, errno saying why; nothing more.
enum walk_step { WALK_FILE, WALK_UNREADABLE, WALK_END, WALK_NO_MEMORY };

// Begins at a folder. Memory holds the names of one folder, and of those that it lies in.
void walk_begin(struct walk *walk, const char *folder, const struct walk_rules *rules);

// Finds the next file: depth first, names in the order of their bytes. Hidden files and folders,
// whose names begin with a point, are passed over, and so is what is neither file nor folder. A
// link to a file is that file; one to a folder is passed over, so that there is no way round in
// circles.
enum walk_step walk_next(struct walk *walk);

// Accepts a zeroed walk.
void walk_end(struct walk *walk);

#endif
