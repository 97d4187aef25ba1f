#!/usr/bin/env bash
# Raspberry Pi's compiler (V3DV) on null hardware, V3D 7.1, under qemu-user: every variant compiles, no default spills
. tools/matrix/null_hardware.sh

prepare arm64 libv3d_noop_drm_shim.so broadcom
try_device v3d
end_row
