#!/usr/bin/env bash
# Intel's compiler (ANV) on null hardware, Gen9, Gen12, Xe2 and Xe3: every pipeline compiles
. tools/matrix/row.sh

folder=build/matrix/$row
root=$(make_sid)
build_in_chroot "$root" "$folder/build" -DVKCLIP_TESTS=OFF
enter_chroot "$root" bash -c "gcc -std=c11 -D_GNU_SOURCE -O2 -fPIC -shared -fvisibility=hidden -Wall -Wextra \
    -Wshadow -Wconversion -Werror -isystem /usr/include/libdrm -o $folder/libintel_shim.so tests/shim/*.c"
mesa=$(version_in_chroot "$root" mesa-vulkan-drivers)

write_validation_settings "$out/vk_layer_settings.txt" log core sync

# vkclip on the part, validated, without caches, so that everything is compiled.
run_on() { # part, arguments...
    local part=$1
    shift
    rm -rf "$out/cache"
    enter_chroot "$root" env INTEL_SHIM="$part" LD_PRELOAD="/vkclip/$folder/libintel_shim.so" \
        VK_ICD_FILENAMES=/usr/share/vulkan/icd.d/intel_icd.json MESA_SHADER_CACHE_DISABLE=true \
        XDG_CACHE_HOME="/vkclip/$folder/cache" VK_INSTANCE_LAYERS=VK_LAYER_KHRONOS_validation \
        VK_LAYER_SETTINGS_PATH="/vkclip/$folder/vk_layer_settings.txt" INTEL_DEBUG=cs timeout 300 "$folder/build/vkclip" "$@"
}

# What the compiler says of each shader it has made, as one line a shader: width, instructions, spills, fills.
read_statistics() { # log
    awk '/^SIMD[0-9]+ shader:/ { split($9, count, ":"); print $1, $3, count[1], count[2] }' "$1"
}

# Compiles all kernels of one precision for a part; prints a cell. The GPU computes nothing, so what the program
# prints, and whether it likes that, says nothing; that it ends by itself does. One kernel may spill, attention:
# it holds 128 floats a lane, and a thread of these parts has registers for 128 at its narrowest.
compile() { # part, precision
    local log=$out/$1-$2.log status=0
    run_on "$1" classify --precision "$2" -m tools/demo/model --labels tools/demo/labels.txt \
        tools/demo/images/ring_blue_dense.png >"$log" 2>&1 || status=$?
    [ "$status" -lt 4 ] || { echo "FAILED: status $status in $2"; return; }
    read_statistics "$log" | awk '{ instructions += $2; spills += $3; fills += $4; spilling += $3 > 0 }
        END { if (!NR || spilling > 1) printf "FAILED: "
              printf "%d pipelines, %d instructions, %d:%d spills:fills", NR, instructions, spills, fills }'
}

# Device, limits and tier as the program sees them.
describe() { # part
    run_on "$1" devices --json 2>>"$out/devices.log" | python3 -c '
import json, sys
(device,) = json.load(sys.stdin)
print(device["name"] + "=subgroup {}, {} KiB shared, {} tier".format(device["subgroup_width"],
    device["shared_memory_bytes"] // 1024, "fp16" if device["fp16_storage"] else "fp32"))'
}

for part in coffeelake tigerlake alchemist lunarlake battlemage pantherlake; do
    if ! said=$(describe "$part"); then
        line "$part" proof="FAILED: no device" versions="Mesa $mesa"
        continue
    fi
    for precision in fp32 fp16; do
        line "${said%%=*}, $precision" proof=compiled versions="Mesa $mesa" \
            kernels="$(compile "$part" $precision)" \
            messages="$(count_messages "$out/$part-$precision.log")" note="${said#*=}"
    done
done
end_row
