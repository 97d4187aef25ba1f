#!/usr/bin/env bash
# Compilers: gcc and clang of Debian 12, 13 and sid, and musl; everything built, host tests run
#
# What is asked of them is in CMakeLists.txt: -std=c11 -pedantic, and here each warning is an error.
. tools/matrix/row.sh
. tools/matrix/toolchains.sh

try() { # environment, versions, root, build folder
    line "$1" proof=ran versions="$2" note="$(test_in_chroot "$3" "$4" "$out/${4##*/}.log" -L host): host tests"
}

debian_name() { # root
    sed -n 's/^PRETTY_NAME="\(.*\)"$/\1/p' "$1/etc/os-release"
}

compiler_version() { # root, compiler
    enter_chroot "$1" "$2" --version | sed -n 1p
}

folder=build/matrix/$row
rm -f "$out"/*.log
for suite in bookworm trixie sid; do
    root=$(make_chroot "$suite" "${build_packages[@]}" clang libcmocka-dev python3)
    for compiler in gcc clang; do
        build_in_chroot "$root" "$folder/$suite-$compiler" -DVKCLIP_TESTS=ON -DCMAKE_C_COMPILER=$compiler
        try "$(debian_name "$root")" "$(compiler_version "$root" $compiler)" "$root" "$folder/$suite-$compiler"
    done
done

# A static program opens no Vulkan loader, so there is nothing to run but host tests.
root=$(make_toolchain musl musl-tools)
build_with_toolchain "$root" musl "$folder/musl"
try "static with musl" "musl $(version_in_chroot "$root" musl-dev), $(compiler_version "$root" musl-gcc)" \
    "$root" "$folder/musl"
end_row
