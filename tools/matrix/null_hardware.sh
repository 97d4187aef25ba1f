# Sourced by the rows of GPUs that are not there: Debian sid's drivers on null hardware.
# shellcheck shell=bash
#
# A preloaded library answers as the kernel would, so a driver makes its device and runs its real compiler.
# Nothing is computed: numbers say nothing, and 'vkclip verify' must end by finding them wrong. On the way it
# makes an engine and its plans. compile_pipelines has the driver compile what the device gets untuned and all it
# may be tuned to, and writes down what the compiler tells. statistics.py judges that by tests/compilers/ROW.csv,
# and leaves a table in build/matrix/ROW for each line.
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
    rm -f "$out"/*.{log,md,tsv}
    write_validation_settings "$out/vk_layer_settings.txt" log core sync
}

# A program of the build on the device, without caches, so that everything is compiled. The test layer is before the
# validation, which sees what it changes.
run_there() { # program, arguments...
    local program=$1
    shift
    rm -rf "$out/cache"
    "${enter[@]}" timeout 3600 env -i "${driver[@]}" "${device[@]}" MESA_SHADER_CACHE_DISABLE=true \
        XDG_CACHE_HOME="$there/cache" VK_LAYER_PATH="$here/$build/tests/layer:/usr/share/vulkan/explicit_layer.d" \
        VK_INSTANCE_LAYERS=VK_LAYER_VKCLIP_test:VK_LAYER_KHRONOS_validation VKCLIP_LAYER=statistics=on \
        VK_LAYER_SETTINGS_PATH="$there/vk_layer_settings.txt" VK_LOADER_DEBUG=layer \
        "${emulator[@]}" "$build/$program" "$@"
}

# The device as the program sees it: name, driver, limits, and the precisions it has.
describe() { # part
    local said
    said=$(run_there vkclip devices --json 2>"$out/$1.log") || return
    echo "$said" >>"$out/$1.log"
    python3 -c '
import json, sys
(device,) = json.load(sys.stdin)
assert device["usable"] and device["default"]
tiers = ["fp32", "fp16", "int8"] if device["fp16_storage"] else ["fp32", "int8"]
note = ("{type}, Vulkan {vulkan}, subgroups of {subgroup_width}, {workgroup_width} lanes, {kib} KiB shared, "
        "{mib} MiB ranges").format(kib=device["shared_memory_bytes"] >> 10,
                                   mib=device["storage_range_bytes"] >> 20, **device)
name = device["name"] + sys.argv[1] * device["name"].endswith(" ") # NVK has the chip from the kernel
print(name, device["driver"], note, *tiers, sep="\t")' "$1" <<<"$said"
}

# Has an engine made in a precision; prints a cell where it was not.
make_engine() { # part, precision
    local status=0
    run_there vkclip verify --precision "$2" >"$out/$1-$2.log" 2>&1 || status=$?
    [ "$status" = 1 ] || echo "FAILED: verify ends with status $status"
}

# Judges what the compiler told; prints a cell.
judge() { # part, precision, driver
    verdict python3 tools/matrix/statistics.py --precision "$2" --table "$out/$1-$2.md" --part "$1" --driver "$3" \
        --baseline "tests/compilers/$row.csv" ${VKCLIP_MATRIX_RENEW:+--renew} "$out/$1.tsv"
}

# What validation said, if it was there; prints a cell.
validated() { # log...
    if [ "$(grep -l 'Insert instance layer.*VK_LAYER_KHRONOS_validation' "$@" | wc -l)" = $# ]; then
        cat "$@" >"$out/messages"
        count_messages "$out/messages"
    else
        echo "FAILED: no validation"
    fi
}

# Adds a line of the table for each precision of a device.
try_device() { # part, settings of the environment...
    local part=$1 said title version note tiers precision engine
    shift
    device=("$@")
    said=$(describe "$part") || said=
    IFS=$'\t' read -r title version note tiers <<<"$said"
    [ -n "$said" ] || line "$part" proof="FAILED: no device"
    # Where it cannot compile something it says so in its output, and may end before the rest.
    [ -z "$said" ] || run_there tests/compile_pipelines >"$out/$part.tsv" 2>"$out/$part-compiled.log" ||
        line "$title, everything" kernels="FAILED: status $?: $(tail -n 1 "$out/$part-compiled.log")"
    for precision in $tiers; do
        engine=$(make_engine "$part" "$precision")
        line "$title, $precision" proof=compiled versions="$version" \
            kernels="${engine:-$(judge "$part" "$precision" "$version")}" \
            messages="$(validated "$out/$part-compiled.log" "$out/$part-$precision.log")" note="$note"
    done
}
