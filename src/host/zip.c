#include "host/zip.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "host/file.h"
#include "host/little_endian.h"

#define END_BYTES       22
#define LOCATOR_BYTES   20
#define END64_BYTES     56
#define CENTRAL_BYTES   46
#define LOCAL_BYTES     30
#define EXTRA_ZIP64     1
#define FLAG_ENCRYPTED  0x0001
#define FLAG_SIZE_AFTER 0x0008 // the local header holds zeros in place of sizes

// BiomedCLIP's directory has 25 kB.
#define MOST_DIRECTORY_BYTES (UINT64_C(16) << 20)
#define MOST_NAME_BYTES      1024

struct reader {
    struct zip *zip;
    int file;
    const char *path;
    uint64_t file_bytes;
    uint64_t directory_at, directory_bytes, count;
    vkclip_error *err;
};

static bool refuse(struct reader *reader, uint64_t at, const char *what)
{
    return fail(reader->err, VKCLIP_ERROR_FILE, "%s: zip, byte %" PRIu64 ": %s", reader->path, at,
                what);
}

static bool read_at(struct reader *reader, uint64_t at, void *out, size_t byte_count)
{
    return file_read(reader->file, reader->path, at, out, byte_count, reader->err);
}

// ---- where the directory is ------------------------------------------------------------------

// A field of the old end record either says what the zip64 record says, or that it cannot.
static bool agrees(uint64_t old_value, uint64_t saturated, uint64_t value)
{
    return old_value == saturated || old_value == value;
}

// locator_at: the locator of the zip64 end record, just before the old end record.
static bool read_end64(struct reader *reader, const uint8_t *end, const uint8_t *locator,
                       uint64_t locator_at)
{
    uint8_t end64[END64_BYTES];
    uint64_t at = get_u64(locator + 8);
    if (get_u32(locator + 4) != 0 || get_u32(locator + 16) > 1)
        return refuse(reader, locator_at, "archive of several disks");
    if (locator_at < END64_BYTES || at != locator_at - END64_BYTES)
        return refuse(reader, locator_at, "does not point to the zip64 record before it");
    if (!read_at(reader, at, end64, sizeof end64))
        return false;
    if (memcmp(end64, "PK\6\6", 4) != 0 || get_u64(end64 + 4) != END64_BYTES - 12)
        return refuse(reader, at, "no zip64 end record");
    if (get_u32(end64 + 16) != 0 || get_u32(end64 + 20) != 0)
        return refuse(reader, at, "archive of several disks");
    reader->count = get_u64(end64 + 32);
    reader->directory_bytes = get_u64(end64 + 40);
    reader->directory_at = get_u64(end64 + 48);
    if (get_u64(end64 + 24) != reader->count || !agrees(get_u16(end + 8), 0xffff, reader->count) ||
        !agrees(get_u16(end + 10), 0xffff, reader->count) ||
        !agrees(get_u32(end + 12), 0xffffffff, reader->directory_bytes) ||
        !agrees(get_u32(end + 16), 0xffffffff, reader->directory_at))
        return refuse(reader, at, "the two end records disagree");
    return true;
}

// The end record must be the last thing in the file: torch writes no comment, and a search for
// records further up is how two readers come to see two archives in one file.
static bool find_directory(struct reader *reader)
{
    uint8_t end[END_BYTES], locator[LOCATOR_BYTES];
    if (reader->file_bytes < END_BYTES)
        return refuse(reader, 0, "too short for an archive");
    uint64_t end_at = reader->file_bytes - END_BYTES, limit = end_at;
    if (!read_at(reader, end_at, end, sizeof end))
        return false;
    if (memcmp(end, "PK\5\6", 4) != 0 || get_u16(end + 20) != 0)
        return fail(reader->err, VKCLIP_ERROR_FILE,
                    "%s: file is %" PRIu64 " bytes and does not end as a zip archive: it is cut "
                    "short, or something was appended",
                    reader->path, reader->file_bytes);
    if (get_u16(end + 4) != 0 || get_u16(end + 6) != 0)
        return refuse(reader, end_at, "archive of several disks");
    reader->count = get_u16(end + 10);
    reader->directory_bytes = get_u32(end + 12);
    reader->directory_at = get_u32(end + 16);

    bool has_locator = end_at >= LOCATOR_BYTES;
    if (has_locator && !read_at(reader, end_at - LOCATOR_BYTES, locator, sizeof locator))
        return false;
    has_locator = has_locator && memcmp(locator, "PK\6\7", 4) == 0;
    if (has_locator) {
        if (!read_end64(reader, end, locator, end_at - LOCATOR_BYTES))
            return false;
        limit = end_at - LOCATOR_BYTES - END64_BYTES;
    } else if (get_u16(end + 8) != reader->count) {
        return refuse(reader, end_at, "archive of several disks");
    }
    uint64_t directory_end;
    if (!checked_add(reader->directory_at, reader->directory_bytes, &directory_end) ||
        directory_end != limit)
        return refuse(reader, end_at, "the directory does not lie before its end record");
    if (reader->directory_bytes > MOST_DIRECTORY_BYTES)
        return refuse(reader, reader->directory_at, "the directory is larger than 16 MiB");
    if (reader->count == 0 || reader->count > reader->directory_bytes / CENTRAL_BYTES)
        return refuse(reader, end_at, "a number of entries the directory cannot hold");
    return true;
}

