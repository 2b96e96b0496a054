#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Builds and runs benchmarks: JSON lines on stdout, words for people on stderr.
set -uo pipefail
cd "$(dirname "$0")/.."
. scripts/packages.sh

all=(memory bloom cache cache-hit cache-memory wire row handoff datapath scale idle security telemetry process store)

usage() {
    cat <<USAGE
usage: scripts/bench.sh [--build DIR] [--native] [NAME [-- ARGUMENT...]]...
       scripts/bench.sh cache-hit [--traces DIR]
       scripts/bench.sh kill [-- CYCLES]
       scripts/bench.sh sim [-- ARGUMENT...]
       scripts/bench.sh --report DIR [--from FILE] [NAME [-- ARGUMENT...]]...

Benches: ${all[*]}. Without names all of them. What follows a -- goes to the last bench alone.
Beside them the long runs of two tests, by name only: kill (root; SIGKILLs under load, 200 unless told
otherwise) and sim (10 million steps of the simulation over 200 seeds).
--native compiles for this CPU (in build-native); --build DIR takes an existing build.
Example: scripts/bench.sh memory datapath -- --rows 1000000 get-uniform
--report DIR also writes DIR/index.html, one page with plots, from what the benches print, which is
kept in DIR/lines.jsonl; with --from FILE nothing runs and FILE has the lines.
As root, 2 MiB pages are reserved for the run and given back afterwards; otherwise benches ask for
transparent ones, and say so.
USAGE
}

here=$OLDPWD report='' from='' rest=()
dir=build names=() arguments=() setup=(-Dbuildtype=release)
while [ $# -gt 0 ]; do
    case $1 in
    --report | --from)
        [ $# -gt 1 ] || { usage >&2; exit 2; }
        path=$(cd "$here" && realpath -m -- "$2")
        if [ "$1" = --report ]; then report=$path; else from=$path; fi
        shift 2
        continue
        ;;
    --traces) rest+=(--traces "$(cd "$here" && realpath -- "${2-}")") ;;
    --build) rest+=(--build "${2-}") ;;
    --) rest+=("$@") ;;
    *) rest+=("$1") ;;
    esac
    case $1 in
    -h | --help) usage; exit 0 ;;
    --build) dir=$2; shift ;;
    --native) dir=build-native setup+=(-Dnative=true) ;;
    --traces) arguments=(--traces "$(cd "$OLDPWD" && realpath -- "$2")"); shift ;;
    --) shift; arguments=("$@"); break ;;
    -*) usage >&2; exit 2 ;;
    *)
        [[ " ${all[*]} kill sim " = *" $1 "* ]] || { echo "bench.sh: no bench is named $1" >&2; usage >&2; exit 2; }
        names+=("$1")
        ;;
    esac
    shift
done
[ ${#names[@]} -gt 0 ] || names=("${all[@]}")

machine() {
    awk -F': ' '/^model name|^cache size/ && !seen[$1]++ { print $2 }' /proc/cpuinfo
    echo "$(nproc) CPUs, $(awk '/^MemTotal/ { printf "%.0f", $2 / 1024 / 1024 }' /proc/meminfo) GiB of memory"
    echo "$(uname -srm); load before the run: $(cut -d ' ' -f 1-3 /proc/loadavg)"
    echo "$(gcc --version | head -n 1); millrace $(git describe --always --dirty 2>/dev/null)"
}

# draw LINES: with what is known of the machine that they come from.
draw() {
    local about=()
    [ -f "$(dirname "$1")/machine.txt" ] && about=(--machine "$(dirname "$1")/machine.txt")
    mkdir -p "$report" &&
        python3 scripts/report.py --when "$(date -r "$1" '+%Y-%m-%d %H:%M %Z')" "${about[@]}" "$1" "$report/index.html" &&
        echo "bench.sh: drawn in $report/index.html" >&2
}

if [ -n "$from" ]; then
    [ -n "$report" ] || { usage >&2; exit 2; }
    draw "$from"
    exit
elif [ -n "$report" ]; then
    mkdir -p "$report" && machine >"$report/machine.txt" || exit 1
    scripts/bench.sh "${rest[@]}" | tee "$report/lines.jsonl"
    status=${PIPESTATUS[0]}
    draw "$report/lines.jsonl" || status=1
    exit "$status"
fi

install_missing "${build_packages[@]}" >&2 || exit 1
if [[ " ${names[*]} " = *" process "* ]] && [ "$(id -u)" -eq 0 ]; then
    install_servers "${bench_packages[@]}" >&2 || exit 1
fi
if [ ! -f "$dir/build.ninja" ]; then
    meson setup "$dir" "${setup[@]}" >/dev/null || exit 1
fi
targets=()
for name in "${names[@]}"; do
    case $name in
    kill) targets+=(app/millraced/millraced app/millrace/millrace) ;;
    sim) targets+=(tests/sim/sim) ;;
    telemetry) targets+=(bench/bench_telemetry bench/bench_process app/millraced/millraced app/millrace/millrace) ;;
    store) targets+=(bench/bench_store app/millraced/millraced app/millrace/millrace) ;;
    process) targets+=(bench/bench_process app/millraced/millraced app/millrace/millrace) ;;
    *) targets+=("bench/bench_$name") ;;
    esac
