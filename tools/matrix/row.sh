# Sourced by every row of tools/matrix.sh: where things are, and how a row says what it saw.
# shellcheck shell=bash
#
# A row is tools/matrix/rows/NAME.sh, run by bash in the repository's root with its output in a log. Line
# two is its summary; a line "# quick" makes it one of those tools/check.sh runs. It ends with
# status 0 when all was well, 77 when it could not be tried (the last line of its output says why),
# and anything else when something failed. What it saw it says by "line", once or for many devices.
set -euo pipefail
shopt -s inherit_errexit # a function whose output is taken stops as any other
. tools/packages.sh
. tools/drivers.sh

row=$(basename "$0" .sh)
out=$PWD/build/matrix/$row # of this row alone, kept between runs
# shellcheck disable=SC2034 # for the rows
cache=${VKCLIP_MATRIX_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/vkclip-matrix}
mkdir -p "$out" "$cache"

# Adds a line to the table. Columns: proof (ran, compiled, translated or built), versions, kernels, towers, demo,
# messages, note; what is not given stays empty. A value that begins with FAILED fails the row.
line() { # environment, column=value...
    local cell
    printf '%s' "$1" >>"$out/lines"
    shift
    for cell in "$@"; do
        case $cell in
        kernels= | towers= | demo= | messages=) cell="${cell}FAILED: no answer" ;; # what was to answer died
        esac
        case $cell in *=FAILED*) has_failed=true ;; esac
        printf '\t%s' "$cell" >>"$out/lines"
    done
    printf '\n' >>"$out/lines"
}
has_failed=false

# The last call of a row: its status.
end_row() {
    ! $has_failed
}

# Functions that print a folder may call it too, so it speaks where nothing is captured.
not_run() { # reason
    echo "$*" >&2
    exit 77
}

need_root() {
    [ "$(id -u)" = 0 ] || not_run "needs root"
}

# Packages on this machine; a row that cannot have them was not run.
need_packages() { # package...
    (install_missing "$out/packages.log" "$@") || not_run "packages cannot be installed: $*"
}

package_version() { # package
    dpkg-query -W -f '${Version}' "$1"
}

# Runs a check that ends with a summary; prints that as a cell. All of its output goes to the row's log.
verdict() { # command
    local said
    if said=$("$@" 2>&1); then
        tail -n 1 <<<"$said"
    else
        echo "FAILED: $(tail -n 1 <<<"$said")"
    fi
    echo "$said" >&2
}

# ---- builds and tests ------------------------------------------------------------------------

# The builds of this machine that rows share with tools/check.sh.
native=$PWD/build/check/gcc
sanitized=$PWD/build/check/sanitized

build_here() { # folder, cmake settings...
    local folder=$1
    shift
    need_packages "${build_packages[@]}" "${check_packages[@]}"
    cmake -S . -B "$folder" -G Ninja -DCMAKE_C_COMPILER=gcc -DVKCLIP_TESTS=ON -DVKCLIP_WERROR=ON \
        -DPython3_EXECUTABLE=/usr/bin/python3 "$@"
    cmake --build "$folder"
}

build_native() {
    build_here "$native" -DCMAKE_BUILD_TYPE=None "-DCMAKE_C_FLAGS=-O2 -g"
}

build_sanitized() {
    build_here "$sanitized" -DCMAKE_BUILD_TYPE=None \
        "-DCMAKE_C_FLAGS=-O1 -g" "-DCMAKE_CXX_FLAGS=-O1 -g" -DVKCLIP_SANITIZE=ON
}

# The cases in the output of "ctest -V" as a cell: "12 passed", with what failed and was skipped.
count_tests() { # log, regular expression of test names if not all count
    local p f s cell
    read -r p f s < <(tools/count_cases.sh "$@")
    cell="$p passed"
    [ "$s" = 0 ] || cell="$cell, $s skipped"
    [ "$f" = 0 ] || cell="FAILED $f, $cell"
    [ "$p$f$s" != 000 ] || cell="FAILED: no test ran"
    echo "$cell"
}

# Runs ctest -V and prints a cell. The whole output is appended to LOG, where count_messages finds what
# validation said.
run_counted() { # log, command
    local log=$1 one
    shift
    one=$(mktemp)
    "$@" >"$one" 2>&1 </dev/null || true
    cat "$one" >>"$log"
    count_tests "$one"
    rm -f "$one"
}

# Runs tests of a build folder.
run_tests() { # build folder, log, regular expression of test names, environment settings...
    local folder=$1 log=$2 names=$3
    shift 3
    run_counted "$log" env -u VK_DRIVER_FILES -u VK_ADD_DRIVER_FILES "$@" \
        ctest --test-dir "$folder" -R "^($names)\$" -V --timeout 1800
}

# The same in a chroot, of the tests that ctest takes by -R or -L.
test_in_chroot() { # root, build folder below the repository, log, -R or -L, regular expression, environment settings...
    local root=$1 folder=$2 log=$3 choice=$4 names=$5
    shift 5
    run_counted "$log" enter_chroot "$root" env "$@" \
        ctest --test-dir "$folder" "$choice" "^($names)\$" -V --timeout 1800
}

