#!/usr/bin/env bash
# From a fresh machine to classified pictures: tools/demo.sh [--biomedclip]
#
# Installs what is missing (Debian 12 and 13, Ubuntu 24.04), builds into build/, and classifies the
# demo pictures with the demo model on the best Vulkan device. With --biomedclip it fetches the
# published BiomedCLIP weights first (784 MB) and classifies the example pictures of its page.
# Status: that of vkclip; 1 the build or a download failed, 2 usage, 3 packages are missing.
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/packages.sh

with_biomedclip=false
case $#:${1:-} in
0:) ;;
1:--biomedclip) with_biomedclip=true ;;
1:-h | 1:--help)
    sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//p;}' "$0"
    exit 0
    ;;
*)
    echo "usage: tools/demo.sh [--biomedclip]" >&2
    exit 2
    ;;
esac

build() {
    local generator=()
    [ -f build/CMakeCache.txt ] || generator=(-G Ninja)
    say "building into build/"
    if ! {
        cmake -S . -B build "${generator[@]}" -DCMAKE_BUILD_TYPE=Release -DVKCLIP_TESTS=OFF &&
            cmake --build build
    } >build/demo.log 2>&1 </dev/null; then
        tail -n 30 build/demo.log >&2
        echo "demo: error: the build failed; all of it is in build/demo.log" >&2
        exit 1
    fi
}

# The labels under which the authors published probabilities for these pictures.
classify_examples() {
    local pictures=("$1"/example_data/*/*)
    if [ ! -e "${pictures[0]}" ]; then
        say "no example pictures were offered; with yours: build/vkclip classify -l LABEL... PICTURE..."
        return
    fi
    build/vkclip classify -m "$1" --top 3 \
        -l 'adenocarcinoma histopathology' -l 'brain MRI' -l 'covid line chart' \
        -l 'squamous cell carcinoma histopathology' -l 'immunohistochemistry histopathology' \
        -l 'bone X-ray' -l 'chest X-ray' -l 'pie chart' -l 'hematoxylin and eosin histopathology' \
        "${pictures[@]}"
}

mkdir -p build
packages=("${build_packages[@]}")
if $with_biomedclip; then
    packages+=("${fetch_packages[@]}")
fi
install_missing build/packages.log "${packages[@]}"
build

if $with_biomedclip; then
    model=${XDG_CACHE_HOME:-$HOME/.cache}/vkclip/biomedclip
    tools/fetch_model.sh "$model"
    classify_examples "$model"
else
    build/vkclip classify -m tools/demo/model --labels tools/demo/labels.txt --top 3 tools/demo/images/*
    echo
    rm -rf build/demo.index # of an earlier run, perhaps of other pictures or on another device
    build/vkclip index -q -m tools/demo/model -o build/demo.index tools/demo/images
    build/vkclip search -q -m tools/demo/model -i build/demo.index --top 3 'purple round cells'
    echo
    echo "BiomedCLIP itself, 784 MB:  tools/fetch_model.sh"
    echo "Then, with your pictures:   build/vkclip classify -l 'chest X-ray' -l 'brain MRI' PICTURE..."
fi
