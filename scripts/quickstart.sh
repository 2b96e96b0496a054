#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# From nothing to the first lookup: installs, builds, starts millraced on a TAP port, loads a sample,
# looks rows up through the kernel's network stack, shows answers and figures, stops cleanly.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/packages.sh

usage() {
    cat <<EOF
usage: scripts/quickstart.sh [--keep]

  --keep    leave the appliance running and print how to reach and stop it
Needs root (TAP port) and no hugepages. Example: sudo scripts/quickstart.sh
EOF
}

keep=no
case "${1:-}" in
"") ;;
--keep) keep=yes ;;
-h | --help) usage; exit 0 ;;
*) usage >&2; exit 2 ;;
esac
[ "$(id -u)" -eq 0 ] || { echo "quickstart.sh: run as root: it makes a TAP port" >&2; exit 1; }
[ -c /dev/net/tun ] || modprobe tun 2>/dev/null || { echo "quickstart.sh: no /dev/net/tun here: a TAP port cannot be made" >&2; exit 1; }

say() { printf '\n== %s\n' "$*"; }

say "install and build"
install_missing "${build_packages[@]}" "${run_packages[@]}"
build build
export PATH="$PWD/build/app/millrace:$PWD/build/app/millraced:$PATH"

dir=$(mktemp -d /tmp/millrace-quickstart.XXXXXX)
prefix=quickstart$$
iface=mrq$$
export MILLRACE_SERVER=10.77.77.1:7411 MILLRACE_ADMIN=$dir/admin.sock
export MILLRACE_TELEMETRY=/var/run/dpdk/$prefix/dpdk_telemetry.v2
cat >"$dir/millrace.ini" <<EOF
[lcores]
control = 0
rx = 0
io = $(($(nproc) > 1 ? 1 : 0))
[memory]
huge = no
file_prefix = $prefix
[port tap]
device = net_tap0,iface=$iface
address = 10.77.77.1
[store]
path = $dir/store
[cache]
memory = 64M
[security]
allow = 10.77.77.0/24
writers = 10.77.77.2
[admin]
socket = $dir/admin.sock
EOF

daemon=
finish() {
    local code=$?
    if [ -n "$daemon" ] && kill -0 "$daemon" 2>/dev/null; then
        kill -TERM "$daemon"
        wait "$daemon" || code=1
    fi
    [ $code -eq 0 ] || { echo "quickstart.sh: failed; the appliance's log:" >&2; cat "$dir/log" >&2; }
    rm -rf "$dir"
    exit $code
}
trap finish EXIT

say "start"
millraced -c "$dir/millrace.ini" 2>"$dir/log" &
daemon=$!
for _ in $(seq 200); do
    grep -q 'serving on' "$dir/log" && break
    kill -0 "$daemon" 2>/dev/null || exit 1
    sleep 0.1
done
ip address add 10.77.77.2/24 dev "$iface"
ip link set "$iface" up
cat "$dir/log"
ping -c 3 -i 0.3 10.77.77.1

say "register feature sets and load rows"
millrace sets apply scripts/sample/sets.ini
millrace load user scripts/sample/users.csv
millrace load activity scripts/sample/activity.jsonl
millrace sets

say "look rows up"
millrace get user 1001 1002 1003
echo
echo "a view over both sets; 1004 has no activity, 9999 is no user (exit code 1 says so):"
millrace get ctr 1001 1004 9999 || [ $? -eq 1 ]
echo
millrace get ctr 1002 --json
millrace put user 1004 age=62 country=Norge premium=true 'embedding=1;2;3;4'
millrace get user 1004

say "latency over the kernel's stack, and telemetry"
millrace ping
for _ in $(seq 200); do millrace get ctr 1001 1002 1003 >/dev/null || [ $? -eq 1 ]; done
millrace stat

if [ $keep = yes ]; then
    trap - EXIT
    say "left running"
    echo "export PATH=$PWD/build/app/millrace:\$PATH MILLRACE_SERVER=$MILLRACE_SERVER"
    echo "export MILLRACE_ADMIN=$MILLRACE_ADMIN MILLRACE_TELEMETRY=$MILLRACE_TELEMETRY"
    echo "stop it with: kill $daemon; and remove $dir"
    exit 0
fi
say "stop"
kill -TERM "$daemon"
wait "$daemon"
daemon=
tail -n 2 "$dir/log"
say "done"
