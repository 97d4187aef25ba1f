// Any bytes become [CLS] ... [SEP], at most max_ids valid ids, the same ones every time.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "host/wordpiece.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct wordpiece *read_vocabulary(void)
{
    static const char lines[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\n##a\n##b\n##ab\nthe\n"
                                "amp\n##p\n&\n;\n#\n<\n[\n]\n\xc3\x9f\n\xe8\x82\xba\n##\xcc\xb8";
    int file = memfd_create("vocabulary", 0);
    if (file < 0 || write(file, lines, sizeof lines - 1) != (ssize_t)(sizeof lines - 1))
        abort();
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    struct wordpiece *wordpiece = wordpiece_create(path, true, NULL);
    if (!wordpiece)
        abort();
    close(file);
    return wordpiece;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct wordpiece *wordpiece;
    if (!wordpiece)
        wordpiece = read_vocabulary();
    if (size == 0)
        return 0;

    uint32_t max_ids = 2 + data[0] % 40u, counts[2];
    int32_t ids[2][41];
    for (int i = 0; i < 2; i++)
        if (!wordpiece_encode(wordpiece, (const char *)data + 1, size - 1, max_ids, ids[i],
                              &counts[i], NULL))
            abort();
    if (counts[0] < 2 || counts[0] > max_ids || ids[0][0] != 2 || ids[0][counts[0] - 1] != 3)
        abort();
    if (counts[0] != counts[1] || memcmp(ids[0], ids[1], counts[0] * sizeof ids[0][0]) != 0)
        abort();
    for (uint32_t i = 0; i < counts[0]; i++)
        if (ids[0][i] < 0 || (uint32_t)ids[0][i] >= wordpiece_count(wordpiece))
            abort();
    return 0;
}
