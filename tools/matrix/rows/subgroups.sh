#!/usr/bin/env bash
# Subgroups of 4, 8, 16, 32 and 64: llvmpipe with vectors of 128 to 2048 bits
# quick
. tools/matrix/row.sh

icd=$(llvmpipe_icd)
[ -n "$icd" ] || not_run "no llvmpipe here"
build_native

rm -rf "$out/tests.log" "$out"/cache-*
for width in 4 8 16 32 64; do
    # Mesa finds what it compiled by the shader alone and would run one width's code under another's name.
    settings=(VK_ICD_FILENAMES="$icd" LP_NATIVE_VECTOR_WIDTH=$((32 * width)) MESA_SHADER_CACHE_DIR="$out/cache-$width")
    said=$(env "${settings[@]}" "$native/vkclip" devices --json | python3 -c '
import json, sys
(device,) = json.load(sys.stdin)
print(device["subgroup_width"])')
    proof=ran
    [ "$said" = "$width" ] || proof="FAILED: subgroups of $said"
    line "llvmpipe, subgroups of $width" proof="$proof" versions="Mesa $(package_version mesa-vulkan-drivers)" \
        kernels="$(run_tests "$native" "$out/tests.log" test_kernels "${settings[@]}")" \
        towers="$(run_tests "$native" "$out/tests.log" test_towers "${settings[@]}")" \
        demo="$(run_demo "$out/tests.log" env "${settings[@]}" "$native/vkclip")" \
        note="no kernel uses subgroups or assumes a width: row spirv refuses their capabilities"
done
end_row
