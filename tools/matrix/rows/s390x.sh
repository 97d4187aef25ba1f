#!/usr/bin/env bash
# s390x, big-endian: cross-compiled; host tests, kernels and demo on its llvmpipe, under qemu-user
. tools/matrix/architecture.sh

# Without it that llvmpipe crashes at the first dispatch.
root=$(make_sysroot bookworm s390x)
need_packages gcc-s390x-linux-gnu
s390x-linux-gnu-gcc --sysroot="$root" -std=c11 -D_GNU_SOURCE -O2 -fPIC -shared -Wall -Wextra -Werror \
    -o "$out/s390x_malloc.so" tests/s390x_malloc.c

# No towers: a batch of pictures, emulated, may outlast the minute after which the program gives a software device
# up. So may the compiler on a machine that does much else: ten seconds of CPU time for the largest kernel.
try_architecture s390x QEMU_SET_ENV="LD_PRELOAD=$out/s390x_malloc.so"
line "$environment" proof=ran versions="$versions" kernels="$(test_kernels)" demo="$(test_demo)" \
    note="$note; a malloc of our own keeps this llvmpipe from crashing"
end_row
