#!/usr/bin/env bash
# Apple's compiler (Honeykrisp) on null hardware, M1: every variant compiles, no default spills
. tools/matrix/null_hardware.sh

prepare amd64 libasahi_noop_drm_shim.so asahi
try_device m1
end_row
