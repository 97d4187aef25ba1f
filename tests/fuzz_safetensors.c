// Any file that begins as safetensors: every listed tensor lies inside the file and has a name of
// its own, a refusal has a message.
#include "fuzz_weights.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_open(data, size);
    return 0;
}
