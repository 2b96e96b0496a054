#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Builds and runs benchmarks: JSON lines on stdout, words for people on stderr.
set -uo pipefail
cd "$(dirname "$0")/.."
. scripts/packages.sh

all=(memory bloom cache cache-hit cache-memory wire row handoff datapath scale idle security)

usage() {
    cat <<USAGE
usage: scripts/bench.sh [--build DIR] [--native] [NAME [-- ARGUMENT...]]...
       scripts/bench.sh cache-hit [--traces DIR]

Benches: ${all[*]}. Without names all of them. What follows a -- goes to the last bench alone.
--native compiles for this CPU (in build-native); --build DIR takes an existing build.
Example: scripts/bench.sh memory datapath -- --rows 1000000 get-uniform
As root, 2 MiB pages are reserved for the run and given back afterwards; otherwise benches ask for
transparent ones, and say so.
USAGE
}

dir=build names=() arguments=() setup=(-Dbuildtype=release)
while [ $# -gt 0 ]; do
    case $1 in
    -h | --help) usage; exit 0 ;;
    --build) dir=$2; shift ;;
    --native) dir=build-native setup+=(-Dnative=true) ;;
    --traces) arguments=(--traces "$(cd "$OLDPWD" && realpath -- "$2")"); shift ;;
    --) shift; arguments=("$@"); break ;;
    -*) usage >&2; exit 2 ;;
    *)
        [[ " ${all[*]} " = *" $1 "* ]] || { echo "bench.sh: no bench is named $1" >&2; usage >&2; exit 2; }
        names+=("$1")
        ;;
    esac
    shift
done
[ ${#names[@]} -gt 0 ] || names=("${all[@]}")

install_missing "${build_packages[@]}" >&2 || exit 1
if [ ! -f "$dir/build.ninja" ]; then
    meson setup "$dir" "${setup[@]}" >/dev/null || exit 1
fi
targets=()
for name in "${names[@]}"; do targets+=("bench/bench_$name"); done
ninja -C "$dir" "${targets[@]}" >&2 || exit 1

pool=/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages
had=$(cat "$pool" 2>/dev/null || echo 0)
gave=

# Others may have changed the pool meanwhile: then it is theirs.
give_back() {
    [ -n "$gave" ] && [ "$(cat "$pool")" = "$gave" ] && echo "$had" >"$pool"
    gave=
}
trap give_back EXIT
trap 'exit 130' INT TERM

# reserve MB: asks for as much beyond what is in use.
reserve() {
    local used
    [ -w "$pool" ] || return 0
    used=$((had - $(cat "${pool%nr_*}free_hugepages")))
    [ "$((used + $1 / 2))" -gt "$had" ] || return 0
    echo "$((used + $1 / 2))" >"$pool" 2>/dev/null
    gave=$(cat "$pool")
}

# run NAME ARGUMENT...
run() {
    local name=$1 bench=$dir/bench/bench_$1
    shift
    case $name in datapath | handoff | idle | scale | security) reserve "$("$bench" --memory "$@")" ;; esac
    "$bench" "$@" || { echo "bench.sh: $name failed" >&2; failed=1; }
    give_back
}

failed=0
for i in "${!names[@]}"; do
    own=()
    [ "$i" -eq "$((${#names[@]} - 1))" ] && own=("${arguments[@]}")
    run "${names[i]}" "${own[@]}"
done
exit "$failed"
