#!/usr/bin/env bash
# AMD's compiler (RADV) on null hardware, from RX 580 to RX 9070 XT: every variant compiles, no default spills
. tools/matrix/null_hardware.sh

prepare amd64 libamdgpu_noop_drm_shim.so radeon
for part in polaris10 vega10 renoir navi21 navi31 strix1 gfx1201; do
    try_device $part AMDGPU_GPU_ID=$part
done
end_row
