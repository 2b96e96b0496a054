#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Installs what is missing, builds, runs every suite.
set -uo pipefail
cd "$(dirname "$0")/.."
. scripts/packages.sh

usage() {
    cat <<EOF
usage: scripts/test.sh [SUITE...]

Suites: unit (plain), asan (unit under ASAN and UBSAN), system (root: real ports and clients), metal
(root: QEMU guests with two NUMA nodes and cards, see also scripts/metal.sh; where none can be booted it
is skipped, and says why). Without arguments these four.
Beside them: tsan (readers and writers of cache and filter at once, under ThreadSanitizer), long (the
cache against its model for millions of steps, and its threads: MR_TEST_LONG times as long, 10).
Example: scripts/test.sh unit metal
EOF
}

case "${1:-}" in -h | --help) usage; exit 0 ;; esac
suites=("$@")
[ ${#suites[@]} -gt 0 ] || suites=(unit asan system metal)

install_missing "${build_packages[@]}" "${run_packages[@]}" "${test_packages[@]}" || exit 1
build build || exit 1

passed=0 failed=0 skipped=0
# run NAME DIR MESON-TEST-ARGUMENT...
run() {
    local name=$1 dir=$2 log
    shift 2
    log=$dir/meson-logs/testlog-$name.txt
    echo "== $name"
    if meson test -C "$dir" --no-rebuild --print-errorlogs --logbase "testlog-$name" "$@"; then :; fi
    local ok bad skips
    ok=$(grep -c '"result": "OK"' "${log%.txt}.json" 2>/dev/null)
    bad=$(grep -cE '"result": "(FAIL|TIMEOUT|ERROR|INTERRUPT)"' "${log%.txt}.json" 2>/dev/null)
    skips=$(grep -c '"result": "SKIP"' "${log%.txt}.json" 2>/dev/null)
    passed=$((passed + ok))
    failed=$((failed + bad))
    skipped=$((skipped + skips))
    # A suite that ran nothing has failed, unless it is one that a machine may be unfit for.
    [ "$((ok + bad))" -gt 0 ] || { [ "$name" = metal ] && [ "$skips" -gt 0 ]; } || failed=$((failed + 1))
    [ "$skips" -eq 0 ] || grep -h '^skipped:' "$log" | sort | uniq -c
}

for suite in "${suites[@]}"; do
    case $suite in
    unit) run unit build --suite unit ;;
    asan)
        build build-asan -Db_sanitize=address,undefined -Db_lundef=false -Dbuildtype=debugoptimized || exit 1
        ASAN_OPTIONS=detect_stack_use_after_return=1 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
            run asan build-asan --suite unit --timeout-multiplier 4
        ;;
    tsan)
        # Only what knows no library that was built without it.
        [ -f build-tsan/build.ninja ] ||
            meson setup build-tsan -Db_sanitize=thread -Db_lundef=false -Dbuildtype=debugoptimized >/dev/null
        ninja -C build-tsan tests/unit/test_cache_threads tests/unit/test_bloom | tail -n 1
        TSAN_OPTIONS=halt_on_error=1 run tsan build-tsan cache_threads bloom --timeout-multiplier 8
        ;;
    long) MR_TEST_LONG=${MR_TEST_LONG:-10} run long build cache_lruk cache_threads --timeout-multiplier 40 ;;
    system) run system build --suite system --num-processes 1 ;;
    metal)
        # What cannot be installed the scenarios name, when they skip.
        install_missing "${metal_packages[@]}" || true
        run metal build --suite metal --num-processes 2
        ;;
    *) usage >&2; exit 2 ;;
    esac
done
summary="$passed passed, $failed failed"
[ "$skipped" -eq 0 ] || summary="$summary, $skipped skipped"
echo "$summary"
[ "$failed" -eq 0 ]
