#!/usr/bin/env bash
# Counts the cases in the output of "ctest -V": tools/count_cases.sh FILE [NAMES] prints "passed failed skipped",
# of the tests whose whole name the regular expression NAMES matches.
#
# Programs print a line a case as cmocka does; a program that prints none counts as one case, and
# one that fails without naming a case as one failed.
set -euo pipefail

awk -v names="^(${2:-.*})\$" '
    function tally(id, text) {
        if (text ~ /test\(s\)/) return
        if (text ~ /^\[       OK \] /) ok[id]++
        else if (text ~ /^\[  FAILED  \] / && !((id, text) in seen)) bad[id]++
        else if (text ~ /^\[  SKIPPED \] / && !((id, text) in seen)) out[id]++
        seen[id, text] = 1
    }
    /^[0-9]+: / { id = $1 + 0; sub(/^[0-9]+: /, ""); tally(id, $0); next }
    /^ *[0-9]+\/[0-9]+ +Test +#[0-9]+: / {
        id = $0; sub(/^[^#]*#/, "", id); id += 0
        name = $0; sub(/^[^#]*#[0-9]+: /, "", name); sub(/[ .*].*/, "", name)
        if (name !~ names) next
        if (/\*\*\*Skipped/) { if (!out[id]) out[id] = 1 }
        else if (/   Passed /) { if (!ok[id] && !bad[id] && !out[id]) ok[id] = 1 }
        else if (!bad[id]) bad[id] = 1
        done[id] = 1
    }
    END {
        for (id in done) { p += ok[id]; f += bad[id]; s += out[id] }
        print p + 0, f + 0, s + 0
    }
' "$1"
