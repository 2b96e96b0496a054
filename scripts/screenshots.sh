#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Makes the pictures in docs/img: `millrace top` in a terminal of 80 x 24 (tmux), and the HTML reports
# of `millrace blast` and, given one, of scripts/bench.sh --report, wide and as on a phone (Chromium).
# An appliance serves on a TAP port in a network namespace meanwhile. Needs root.
set -uo pipefail
cd "$(dirname "$0")/.."
. scripts/packages.sh

usage() {
    cat <<USAGE
usage: scripts/screenshots.sh [--build DIR] [--bench-report FILE.html] [--out DIR]

Writes top.png, blast-wide.png, blast-phone.png and, with --bench-report, bench-wide.png and
bench-phone.png to docs/img or DIR.
USAGE
}

dir=build out=docs/img bench=
while [ $# -gt 0 ]; do
    case $1 in
    -h | --help) usage; exit 0 ;;
    --build) dir=$2; shift ;;
    --bench-report) bench=$(realpath -- "$2"); shift ;;
    --out) out=$2; shift ;;
    *) usage >&2; exit 2 ;;
    esac
    shift
done

install_missing tmux chromium fonts-dejavu-core >&2 || exit 1
build "$dir" -Dbuildtype=release >&2 || exit 1
mkdir -p "$out"
MILLRACE_SHOTS_OUT=$(realpath -- "$out") MILLRACE_SHOTS_BENCH=$bench \
    exec python3 tests/system/screenshots.py "$dir"
