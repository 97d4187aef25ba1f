#!/bin/sh
# Installs a build into an empty prefix and uses it from there, as a program of somebody else
# would: tests/test_install.sh BUILD_DIR [FLAGS]
#
#   FLAGS   what the build was compiled with beyond the usual, as -fsanitize=address
#
# The example is run where the demo model and a Vulkan device are there, else only built.
# shellcheck disable=SC2046,SC2086 # flags are lists of words
set -eu
cd "$(dirname "$0")/.."
build=$(cd "$1" && pwd)
flags=${2:-}
cc=${CC:-cc}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
prefix=$work/prefix
model=tools/demo/model
image=tools/demo/images/round_purple_dense.png
passed=0 failed=0 skipped=0

# check(name, command...) runs one test
check() {
    name=$1
    shift
    if "$@" >"$work/log" 2>&1; then
        echo "[       OK ] $name"
        passed=$((passed + 1))
    else
        echo "[  FAILED  ] $name"
        sed 's/^/    /' "$work/log"
        failed=$((failed + 1))
    fi
}

skip() {
    echo "[  SKIPPED ] $1"
    skipped=$((skipped + 1))
}

install_build() {
    cmake --install "$build" --prefix "$prefix"
    libdir=$(dirname "$(dirname "$(find "$prefix" -name vkclip.pc)")")
    PKG_CONFIG_PATH=$libdir/pkgconfig LD_LIBRARY_PATH=$libdir
    export PKG_CONFIG_PATH LD_LIBRARY_PATH
}

by_cmake() { # static or shared
    case $1 in static) static=ON ;; *) static=OFF ;; esac
    cmake -S examples -B "$work/cmake-$1" -DCMAKE_PREFIX_PATH="$prefix" \
        -DCMAKE_C_COMPILER="$cc" -DCMAKE_C_FLAGS="$flags" -DVKCLIP_STATIC=$static
    cmake --build "$work/cmake-$1"
}

# Word splitting of flags is wanted.
by_pkg_config() { # static or shared
    mkdir -p "$work/pkg-config-$1"
    if [ "$1" = static ]; then
        libs=$(pkg-config --static --libs vkclip | sed 's/-lvkclip /-l:libvkclip.a /')
    else
        libs=$(pkg-config --libs vkclip)
    fi
    $cc -std=c11 -Wall -Wextra -Werror $flags $(pkg-config --cflags vkclip) \
        examples/classify.c -o "$work/pkg-config-$1/classify" $libs
}

needs_no_shared_library() {
    [ -x "$1" ] && ! ldd "$1" | grep -q libvkclip
}

header_is_cpp() {
    printf '#include <vkclip.h>\nint main() { return vkclip_version() == nullptr; }\n' >"$work/a.cpp"
    c++ -std=c++11 -Wall -Wextra -Wpedantic -Werror -fsyntax-only $(pkg-config --cflags vkclip) \
        "$work/a.cpp"
}

version_agrees() {
    [ "$("$prefix/bin/vkclip" --version)" = "vkclip $(pkg-config --modversion vkclip)" ]
}

# What 'eval classify --help' points to.
prompts_are_there() {
    (cd tools/prompts && find . -name '*.json' | sort) >"$work/wanted"
    (cd "$prefix/share/vkclip/prompts" && find . -type f | sort) >"$work/installed"
    [ -s "$work/wanted" ] && cmp "$work/wanted" "$work/installed"
}

install_build >"$work/log" 2>&1 || { cat "$work/log"; echo "0 passed, 1 failed"; exit 1; }
check "installed_program_and_pkg_config_name_one_version" version_agrees
check "prompts_are_installed" prompts_are_there
if command -v c++ >/dev/null; then
    check "header_compiles_as_cpp" header_is_cpp
else
    skip "header_compiles_as_cpp: no c++"
fi

for kind in shared static; do
    check "example_builds_by_find_package_$kind" by_cmake $kind
    check "example_builds_by_pkg_config_$kind" by_pkg_config $kind
done
check "static_example_needs_no_shared_library" needs_no_shared_library "$work/cmake-static/classify"

if [ -e $model/open_clip_model.safetensors ] && "$prefix/bin/vkclip" devices >/dev/null 2>&1; then
    for way in cmake-shared cmake-static pkg-config-shared pkg-config-static; do
        check "example_built_as_${way}_classifies" "$work/$way/classify" $model $image \
            "purple round cells" "pink spindle cells"
    done
else
    skip "example_classifies: no demo model or no Vulkan device"
fi

echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
