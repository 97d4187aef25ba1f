#!/usr/bin/env bash
# Imagination's compiler (powervr) on null hardware, BXS-4-64, under qemu-user: every variant compiles, no default spills
. tools/matrix/null_hardware.sh

prepare arm64 libpowervr_noop_drm_shim.so powervr_mesa
try_device bxs PVR_I_WANT_A_BROKEN_VULKAN_DRIVER=1
end_row
