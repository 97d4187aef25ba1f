// Any bytes as the header of a matrix: what is accepted lies within the bytes and has a size that
// can be computed with, a refusal has a message.
#include <stdlib.h>

#include "npy.h"

#define FUZZ_CHECK(condition) \
    do {                      \
        if (!(condition))     \
            abort();          \
    } while (0)

// All that output.c asks of the library, which fuzz targets do without.
const char *vkclip_version(void)
{
    return "";
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vkclip_error error = {0};
    struct npy_layout layout;
    if (npy_read_layout(&layout, data, size, "fuzz", &error)) {
        size_t item_bytes = layout.type == NPY_F32 ? 4 : 2;
        FUZZ_CHECK(layout.type == NPY_F32 || layout.type == NPY_F16);
        FUZZ_CHECK(layout.header_bytes <= size && layout.width > 0);
        FUZZ_CHECK(layout.row_bytes / item_bytes == layout.width);
    } else {
        FUZZ_CHECK(error.status == VKCLIP_ERROR_FILE && error.message[0] != '\0');
    }
    return 0;
}
