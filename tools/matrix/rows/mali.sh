#!/usr/bin/env bash
# Arm's compiler (PanVK) on null hardware, Mali-G610, under qemu-user: every variant compiles, no default spills
. tools/matrix/null_hardware.sh

prepare arm64 libpanfrost_noop_drm_shim.so panfrost
try_device g610 PAN_GPU_ID=a867
end_row
