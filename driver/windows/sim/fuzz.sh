#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Runs the fuzz targets of the Windows driver in the simulated kernel, each for
# so long, two at a time, under ASan and UBSan:
#
#   fuzz.sh SECONDS [NAME ...]      ioctls, rings, packets
#
# What a run finds worth keeping goes to a temporary folder, or to $CORPUS/NAME;
# an input that makes a target fail is kept in $ARTIFACTS (by default
# fastdivert-fuzz under the temporary folder).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../../.."

SECONDS_EACH=${1:?usage: fuzz.sh SECONDS [NAME ...]}
shift
export CC=${CC:-$(command -v clang-19 || command -v clang)}
DRIVER=${DRIVER:-driver}
ARTIFACTS=${ARTIFACTS:-${TMPDIR:-/tmp}/fastdivert-fuzz}
BUILD=$(mktemp -d)
trap 'rm -rf "$BUILD"' EXIT
export BUILD
export FLAGS="-DFD_SIM -std=gnu11 -fshort-wchar -g -O1 -Wall -Wextra -pthread
    -fsanitize=address,undefined -fno-sanitize-recover=all
    -I $DRIVER -I $DRIVER/windows/sim -I tests/c -I tests/fuzz"

compile() {
    # shellcheck disable=SC2086
    "$CC" $FLAGS -fsanitize=fuzzer-no-link -c "$1" \
        -o "$BUILD/$(basename "$(dirname "$1")")-$(basename "$1" .c).o"
}
export -f compile

ls "$DRIVER"/windows/*.c "$DRIVER"/core/*.c "$DRIVER"/windows/sim/*.c \
    "$DRIVER"/windows/sim/test/world.c | grep -v '/load_config\.c$' |
    xargs -P 2 -I {} bash -euc 'compile "$@"' compile {}

fuzz() { # SOURCE
    local name found
    name=$(basename "$1" .c)
    name=${name#fuzz_}
    found=${CORPUS:-$BUILD/corpus}/$name
    # shellcheck disable=SC2086
    "$CC" $FLAGS -fsanitize=fuzzer "$1" "$BUILD"/*.o -o "$BUILD/$name"
    mkdir -p "$found" "$ARTIFACTS"
    if ! "$BUILD/$name" -max_total_time="$SECONDS_EACH" -max_len=4096 -timeout=20 \
        -rss_limit_mb=4096 -use_value_profile=1 -print_final_stats=1 -verbosity=0 \
        -artifact_prefix="$ARTIFACTS/sim-$name-" "$found" >"$BUILD/$name.log" 2>&1; then
        cat "$BUILD/$name.log"
        printf '%s: FAILED\n' "$name"
        return 1
    fi
    printf '%s: %s seconds, %s runs, %s inputs kept, nothing found\n' "$name" "$SECONDS_EACH" \
        "$(sed -n 's/^stat::number_of_executed_units: *//p' "$BUILD/$name.log")" \
        "$(find "$found" -type f | wc -l)"
}
export SECONDS_EACH ARTIFACTS
export -f fuzz

targets=()
for source in "$DRIVER"/windows/sim/fuzz/fuzz_*.c; do
    name=$(basename "$source" .c)
    if [ "$#" = 0 ] || [[ " $* " == *" ${name#fuzz_} "* ]]; then
        targets+=("$source")
    fi
done
[ ${#targets[@]} -gt 0 ] || { echo "no target is called $*" >&2; exit 2; }
printf '%s\n' "${targets[@]}" | xargs -P 2 -I {} bash -euc 'fuzz "$@"' fuzz {}
