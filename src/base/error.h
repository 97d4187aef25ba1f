// error.h: the one way to say why something failed.
#ifndef VKCLIP_BASE_ERROR_H
#define VKCLIP_BASE_ERROR_H

#include "vkclip.h"

// Fills *err, which may be NULL, and returns false, so that `return fail(err, ...)` reads well.
// A message longer than the field is cut at a whole UTF-8 character; control characters, which
// file and tensor names may hold, become '?', so that an error stays one line.
__attribute__((format(printf, 3, 4))) bool fail(vkclip_error *err, vkclip_status status,
                                                const char *format, ...);

#endif
