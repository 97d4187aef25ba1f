#include "scratch.h"

#include <errno.h>
#include <string.h>

#include "platform.h"
#include "report.h"

static bool fail_with_errno(vkclip_error *err)
{
    return report_fill(err, VKCLIP_ERROR_FILE, "temporary file: %s",
                       errno ? strerror(errno) : "is shorter than it was");
}

bool scratch_open(struct scratch *scratch, size_t width, vkclip_error *err)
{
    *scratch = (struct scratch){.file = platform_open_scratch(), .width = width};
    return scratch->file || fail_with_errno(err);
}

bool scratch_add(struct scratch *scratch, const float *rows, size_t count, vkclip_error *err)
{
    if (fwrite(rows, scratch->width * sizeof *rows, count, scratch->file) != count)
        return fail_with_errno(err);
    scratch->count += count;
    return true;
}

bool scratch_read(void *user, uint64_t first, uint32_t count, float *values, vkclip_error *err)
{
    struct scratch *scratch = user;
    const size_t row_bytes = scratch->width * sizeof *values;
    errno = 0;
    // What was added last may wait to be written until now, and fail.
    if (fseeko(scratch->file, (off_t)(first * row_bytes), SEEK_SET) != 0 ||
        fread(values, row_bytes, count, scratch->file) != count)
        return fail_with_errno(err);
    return true;
}

void scratch_close(struct scratch *scratch)
{
    if (scratch->file)
        fclose(scratch->file);
    *scratch = (struct scratch){0};
}
