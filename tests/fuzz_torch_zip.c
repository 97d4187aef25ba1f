// The first byte chooses: 0, the rest is a whole file; else it is a pickle, put into an archive
// with one storage of 64 bytes, since a mutated pickle in a mutated file fails its checksum.
#include "fuzz_weights.h"
#include "torch_writer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t storage[64];
    if (size == 0)
        return 0;
    if (data[0] == 0) {
        fuzz_open(data + 1, size - 1);
        return 0;
    }
    struct bytes pickle = {0};
    struct archive archive = {0};
    put(&pickle, data + 1, size - 1);
    archive_whole(&archive, &pickle, storage, sizeof storage);
    fuzz_open(archive.file.at, archive.file.count);
    archive_finish(&archive);
    bytes_finish(&pickle);
    return 0;
}
