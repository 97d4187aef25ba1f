#!/usr/bin/env bash
# Metal: every pipeline translated as MoltenVK does, without what is known to break it
# quick
. tools/matrix/row.sh

need_packages spirv-tools spirv-cross
build_native
rm -rf "$out/pipelines"
mkdir -p "$out/pipelines"
"$native/tests/write_pipelines" "$out/pipelines"

# Importing host memory is broken in MoltenVK (MoltenVK #2622). That bindings begin at any alignment a device
# asks for, up to 256 bytes, is what SwiftShader and the layer of limits check.
note="no Metal compiler here"
if grep -rn 'external_memory' src; then
    note="FAILED: the program imports host memory"
fi
line "Metal, by SPIRV-Cross" proof=translated versions="spirv-cross $(package_version spirv-cross)" \
    kernels="$(verdict python3 tools/matrix/pipelines.py metal "$out/pipelines")" note="$note"
end_row
