#!/usr/bin/env bash
# SPIR-V: every pipeline valid for Vulkan 1.1, asking for its tier's features and guaranteed limits alone
# quick
. tools/matrix/row.sh

need_packages spirv-tools
build_native
rm -rf "$out/pipelines"
mkdir -p "$out/pipelines"
"$native/tests/write_pipelines" "$out/pipelines"
line "SPIR-V rules" proof=built versions="spirv-tools $(package_version spirv-tools)" \
    kernels="$(verdict python3 tools/matrix/pipelines.py spirv "$out/pipelines")"
end_row