done
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
    case $name in datapath | handoff | idle | scale | security | store | telemetry) reserve "$("$bench" --memory "$@")" ;; esac
    "$bench" "$@" || { echo "bench.sh: $name failed" >&2; failed=1; }
    give_back
}

# long NAME COMMAND...: a test's long run: a JSON line of how long it took; what it says is for people.
long() {
    local name=$1 start=$SECONDS
    shift
    "$@" >&2 || { echo "bench.sh: $name failed" >&2; failed=1; return; }
    printf '{"bench":"%s","case":"long","metric":"time","value":%d,"unit":"s"}\n' "$name" $((SECONDS - start))
}

# millraced in a process of its own, against peers.
process() {
    if [ "$(id -u)" -ne 0 ]; then
        echo "process: needs root, for network namespaces: left out" >&2
        return
    fi
    reserve "$(python3 bench/process/process.py --memory "$@")"
    python3 bench/process/process.py --build "$dir" "$@" || { echo "bench.sh: process failed" >&2; failed=1; }
    give_back
}

# What polling does to an appliance's hits.
polled() {
    if [ "$(id -u)" -ne 0 ]; then
        echo "telemetry: polling needs root, for network namespaces: left out" >&2
        return
    fi
    reserve "$(python3 bench/process/polled.py --memory)"
    python3 bench/process/polled.py --build "$dir" || { echo "bench.sh: telemetry failed" >&2; failed=1; }
    give_back
}

# store ARGUMENT...: the store by itself, then inside a real millraced; names of cases choose.
store() {
    local options=() alone=() inside=() chosen=no
    while [ $# -gt 0 ]; do
        case $1 in
        -*) options+=("$1" "${2-}"); shift ;;
        millraced-*) inside+=("$1"); chosen=yes ;;
        *) alone+=("$1"); chosen=yes ;;
        esac
        shift
    done
    [ "$chosen" = yes ] && [ ${#alone[@]} -eq 0 ] || run store "${options[@]}" "${alone[@]}"
    [ "$chosen" = no ] || [ ${#inside[@]} -gt 0 ] || return 0
    if [ "$(id -u)" -ne 0 ]; then
        echo "store: inside millraced needs root, for network namespaces: left out" >&2
        return
    fi
    python3 bench/store/appliance.py "$dir" "${options[@]}" "${inside[@]}" ||
        { echo "bench.sh: store inside millraced failed" >&2; failed=1; }
}

failed=0
for i in "${!names[@]}"; do
    own=()
    [ "$i" -eq "$((${#names[@]} - 1))" ] && own=("${arguments[@]}")
    case ${names[i]} in
    kill) long kill env MILLRACE_TEST_KILLS="${own[0]:-200}" tests/system/kill.py "$dir" ;;
    sim)
        [ ${#own[@]} -gt 0 ] || own=(--seeds 200 --steps 50000)
        long sim "$dir/tests/sim/sim" "${own[@]}"
        ;;
    process) process "${own[@]}" ;;
    telemetry)
        run telemetry "${own[@]}"
        [ ${#own[@]} -gt 0 ] || polled
        ;;
    store) store "${own[@]}" ;;
    *) run "${names[i]}" "${own[@]}" ;;
    esac
done
exit "$failed"
