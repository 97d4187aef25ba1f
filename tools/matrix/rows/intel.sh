#!/usr/bin/env bash
# Intel's compiler (ANV) on null hardware, Gen9, Gen12, Xe2 and Xe3: every pipeline compiles
. tools/matrix/null_hardware.sh

library=/vkclip/build/matrix/$row/libintel_shim.so
prepare amd64 "$library" intel
"${enter[@]}" bash -c "gcc -std=c11 -D_GNU_SOURCE -O2 -fPIC -shared -fvisibility=hidden -Wall -Wextra \
    -Wshadow -Wconversion -Werror -isystem /usr/include/libdrm -o $library tests/shim/*.c"
# A lane of attention holds 128 floats, and a thread has registers for 128 at its narrowest, before Xe3.
for part in coffeelake tigerlake alchemist lunarlake battlemage; do
    try_device $part fp32-attention fp16-attention INTEL_SHIM=$part
done
try_device pantherlake INTEL_SHIM=pantherlake
end_row
