// Any bytes are refused as a vocabulary with a message that names the file, or read into one
// that has the special tokens and tokenizes.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "host/wordpiece.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int file = memfd_create("vocabulary", 0);
    if (file < 0 || write(file, data, size) != (ssize_t)size)
        abort();
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    vkclip_error err = {0};
    struct wordpiece *wordpiece = wordpiece_create(path, true, &err);
    close(file);
    if (!wordpiece) {
        if (err.status != VKCLIP_ERROR_FILE || !strstr(err.message, path))
            abort();
        return 0;
    }

    int32_t ids[16], cls = wordpiece_find(wordpiece, "[CLS]"),
                     sep = wordpiece_find(wordpiece, "[SEP]");
    uint32_t count;
    if (cls < 0 || sep < 0 || !wordpiece_equal(wordpiece, wordpiece))
        abort();
    if (!wordpiece_encode(wordpiece, (const char *)data, size, 16, ids, &count, NULL))
        abort();
    if (count < 2 || count > 16 || ids[0] != cls || ids[count - 1] != sep)
        abort();
    for (uint32_t i = 0; i < count; i++)
        if (ids[i] < 0 || (uint32_t)ids[i] >= wordpiece_count(wordpiece))
            abort();
    wordpiece_destroy(wordpiece);
    return 0;
}
