#!/usr/bin/env bash
# Downloads the published BiomedCLIP files: tools/fetch_model.sh [DIR]
#
#   DIR             where to put them; default: ${XDG_CACHE_HOME:-$HOME/.cache}/vkclip/biomedclip,
#                   where vkclip looks for a model when it is given none
#   $VKCLIP_MIRROR  address to fetch from instead of the model's public page
#
# A file appears under its name only when it is whole and right; until then it is NAME.part, from
# which the next run resumes. What is already there and right is not fetched again.
# Needs curl or wget. Status: 0 all there, 1 something is missing, 2 usage.
set -euo pipefail

page=https://huggingface.co/microsoft/BiomedCLIP-PubMedBERT_256-vit_base_patch16_224/resolve/main
table=$(dirname "$0")/model_files.txt

fail() {
    echo "fetch_model: error: $*" >&2
    exit 1
}

size_of() {
    if [ -f "$1" ]; then
        wc -c <"$1" | tr -d ' '
    else
        echo 0
    fi
}

sha256_of() {
    if command -v sha256sum >/dev/null; then
        sha256sum <"$1" | cut -d ' ' -f 1
    else
        shasum -a 256 <"$1" | cut -d ' ' -f 1
    fi
}

# Continues the file $2 from the address $1. Sets $outcome: whole, broken, restart (the server cannot
# continue this file), refused or disk; and $answer, how the server and the client put it.
download() {
    local status=0 http log=$2.log
    if command -v curl >/dev/null; then
        local meter=--silent
        [ ! -t 2 ] || meter=--progress-bar
        http=$(curl --fail --location "$meter" --connect-timeout 30 --speed-limit 1 --speed-time 60 \
            --continue-at - --write-out '%{http_code}' --output "$2" "$1") || status=$?
        answer="HTTP $http, curl status $status"
        case $status in
        0) outcome=whole ;;
        23) outcome=disk ;;
        33) outcome=restart ;;
        *) outcome=broken ;;
        esac
    else
        wget --quiet --server-response --tries=1 --timeout=60 --continue --output-document="$2" "$1" \
            2>"$log" || status=$?
        http=$(sed -n 's|^ *HTTP/[0-9.]* \([0-9]*\).*|\1|p' "$log" | tail -n 1)
        rm -f "$log"
        answer="HTTP ${http:-000}, wget status $status"
        case $status in
        0) outcome=whole ;;
        3) outcome=disk ;;
        *) outcome=broken ;;
        esac
    fi
    case $http in
    416) outcome=restart ;;
    4?? | 5??) outcome=refused ;;
    esac
}

# Tells a JSON object that mentions $2 from the error page of a server.
is_json() {
    case $(tr -d ' \t\r\n\0' <"$1") in
    "{"*"$2"*"}") true ;;
    *) false ;;
    esac
}

# Prints why $1 is not the file $2 of $3 bytes with checksum $4; nothing when it is.
objection() {
    local size
    size=$(size_of "$1")
    if [ "$(head -c 42 "$1" | tr -d '\0')" = 'version https://git-lfs.github.com/spec/v1' ]; then
        echo "the server sent a Git LFS pointer of $size bytes, not the file itself"
    elif [ "$3" != - ] && [ "$size" != "$3" ]; then
        echo "the server's file is $size bytes long, the published one $3"
    elif [ "$4" != - ] && [ "$(sha256_of "$1")" != "$4" ]; then
        echo "wrong checksum: this is not the published file"
    elif [ "$2" = open_clip_config.json ] && ! is_json "$1" '"model_cfg"'; then
        echo 'not a JSON object with "model_cfg"'
    elif [ "$2" = config.json ] && ! is_json "$1" '"model_type"'; then
        echo 'not a JSON object with "model_type"'
    fi
}

# Brings $part to the $size of $path, in as many rounds as a bad line needs: each must bring new
# bytes. Returns false with $reason.
fill() {
    local path=$1 part=$2 size=$3 before restarts=0
    while [ "$(size_of "$part")" != "$size" ]; do
        before=$(size_of "$part")
        download "$address/$path" "$part"
        case $outcome in
        whole) return 0 ;;
        disk) fail "$part: cannot be written" ;;
        refused) reason="$address does not offer it ($answer)" ;;
        restart)
            rm -f "$part"
            restarts=$((restarts + 1))
            [ "$restarts" -gt 1 ] || continue
            reason="$address sends less than the published file ($answer)"
            ;;
        broken)
            [ "$size" = - ] || [ "$(size_of "$part")" -le "$before" ] || continue
            reason="connection to $address failed at byte $before ($answer); run again to resume"
            ;;
        esac
        return 1
    done
}

# Fetches one row of the table into $directory. Returns false with $reason.
fetch() {
    local path=$1 size=$2 sum=$3
    local target=$directory/$path
    local part=$target.part

    if [ -f "$target" ] && [ -z "$(objection "$target" "$path" "$size" "$sum")" ]; then
        echo "$path: already there"
        return 0
    fi
    mkdir -p "${target%/*}" 2>/dev/null || fail "${target%/*}: cannot be created"
    [ -w "${target%/*}" ] || fail "${target%/*}: cannot be written"
    # Without a known size nothing would notice two halves of different versions.
    if [ "$size" = - ] || [ "$(size_of "$part")" -gt "$size" ]; then
        rm -f "$part"
    fi

    if [ "$(size_of "$part")" = 0 ]; then
        echo "$path: fetching"
    else
        echo "$path: resuming at byte $(size_of "$part") of $size"
    fi
    if ! fill "$path" "$part" "$size"; then
        [ -s "$part" ] || rm -f "$part"
        return 1
    fi
    reason=$(objection "$part" "$path" "$size" "$sum")
    if [ -n "$reason" ]; then
        rm -f "$part"
        return 1
    fi
    mv "$part" "$target" || fail "$target: cannot be written"
}

case ${1:-} in
-h | --help)
    sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//p;}' "$0"
    exit 0
    ;;
-*)
    echo "usage: tools/fetch_model.sh [DIR]" >&2
    exit 2
    ;;
esac
if [ $# -gt 1 ]; then
    echo "usage: tools/fetch_model.sh [DIR]" >&2
    exit 2
fi

if [ -n "${1:-}" ]; then
    directory=$1
elif [ -n "${XDG_CACHE_HOME:-}" ]; then
    directory=$XDG_CACHE_HOME/vkclip/biomedclip
elif [ -n "${HOME:-}" ]; then
    directory=$HOME/.cache/vkclip/biomedclip
else
    fail "HOME is not set, so a directory must be given"
fi
address=${VKCLIP_MIRROR:-$page}
address=${address%/}
command -v curl >/dev/null || command -v wget >/dev/null || fail "needs curl or wget, neither is here"

while read -r path size sum need; do
    case $path in
    '' | '#'*) continue ;;
    esac
    if ! fetch "$path" "$size" "$sum"; then
        [ "$need" = optional ] || fail "$path: $reason"
        echo "$path: left out: $reason"
    fi
done <"$table"
echo "BiomedCLIP is in $directory"
