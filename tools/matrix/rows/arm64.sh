#!/usr/bin/env bash
# arm64: cross-compiled; host tests, kernels, towers and demo on its llvmpipe, under qemu-user
. tools/matrix/architecture.sh

try_architecture arm64
line "$environment" proof=ran versions="$versions" kernels="$(test_kernels)" towers="$(test_towers)" \
    demo="$(test_demo)" note="$note"
end_row
