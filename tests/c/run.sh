#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Builds and runs the C tests of driver/core, and those of the batch engine
# (test_engine_*.c): run.sh [NAME ...] runs those whose file name contains a NAME. CC chooses the compiler, CORE another copy
# of driver/core (mutation.py), BUILD where the binaries go.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

CC=${CC:-$(command -v clang-19 || command -v clang || command -v gcc)}
DRIVER=${CORE:-driver/core}/..
if [ -z "${BUILD:-}" ]; then
    BUILD=$(mktemp -d)
    trap 'rm -rf "$BUILD"' EXIT
fi
WARNINGS="-std=c11 -D_POSIX_C_SOURCE=200809L -Wall -Wextra -Werror"

# run FILE LABEL FLAGS...
run() {
    local file=$1 label=$2 binary engine=()
    shift 2
    [[ $file != *test_engine_* ]] || engine=(-I src/fastdivert/engine src/fastdivert/engine/*.c)
    binary=$BUILD/$(basename "$file" .c)-$label
    # shellcheck disable=SC2086
    "$CC" $WARNINGS -g "$@" -I "$DRIVER" -I tests/c "$file" "${engine[@]}" "$DRIVER"/core/*.c -pthread -o "$binary"
    printf '%s (%s): ' "$(basename "$file" .c)" "$label"
    "$binary"
}

wanted() {
    local name
    [ "$#" -gt 1 ] || return 0
    for name in "${@:2}"; do
        [[ $1 == *"$name"* ]] && return 0
    done
    return 1
}

printf 'compiler: %s\n' "$("$CC" --version | head -n 1)"
count=0
for file in tests/c/test_*.c; do
    wanted "$(basename "$file")" "$@" || continue
    count=$((count + 1))
    run "$file" address+undefined -O1 -fsanitize=address,undefined -fno-sanitize-recover=all
    case $file in
    *_threads.c)
        tsan=-Wno-unknown-warning-option
        "$CC" --version | grep -qi clang || tsan=-Wno-tsan # gcc warns of every fence
        run "$file" thread -O1 -fsanitize=thread "$tsan"
        run "$file" optimized -O3
        ;;
    *) run "$file" optimized -O3 ;;
    esac
done
[ "$count" -gt 0 ] || { echo "no test matches: $*" >&2; exit 2; }
printf '%d files passed\n' "$count"
