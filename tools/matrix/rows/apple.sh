#!/usr/bin/env bash
# Apple's compiler (Honeykrisp) on null hardware, M1: every pipeline compiles
. tools/matrix/null_hardware.sh

prepare amd64 libasahi_noop_drm_shim.so asahi
# A lane of attention holds 128 floats, which is all of the 128 registers it has.
try_device m1 fp32-attention
end_row
