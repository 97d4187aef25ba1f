// cases_parts.h: what the files of cases share.
#ifndef VKCLIP_VERIFY_CASES_PARTS_H
#define VKCLIP_VERIFY_CASES_PARTS_H

#include "verify/rig.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

// Runs one case and frees what it was given. After an error the rest is left out.
void cases_run_one(struct rig *rig, void (*one)(struct rig *, const void *), const void *data);

// Groups of cases.
void cases_linear_sizes(struct rig *rig);
void cases_linear_endings(struct rig *rig);
void cases_linear_depth(struct rig *rig);
void cases_gelu(struct rig *rig);
void cases_top_k(struct rig *rig);

#endif
