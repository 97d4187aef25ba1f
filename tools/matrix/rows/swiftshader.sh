#!/usr/bin/env bash
# SwiftShader: subgroups of 4, 256 invocations, no fp16, bindings at multiples of 256 bytes; validated
# quick
. tools/matrix/row.sh

folder=$(chromium_folder)
layer=$(newest_layer)
build_native
settings=(VK_ICD_FILENAMES="$folder/vk_swiftshader_icd.json" VK_LAYER_PATH="$layer"
    VK_INSTANCE_LAYERS=VK_LAYER_KHRONOS_validation VK_LAYER_SETTINGS_PATH="$out/vk_layer_settings.txt")
write_validation_settings "$out/vk_layer_settings.txt" stop core sync
validation_layer "$native/vkclip" "${settings[@]}"

rm -f "$out/tests.log"
kernels=$(run_tests "$native" "$out/tests.log" test_kernels "${settings[@]}")
towers=$(run_tests "$native" "$out/tests.log" "$tower_tests" "${settings[@]}")
demo=$(run_demo "$out/tests.log" env "${settings[@]}" "$native/vkclip")
line "SwiftShader" proof=ran versions="chromium-common $(chromium_version), layer $(layer_version "$layer")" \
    kernels="$kernels" towers="$towers" demo="$demo" messages="$(count_messages "$out/tests.log")" note="fp32 tier"
end_row
