#!/usr/bin/env bash
# Builds the libraries vkclip stands on, static: tools/matrix/dependencies.sh FOLDER COMPILER CMAKE-SETTING...
#
# For make_toolchain of toolchains.sh, which runs it in a chroot. FOLDER gets include/ and lib/. The sources are
# Debian 12's; of Vulkan, volk and stb, which need no building, the chroot's own headers are taken.
# Status: 0 built, 77 the sources cannot be fetched, anything else: something does not build.
set -euo pipefail
script=$(realpath "$0")
folder=$1 compiler=$2
shift 2

sources=/opt/sources
# The lists of packages are its own: the chroot goes on installing from its own Debian alone.
fetch_sources() { # source package...
    local options=(-o "Dir::Etc::SourceList=$sources/sources.list" -o Dir::Etc::SourceParts=-
        -o "Dir::State::Lists=$sources/lists" -o APT::Sandbox::User=root)
    rm -rf $sources && mkdir -p $sources/lists/partial && cd $sources &&
        sed -n 's/^deb \(.*\) [a-z]* main$/deb-src \1 bookworm main/p' /etc/apt/sources.list >sources.list &&
        apt-get "${options[@]}" update && apt-get "${options[@]}" source --only-source "$@"
}

# A library of a few files, and what pkg-config is to say of it.
build() { # source package, name for pkg-config, flags of all who use it, libraries, itself first; file...
    local at name=$2 flags=$3 libraries=$4 library
    at=$(echo $sources/"$1"-*/)
    library=${libraries%% *}
    shift 4
    rm -rf "$folder/objects"
    mkdir "$folder/objects"
    cd "$folder/objects"
    # shellcheck disable=SC2086 # flags are words
    "$compiler" -O2 -fPIC $flags -isystem "$folder/include" -c "${@/#/$at}"
    ar rcs "$folder/lib/lib${library#-l}.a" ./*.o
    printf '%s\n' "Name: $name" "Description: $at" "Version: 0" "Libs: -L$folder/lib $libraries" \
        "Cflags: -I$folder/include $flags" >"$folder/lib/pkgconfig/$name.pc"
}

fetch_sources cjson cmocka libjpeg-turbo libspng utf8proc zlib || {
    echo "sources of Debian 12 cannot be fetched" >&2
    exit 77
}
rm -rf "$folder"
mkdir -p "$folder/include/cjson" "$folder/lib/pkgconfig" "$folder/lib/cmake/cmocka"
cp -r /usr/include/{stb,vk_video,vulkan,volk.?} "$folder/include"
cp zlib-*/{zlib,zconf}.h libspng-*/spng/spng.h utf8proc-*/utf8proc.h cmocka-*/include/cmocka*.h "$folder/include"
cp cjson-*/cJSON.h "$folder/include/cjson"

zlib=(zlib-*/[!g]*.c) # without the functions for .gz files
build zlib zlib "" "-lz" "${zlib[@]##*/}"
build libspng spng "-DSPNG_STATIC" "-lspng -lz -lm" spng/spng.c
build utf8proc libutf8proc "-DUTF8PROC_STATIC" "-lutf8proc" utf8proc.c
build cjson libcjson "-DCJSON_HIDE_SYMBOLS" "-lcjson -lm" cJSON.c
build cmocka cmocka "-DHAVE_INTTYPES_H -DHAVE_MALLOC_H -DHAVE_SIGNAL_H" "-lcmocka" src/cmocka.c
touch "$folder/lib/cmake/cmocka/cmocka-config.cmake" # tests/CMakeLists.txt asks for it, and links the library by name

# Without SIMD, which needs an assembler and computes the same.
cmake -S $sources/libjpeg-turbo-*/ -B "$folder/objects" -G Ninja "$@" -DCMAKE_INSTALL_PREFIX="$folder" \
    -DCMAKE_BUILD_TYPE=Release -DCMAKE_POSITION_INDEPENDENT_CODE=ON -DWITH_SIMD=OFF
cmake --build "$folder/objects" --target jpeg-static
cp "$folder/objects/libjpeg.a" "$folder/lib"
cp "$folder/objects/jconfig.h" $sources/libjpeg-turbo-*/{jpeglib,jmorecfg,jerror}.h "$folder/include"
rm -rf "$folder/objects" $sources
cp "$script" "$folder/built_by"