// ---- entries ---------------------------------------------------------------------------------

// Finds an extra field of 8-byte values; returns how many it has, 0 where it is absent.
static uint32_t find_zip64(const uint8_t *extra, size_t extra_bytes, const uint8_t **values)
{
    while (extra_bytes >= 4) {
        size_t size = get_u16(extra + 2);
        if (size > extra_bytes - 4)
            return 0;
        *values = extra + 4;
        if (get_u16(extra) == EXTRA_ZIP64)
            return (uint32_t)size / 8;
        extra += 4 + size;
        extra_bytes -= 4 + size;
    }
    return 0;
}

// Takes the next 8-byte value where the 32-bit field is saturated.
static bool widen(uint64_t *field, const uint8_t **values, uint32_t *value_count)
{
    if (*field != 0xffffffff)
        return true;
    if (*value_count == 0)
        return false;
    *field = get_u64(*values);
    *values += 8;
    --*value_count;
    return true;
}

static bool is_plain_name(const char *name, size_t name_bytes)
{
    if (name_bytes == 0 || name_bytes > MOST_NAME_BYTES || name[0] == '/')
        return false;
    for (size_t i = 0; i < name_bytes; i++) {
        bool is_start = i == 0 || name[i - 1] == '/';
        if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f || name[i] == '\\')
            return false;
        if (is_start && name_bytes - i >= 2 && name[i] == '.' && name[i + 1] == '.' &&
            (name_bytes - i == 2 || name[i + 2] == '/'))
            return false;
    }
    return true;
}

// The local header must tell the same story as the directory: what differs between the two is
// shown differently by different readers.
static bool check_local(struct reader *reader, struct zip_entry *entry, uint16_t flags)
{
    uint8_t local[LOCAL_BYTES + MOST_NAME_BYTES];
    uint64_t at = entry->header_at, data_at;
    if (at > reader->directory_at ||
        reader->directory_at - at < (uint64_t)LOCAL_BYTES + entry->name_bytes)
        return refuse(reader, at, "an entry lies outside the archive");
    if (!read_at(reader, at, local, LOCAL_BYTES + (size_t)entry->name_bytes))
        return false;
    size_t extra_bytes = get_u16(local + 28);
    uint64_t packed = get_u32(local + 18), size = get_u32(local + 22);
    if (memcmp(local, "PK\3\4", 4) != 0)
        return refuse(reader, at, "no local header where the directory says");
    if (get_u16(local + 6) != flags || get_u16(local + 8) != 0 ||
        get_u16(local + 26) != entry->name_bytes ||
        memcmp(local + LOCAL_BYTES, entry->name, entry->name_bytes) != 0)
        return refuse(reader, at, "a local header and the directory disagree");
    data_at = at + LOCAL_BYTES + entry->name_bytes + extra_bytes;
    if (data_at > reader->directory_at || reader->directory_at - data_at < entry->size_bytes)
        return refuse(reader, at, "an entry lies outside the archive");

    if (packed == 0xffffffff || size == 0xffffffff) {
        const uint8_t *values = local;
        if (extra_bytes > sizeof local)
            return refuse(reader, at, "an extra field is too long");
        if (!read_at(reader, data_at - extra_bytes, local, extra_bytes))
            return false;
        uint32_t count = find_zip64(local, extra_bytes, &values);
        if (!widen(&size, &values, &count) || !widen(&packed, &values, &count))
            return refuse(reader, at, "a zip64 size is missing");
    }
    bool is_after = (flags & FLAG_SIZE_AFTER) && packed == 0 && size == 0;
    if (!is_after && (packed != entry->size_bytes || size != entry->size_bytes))
        return refuse(reader, at, "a local header and the directory disagree");
    entry->data_at = data_at;
    return true;
}

