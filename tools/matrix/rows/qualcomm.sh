#!/usr/bin/env bash
# Qualcomm's compiler (Turnip) on null hardware, Adreno 618 to 750: every variant compiles, no default spills
. tools/matrix/null_hardware.sh

prepare amd64 libfreedreno_noop_drm_shim.so freedreno
for part in 618 630 660 740 750; do
    try_device $part FD_GPU_ID=$part
done
end_row
