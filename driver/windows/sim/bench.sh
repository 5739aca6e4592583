#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Throughput in the simulated kernel: our rings beside one request a packet. Its
# rules are off (no lock order, no pool bookkeeping), so that what is measured
# are the drivers.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../../.."

CC=${CC:-$(command -v clang-19 || command -v clang)}
BUILD=$(mktemp -d)
trap 'rm -rf "$BUILD"' EXIT
shopt -s extglob
"$CC" -DFD_SIM -DFD_SIM_MEASURE -std=gnu11 -fshort-wchar -O2 -Wall -Wextra -Werror -pthread \
    -I driver -I driver/windows/sim -I tests/c \
    driver/windows/!(load_config).c driver/core/*.c driver/windows/sim/*.c \
    driver/windows/sim/test/world.c driver/windows/sim/benchmark/*.c -o "$BUILD/throughput"
"$BUILD/throughput"