// Reads the directory's record at `at` of its bytes, and steps over it.
static bool read_entry(struct reader *reader, size_t *at, struct zip_entry *entry)
{
    const uint8_t *record = reader->zip->directory + *at;
    const uint64_t place = reader->directory_at + *at;
    size_t left = (size_t)reader->directory_bytes - *at;
    if (left < CENTRAL_BYTES || memcmp(record, "PK\1\2", 4) != 0)
        return refuse(reader, place, "no directory record");
    uint16_t flags = get_u16(record + 8);
    size_t extra_bytes = get_u16(record + 30), comment_bytes = get_u16(record + 32);
    uint64_t packed = get_u32(record + 20);
    *entry = (struct zip_entry){
        .name = (const char *)record + CENTRAL_BYTES,
        .name_bytes = get_u16(record + 28),
        .crc = get_u32(record + 16),
        .size_bytes = get_u32(record + 24),
        .header_at = get_u32(record + 42),
    };
    size_t record_bytes = CENTRAL_BYTES + entry->name_bytes + extra_bytes + comment_bytes;
    if (left < record_bytes)
        return refuse(reader, place, "a directory record is cut short");
    *at += record_bytes;
    if (flags & FLAG_ENCRYPTED)
        return refuse(reader, place, "an entry is encrypted");
    if (get_u16(record + 10) != 0)
        return refuse(reader, place,
                      "an entry is compressed, as in TorchScript programs; torch.save only stores");
    if (get_u16(record + 34) != 0)
        return refuse(reader, place, "archive of several disks");
    if (!is_plain_name(entry->name, entry->name_bytes))
        return refuse(reader, place, "an entry's name is not a plain path");

    const uint8_t *values = record;
    uint32_t count = find_zip64(record + CENTRAL_BYTES + entry->name_bytes, extra_bytes, &values);
    if (!widen(&entry->size_bytes, &values, &count) || !widen(&packed, &values, &count) ||
        !widen(&entry->header_at, &values, &count))
        return refuse(reader, place, "a zip64 size is missing");
    if (packed != entry->size_bytes)
        return refuse(reader, place, "a stored entry has two sizes");
    return check_local(reader, entry, flags);
}

static int compare_places(const void *a, const void *b)
{
    const struct zip_entry *x = a, *y = b;
    return (x->header_at > y->header_at) - (x->header_at < y->header_at);
}

static int compare_names(const void *a, const void *b)
{
    const struct zip_entry *x = a, *y = b;
    size_t shared = x->name_bytes < y->name_bytes ? x->name_bytes : y->name_bytes;
    int order = memcmp(x->name, y->name, shared);
    return order ? order : (int)x->name_bytes - (int)y->name_bytes;
}

// Takes the folder above all entries off their names. torch names it after the file, so it is
// whatever the first entry has.
static bool strip_root(struct reader *reader)
{
    struct zip *zip = reader->zip;
    const char *root = zip->entries[0].name;
    const char *slash = memchr(root, '/', zip->entries[0].name_bytes);
    size_t root_bytes = slash ? (size_t)(slash - root) + 1 : 0;
    for (uint32_t i = 0; i < zip->count; i++) {
        struct zip_entry *entry = &zip->entries[i];
        if (!slash || entry->name_bytes <= root_bytes || memcmp(entry->name, root, root_bytes) != 0)
            return refuse(reader, entry->header_at,
                          "entries do not share one folder: not a torch.save file");
        entry->name += root_bytes;
        entry->name_bytes = (uint16_t)(entry->name_bytes - root_bytes);
    }
    return true;
}

static bool check_overlap(struct reader *reader)
{
    struct zip *zip = reader->zip;
    qsort(zip->entries, zip->count, sizeof *zip->entries, compare_places);
    for (uint32_t i = 1; i < zip->count; i++)
        if (zip->entries[i - 1].data_at + zip->entries[i - 1].size_bytes >
            zip->entries[i].header_at)
            return refuse(reader, zip->entries[i].header_at, "two entries overlap");
    qsort(zip->entries, zip->count, sizeof *zip->entries, compare_names);
    for (uint32_t i = 1; i < zip->count; i++)
        if (compare_names(&zip->entries[i - 1], &zip->entries[i]) == 0)
            return refuse(reader, zip->entries[i].header_at, "an entry is there twice");
    return true;
}

static bool read_directory(struct reader *reader)
{
    struct zip *zip = reader->zip;
    size_t at = 0, byte_count = (size_t)reader->directory_bytes;
    zip->directory = malloc(byte_count);
    zip->entries = calloc((size_t)reader->count, sizeof *zip->entries);
    if (!zip->directory || !zip->entries)
        return fail(reader->err, VKCLIP_ERROR_MEMORY, "%s: no memory for its zip directory",
                    reader->path);
    if (!read_at(reader, reader->directory_at, zip->directory, byte_count))
        return false;
    for (; zip->count < reader->count; zip->count++)
        if (!read_entry(reader, &at, &zip->entries[zip->count]))
            return false;
    if (at != byte_count)
        return refuse(reader, reader->directory_at + at, "bytes after the last directory record");
    return strip_root(reader) && check_overlap(reader);
}

bool zip_open(struct zip *zip, int file, const char *path, uint64_t file_bytes, vkclip_error *err)
{
    *zip = (struct zip){0};
    struct reader reader = {
        .zip = zip, .file = file, .path = path, .file_bytes = file_bytes, .err = err};
    return find_directory(&reader) && read_directory(&reader);
}

void zip_close(struct zip *zip)
{
    free(zip->directory);
    free(zip->entries);
    *zip = (struct zip){0};
}

const struct zip_entry *zip_find(const struct zip *zip, const char *name, size_t name_bytes)
{
    if (name_bytes > UINT16_MAX || zip->count == 0)
        return NULL;
    const struct zip_entry key = {.name = name, .name_bytes = (uint16_t)name_bytes};
    return bsearch(&key, zip->entries, zip->count, sizeof key, compare_names);
}
