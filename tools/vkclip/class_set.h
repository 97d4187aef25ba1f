// class_set.h: what the classes of a dataset are called and how they are put into words, from a
// JSON file:
//
//   {
//     "title": "...", "source": "...",            what it is and where it comes from; may be left
//     out "templates": ["a photo of {}"],             may be left out "classes": [
//       {"labels": ["0", "normal"],               what datasets call it: folders, or labels in
//       tables
//        "name": "normal",                        what reports call it; else the first label
//        "prompts": ["normal lymph node"]}        what goes into the templates; else the name
//     ],
//     "published": [                              may be left out
//       {"metric": "accuracy", "value": 0.7341, "source": "..."}
//     ]
//   }
//
// The classes keep their order; of two, the second is the one that is looked for.
#ifndef VKCLIP_CLASS_SET_H
#define VKCLIP_CLASS_SET_H

#include "dataset.h"
#include "metrics.h"
#include "options.h"
#include "vkclip.h"

struct class_words {
    const char *name;
    struct string_list labels, prompts;
};

struct published_figure {
    enum metric metric;
    double value;
    const char *source;
};

struct class_set {
    const char *title, *source; // NULL: there is none
    struct string_list templates;
    struct class_words *classes; // [count]
    uint32_t count;
    struct published_figure *published; // [published_count]
    uint32_t published_count;
    struct cJSON *json; // what the strings of a file point into
};

// Reads a file. Fails with VKCLIP_ERROR_FILE, naming what is wrong, or VKCLIP_ERROR_MEMORY.
bool class_set_read(struct class_set *set, const char *path, vkclip_error *err);

// Takes the labels of a dataset, which must outlive the set, for classes, names and prompts.
bool class_set_from_labels(struct class_set *set, const struct dataset *dataset, vkclip_error *err);

// Turns the labels of a dataset into classes of the set. Fails with VKCLIP_ERROR_FILE, naming the
// first label that no class has.
bool class_set_apply(const struct class_set *set, struct dataset *dataset, const char *path,
                     vkclip_error *err);

// Embeds each class: the mean of its prompts in all templates.
//
//   embeddings  [count, embedding_width] unit length, caller's
bool class_set_embed(const struct class_set *set, vkclip_engine *engine, size_t width,
                     float *embeddings, vkclip_error *err);

// Accepts a zeroed or half-read set.
void class_set_finish(struct class_set *set);

#endif
