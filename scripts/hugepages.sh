#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Shows, sets and clears hugepages per NUMA node.
set -euo pipefail

usage() {
    cat <<EOF
usage: scripts/hugepages.sh show
       scripts/hugepages.sh set PAGES [--size 2M|1G] [--node N]
       scripts/hugepages.sh clear [--size 2M|1G] [--node N]

Without --node, PAGES are given to each node. Prints the state before and after.
Example: scripts/hugepages.sh set 1024        # 2 GiB on each node
EOF
}

sys=/sys/devices/system/node
size_kb=2048
node=all

die() {
    echo "hugepages.sh: $*" >&2
    exit 1
}

nodes() {
    if [ "$node" = all ]; then
        for dir in "$sys"/node[0-9]*; do echo "${dir##*node}"; done | sort -n
    else
        [ -d "$sys/node$node" ] || die "no NUMA node $node here; there are: $(ls -d $sys/node[0-9]* | sed 's/.*node//' | tr '\n' ' ')"
        echo "$node"
    fi
}

show() {
    printf '%-6s %-10s %8s %8s %10s\n' node size total free mounted
    local n dir kb at
    for n in $(node=all nodes); do
        for dir in "$sys/node$n"/hugepages/hugepages-*kB; do
            [ -d "$dir" ] || continue
            kb=${dir##*hugepages-}
            kb=${kb%kB}
            at=$(awk -v k="$kb" '$3 == "hugetlbfs" { s = "2048"; if ($4 ~ /pagesize=1024M|pagesize=1G/) s = "1048576"; if (s == k) print $2 }' /proc/mounts | head -n 1)
            printf '%-6s %-10s %8s %8s %10s\n' "$n" "$((kb / 1024))M" "$(cat "$dir/nr_hugepages")" \
                "$(cat "$dir/free_hugepages")" "${at:--}"
        done
    done
}

give() {
    local want=$1 n file got
    [ "$(id -u)" -eq 0 ] || die "must be root to change hugepages"
    for n in $(nodes); do
        file=$sys/node$n/hugepages/hugepages-${size_kb}kB/nr_hugepages
        [ -f "$file" ] || die "node $n has no pages of $((size_kb / 1024))M (1G pages may need hugepagesz=1G on the kernel's command line)"
        echo "$want" >"$file"
        got=$(cat "$file")
        [ "$got" -eq "$want" ] || short="$short node $n: $got of $want;"
    done
}

mount_it() {
    local at=/dev/hugepages options=pagesize=2M
    [ "$size_kb" -eq 2048 ] || { at=/dev/hugepages1G options=pagesize=1G; }
    grep -q " $at hugetlbfs " /proc/mounts && return
    mkdir -p "$at"
    mount -t hugetlbfs -o "$options" none "$at"
}

[ $# -ge 1 ] || { usage >&2; exit 2; }
verb=$1
shift
pages=
case $verb in
show) ;;
clear) pages=0 ;;
set)
    [ $# -ge 1 ] && [[ $1 =~ ^[0-9]+$ ]] || { usage >&2; exit 2; }
    pages=$1
    shift
    ;;
-h | --help) usage; exit 0 ;;
*) usage >&2; exit 2 ;;
esac
while [ $# -gt 0 ]; do
    case "$1 ${2:-}" in
    "--size 2M") size_kb=2048 ;;
    "--size 1G") size_kb=1048576 ;;
    "--node "[0-9]*) node=$2 ;;
    *) usage >&2; exit 2 ;;
    esac
    shift 2
done

if [ "$verb" = show ]; then
    show
    exit 0
fi
short=
echo "before:"
show
give "$pages"
[ "$pages" -eq 0 ] || mount_it
echo "after:"
show
[ -z "$short" ] || die "the kernel gave less:$short memory is fragmented or in use: ask earlier after boot, or for less"
