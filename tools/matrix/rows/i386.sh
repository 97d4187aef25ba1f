#!/usr/bin/env bash
# i386, 32 bits: cross-compiled; host tests, kernels, towers and demo on its llvmpipe, under qemu-user
. tools/matrix/architecture.sh

try_architecture i386
line "$environment" proof=ran versions="$versions" kernels="$(test_kernels)" towers="$(test_towers)" \
    demo="$(test_demo)" note="$note"
end_row
