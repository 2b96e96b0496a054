#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Rehearses on metal: boots QEMU guests with two NUMA nodes, an IOMMU and cards, and runs scenarios.
set -uo pipefail
cd "$(dirname "$0")/.."
. scripts/packages.sh

usage() {
    cat <<EOF
usage: scripts/metal.sh [--long] [SCENARIO...]

Scenarios: numa lookups powercut unit, and with --long also baddisk clouds; --long cuts the power 50
times instead of 5. One scenario with a shell on the guest's console at its end:
       tests/metal/SCENARIO.py BUILD-DIRECTORY --shell
Needs root; installs what is missing. A guest is emulated: no KVM, about half a minute to boot.
Example: scripts/metal.sh numa
EOF
}

long=no scenarios=()
while [ $# -gt 0 ]; do
    case $1 in
    --long) long=yes ;;
    -h | --help) usage; exit 0 ;;
    numa | lookups | powercut | unit | baddisk | clouds) scenarios+=("$1") ;;
    *) usage >&2; exit 2 ;;
    esac
    shift
done
if [ ${#scenarios[@]} -eq 0 ]; then
    scenarios=(numa lookups powercut unit)
    [ $long = no ] || scenarios+=(baddisk clouds)
fi

install_missing "${build_packages[@]}" "${run_packages[@]}" "${metal_packages[@]}" || exit 1
build build || exit 1
failed=0 passed=0 skipped=0
for scenario in "${scenarios[@]}"; do
    echo "== $scenario"
    more=()
    [ "$scenario$long" != powercutyes ] || more=(--cycles=50)
    "tests/metal/$scenario.py" build "${more[@]}"
    case $? in
    0) passed=$((passed + 1)) ;;
    77) skipped=$((skipped + 1)) ;;
    *) failed=$((failed + 1)); echo "FAILED: $scenario; what it printed: build/metal/$scenario.results" ;;
    esac
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
