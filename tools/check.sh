#!/usr/bin/env bash
# From a fresh machine to every test passed: tools/check.sh
#
# Installs what is missing (Debian 12 and 13, Ubuntu 24.04), then: format, includes, scripts; builds
# with gcc and clang, warnings being errors; the tests under AddressSanitizer and
# UndefinedBehaviorSanitizer; each fuzzer for a moment; the tests that need a Vulkan device on the
# software driver llvmpipe under the validation layer, whose every message is a failure; the quick
# rows of tools/matrix.sh, a check each, SwiftShader among them. Nothing outside build/ and the cache
# of tools/matrix.sh is written. A check that cannot run here says so and counts as skipped.
# Closes with "N passed, N failed, N skipped". Status: 0 none failed, 1 some did, 3 cannot run here.
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/packages.sh
. tools/drivers.sh

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
    find include src tools tests shaders examples -regex '.*[.]\(c\|h\|cpp\)' \
        -exec clang-format --dry-run --Werror {} +
}

# Runs the tests of some labels in a build folder, as many at once as there are cores, and adds up
# their cases.
run_tests() { # name, build folder, regular expression of labels, environment settings
    local name=$1 folder=$out/$2 labels=$3 log=$out/${1//[^a-zA-Z0-9]/-}.log p f s start=$SECONDS
    shift 3
    env -u VK_DRIVER_FILES -u VK_ADD_DRIVER_FILES "$@" ctest --test-dir "$folder" -L "^($labels)\$" \
        -V --timeout 900 -j "$(nproc)" >"$log" 2>&1 </dev/null || true
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

# The same under the validation layer of this system, core and synchronization.
run_validated() { # library of the layer, then as run_tests
    local library=$1 sync=sync
    shift
    grep -q validate_sync "$library" || sync=old_sync
    write_validation_settings "$out/vk_layer_settings.txt" stop core $sync
    run_tests "$@" VK_INSTANCE_LAYERS=VK_LAYER_KHRONOS_validation \
        VK_LAYER_SETTINGS_PATH="$out/vk_layer_settings.txt"
}

test_on_llvmpipe() {
    local icd library
    icd=$(llvmpipe_icd)
    if [ -z "$icd" ]; then
        count skipped "llvmpipe: no driver manifest in /usr/share/vulkan/icd.d"
        return
    fi
    if library=$(validation_layer "$out/gcc/vkclip" VK_ICD_FILENAMES="$icd"); then
        run_validated "$library" "llvmpipe validated" gcc 'gpu|app|full' VK_ICD_FILENAMES="$icd"
    else
        count failed "validation layer loads"
    fi
    rm -rf "$out/gcc/full_model" # 1.6 GB
    # The driver's own leaks at exit are not ours.
    run_tests "llvmpipe sanitized" sanitized 'gpu|app' VK_ICD_FILENAMES="$icd" ASAN_OPTIONS=detect_leaks=0
}

# Each row is one check; one that could not be tried is skipped.
check_quick_rows() {
    local outcome row
    rm -f "$out/matrix.json"
    tools/matrix.sh --quick --json "$out/matrix.json" || true
    if [ ! -f "$out/matrix.json" ]; then
        count failed "matrix: no row was tried"
        return
    fi
    while read -r outcome row; do
        count "$outcome" "matrix: $row"
    done < <(python3 - "$out/matrix.json" <<'END'
import json, sys
outcomes = {"passed": "passed", "FAILED": "failed", "not run": "skipped"}
with open(sys.argv[1], encoding="utf-8") as file:
    for row in json.load(file)["rows"]:
        print(outcomes[row["outcome"]], row["row"])
END
    )
}

# Long enough to see that the targets build and no first idea breaks a parser; hunts are for nights.
# DCMTK asks for as much as an element says it has, up to 4 GiB, of which it then touches nothing.
fuzz() { # target
    "$out/clang/tests/$1" -max_total_time=10 -timeout=5 -rss_limit_mb=2048 -malloc_limit_mb=5000 \
        -artifact_prefix="$out/"
}

mkdir -p "$out"
install_missing "$out/packages.log" "${build_packages[@]}" "${check_packages[@]}"

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
if check "build with sanitizers" build sanitized gcc -DCMAKE_BUILD_TYPE=None \
    "-DCMAKE_C_FLAGS=-O1 -g" "-DCMAKE_CXX_FLAGS=-O1 -g" -DVKCLIP_SANITIZE=ON; then
    run_tests "host tests sanitized" sanitized host
fi
if check "build with gcc" build gcc gcc -DCMAKE_BUILD_TYPE=None "-DCMAKE_C_FLAGS=-O2 -g"; then
    test_on_llvmpipe
    check_quick_rows
fi

echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
