#!/usr/bin/env bash
# Debian sid, fresh: both commands of the README from a clean checkout, all tests on its llvmpipe
. tools/matrix/debian.sh

run_debian sid "Debian sid"
