#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Builds the Windows driver with the simulated kernel, and runs its tests:
#
#   run.sh [NAME ...]      those whose file name contains a NAME
#
# each under AddressSanitizer with UndefinedBehaviorSanitizer, and under
# ThreadSanitizer. SANITIZERS="address thread coverage" chooses; "coverage"
# prints which lines of driver/windows and driver/core were run, and fails below
# LEAST_COVERAGE percent of either. DRIVER is another copy of driver/ (mutation.py).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../../.."

CC=${CC:-$(command -v clang-19 || command -v clang)}
DRIVER=${DRIVER:-driver}
LEAST_COVERAGE=${LEAST_COVERAGE:-90}
LLVM=$(dirname "$(readlink -f "$CC")")
if [ -z "${BUILD:-}" ]; then
    BUILD=$(mktemp -d)
    trap 'rm -rf "$BUILD"' EXIT
fi
FLAGS="-DFD_SIM -std=gnu11 -fshort-wchar -g -O1 -Wall -Wextra -Werror -pthread
       -I $DRIVER -I $DRIVER/windows/sim -I tests/c"

flags_of() {
    case $1 in
    address) echo -fsanitize=address,undefined -fno-sanitize-recover=all ;;
    thread) echo -fsanitize=thread ;;
    coverage) echo -fprofile-instr-generate -fcoverage-mapping ;;
    *) echo "no such sanitizer: $1" >&2 && exit 2 ;;
    esac
}

# sources KIND: the files that every test is linked with.
sources() {
    ls "$DRIVER"/windows/*.c "$DRIVER"/core/*.c "$DRIVER"/windows/sim/*.c \
        "$DRIVER"/windows/sim/test/world.c | grep -v '/load_config\.c$'
}

compile() { # SANITIZER SOURCE
    # shellcheck disable=SC2046,SC2086
    "$CC" $FLAGS $(flags_of "$1") -c "$2" -o "$BUILD/$1/$(basename "$(dirname "$2")")-$(basename "$2" .c).o"
}

build_and_run() { # SANITIZER TEST
    local name binary
    name=$(basename "$2" .c)
    binary=$BUILD/$1/$name
    local objects=("$BUILD/$1"/*.o)
    [[ $2 == */windows/* ]] || objects=("$BUILD/$1"/core-*.o)
    [[ $2 != *test_engine_* ]] ||
        objects+=(-D_POSIX_C_SOURCE=200809L -I src/fastdivert/engine src/fastdivert/engine/*.c)
    # shellcheck disable=SC2046,SC2086
    "$CC" $FLAGS $(flags_of "$1") "$2" "${objects[@]}" -o "$binary"
    local status=0
    LLVM_PROFILE_FILE=$BUILD/$1/$name.%p.profraw timeout 120 "$binary" >"$binary.out" 2>&1 || status=$?
    printf '%s (%s): ' "$name" "$1"
    if [ "$status" != 0 ]; then
        printf 'FAILED with %d\n' "$status"
        cat "$binary.out"
        return 1
    fi
    tail -n 1 "$binary.out"
}

report_coverage() {
    local part lines
    "$LLVM/llvm-profdata" merge -sparse "$BUILD"/coverage/*.profraw -o "$BUILD/coverage/all.profdata"
    local objects=()
    for part in "$BUILD"/coverage/test_*; do
        [[ $part == *.out || $part == *.profraw ]] && continue
        [ ${#objects[@]} = 0 ] || objects+=(-object)
        objects+=("$part")
    done
    for part in windows core; do
        # shellcheck disable=SC2046
        "$LLVM/llvm-cov" report "${objects[@]}" -instr-profile "$BUILD/coverage/all.profdata" \
            $(find "$DRIVER/$part" -maxdepth 1 -name '*.[ch]' | sort) >"$BUILD/coverage/$part.txt"
        awk -v part="driver/$part" 'BEGIN { printf "%-24s %6s %8s %9s\n", part, "lines", "not run", "run" }
            $10 ~ /%/ { printf "%-24s %6d %8d %9s\n", $1, $8, $9, $10 }' "$BUILD/coverage/$part.txt"
        lines=$(awk '/^TOTAL/ { print int($10) }' "$BUILD/coverage/$part.txt")
        if [ "$lines" -lt "$LEAST_COVERAGE" ]; then
            printf 'driver/%s: %s %% of the lines are run by these tests, less than %s\n' \
                "$part" "$lines" "$LEAST_COVERAGE"
            return 1
        fi
    done
}

export CC DRIVER BUILD FLAGS
export -f flags_of compile build_and_run

tests=()
for file in "$DRIVER"/windows/sim/test/test_*.c; do
    if [ "$#" = 0 ]; then
        tests+=("$file")
        continue
    fi
    for name in "$@"; do
        [[ $(basename "$file") != *"$name"* ]] || tests+=("$file")
    done
done
[ ${#tests[@]} != 0 ] || { echo "no test matches: $*" >&2; exit 2; }

for sanitizer in ${SANITIZERS:-address thread}; do
    mkdir -p "$BUILD/$sanitizer"
    sources | xargs -P 2 -I {} bash -euc 'compile "$@"' compile "$sanitizer" {}
    printf '%s\n' "${tests[@]}" |
        xargs -P 2 -I {} bash -euc 'build_and_run "$@"' run "$sanitizer" {}
    if [ "$sanitizer" = coverage ]; then
        # What the driver does not call of the core, or only for fields that no
        # filter here asks for, has its own tests.
        find tests/c -name 'test_*.c' |
            xargs -P 2 -I {} bash -euc 'build_and_run "$@"' run coverage {}
        report_coverage
    fi
done
printf '%d test files passed\n' ${#tests[@]}
