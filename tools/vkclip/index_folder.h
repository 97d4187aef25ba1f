// index_folder.h: what lies in an INDEX folder beside the four files that collection.h describes,
// while it is written:
//
//   lock     locked by the program that writes; stays, empty
//   update/  a set of the four files that is to take the place of the old one, not complete yet
//   swap/    the same, complete: update/ is renamed to it, and from then on the new set counts. The
//            old index.json is removed, the others are renamed over the old ones, index.json comes
//            last; whoever writes next finishes that first
#ifndef VKCLIP_INDEX_FOLDER_H
#define VKCLIP_INDEX_FOLDER_H

#include "vkclip.h"

struct index_folder {
    char *path, *update_path;
    int lock; // the open file
    bool has_set, has_update;
};

// Makes the folder where it is missing, locks it, finishes a swap and tells what is there. Fails
// with VKCLIP_ERROR_FILE: another program is writing, the folder has files that are none of an
// index's.
bool index_folder_open(struct index_folder *folder, const char *path, vkclip_error *err);

// Makes a folder for a new set; removes that set; puts it, complete and closed, in place.
bool index_folder_begin_update(struct index_folder *folder, vkclip_error *err);
bool index_folder_drop_update(struct index_folder *folder, vkclip_error *err);
bool index_folder_swap(struct index_folder *folder, vkclip_error *err);

// Accepts a zeroed or half-open folder.
void index_folder_close(struct index_folder *folder);

#endif
