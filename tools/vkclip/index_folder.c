#include "index_folder.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collection.h"
#include "platform.h"
#include "report.h"

#define LOCK      "lock"
#define UPDATE    "update"
#define SWAP      "swap"
#define NEW_FACTS COLLECTION_FACTS ".new"

static const char *const grown_files[] = {COLLECTION_EMBEDDINGS, COLLECTION_ITEMS,
                                          COLLECTION_FAILED};

static bool fail_with_errno(const struct index_folder *folder, const char *name, vkclip_error *err)
{
    return report_fill(err, VKCLIP_ERROR_FILE, "%s/%s: %s", folder->path, name, strerror(errno));
}

static bool is_there(const char *folder, const char *name)
{
    struct stat facts;
    char *path = collection_path(folder, name);
    bool is = path && stat(path, &facts) == 0;
    free(path);
    return is;
}

// Removes a file of a folder, which may be missing. Returns false with errno set.
static bool remove_file(const char *folder, const char *name)
{
    char *path = collection_path(folder, name);
    bool is_removed = path && (unlink(path) == 0 || errno == ENOENT);
    free(path);
    return is_removed;
}

// ---- putting a new set in place ------------------------------------------------------------

// Moves a file of the new set, unless that was done before.
static bool move(const char *from, const char *to, const char *name)
{
    char *old_path = collection_path(from, name), *new_path = collection_path(to, name);
    bool is_moved =
        old_path && new_path && (!is_there(from, name) || platform_replace(old_path, new_path));
    free(old_path);
    free(new_path);
    return is_moved;
}

// Each step may have been done before by a program that was ended; the order of steps is kept on
// the disk, so that index.json never stands beside files of the other set.
static bool finish_swap(struct index_folder *folder, const char *swap)
{
    if (is_there(swap, COLLECTION_FACTS)) {
        if (!remove_file(folder->path, COLLECTION_FACTS) || !platform_flush_folder(folder->path))
            return false;
        for (size_t i = 0; i < sizeof grown_files / sizeof *grown_files; i++)
            if (!move(swap, folder->path, grown_files[i]))
                return false;
        if (!platform_flush_folder(folder->path) || !move(swap, folder->path, COLLECTION_FACTS) ||
            !platform_flush_folder(folder->path))
            return false;
    }
    return remove_file(swap, NEW_FACTS) && rmdir(swap) == 0 && platform_flush_folder(folder->path);
}

bool index_folder_swap(struct index_folder *folder, vkclip_error *err)
{
    char *swap = collection_path(folder->path, SWAP);
    bool is_done = swap && platform_replace(folder->update_path, swap) &&
                   platform_flush_folder(folder->path) && finish_swap(folder, swap);
    if (!is_done)
        fail_with_errno(folder, SWAP, err);
    free(swap);
    return is_done;
}

bool index_folder_begin_update(struct index_folder *folder, vkclip_error *err)
{
    return (platform_make_folder(folder->update_path) && platform_flush_folder(folder->path)) ||
           fail_with_errno(folder, UPDATE, err);
}

bool index_folder_drop_update(struct index_folder *folder, vkclip_error *err)
{
    bool is_gone = remove_file(folder->update_path, COLLECTION_FACTS) &&
                   remove_file(folder->update_path, NEW_FACTS);
    for (size_t i = 0; i < sizeof grown_files / sizeof *grown_files; i++)
        is_gone = is_gone && remove_file(folder->update_path, grown_files[i]);
    is_gone = is_gone && (rmdir(folder->update_path) == 0 || errno == ENOENT);
    folder->has_update = false;
    return is_gone || fail_with_errno(folder, UPDATE, err);
}

// ---- open and close ------------------------------------------------------------------------

static bool lock(struct index_folder *folder, vkclip_error *err)
{
    char *path = collection_path(folder->path, LOCK);
    folder->lock = path ? platform_open(path) : -1;
    free(path);
    if (folder->lock < 0)
        return fail_with_errno(folder, LOCK, err);
    switch (platform_lock(folder->lock)) {
    case PLATFORM_BUSY:
        return report_fill(err, VKCLIP_ERROR_FILE, "%s: is being written by another program",
                           folder->path);
    case PLATFORM_NO_LOCKS:
        report_log.write(report_log.user, VKCLIP_LOG_WARNING,
                         "this file system has no locks: see that one program writes to it");
        return true;
    case PLATFORM_LOCKED:
        break;
    }
    return true;
}

// Notes whether a name is none of those that lie in a folder before it has a set.
static bool note_name(void *user, const char *name, enum platform_kind kind)
{
    static const char *const known[] = {LOCK, UPDATE, NEW_FACTS};
    bool is_known = false;
    (void)kind;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        is_known = is_known || strcmp(known[i], name) == 0;
    *(bool *)user = *(bool *)user || !is_known;
    return true;
}

static bool find_sets(struct index_folder *folder, vkclip_error *err)
{
    bool has_others = false;
    folder->has_set = is_there(folder->path, COLLECTION_FACTS);
    folder->has_update = is_there(folder->update_path, COLLECTION_FACTS);
    if (!folder->has_set && !platform_list(folder->path, note_name, &has_others))
        return report_fill(err, VKCLIP_ERROR_FILE, "%s: %s", folder->path, strerror(errno));
    return !has_others ||
           report_fill(err, VKCLIP_ERROR_FILE, "%s: is not empty, and no index: it has no %s",
                       folder->path, COLLECTION_FACTS);
}

// Makes the folder, and has the one that it lies in know of it.
static bool make_folder(const struct index_folder *folder)
{
    char *parent = collection_path(folder->path, "..");
    bool is_made = parent && platform_make_folder(folder->path) && platform_flush_folder(parent);
    free(parent);
    return is_made;
}

bool index_folder_open(struct index_folder *folder, const char *path, vkclip_error *err)
{
    *folder = (struct index_folder){
        .path = strdup(path), .update_path = collection_path(path, UPDATE), .lock = -1};
    char *swap = collection_path(path, SWAP);
    bool is_open = folder->path && folder->update_path && swap;
    if (!is_open)
        report_fill(err, VKCLIP_ERROR_MEMORY, "%s: no memory to write it", path);
    else if (!make_folder(folder))
        is_open = report_fill(err, VKCLIP_ERROR_FILE, "%s: %s", path, strerror(errno));
    // Nothing of a folder that is somebody else's is touched.
    bool has_swap = is_open && is_there(path, SWAP) && is_there(path, LOCK);
    is_open = is_open && (has_swap || find_sets(folder, err)) && lock(folder, err);
    if (is_open && has_swap && is_there(path, SWAP))
        is_open = finish_swap(folder, swap) || fail_with_errno(folder, SWAP, err);
    is_open = is_open && find_sets(folder, err);
    free(swap);
    if (!is_open)
        index_folder_close(folder);
    return is_open;
}

void index_folder_close(struct index_folder *folder)
{
    // A zeroed folder has no path, and no lock.
    if (folder->path && folder->lock >= 0)
        close(folder->lock);
    free(folder->path);
    free(folder->update_path);
    *folder = (struct index_folder){0};
}
