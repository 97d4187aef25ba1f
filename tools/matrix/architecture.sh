# Sourced by the rows of other architectures: vkclip cross-compiled for Debian 12, its tests and the demo under
# qemu-user, held to the same answers as on this machine.
# shellcheck shell=bash disable=SC2034 # for the rows
. tools/matrix/row.sh

# Names of a build's tests that carry a label, as run_tests takes them.
tests_labelled() { # build folder, label
    ctest --test-dir "$1" -N -L "^$2\$" | sed -n 's/.*Test *#[0-9]*: //p' | paste -sd'|'
}

# The driver of the device vkclip takes, as it reports it, and the width of its subgroups.
driver_of() { # command that runs vkclip...
    "$@" devices --json | python3 -c '
import json, sys
(device,) = json.load(sys.stdin)
print("{driver}, subgroups of {subgroup_width}".format(**device))'
}

# Fails unless the model's input is written as this machine writes it, whichever way round its numbers are.
compare_arrays() { # command that runs vkclip...
    local arguments=(preprocess --stage tensor -m tools/demo/model tools/demo/images/*)
    "$@" "${arguments[@]}" -o "$out/there.npy"
    "$native/vkclip" "${arguments[@]}" -o "$out/here.npy"
    /usr/bin/python3 -c 'import sys, numpy; assert numpy.array_equal(*map(numpy.load, sys.argv[1:]))' \
        "$out/here.npy" "$out/there.npy"
}

# Builds for an architecture, runs the host tests and the writer of .npy files. Leaves in variables: the build's
# folder, the environment settings and the command that reach its llvmpipe, and what to put into a line.
try_architecture() { # architecture, settings of the emulator's environment...
    local architecture=$1 root icd
    shift
    root=$(make_sysroot bookworm "$architecture")
    folder=$(build_cross bookworm "$architecture")
    build_native
    rm -rf "$out/tests.log" "$out/cache"
    icd=$(basename "$root"/usr/share/vulkan/icd.d/lvp_icd.*)
    settings=(VK_ICD_FILENAMES="/usr/share/vulkan/icd.d/$icd" XDG_CACHE_HOME="$out/cache" "$@")
    emulated=(env "${settings[@]}" "$(qemu_of "$architecture")" -L "$root" "$folder/vkclip")

    environment="llvmpipe on $architecture, Debian 12"
    versions="$(driver_of "${emulated[@]}"), qemu $(package_version qemu-user-static)"
    note="$(run_tests "$folder" "$out/tests.log" "$(tests_labelled "$folder" host)") in host tests"
    compare_arrays "${emulated[@]}"
    note+=", .npy files as on this machine"
}

test_kernels() {
    run_tests "$folder" "$out/tests.log" test_kernels "${settings[@]}"
}

test_towers() {
    run_tests "$folder" "$out/tests.log" test_towers "${settings[@]}"
}

test_demo() {
    run_demo "$out/tests.log" "${emulated[@]}"
}
