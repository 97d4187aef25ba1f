#!/usr/bin/env bash
# Where vkclip runs, tried anew: tools/matrix.sh [--list | --quick] [--renew] [--json FILE] [ROW...]
#
# Each row is an environment: a driver, an architecture, a set of limits, a compiler. A row fetches
# what it needs (Debian packages, whole Debians) into $VKCLIP_MATRIX_CACHE, ~/.cache/vkclip-matrix
# where that is not set, and runs. Prints one Markdown table of all rows, and writes it as JSON to
# build/matrix/matrix.json or FILE. Without names every row runs, which takes hours on two cores;
# --quick runs those of tools/check.sh, --list names them all.
# Rows of compilers hold their estimates to tests/compilers/ROW.csv; --renew has them write it anew instead.
# A row that cannot get what it needs is "not run", with the reason. Everything may be deleted
# again: build/matrix and the cache.
# Status: 0 no row failed, 1 some did, 2 usage.
set -euo pipefail
cd "$(dirname "$0")/.."

rows=()
for file in tools/matrix/rows/*.sh; do
    rows+=("$(basename "$file" .sh)")
done

summary_of() { # row: the first line of its comment
    sed -n '2s/^# //p' "tools/matrix/rows/$1.sh"
}

is_quick() { # row
    grep -q '^# quick$' "tools/matrix/rows/$1.sh"
}

list_rows() {
    local row mark
    for row in "${rows[@]}"; do
        mark=' '
        ! is_quick "$row" || mark='*'
        printf '%s %-12s %s\n' "$mark" "$row" "$(summary_of "$row")"
    done
    echo "* quick"
}

usage() {
    echo "usage: tools/matrix.sh [--list | --quick] [--renew] [--json FILE] [ROW...]; rows: ${rows[*]}" >&2
    exit 2
}

wanted=()
json=build/matrix/matrix.json
while [ $# -gt 0 ]; do
    case $1 in
    -h | --help)
        sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//p;}' "$0"
        exit 0
        ;;
    --list)
        list_rows
        exit 0
        ;;
    --quick)
        for row in "${rows[@]}"; do
            ! is_quick "$row" || wanted+=("$row")
        done
        ;;
    --renew) export VKCLIP_MATRIX_RENEW=1 ;;
    --json)
        [ $# -ge 2 ] || usage
        json=$2
        shift
        ;;
    -*) usage ;;
    *)
        [ -f "tools/matrix/rows/$1.sh" ] || usage
        wanted+=("$1")
        ;;
    esac
    shift
done
[ ${#wanted[@]} -gt 0 ] || wanted=("${rows[@]}")

mkdir -p build/matrix
for row in "${wanted[@]}"; do
    folder=build/matrix/$row
    rm -rf "$folder/lines" "$folder/log"
    mkdir -p "$folder"
    start=$SECONDS
    echo "matrix: $row: $(summary_of "$row")" >&2
    status=0
    bash "tools/matrix/rows/$row.sh" >"$folder/log" 2>&1 </dev/null || status=$?
    printf '%s\n%s\n%s\n' "$status" "$((SECONDS - start))" "$(date -u +%F)" >"$folder/status"
    case $status in
    0) ;;
    77) echo "matrix: $row: not run: $(tail -n 1 "$folder/log")" >&2 ;;
    *)
        tail -n 20 "$folder/log" >&2
        echo "matrix: $row: FAILED; all of it is in $folder/log" >&2
        ;;
    esac
done

exec python3 tools/matrix/table.py --json "$json" "${wanted[@]}"
