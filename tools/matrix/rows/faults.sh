#!/usr/bin/env bash
# every Vulkan call failed with every result, sanitized: on a driver that computes nothing and on llvmpipe
#
# Leaks of memory are looked for on the first, the Khronos mock driver, since llvmpipe has some of its own; Vulkan's
# objects that are left are found on both, by the test layer.
# quick
. tools/matrix/row.sh

icd=$(llvmpipe_icd)
[ -n "$icd" ] || not_run "no manifest of llvmpipe"
folder=$(chromium_folder)
build_sanitized
cat >"$out/mock_icd.json" <<END_OF_FILE
{"file_format_version": "1.0.0",
 "ICD": {"library_path": "$folder/libVkICD_mock_icd.so", "api_version": "1.1.0"}}
END_OF_FILE

plant() { # environment, version, settings...
    local environment=$1 version=$2 log=$out/${1%% *}.log verdict
    shift 2
    rm -f "$log"
    verdict=$(run_tests "$sanitized" "$log" "test_faults|test_allocations" "$@")
    line "$environment" proof=ran versions="$version" \
        note="$verdict, $(sed -n 's/.* \([0-9]* faults planted\)/\1/p' "$log")"
}

plant "mock driver" "chromium-common $(chromium_version)" VK_ICD_FILENAMES="$out/mock_icd.json"
plant "llvmpipe, faults" "Mesa $(package_version mesa-vulkan-drivers)" VK_ICD_FILENAMES="$icd" \
    ASAN_OPTIONS=detect_leaks=0
end_row
