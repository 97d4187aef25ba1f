#!/usr/bin/env bash
# From a fresh machine to every test passed: tools/check.sh
#
# Installs what is missing (Debian 12 and 13, Ubuntu 24.04), then: format, includes, scripts; builds
# with gcc and clang, warnings being errors; the tests under AddressSanitizer and
# UndefinedBehaviorSanitizer; each fuzzer for a moment; the tests that need a Vulkan device on the
# software drivers llvmpipe and SwiftShader under the validation layer, whose every message is a
# failure. Nothing outside build/ is written. A check that cannot run here says so and counts as
# skipped.
# Closes with "N passed, N failed, N skipped". Status: 0 none failed, 1 some did, 3 cannot run here.
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/packages.sh

out=$PWD/build/check
passed=0
failed=0
skipped=0

count() { # passed, failed or skipped; what
    case $1 in
    passed) passed=$((passed + 1)) ;;
    failed) failed=$((failed + 1)) ;;
    skipped) skipped=$((skipped + 1)) ;;
    esac
    say "$2: $1"
}

# Runs a command that is one check by itself; shows its output when it fails.
check() { # name, command
    local name=$1 log=$out/${1//[^a-zA-Z0-9]/-}.log
    shift
    if "$@" >"$log" 2>&1 </dev/null; then
        count passed "$name"
    else
        tail -n 40 "$log" >&2
        count failed "$name"
        return 1
    fi
}

build() { # folder, compiler, more cmake options
    local folder=$out/$1 compiler=$2
    shift 2
    cmake -S . -B "$folder" -G Ninja -DCMAKE_C_COMPILER="$compiler" -DVKCLIP_TESTS=ON \
        -DVKCLIP_WERROR=ON -DPython3_EXECUTABLE=/usr/bin/python3 "$@" && cmake --build "$folder"
}

check_format() {
    find include src tools tests shaders examples -name '*.[ch]' -exec clang-format --dry-run --Werror {} +
}

# Runs the tests of some labels in a build folder and adds up their cases.
run_tests() { # name, build folder, regular expression of labels, environment settings
    local name=$1 folder=$out/$2 labels=$3 log=$out/${1//[^a-zA-Z0-9]/-}.log p f s start=$SECONDS
    shift 3
    env -u VK_DRIVER_FILES -u VK_ADD_DRIVER_FILES "$@" ctest --test-dir "$folder" -L "^($labels)\$" \
        -V --timeout 900 >"$log" 2>&1 </dev/null || true
    read -r p f s < <(tools/count_cases.sh "$log")
    passed=$((passed + p))
    failed=$((failed + f))
    skipped=$((skipped + s))
    say "$name: $p passed, $f failed, $s skipped ($((SECONDS - start)) s)"
    if [ "$f" != 0 ]; then
        grep -E '\[  FAILED|\*\*\*|VUID|SYNC-HAZARD|ERROR|error:|runtime error|Sanitizer|^[0-9]+: .*:[0-9]+: ' "$log" | head -n 40 >&2 || true
        echo "check: all of it is in $log" >&2
    elif [ "$p$s" = 00 ]; then
        count failed "$name: no test ran"
    fi
}

# The same under the validation layer, core and synchronization. Every message stops the program
# that caused it, by SIGTRAP, so that no test can pass over it; the message is on standard output.
run_validated() { # as run_tests
    run_tests "$@" VK_INSTANCE_LAYERS=VK_LAYER_KHRONOS_validation \
        VK_LAYER_SETTINGS_PATH="$out/vk_layer_settings.txt"
}

# Silence means something only if the layer is there.
layer_loads() { # driver manifest
    local report
    report=$(env VK_LOADER_DEBUG=all VK_INSTANCE_LAYERS=VK_LAYER_KHRONOS_validation \
        VK_ICD_FILENAMES="$1" "$out/gcc/vkclip" devices 2>&1)
    grep -i 'insert instance layer.*VK_LAYER_KHRONOS_validation' <<<"$report"
}

# Two spellings of the switch for synchronization validation: the layer of Debian 12, and later.
# Not a log file: the layer empties it whenever a process starts, and announces it on standard output.
write_layer_settings() {
    cat >"$out/vk_layer_settings.txt" <<END
khronos_validation.debug_action = VK_DBG_LAYER_ACTION_LOG_MSG,VK_DBG_LAYER_ACTION_BREAK
khronos_validation.log_filename = stdout
khronos_validation.report_flags = error,warn,perf
khronos_validation.enables = VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT
khronos_validation.validate_sync = true
END
}

llvmpipe_icd() {
    local file
    for file in /usr/share/vulkan/icd.d/lvp_icd."$(uname -m)".json /usr/share/vulkan/icd.d/lvp_icd.json; do
        [ ! -f "$file" ] || echo "$file"
    done | head -n 1
}

# SwiftShader is packaged nowhere by itself; Debian's Chromium carries it. Taken out of its package,
# not installed. Prints the driver's manifest, or nothing where there is none, as on Ubuntu.
swiftshader_icd() {
    local folder=$out/swiftshader
    local icd=$folder/usr/lib/chromium/vk_swiftshader_icd.json
    if [ ! -f "$icd" ]; then
        mkdir -p "$folder"
        (cd "$folder" && apt-get download chromium-common && dpkg -x chromium-common_*.deb .) \
            >"$out/swiftshader.log" 2>&1 </dev/null || true
        rm -f "$folder"/*.deb
    fi
    [ ! -f "$icd" ] || echo "$icd"
}

test_on_drivers() {
    local llvmpipe swiftshader
    llvmpipe=$(llvmpipe_icd)
    swiftshader=$(swiftshader_icd)
    if [ -n "$llvmpipe" ]; then
        check "validation layer loads" layer_loads "$llvmpipe" || true
        run_validated "llvmpipe validated" gcc 'gpu|app|full' VK_ICD_FILENAMES="$llvmpipe"
        rm -rf "$out/gcc/full_model" # 1.6 GB
        # The driver's own leaks at exit are not ours.
        run_tests "llvmpipe sanitized" sanitized 'gpu|app' VK_ICD_FILENAMES="$llvmpipe" \
            ASAN_OPTIONS=detect_leaks=0
    else
        count skipped "llvmpipe: no driver manifest in /usr/share/vulkan/icd.d"
    fi
    if [ -n "$swiftshader" ]; then
        run_validated "SwiftShader validated" gcc gpu VK_ICD_FILENAMES="$swiftshader"
    else
        count skipped "SwiftShader: no chromium-common package here"
    fi
}

# Long enough to see that the targets build and no first idea breaks a parser; hunts are for nights.
fuzz() { # target
    "$out/clang/tests/$1" -max_total_time=10 -timeout=5 -rss_limit_mb=2048 -artifact_prefix="$out/"
}

mkdir -p "$out"
install_missing "$out/packages.log" "${build_packages[@]}" "${check_packages[@]}"
write_layer_settings

check "format" check_format || true
check "includes" tools/arrows.sh || true
check "scripts" shellcheck -x tools/*.sh tools/matrix/*.sh tools/matrix/rows/*.sh tests/*.sh .ci/run || true

# Assertions stay on in the tests; the release build, without them, must compile as well.
if check "build with clang" build clang clang -DCMAKE_BUILD_TYPE=Release -DVKCLIP_FUZZ=ON; then
    run_tests "host tests with clang, scripts" clang 'host|script'
    for target in tests/fuzz_*.c; do
        target=$(basename "$target" .c)
        check "$target" fuzz "$target" || true
    done
fi
if check "build with sanitizers" build sanitized gcc -DCMAKE_BUILD_TYPE=Debug -DVKCLIP_SANITIZE=ON; then
    run_tests "host tests sanitized" sanitized host
fi
if check "build with gcc" build gcc gcc -DCMAKE_BUILD_TYPE=None "-DCMAKE_C_FLAGS=-O2 -g"; then
    test_on_drivers
fi

echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
