#!/usr/bin/env bash
# SwiftShader: subgroups of 4, 256 invocations, no fp16, bindings at multiples of 256 bytes
. tools/matrix/row.sh

icd=$(chromium_folder)/vk_swiftshader_icd.json
build_native
settings=(VK_ICD_FILENAMES="$icd")
line "SwiftShader" proof=ran versions="chromium-common $(chromium_version)" \
    kernels="$(run_tests "$native" "$out/tests.log" test_kernels "${settings[@]}")" \
    towers="$(run_tests "$native" "$out/tests.log" test_towers "${settings[@]}")" \
    demo="$(run_demo "$out/tests.log" env "${settings[@]}" "$native/vkclip")" \
    note="fp32 tier"
end_row
