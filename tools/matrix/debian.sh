# Sourced by the rows of whole Debians: the two commands of the README where nothing is installed yet.
# shellcheck shell=bash
. tools/matrix/row.sh
export -f enter_chroot # the demo is run by a script that knows commands only

# A system as debootstrap leaves it, made anew for every run, so that a package which the commands forget to
# install is missing.
make_fresh_chroot() { # suite, root
    need_root
    need_packages debootstrap git
    rm -rf --one-file-system "$2"
    debootstrap --variant=minbase "$1" "$2" >&2 || not_run "debootstrap of $1 failed"
    fetch_as_here "$2"
}

# Runs both commands in a clone of what is committed; a line of the table.
run_debian() { # suite, name
    local suite=$1 name=$2 root=$cache/fresh/$1 checkout=$out/checkout log said demo
    make_fresh_chroot "$suite" "$root"
    rm -rf "$checkout"
    git clone --quiet . "$checkout"
    log=$checkout/build/check/llvmpipe-validated.log

    cd "$checkout"
    demo=$(verdict enter_chroot "$root" tools/demo.sh)
    said=$(verdict enter_chroot "$root" tools/check.sh)
    case $demo in FAILED*) ;; *) demo=$(run_demo "$out/demo.log" bash -c 'enter_chroot "$@"' - "$root" build/vkclip) ;; esac
    line "llvmpipe, $name" proof=ran \
        versions="Mesa $(version_in_chroot "$root" mesa-vulkan-drivers), $(chroot "$root" gcc --version | head -n 1)" \
        kernels="$(count_tests "$log" test_kernels)" towers="$(count_tests "$log" test_towers)" demo="$demo" \
        messages="$(count_messages "$log")" note="check.sh: $said"
    cd - >/dev/null
    rm -rf --one-file-system "$root"
    end_row
}
