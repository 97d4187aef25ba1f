// Preloaded on s390x: allocations that keep the lower half of their size alone.
//
// llvmpipe's compiled kernels hand sizes of 32 bits to a C function in a register of 64 of which
// they set no more. s390x wants them extended by the caller, so the C library is asked for tens of
// gigabytes and the next write goes to NULL. Seen with Mesa 22.3.6, LLVM 15.0.6. No test needs
// 2 GiB at once.
#include <dlfcn.h>
#include <stddef.h>
#include <stdlib.h>

__attribute__((visibility("default"))) int posix_memalign(void **memory, size_t alignment,
                                                          size_t size_bytes)
{
    int (*next)(void **, size_t, size_t) =
        (int (*)(void **, size_t, size_t))dlsym(RTLD_NEXT, "posix_memalign");
    return next(memory, alignment, size_bytes & 0x7fffffff);
}
