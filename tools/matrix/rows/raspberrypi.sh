#!/usr/bin/env bash
# Raspberry Pi's compiler (V3DV) on null hardware, V3D 7.1, under qemu-user: every pipeline compiles
. tools/matrix/null_hardware.sh

prepare arm64 libv3d_noop_drm_shim.so broadcom
# A lane of attention holds 128 floats, twice the registers it has.
try_device v3d fp32-attention fp16-attention
end_row
