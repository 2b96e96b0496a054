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
(root: QEMU guests; about 15 minutes, see also scripts/metal.sh). Without arguments the first three.
Beside them: tsan (readers and writers of cache and filter at once, under ThreadSanitizer), long (the
cache against its model for millions of steps, and its threads: MR_TEST_LONG times as long, 10).
Example: scripts/test.sh unit metal
EOF
}

case "${1:-}" in -h | --help) usage; exit 0 ;; esac
suites=("$@")
[ ${#suites[@]} -gt 0 ] || suites=(unit asan system)

install_missing "${build_packages[@]}" "${run_packages[@]}" "${test_packages[@]}" || exit 1
build build || exit 1

passed=0 failed=0
# run NAME DIR MESON-TEST-ARGUMENT...
run() {
    local name=$1 dir=$2 log
    shift 2
    log=$dir/meson-logs/testlog-$name.txt
    echo "== $name"
    if meson test -C "$dir" --no-rebuild --print-errorlogs --logbase "testlog-$name" "$@"; then :; fi
    local ok bad
    ok=$(grep -c '"result": "OK"' "${log%.txt}.json" 2>/dev/null)
    bad=$(grep -cE '"result": "(FAIL|TIMEOUT|ERROR|INTERRUPT)"' "${log%.txt}.json" 2>/dev/null)
    passed=$((passed + ok))
    failed=$((failed + bad))
    # A suite that ran nothing has failed.
    [ "$((ok + bad))" -gt 0 ] || failed=$((failed + 1))
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
        install_missing "${metal_packages[@]}" || exit 1
        run metal build --suite metal --num-processes 1
        ;;
    *) usage >&2; exit 2 ;;
    esac
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
