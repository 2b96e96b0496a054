#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Fuzzes one target with AddressSanitizer and UndefinedBehaviorSanitizer for some time.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/packages.sh

targets=()
for file in tests/fuzz/fuzz_*.c; do
    name=${file##*/fuzz_}
    targets+=("${name%.c}")
done

usage() {
    cat <<USAGE
usage: scripts/fuzz.sh [--afl] [--dir DIR] TARGET SECONDS [ARGUMENT...]

Targets: ${targets[*]}.
Builds with libFuzzer (or AFL++) in build-fuzz (build-afl), or in DIR. What is found that covers
more is kept in DIR/corpus/TARGET, inputs that break something in DIR/findings/TARGET, and each
is a reason to fail. Further arguments go to the fuzzer. Example: scripts/fuzz.sh wire 1800
USAGE
}

engine=libfuzzer dir=
while [ $# -gt 0 ]; do
    case $1 in
    --afl) engine=afl ;;
    --dir) dir=$2; shift ;;
    -h | --help) usage; exit 0 ;;
    *) break ;;
    esac
    shift
done
if [ $# -lt 2 ] || [[ " ${targets[*]} " != *" $1 "* ]] || ! [[ $2 =~ ^[0-9]+$ ]]; then
    usage >&2
    exit 2
fi
target=$1 seconds=$2
shift 2

if [ $engine = afl ]; then
    install_missing "${build_packages[@]}" afl++ clang
    compiler=afl-clang-fast dir=${dir:-build-afl}
else
    install_missing "${build_packages[@]}" clang
    compiler=clang dir=${dir:-build-fuzz}
fi
if [ ! -f "$dir/build.ninja" ]; then
    CC=$compiler CXX=$compiler++ meson setup "$dir" --buildtype=debugoptimized -Db_sanitize=address,undefined \
        -Db_lundef=false -Dc_args=-fsanitize=fuzzer-no-link >/dev/null
fi
ninja -C "$dir" "tests/fuzz/fuzz_$target" | tail -n 1

program=$dir/tests/fuzz/fuzz_$target
corpus=$dir/corpus/$target findings=$dir/findings/$target
mkdir -p "$corpus" "$findings"
# wire has a corpus for each direction.
seeds=()
for seed in "tests/fuzz/corpus/$target" tests/fuzz/corpus/"$target"-*; do
    [ -d "$seed" ] && seeds+=("$seed")
done
export ASAN_OPTIONS=${ASAN_OPTIONS:-abort_on_error=1:symbolize=1:detect_leaks=0}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-halt_on_error=1:print_stacktrace=1}

if [ $engine = afl ]; then
    for seed in "${seeds[@]}"; do cp -n "$seed"/* "$corpus/" 2>/dev/null || true; done
    export ASAN_OPTIONS=abort_on_error=1:symbolize=0:detect_leaks=0 AFL_SKIP_CPUFREQ=1
    export AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES=1 AFL_NO_UI=1
    timeout --preserve-status $((seconds + 30)) \
        afl-fuzz -i "$corpus" -o "$findings" -V "$seconds" -m none "$@" -- "$program" >&2
    found=$(find "$findings" -path '*/crashes/id*' | wc -l)
else
    "$program" -max_total_time="$seconds" -artifact_prefix="$findings/" -rss_limit_mb=4096 \
        -timeout=60 -report_slow_units=60 "$@" "$corpus" "${seeds[@]}" || true
    found=$(find "$findings" -type f | wc -l)
fi
echo "$target: $found finding(s), $(find "$corpus" -type f | wc -l) inputs kept in $corpus"
[ "$found" -eq 0 ]
