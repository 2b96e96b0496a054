#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Breaks an appliance on purpose, in every way that there is a promise about, under open-loop load.
set -uo pipefail
cd "$(dirname "$0")/.."
. scripts/packages.sh

usage() {
    cat <<USAGE
usage: scripts/chaos.sh [--build DIR] [STEP...]

Builds with fault points (-Dfault_injection=true) in build-chaos, or DIR, starts an appliance on a TAP
port in a network namespace, on two CPUs, and breaks it step by step under load. Each step prints what
clients saw and asserts the promises. Needs root. Steps: $(python3 tests/system/chaos.py --list)
USAGE
}

dir=build-chaos steps=()
while [ $# -gt 0 ]; do
    case $1 in
    -h | --help) usage; exit 0 ;;
    --build) dir=$2; shift ;;
    -*) usage >&2; exit 2 ;;
    *) steps+=("$1") ;;
    esac
    shift
done

install_missing "${build_packages[@]}" >&2 || exit 1
if [ ! -f "$dir/build.ninja" ]; then
    meson setup "$dir" -Dbuildtype=release -Dfault_injection=true >/dev/null || exit 1
fi
ninja -C "$dir" app/millraced/millraced app/millrace/millrace tests/system/rows >&2 || exit 1
MILLRACE_CHAOS_STEPS="${steps[*]}" exec taskset -c 0,1 python3 tests/system/chaos.py "$dir"
