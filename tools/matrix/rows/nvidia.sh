#!/usr/bin/env bash
# NVIDIA's compiler (NVK) on null hardware, from Maxwell to Blackwell: every variant compiles, no default spills
. tools/matrix/null_hardware.sh

prepare amd64 libnouveau_noop_drm_shim.so nouveau
try_device Maxwell NOUVEAU_CHIPSET=0x124
try_device Pascal NOUVEAU_CHIPSET=0x134
try_device Volta NOUVEAU_CHIPSET=0x140
try_device Turing NOUVEAU_CHIPSET=0x162
try_device Ampere NOUVEAU_CHIPSET=0x172
try_device Ada NOUVEAU_CHIPSET=0x192
try_device Blackwell NOUVEAU_CHIPSET=0x1b2
end_row
