#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Builds the sdist and the wheel as a user gets them, and tries both: repaired
# to a manylinux tag, audited for the stable ABI, installed into fresh
# environments of every Python from 3.11 on that this machine has. The build
# tools are those of PATH. What was built stays in dist/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
LIMIT=3000000 # bytes of a wheel
SMOKE=$PWD/tests/packaging/smoke.py

# pythons: the path of one interpreter for each minor version from 3.11 on.
pythons() {
    local minor python
    for minor in 11 12 13 14 15; do
        for python in "$(command -v "python3.$minor")" ~/.pyenv/versions/*/bin/"python3.$minor"; do
            if [ -x "$python" ] && "$python" -c 'import ensurepip, venv' 2>/dev/null; then
                printf '%s\n' "$python"
                break
            fi
        done
    done
}

# try PYTHON ARCHIVE: installs it where nothing of the checkout is seen, and runs the smoke test.
try() {
    local place
    place=$(mktemp -d -p "$WORK")
    "$1" -m venv "$place/venv"
    "$place/venv/bin/python" -m pip install --quiet "$2"
    (cd "$place" && venv/bin/python -I "$SMOKE")
}

rm -rf dist
python -m build --outdir "$WORK/built" . >"$WORK/build.log" 2>&1 || { cat "$WORK/build.log"; exit 1; }
sdist=$(echo "$WORK"/built/*.tar.gz)
auditwheel repair --strip --wheel-dir dist "$WORK"/built/*.whl >"$WORK/repair.log" 2>&1 ||
    { cat "$WORK/repair.log"; exit 1; }
cp "$sdist" dist/
wheel=$(echo dist/*.whl)
python -m abi3audit --strict --summary "$wheel"
python tests/packaging/contents.py "$wheel" "$sdist"

size=$(stat -c %s "$wheel")
[ "$size" -lt "$LIMIT" ] || { echo "$wheel has $size bytes, more than $LIMIT" >&2; exit 1; }
printf '%s: %d bytes\n' "$wheel" "$size"

count=0
while read -r python; do
    count=$((count + 1))
    try "$python" "$wheel"
    [ "$count" = 1 ] || continue
    printf 'from the sdist: '
    try "$python" "$sdist"
done < <(pythons)
[ "$count" -gt 0 ] || { echo "no Python to try the wheel with" >&2; exit 1; }
printf 'the wheel works on %d versions of Python\n' "$count"
