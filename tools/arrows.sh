#!/usr/bin/env bash
# Checks who includes whom: tools/arrows.sh [ROOT]
#
# A room may include itself and lower floors. Programs, and the test that stands for a user of the
# library, see the public header only. The library does not print, exit or read the environment.
# Prints each line that breaks a rule. Status: 0 none does, 1 some do.
set -euo pipefail
cd "${1:-$(dirname "$0")/..}"

broken=false

forbid() { # what it is about, extended regular expression, files or folders
    local rule=$1 pattern=$2
    shift 2
    if grep -rnE --include='*.[ch]' --include='*.cpp' "$pattern" "$@"; then
        echo "arrows: error: $rule" >&2
        broken=true
    fi
}

forbid_include() { # folder or file, pattern of what it must not include
    [ -e "$1" ] || return 0
    forbid "$1 must not include the above" "^ *# *include +[<\"](\.\./)*(src/)?($2)" "$1"
}

forbid_include src/base  'host/|gpu/|model/|verify/|roof/|search/|shared/|vulkan|volk'
forbid_include src/host  'gpu/|model/|verify/|roof/|search/|shared/|vulkan|volk'
forbid_include src/gpu   'host/|model/|verify/|roof/|search/|stb_image|jpeglib|spng|cJSON|utf8proc'
forbid_include src/model 'verify/|roof/|search/|gpu/internal|vulkan|volk|stb_image|jpeglib|spng|cJSON|utf8proc'
forbid_include src/verify 'roof/|search/|gpu/internal|vulkan|volk|stb_image|jpeglib|spng|cJSON|utf8proc'
forbid_include src/roof 'host/|verify/|search/|gpu/internal|vulkan|volk|stb_image|jpeglib|spng|cJSON|utf8proc'
forbid_include src/search 'host/|verify/|roof/|gpu/internal|vulkan|volk|stb_image|jpeglib|spng|cJSON|utf8proc'
forbid_include src/engine.c 'gpu/internal|vulkan|volk'
for outside in tools examples tests/test_engine.c; do
    forbid_include "$outside" 'base/|host/|gpu/|model/|verify/|roof/|search/|shared/|vulkan/|volk|\.\.'
done
forbid "the library must not print, exit or read the environment" \
    '(^|[^a-zA-Z0-9_])(getenv|setenv|printf|puts|putchar|perror|exit|_exit|abort) *\(' src
forbid "the library must not print" '(^|[^a-zA-Z0-9_])(stdout|stderr)([^a-zA-Z0-9_]|$)' src

! $broken
