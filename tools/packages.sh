# Sourced by demo.sh and check.sh: what a machine needs, and how it gets it.
# shellcheck shell=bash disable=SC2034

build_packages=(
    gcc libc6-dev cmake ninja-build pkg-config glslc
    libjpeg-dev libspng-dev libutf8proc-dev libcjson-dev libstb-dev
    libvulkan-dev libvulkan-volk-dev libvulkan1 mesa-vulkan-drivers
)
fetch_packages=(curl ca-certificates)
check_packages=(
    clang clang-format libclang-rt-dev shellcheck libcmocka-dev vulkan-validationlayers
    python3 python3-numpy python3-pil curl wget g++ libdcmtk-dev libnlopt-dev
)

say() {
    echo "$(basename "$0" .sh): $*"
}

# Status 3: this machine cannot run it as it is.
give_up() {
    echo "$(basename "$0" .sh): error: $*" >&2
    exit 3
}

# True on the systems whose package names are those above: Debian from 12, Ubuntu from 24.04.
is_known_system() {
    [ -r /etc/os-release ] && command -v apt-get dpkg-query >/dev/null || return 1
    local id version
    id=$(. /etc/os-release && echo "${ID:-}")
    version=$(. /etc/os-release && echo "${VERSION_ID:-99}") # testing and sid have no number
    case $id in
    debian) [ "${version%%.*}" -ge 12 ] ;;
    ubuntu) [ "${version%%.*}" -ge 24 ] ;;
    *) false ;;
    esac
}

name_packages_and_stop() {
    cat >&2 <<'END'
This script installs packages on Debian 12 and later and Ubuntu 24.04 and later only. Elsewhere,
install these, or what they are called there:

Fedora    dnf install gcc cmake ninja-build pkgconf-pkg-config glslc libjpeg-turbo-devel
          libspng-devel utf8proc-devel cjson-devel stb_image-devel vulkan-headers
          vulkan-volk-devel vulkan-loader mesa-vulkan-drivers
Arch      pacman -S gcc cmake ninja pkgconf shaderc libjpeg-turbo libspng libutf8proc cjson stb
          vulkan-headers volk vulkan-icd-loader, and your GPU's driver or vulkan-swrast
Homebrew  brew install cmake ninja pkgconf shaderc jpeg-turbo libspng utf8proc cjson
          vulkan-headers vulkan-volk vulkan-loader molten-vk; stb_image.h has no formula

and then

    cmake -S . -B build -G Ninja -DVKCLIP_TESTS=OFF && cmake --build build
    build/vkclip classify -m tools/demo/model --labels tools/demo/labels.txt tools/demo/images/*
END
    exit 3
}

is_installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# Installs those of the packages that are missing, and says which; quiet when none is.
#   $1 log file
install_missing() {
    local log=$1 missing=() as_root=() package
    shift
    is_known_system || name_packages_and_stop
    for package in "$@"; do
        is_installed "$package" || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0

    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null || give_up "not root and no sudo; as root: apt-get install ${missing[*]}"
        as_root=(sudo)
    fi
    say "installing ${missing[*]}"
    mkdir -p "$(dirname "$log")"
    # One dead package source out of many is no reason to stop; a missing package is.
    "${as_root[@]}" apt-get update >"$log" 2>&1 </dev/null || true
    if ! "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
        -o DPkg::Lock::Timeout=120 "${missing[@]}" >>"$log" 2>&1 </dev/null; then
        tail -n 20 "$log" >&2
        give_up "could not install packages; all of it is in $log"
    fi
}
