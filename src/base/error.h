// error.h: the one way to say why something failed.
#ifndef VKCLIP_BASE_ERROR_H
#define VKCLIP_BASE_ERROR_H

#include "vkclip.h"

// Fills *err, which may be NULL. A message longer than the field is cut at a whole UTF-8
// character; control characters, which file and tensor names may hold, become '?', so that an
// error stays one line.
__attribute__((format(printf, 3, 4))) void error_set(vkclip_error *err, vkclip_status status,
                                                     const char *format, ...);

static inline bool error_is_never_true(void)
{
    return false;
}

// The same, and false, so that `return fail(err, ...)` reads well. A macro, because the compiler
// then sees that it is false and what follows a check is initialized.
#define fail(...) (error_set(__VA_ARGS__), error_is_never_true())

#endif
