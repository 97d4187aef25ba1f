# Sourced by rows of tool chains that Debian has no libraries for: mingw-w64 and musl.
# shellcheck shell=bash disable=SC2154 # build_packages is that of packages.sh

compiler_of() { # mingw or musl
    case $1 in
    mingw) echo x86_64-w64-mingw32-gcc ;;
    musl) echo musl-gcc ;;
    *) return 1 ;;
    esac
}

# What cmake must know to build with one and with its own libraries alone, a setting a line.
toolchain_settings() { # mingw or musl
    echo "-DCMAKE_C_COMPILER=$(compiler_of "$1")"
    [ "$1" != mingw ] || printf '%s\n' -DCMAKE_SYSTEM_NAME=Windows -DCMAKE_SYSTEM_PROCESSOR=x86_64
    printf '%s\n' "-DCMAKE_FIND_ROOT_PATH=/opt/$1" "-DCMAKE_PREFIX_PATH=/opt/$1" \
        -DCMAKE_FIND_ROOT_PATH_MODE_{LIBRARY,INCLUDE,PACKAGE}=ONLY -DCMAKE_FIND_ROOT_PATH_MODE_PROGRAM=NEVER
}

# Debian 13 with a tool chain and, built once, the libraries in /opt/NAME: prints the root folder.
make_toolchain() { # mingw or musl, package...
    local name=$1 root settings
    shift
    root=$(make_chroot trixie "${build_packages[@]}" dpkg-dev python3 "$@")
    mapfile -t settings < <(toolchain_settings "$name")
    (
        flock 9
        cmp -s tools/matrix/dependencies.sh "$root/opt/$name/built_by" ||
            enter_chroot "$root" tools/matrix/dependencies.sh "/opt/$name" "$(compiler_of "$name")" "${settings[@]}"
    ) 9>"$root.toolchains.lock" >&2 || exit
    echo "$root"
}

# Builds library, program and tests, all static.
build_with_toolchain() { # root, mingw or musl, folder below the repository, cmake settings...
    local root=$1 name=$2 folder=$3 settings
    shift 3
    mapfile -t settings < <(toolchain_settings "$name")
    build_in_chroot "$root" "$folder" "${settings[@]}" -DVKCLIP_TESTS=ON \
        "-DCMAKE_C_FLAGS=-isystem /opt/$name/include" "-DCMAKE_EXE_LINKER_FLAGS=-static -L/opt/$name/lib" "$@"
}
