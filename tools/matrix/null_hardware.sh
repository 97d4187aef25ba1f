# Sourced by the rows of GPUs that are not there: Debian sid's drivers on null hardware.
# shellcheck shell=bash
#
# A preloaded library answers as the kernel would, so a driver makes its device and runs its real compiler.
# Nothing is computed: numbers say nothing, and 'vkclip verify' must end by finding them wrong. On the way it
# makes every pipeline, an engine and its plans. What the compiler tells of each pipeline is written down by
# the test layer and judged by statistics.py, which leaves a table in build/matrix/ROW for each line.
. tools/matrix/row.sh

# Gets drivers, program and test layer for an architecture of Debian, and says which of them to use.
prepare() { # amd64 or arm64, library to preload, driver
    if [ "$1" = amd64 ]; then
        root=$(make_sid)
        here=/vkclip # this folder, as the program sees it
        build=build/matrix/build-sid
        enter=(enter_chroot "$root")
        emulator=()
        build_in_chroot "$root" "$build" -DVKCLIP_TESTS=ON
    else
        root=$(make_sysroot sid "$1")
        here=$PWD
        build=$(build_cross sid "$1")
        build=${build#"$here/"}
        enter=()
        emulator=("$(qemu_of "$1")" -L "$root")
    fi
    there=$here/build/matrix/$row
    driver=(LD_PRELOAD="$2" VK_ICD_FILENAMES="/usr/share/vulkan/icd.d/$3_icd.json")
    rm -rf "$out/pipelines" "$out"/*.{log,md,tsv}
    mkdir -p "$out/pipelines"
    "${enter[@]}" "${emulator[@]}" "$build/tests/write_pipelines" "$there/pipelines"
    write_validation_settings "$out/vk_layer_settings.txt" log core sync
}

# vkclip on the device, without caches, so that everything is compiled. The test layer is behind the validation.
run_there() { # file of statistics, arguments...
    local statistics=$there/$1
    shift
    rm -rf "$out/cache"
    "${enter[@]}" timeout 1800 env -i "${driver[@]}" "${device[@]}" MESA_SHADER_CACHE_DISABLE=true \
        XDG_CACHE_HOME="$there/cache" VK_LAYER_PATH="$here/$build/tests/layer:/usr/share/vulkan/explicit_layer.d" \
        VK_INSTANCE_LAYERS=VK_LAYER_KHRONOS_validation:VK_LAYER_VKCLIP_test VKCLIP_LAYER="statistics=$statistics" \
        VK_LAYER_SETTINGS_PATH="$there/vk_layer_settings.txt" VK_LOADER_DEBUG=layer \
        "${emulator[@]}" "$build/vkclip" "$@"
}

# The device as the program sees it: name, driver, limits, and the precisions it has.
describe() { # part
    local said
    said=$(run_there "$1.tsv" devices --json 2>"$out/$1.log") || return
    echo "$said" >>"$out/$1.log"
    python3 -c '
import json, sys
(device,) = json.load(sys.stdin)
assert device["usable"] and device["default"]
tiers = ["fp32", "fp16"] if device["fp16_storage"] else ["fp32"]
# 8-bit integers need nothing of a device.
note = ("{type}, Vulkan {vulkan}, subgroups of {subgroup_width}, {workgroup_width} lanes, {kib} KiB shared, "
        "{mib} MiB ranges, {tier} tier").format(kib=device["shared_memory_bytes"] >> 10,
                                                mib=device["storage_range_bytes"] >> 20, tier=tiers[-1], **device)
name = device["name"] + sys.argv[1] * device["name"].endswith(" ") # NVK has the chip from the kernel
print(name, device["driver"], note, *tiers, "int8", sep="\t")' "$1" <<<"$said"
}

# Has everything compiled for the device; prints a cell.
compile() { # part, precision
    local of=$1-$2 precision=$2 status=0
    run_there "$of.tsv" verify --precision "$precision" >"$out/$of.log" 2>&1 || status=$?
    [ "$status" = 1 ] || { echo "FAILED: status $status"; return; }
    verdict python3 tools/matrix/statistics.py --pipelines "$out/pipelines" --precision "$precision" \
        --table "$out/$of.md" "$out/$of.tsv"
}

# What validation said, if it was there; prints a cell.
validated() { # log
    if grep -q 'Insert instance layer.*VK_LAYER_KHRONOS_validation' "$1"; then
        count_messages "$1"
    else
        echo "FAILED: no validation"
    fi
}

# Adds a line of the table for each precision of a device.
try_device() { # part, settings of the environment...
    local part=$1 said title version note tiers precision
    shift
    device=("$@")
    said=$(describe "$part") || said=
    IFS=$'\t' read -r title version note tiers <<<"$said"
    for precision in $tiers; do
        line "$title, $precision" proof=compiled versions="$version" \
            kernels="$(compile "$part" "$precision")" \
            messages="$(validated "$out/$part-$precision.log")" note="$note"
    done
    [ -n "$said" ] || line "$part" proof="FAILED: no device"
}
