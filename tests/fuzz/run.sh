#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Runs every fuzz target for a while, each under ASan and UBSan:
#
#   run.sh SECONDS [NAME ...]
#
# A target is a fuzz_*.c here, linked with all of driver/core and the C of the
# batch engine. Start inputs, if any, lie in corpus/NAME; what a run finds
# goes to a temporary folder, or to $CORPUS/NAME if CORPUS is set. An input
# that makes a target fail is kept in $ARTIFACTS (by default in fastdivert-fuzz
# under the temporary folder).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

SECONDS_EACH=${1:?usage: run.sh SECONDS [NAME ...]}
shift
CC=${CC:-$(command -v clang-19 || command -v clang)}
DRIVER=${CORE:-driver/core}/..
ARTIFACTS=${ARTIFACTS:-${TMPDIR:-/tmp}/fastdivert-fuzz}
BUILD=$(mktemp -d)
trap 'rm -rf "$BUILD"' EXIT

FLAGS="-std=c11 -D_GNU_SOURCE -g -O1 -Wall -Wextra -fsanitize=fuzzer-no-link,address,undefined
       -fno-sanitize-recover=all -I $DRIVER -I src/fastdivert/engine -I tests/fuzz"

objects=()
for source in "$DRIVER"/core/*.c src/fastdivert/engine/*.c; do
    [ -e "$source" ] || continue
    case $source in
    */engine/*) [ -z "${CORE_ONLY:-}" ] || continue ;;
    esac
    object=$BUILD/$(basename "$(dirname "$source")")-$(basename "$source" .c).o
    # shellcheck disable=SC2086
    "$CC" $FLAGS -c "$source" -o "$object"
    objects+=("$object")
done

count=0
for source in tests/fuzz/fuzz_*.c; do
    name=$(basename "$source" .c)
    name=${name#fuzz_}
    if [ "$#" -gt 0 ] && [[ " $* " != *" $name "* ]]; then
        continue
    fi
    count=$((count + 1))
    # shellcheck disable=SC2086
    "$CC" $FLAGS -fsanitize=fuzzer "$source" "${objects[@]}" -o "$BUILD/$name"
    found=${CORPUS:-$BUILD/corpus}/$name
    mkdir -p "$found" "$ARTIFACTS"
    start=()
    [ ! -d "tests/fuzz/corpus/$name" ] || start=("tests/fuzz/corpus/$name")
    printf '%s: %s seconds\n' "$name" "$SECONDS_EACH"
    if ! "$BUILD/$name" -max_total_time="$SECONDS_EACH" -max_len=8192 -timeout=10 \
        -rss_limit_mb=2048 -use_value_profile=1 -print_final_stats=1 -verbosity=0 \
        -artifact_prefix="$ARTIFACTS/$name-" "$found" "${start[@]}" >"$BUILD/$name.log" 2>&1; then
        cat "$BUILD/$name.log"
        printf '%s: FAILED\n' "$name"
        exit 1
    fi
    printf '%s: %s runs, %s inputs kept, nothing found\n' "$name" \
        "$(sed -n 's/^stat::number_of_executed_units: *//p' "$BUILD/$name.log")" \
        "$(find "$found" -type f | wc -l)"
done
[ "$count" -gt 0 ] || { echo "no target is called $*" >&2; exit 2; }
