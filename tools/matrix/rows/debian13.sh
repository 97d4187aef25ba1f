#!/usr/bin/env bash
# Debian 13, fresh: both commands of the README from a clean checkout, all tests on its llvmpipe
. tools/matrix/debian.sh

run_debian trixie "Debian 13"
