#!/usr/bin/env bash
# Qualcomm's compiler (Turnip) on null hardware, Adreno 618 to 750: every pipeline compiles
. tools/matrix/null_hardware.sh

prepare amd64 libfreedreno_noop_drm_shim.so freedreno
# A lane of attention holds 128 floats. The first Adrenos of their generation have 192 registers a lane, and their
# compiler uses them for what it loads ahead.
for part in 618 630; do
    try_device $part fp32-attention FD_GPU_ID=$part
done
for part in 660 740 750; do
    try_device $part FD_GPU_ID=$part
done
end_row
