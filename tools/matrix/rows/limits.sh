#!/usr/bin/env bash
# the guaranteed minimum of Vulkan 1.1, and four mobile devices, by the test layer on llvmpipe
#
# The layer says what each profile of tests/layer/profiles says and enforces it; test_layer breaks
# everything it enforces once. The mobile profiles call themselves hardware, so that towers and demo run with
# the tiles that GPUs get.
# quick
. tools/matrix/row.sh

icd=$(llvmpipe_icd)
[ -n "$icd" ] || not_run "no manifest of llvmpipe"
build_native
rm -f "$out/tests.log"
enforced=$(run_tests "$native" "$out/tests.log" test_layer VK_ICD_FILENAMES="$icd")
for profile in tests/layer/profiles/*.txt; do
    settings=(VK_ICD_FILENAMES="$icd" VK_INSTANCE_LAYERS=VK_LAYER_VKCLIP_test
        VK_LAYER_PATH="$native/tests/layer" VKCLIP_LAYER="profile=$PWD/$profile")
    line "$(sed -n 's/^name  *//p' "$profile")" proof=ran \
        versions="as Mesa $(package_version mesa-vulkan-drivers)" \
        kernels="$(run_tests "$native" "$out/tests.log" test_kernels "${settings[@]}")" \
        towers="$(run_tests "$native" "$out/tests.log" "$tower_tests" "${settings[@]}")" \
        demo="$(run_demo "$out/tests.log" env "${settings[@]}" "$native/vkclip")" \
        note="$enforced: each limit broken once on purpose"
done
end_row
