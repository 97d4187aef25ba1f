#!/usr/bin/env bash
# Debian 12, fresh: both commands of the README from a clean checkout, all tests on its llvmpipe
. tools/matrix/debian.sh

run_debian bookworm "Debian 12"
