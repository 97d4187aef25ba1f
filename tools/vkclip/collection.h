// collection.h: reads an INDEX, the folder that 'vkclip index' writes:
//
//   embeddings.npy  [rows, width] float32, or float16; a unit row a picture
//   items.jsonl     a line a row, in the same order:
//                   {"path": "a.png", "size": 123, "modified": "2026-11-25T15:00:00.000000000Z",
//                   "metadata": {"label": "x"}}
//   failed.jsonl    a line a picture that could not be read: the same without metadata, and with
//                   "reason": "..."; without size and time where there is no file
//   index.json      how the rows were made, and how many there are
//
// JSON cannot hold a string that is not UTF-8. Such a path or metadata value has U+FFFD in place of
// each wrong byte sequence, and its bytes in base64 in "path_base64" behind "path", or, by the name
// of the value, in the object "metadata_base64" behind "metadata". Metadata of JSON Lines keep
// their types; an item without metadata has no such member.
#ifndef VKCLIP_COLLECTION_H
#define VKCLIP_COLLECTION_H

#include "npy.h"
#include "table.h"

#define COLLECTION_EMBEDDINGS "embeddings.npy"
#define COLLECTION_ITEMS      "items.jsonl"
#define COLLECTION_FAILED     "failed.jsonl"
#define COLLECTION_FACTS      "index.json"

// What index.json says.
struct collection_facts {
    // How a row came about.
    char version[32]; // of the program that began it
    char model_sha256[65];
    char precision[8]; // "fp32" or "fp16", of the computation
    uint32_t image_size_px;
    bool allows_truncated, applies_exif;
    char window[72]; // as --window; empty: none
    uint32_t frame;
    // What there is.
    enum npy_type type;
    size_t width, row_count, failed_count;
    uint64_t items_bytes, failed_bytes; // of the two files
    bool is_complete;                   // nothing that was to be embedded is left
};

// Adds the text of index.json.
void collection_add_facts(struct text *text, const struct collection_facts *facts);

// Reads index.json in a folder. Fails with VKCLIP_ERROR_FILE or VKCLIP_ERROR_MEMORY.
bool collection_read_facts(struct collection_facts *facts, const char *folder, vkclip_error *err);

// Whether two sets of rows can be compared: the same model, preprocessing and precision. Tells
// what differs, on the side of a, in one sentence.
bool collection_is_alike(const struct collection_facts *a, const char *name,
                         const struct collection_facts *b, vkclip_error *err);

struct collection_item {
    const char *path; // its bytes
    uint64_t size_bytes;
    const char *modified; // as in the file
    const char *json;     // the whole line
};

struct collection {
    struct collection_facts facts;
    struct npy_matrix embeddings; // its layout may tell more rows than facts, while they are added

    char *folder;
    FILE *items;
    uint64_t *marks; // where every 64th line begins
    size_t next;     // the item that the file stands before
    // The item that was read last.
    struct text line;                    // as it stands in the file
    struct text parsed, parsed_metadata; // copies, which the fields point into
    struct text path, metadata;          // what was decoded
    struct table_field *fields, *metadata_fields;
    size_t field_count, metadata_count;
    struct cJSON *object, *metadata_object;
    bool has_metadata; // its fields were read
};

// Opens an INDEX and checks that its files belong together. Reads items.jsonl once; memory is a
// byte for eight items. An INDEX that is not complete opens as well: see facts.is_complete.
// Fails with VKCLIP_ERROR_FILE, naming file and line, or VKCLIP_ERROR_MEMORY.
bool collection_open(struct collection *collection, const char *folder, vkclip_error *err);

// Reads an item; going on to the next is cheapest. What it points to lasts until the next is read.
bool collection_get(struct collection *collection, size_t index, struct collection_item *item,
                    vkclip_error *err);

// A metadata value of the item that was read last: its bytes, or JSON that is no string as it
// stands. NULL where there is none, or null. Lasts until the next call for this collection.
const char *collection_get_metadata(struct collection *collection, const char *name);

// Accepts a zeroed or half-open collection.
void collection_close(struct collection *collection);

// Joins a folder and a name in it. free() it; NULL: no memory.
char *collection_path(const char *folder, const char *name);

#endif
