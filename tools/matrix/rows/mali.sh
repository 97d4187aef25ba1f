#!/usr/bin/env bash
# Arm's compiler (PanVK) on null hardware, Mali-G610, under qemu-user: every pipeline compiles
. tools/matrix/null_hardware.sh

prepare arm64 libpanfrost_noop_drm_shim.so panfrost
# A lane of attention holds 128 floats, twice the registers it has.
try_device g610 fp32-attention fp16-attention PAN_GPU_ID=a867
end_row
