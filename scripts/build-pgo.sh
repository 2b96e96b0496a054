#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A profile-guided build: compiles with counters, lets the datapath bench run all its cases, and
# compiles again with what was counted.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/packages.sh

usage() {
    cat <<USAGE
usage: scripts/build-pgo.sh [--native] [--rows N] [DIR [TARGET...]]

Builds in DIR (build-pgo), everything or the TARGETs of ninja. Training takes minutes: all cases of
bench datapath with N rows (1000000). Code that it does not reach is compiled as without a profile.
--native compiles for this CPU besides. Profiles belong to the sources and the compiler that they
were made with: run it again after changes. Example: scripts/build-pgo.sh --native build-fast
USAGE
}

native=false rows=1000000
while [ $# -gt 0 ]; do
    case $1 in
    -h | --help) usage; exit 0 ;;
    --native) native=true ;;
    --rows) rows=${2:?--rows wants a number}; shift ;;
    -*) usage >&2; exit 2 ;;
    *) break ;;
    esac
    shift
done
dir=${1:-build-pgo}
[ $# -eq 0 ] || shift

install_missing "${build_packages[@]}"
# RX and I/O lcores count at once.
counting=(-Db_pgo=generate -Dc_args=-fprofile-update=atomic)
using=(-Db_pgo=use "-Dc_args=-fprofile-partial-training -Wno-missing-profile")
if [ -f "$dir/build.ninja" ]; then
    find "$dir" -name '*.gcda' -delete
    meson configure "$dir" -Dnative=$native "${counting[@]}"
else
    meson setup "$dir" -Dbuildtype=release -Dnative=$native "${counting[@]}" >/dev/null
fi
ninja -C "$dir" bench/bench_datapath
scripts/bench.sh --build "$dir" datapath -- --local --rounds 2 --rows "$rows" >"$dir/training.jsonl"
meson configure "$dir" "${using[@]}"
ninja -C "$dir" "$@"
