#!/usr/bin/env bash
# Qualcomm's compiler (Turnip) on null hardware, Adreno 618 to 750: every pipeline compiles
. tools/matrix/null_hardware.sh

prepare amd64 libfreedreno_noop_drm_shim.so freedreno
# A lane of attention holds 128 floats, and what it loads. For the first Adrenos of the 600s the compiler runs out of
# 192 registers, for later ones it does not.
for part in 618 630; do
    try_device $part fp32-attention FD_GPU_ID=$part
done
for part in 660 740 750; do
    try_device $part FD_GPU_ID=$part
done
end_row