# What stands for the towers in a row: their numbers, and that they have the same bits always.
# shellcheck disable=SC2034 # for the rows
tower_tests='test_towers|test_same_bits|test_same_bits_cli'

# Whether the demo model answers as open_clip does; prints a cell.
run_demo() { # log, command that runs vkclip...
    local log=$1 said
    shift
    if said=$(python3 tests/demo_answers.py "$@" 2>>"$log"); then
        echo "$said" | tee -a "$log" | tail -n 1
    else
        echo "$said" >>"$log"
        echo "FAILED: $(echo "$said" | tail -n 1)"
    fi
}

# Messages of the validation layer in a log, as a cell.
count_messages() { # log
    local count
    count=$(grep -cE '^([0-9]+: )?(Validation (Error|Warning|Performance)|UNASSIGNED|VUID|SYNC|BestPractices)' "$1") || true
    [ "$count" = 0 ] && echo 0 || echo "FAILED: $count"
}

# ---- drivers and Debians ---------------------------------------------------------------------

# Debian's Chromium carries SwiftShader, the newest validation layer and the Khronos mock driver. The package
# is unpacked, not installed; prints the folder that holds them.
chromium_folder() {
    local folder=$cache/chromium
    if [ ! -d "$folder/usr/lib/chromium" ]; then
        mkdir -p "$folder"
        (cd "$folder" && apt-get download chromium-common && dpkg -x chromium-common_*.deb .) >&2 ||
            not_run "chromium-common cannot be fetched"
        (cd "$folder" && basename chromium-common_*.deb | cut -d_ -f2 >version && rm -f ./*.deb)
    fi
    echo "$folder/usr/lib/chromium"
}

# The manifest of the newest validation layer: prints the folder for VK_LAYER_PATH.
newest_layer() {
    local library
    library=$(chromium_folder)/libVkLayer_khronos_validation.so
    mkdir -p "$out/layer"
    cat >"$out/layer/VkLayer_khronos_validation.json" <<END
{"file_format_version": "1.2.0",
 "layer": {"name": "VK_LAYER_KHRONOS_validation", "type": "GLOBAL", "library_path": "$library",
  "api_version": "1.4.0", "implementation_version": "1", "description": "Khronos validation"}}
END
    echo "$out/layer"
}

# The version of Vulkan the layer was made for, as it says itself.
layer_version() { # folder
    python3 - "$1" <<'END'
import ctypes, json, sys
with open(sys.argv[1] + "/VkLayer_khronos_validation.json", encoding="utf-8") as file:
    library = ctypes.CDLL(json.load(file)["layer"]["library_path"])
properties, count = ctypes.create_string_buffer(1024), ctypes.c_uint32(1)  # VkLayerProperties: a name of 256, ...
library.vkEnumerateInstanceLayerProperties(ctypes.byref(count), properties)
version = int.from_bytes(properties[256:260], "little")
print(version >> 22 & 127, version >> 12 & 1023, version & 4095, sep=".")
END
}

chromium_version() {
    cat "$cache/chromium/version"
}

# Lets apt in there fetch as this machine does: through its proxy, and from a mirror that stands still if it allows that.
fetch_as_here() { # root
    apt-config dump | grep -E '^Acquire::(Check-|.*[Pp]roxy)' >"$1/etc/apt/apt.conf.d/99machine" || true
}

# A Debian of its own in the cache, brought up to date: prints its root folder.
make_chroot() { # suite, package...
    local suite=$1 root=$cache/chroot/$1
    shift
    need_root
    need_packages debootstrap
    mkdir -p "$cache/chroot"
    (
        flock 9
        if [ ! -d "$root" ]; then
            rm -rf "$root.new"
            debootstrap --variant=minbase "$suite" "$root.new" || not_run "debootstrap of $suite failed"
            mv "$root.new" "$root"
        fi
        fetch_as_here "$root"
        [ $# = 0 ] || enter_chroot "$root" bash -c "apt-get update && DEBIAN_FRONTEND=noninteractive \
            apt-get install -y --no-install-recommends $*" || not_run "packages of $suite cannot be installed: $*"
    ) 9>"$cache/chroot/$suite.lock" >&2 || exit
    echo "$root"
}

# Debian sid: newest compilers, newest drivers, null hardware. One list of packages, for its rows share it.
make_sid() {
    make_chroot sid "${build_packages[@]}" libcmocka-dev python3 libdrm-dev mesa-drm-shim \
        vulkan-validationlayers
}

# Runs a command in a chroot, in the repository, which is seen at /vkclip, with the pictures and files that tests
# look for beside it, where they are; what is mounted for it goes with it.
enter_chroot() { # root, command...
    local root=$1
    shift
    mkdir -p "$root/vkclip" "$root/shared"
    # shellcheck disable=SC2016 # expanded by the inner shell
    unshare --mount --fork bash -c 'root=$1; shift
        mount -t proc proc "$root/proc" && mount --rbind /dev "$root/dev" && mount --bind . "$root/vkclip" || exit
        [ ! -d ../shared ] || mount --bind ../shared "$root/shared" || exit
        exec chroot "$root" env -i -C /vkclip HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 "$@"' \
        enter_chroot "$root" "$@" </dev/null
}

# Builds vkclip in a chroot, into a folder of the repository that is seen at the same path in there.
build_in_chroot() { # root, folder below the repository, cmake settings...
    local root=$1 folder=$2
    shift 2
    enter_chroot "$root" cmake -S . -B "$folder" -G Ninja -DVKCLIP_WERROR=ON "$@"
    enter_chroot "$root" cmake --build "$folder"
}

# Version of a package in a chroot.
version_in_chroot() { # root, package
    chroot "$1" dpkg-query -W -f "\${Version}" "$2"
}

# ---- other architectures ---------------------------------------------------------------------

# A Debian architecture's name for compilers and for qemu.
triplet_of() { # architecture
    case $1 in
    arm64) echo aarch64-linux-gnu ;;
    i386) echo i686-linux-gnu ;;
    s390x) echo s390x-linux-gnu ;;
    *) return 1 ;;
    esac
}

qemu_of() { # architecture
    case $1 in
    arm64) echo qemu-aarch64-static ;;
    *) echo "qemu-$1-static" ;;
    esac
}

# What rows link and run there. The null drivers for other vendors' hardware are in sid only.
sysroot_packages() { # suite
    echo libc6-dev libjpeg-dev libspng-dev libutf8proc-dev libcjson-dev libstb-dev libcmocka-dev \
        libvulkan-dev libvulkan-volk-dev libvulkan1 mesa-vulkan-drivers
    [ "$1" != sid ] || echo mesa-drm-shim vulkan-validationlayers
}

# Libraries of another architecture, unpacked and never run as a system: prints the folder.
make_sysroot() { # suite, architecture
    local root=$cache/sysroot/$1-$2
    need_root
    need_packages debootstrap qemu-user-static
    mkdir -p "$cache/sysroot"
    exec 9>"$root.lock"
    flock 9
    [ -d "$root" ] || fetch_sysroot "$1" "$2" "$root" >&2
    exec 9>&-
    echo "$root"
}

fetch_sysroot() { # suite, architecture, folder
    local suite=$1 architecture=$2 root=$3 packages package link
    rm -rf "$root.new"
    # shellcheck disable=SC2046 # one word a package
    packages=$(IFS=,; set -- $(sysroot_packages "$suite"); echo "$*")
    debootstrap --foreign --arch="$architecture" --variant=minbase --include="$packages" "$suite" "$root.new" ||
        not_run "debootstrap of $suite for $architecture failed"
    # dpkg-deb -x would put folders in place of the links from /lib to /usr/lib.
    for package in "$root.new"/var/cache/apt/archives/*.deb; do
        dpkg-deb --fsys-tarfile "$package" | tar -x --keep-directory-symlink -C "$root.new"
        rm "$package"
    done
    # A link to /lib/... would lead the linker out of the folder.
    find "$root.new/usr/lib" -type l -lname '/*' | while read -r link; do
        ln -sfnr "$root.new$(readlink "$link")" "$link"
    done
    mv "$root.new" "$root"
}

# Builds library, program and tests for another architecture with this machine's cross compiler; prints the
# build folder, in which ctest runs the tests under qemu. Link the libraries that are run: some have another
# name in sid.
build_cross() { # suite, architecture
    local suite=$1 architecture=$2 triplet root folder
    triplet=$(triplet_of "$architecture")
    root=$(make_sysroot "$suite" "$architecture")
    folder=$PWD/build/matrix/cross-$suite-$architecture
    need_packages "${build_packages[@]}" "${check_packages[@]}" "gcc-$triplet"
    PKG_CONFIG_LIBDIR=$(pkg_config_folders "$root") PKG_CONFIG_SYSROOT_DIR=$root \
        cmake -S . -B "$folder" -G Ninja -DVKCLIP_TESTS=ON -DVKCLIP_WERROR=ON -DPython3_EXECUTABLE=/usr/bin/python3 \
        -DCMAKE_BUILD_TYPE=None "-DCMAKE_C_FLAGS=-O2 -g" \
        -DCMAKE_SYSTEM_NAME=Linux "-DCMAKE_SYSTEM_PROCESSOR=${triplet%%-*}" "-DCMAKE_C_COMPILER=$triplet-gcc" \
        "-DCMAKE_SYSROOT=$root" -DCMAKE_FIND_ROOT_PATH_MODE_PROGRAM=NEVER -DCMAKE_FIND_ROOT_PATH_MODE_LIBRARY=ONLY \
        -DCMAKE_FIND_ROOT_PATH_MODE_INCLUDE=ONLY -DCMAKE_FIND_ROOT_PATH_MODE_PACKAGE=ONLY \
        "-DCMAKE_CROSSCOMPILING_EMULATOR=$(qemu_of "$architecture");-L;$root" >&2
    cmake --build "$folder" >&2
    echo "$folder"
}

pkg_config_folders() { # sysroot
    local folders=("$1"/usr/lib/*/pkgconfig "$1/usr/share/pkgconfig")
    (IFS=:; echo "${folders[*]}")
}
