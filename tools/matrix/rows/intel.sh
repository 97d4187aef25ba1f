#!/usr/bin/env bash
# Intel's compiler (ANV) on null hardware, Gen9, Gen12, Xe2 and Xe3: every variant compiles, no default spills
. tools/matrix/null_hardware.sh

library=/vkclip/build/matrix/$row/libintel_shim.so
prepare amd64 "$library" intel
"${enter[@]}" bash -c "gcc -std=c11 -D_GNU_SOURCE -O2 -fPIC -shared -fvisibility=hidden -Wall -Wextra \
    -Wshadow -Wconversion -Werror -isystem /usr/include/libdrm -o $library tests/shim/*.c"
for part in coffeelake tigerlake alchemist lunarlake battlemage pantherlake; do
    try_device $part INTEL_SHIM=$part
done
end_row
