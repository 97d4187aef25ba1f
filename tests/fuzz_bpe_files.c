// Any bytes are refused as vocab.json, merges.txt or tokenizer.json with a message that names a
// file, or read into a vocabulary that tokenizes.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "host/bpe.h"

#define GOLDEN "tests/golden/bpe/"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(struct bpe *bpe, const vkclip_error *err, const char *path, const uint8_t *data,
                  size_t size)
{
    if (!bpe) {
        if (err->status != VKCLIP_ERROR_FILE ||
            (!strstr(err->message, path) && !strstr(err->message, GOLDEN)))
            abort();
        return;
    }
    int32_t ids[16];
    uint32_t count;
    if (!bpe_equal(bpe, bpe) || !bpe_encode(bpe, (const char *)data, size, 16, ids, &count, NULL))
        abort();
    if (count < 2 || count > 16 || ids[count - 1] != bpe_end_of_text(bpe))
        abort();
    for (uint32_t i = 0; i < count; i++)
        if (ids[i] < 0 || (uint32_t)ids[i] >= bpe_count(bpe))
            abort();
    bpe_destroy(bpe);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int file = memfd_create("bpe", 0);
    if (file < 0 || write(file, data, size) != (ssize_t)size)
        abort();
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    vkclip_error errs[3] = {0};
    check(bpe_create(path, NULL, &errs[0]), &errs[0], path, data, size);
    check(bpe_create(path, GOLDEN "merges.txt", &errs[1]), &errs[1], path, data, size);
    check(bpe_create(GOLDEN "vocab.json", path, &errs[2]), &errs[2], path, data, size);
    close(file);
    return 0;
}
