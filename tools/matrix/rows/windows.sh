#!/usr/bin/env bash
# Windows: built by mingw-w64; host tests, kernels, towers and demo under Wine, which hands Vulkan on to llvmpipe
. tools/matrix/row.sh
. tools/matrix/toolchains.sh

folder=build/matrix/$row
wine=/usr/lib/wine/wine64
settings=(WINEPREFIX="/vkclip/$folder/wine" WINEDEBUG=-all VK_ICD_FILENAMES=/usr/share/vulkan/icd.d/lvp_icd.json)
root=$(make_toolchain mingw gcc-mingw-w64-x86-64 wine64)
build_with_toolchain "$root" mingw "$folder/build" -DCMAKE_CROSSCOMPILING_EMULATOR=$wine

test_under_wine() { # -R or -L, regular expression
    test_in_chroot "$root" "$folder/build" "$out/tests.log" "$1" "$2" "${settings[@]}"
}

rm -f "$out/tests.log"
versions="Wine $(version_in_chroot "$root" wine64), gcc $(version_in_chroot "$root" gcc-mingw-w64-x86-64-win32)"
versions+=", mingw-w64 $(version_in_chroot "$root" mingw-w64-x86-64-dev)"
vkclip=(env "${settings[@]}" "$wine" "$folder/build/vkclip.exe")
line "Windows, by Wine" proof=ran versions="$versions" \
    kernels="$(test_under_wine -R test_kernels)" towers="$(test_under_wine -R 'test_towers|test_same_bits')" \
    demo="$(verdict enter_chroot "$root" python3 tests/demo_answers.py "${vkclip[@]}")" \
    note="$(test_under_wine -L host): host tests"
end_row
