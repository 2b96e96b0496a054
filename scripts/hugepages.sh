#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Shows, sets, clears and undoes hugepages per NUMA node.
set -euo pipefail

usage() {
    cat <<EOT
usage: scripts/hugepages.sh show
       scripts/hugepages.sh set PAGES [--size 2M|1G] [--node N] [--persist]
       scripts/hugepages.sh clear [--size 2M|1G] [--node N] [--persist]
       scripts/hugepages.sh undo

Without --node, PAGES are given to each node. Prints the state before and after.
  --persist  also for the next boots: writes /etc/tmpfiles.d/millrace-hugepages.conf, and for
             1G pages a mount unit. Nothing is written to /etc without it.
  undo       puts back what was there before the first set or clear since boot, unmounts what
             this script mounted, and removes the files that --persist wrote.
Example: scripts/hugepages.sh set 1024        # 2 GiB on each node
EOT
}

root=${MILLRACE_ROOT:-} # a tree to work on instead of this machine, for tests
sys=$root/sys/devices/system/node
state=$root/run/millrace-hugepages
boot=$root/etc/tmpfiles.d/millrace-hugepages.conf
units=$root/etc/systemd/system
size_kb=2048
node=all
persist=no

die() {
    echo "hugepages.sh: $*" >&2
    exit 1
}

nodes() {
    local dir here=()
    for dir in "$sys"/node[0-9]*; do here+=("${dir##*node}"); done
    if [ "$node" = all ]; then
        printf '%s\n' "${here[@]}" | sort -n
    else
        [ -d "$sys/node$node" ] || die "no NUMA node $node here; there are: ${here[*]}"
        echo "$node"
    fi
}

pages_file() { echo "$sys/node$1/hugepages/hugepages-$2kB/nr_hugepages"; }

# Where pages of a size are mounted; without pagesize= a mount has the kernel's default size.
mounted_at() {
    local default
    default=$(awk '$1 == "Hugepagesize:" { print $2 }' "$root/proc/meminfo")
    awk -v want="$1" -v default_kb="${default:-2048}" '$3 == "hugetlbfs" {
        kb = default_kb
        if (match($4, /pagesize=[0-9]+[KMG]/)) {
            n = substr($4, RSTART + 9, RLENGTH - 10)
            unit = substr($4, RSTART + RLENGTH - 1, 1)
            kb = n * (unit == "G" ? 1048576 : unit == "M" ? 1024 : 1)
        }
        if (kb == want) { print $2; exit }
    }' "$root/proc/mounts"
}

show() {
    printf '%-6s %-10s %8s %8s %16s\n' node size total free mounted
    local n dir kb
    local -A mounts=()
    for n in $(node=all nodes); do
        for dir in "$sys/node$n"/hugepages/hugepages-*kB; do
            [ -d "$dir" ] || continue
            kb=${dir##*hugepages-}
            kb=${kb%kB}
            [ -n "${mounts[$kb]:-}" ] || mounts[$kb]=$(mounted_at "$kb")
            printf '%-6s %-10s %8s %8s %16s\n' "$n" "$((kb / 1024))M" "$(<"$dir/nr_hugepages")" \
                "$(<"$dir/free_hugepages")" "${mounts[$kb]:--}"
        done
    done
}

# Remembers a value the first time it is changed.
remember() {
    mkdir -p "$state"
    grep -qs "^$1 $2 " "$state/before" || echo "$1 $2 $3" >>"$state/before"
}

give() {
    local want=$1 n file got
    for n in $(nodes); do
        file=$(pages_file "$n" "$size_kb")
        [ -f "$file" ] || die "node $n has no pages of $((size_kb / 1024))M: the kernel says which sizes this CPU has in $sys/node$n/hugepages"
        remember "$n" "$size_kb" "$(<"$file")"
        echo "$want" >"$file"
        got=$(<"$file")
        [ "$got" -eq "$want" ] || short="$short node $n: $got of $want;"
    done
}

mount_it() {
    local at=/dev/hugepages options=pagesize=2M
    [ "$size_kb" -eq 2048 ] || { at=/dev/hugepages1G options=pagesize=1G; }
    [ -z "$(mounted_at "$size_kb")" ] || return 0
    mkdir -p "$root$at"
    [ -n "$root" ] || mount -t hugetlbfs -o "$options" none "$at"
    echo "$at" >>"$state/mounted"
}

# One line for each node and size; systemd-tmpfiles writes them early in the boot.
keep() {
    local want=$1 n file
    mkdir -p "${boot%/*}"
    [ -f "$boot" ] || echo "# Written by hugepages.sh --persist, removed by hugepages.sh undo." >"$boot"
    for n in $(nodes); do
        file=$(pages_file "$n" "$size_kb")
        file=${file#"$root"}
        sed -i "\\|^w $file |d" "$boot"
        [ "$want" -eq 0 ] || echo "w $file - - - - $want" >>"$boot"
    done
    grep -q '^w ' "$boot" || rm -f "$boot"
    echo "for the next boots: $boot"
    [ "$size_kb" -ne 2048 ] || return 0
    if ! grep -qs hugepages-1048576kB "$boot"; then
        forget_mount
        return 0
    fi
    mkdir -p "$units/sysinit.target.wants"
    cat >"$units/dev-hugepages1G.mount" <<EOT
# Written by hugepages.sh --persist, removed by hugepages.sh undo.
[Unit]
Description=1 GiB hugepages
DefaultDependencies=no
Before=sysinit.target
[Mount]
What=hugetlbfs
Where=/dev/hugepages1G
Type=hugetlbfs
Options=pagesize=1G
EOT
    ln -sf ../dev-hugepages1G.mount "$units/sysinit.target.wants/"
    echo "for the next boots: $units/dev-hugepages1G.mount"
    echo "if a boot gives fewer 1G pages than asked for, reserve them on the kernel's command line: hugepagesz=1G hugepages=N"
}

forget_mount() {
    rm -f "$units/dev-hugepages1G.mount" "$units/sysinit.target.wants/dev-hugepages1G.mount"
}

undo() {
    local n kb pages at file
    if [ -f "$state/before" ]; then
        while read -r n kb pages; do
            file=$(pages_file "$n" "$kb")
            echo "$pages" >"$file"
            [ "$(<"$file")" -eq "$pages" ] || short="$short node $n: $(<"$file") instead of $pages;"
        done <"$state/before"
    else
        echo "nothing was changed since boot"
    fi
    if [ -f "$state/mounted" ]; then
        while read -r at; do
            [ -n "$root" ] || umount "$at" || die "$at is in use: stop what uses it (fuser -m $at), then undo again"
        done <"$state/mounted"
    fi
    rm -rf "$state"
    [ ! -f "$boot" ] || echo "removed: $boot"
    rm -f "$boot"
    forget_mount
}

[ $# -ge 1 ] || { usage >&2; exit 2; }
verb=$1
shift
pages=
case $verb in
show | undo) ;;
clear) pages=0 ;;
set)
    [[ "${1:-}" =~ ^[0-9]+$ ]] || { usage >&2; exit 2; }
    pages=$1
    shift
    ;;
-h | --help) usage; exit 0 ;;
*) usage >&2; exit 2 ;;
esac
while [ $# -gt 0 ]; do
    case "$1 ${2:-}" in
    "--size 2M") size_kb=2048; shift ;;
    "--size 1G") size_kb=1048576; shift ;;
    "--node "[0-9]*) node=$2; shift ;;
    "--persist "*) persist=yes ;;
    *) usage >&2; exit 2 ;;
    esac
    shift
done

[ -d "$sys/node0" ] || die "this kernel shows no NUMA nodes in $sys: it has no hugepages to give (CONFIG_NUMA, CONFIG_HUGETLBFS)"
if [ "$verb" = show ]; then
    show
    exit 0
fi
[ -n "$root" ] || [ "$(id -u)" -eq 0 ] || die "must be root to change hugepages"
nodes >/dev/null
short=
echo "before:"
show
if [ "$verb" = undo ]; then
    undo
else
    give "$pages"
    [ "$pages" -eq 0 ] || mount_it
    [ $persist = no ] || keep "$pages"
fi
echo "after:"
show
[ -z "$short" ] || die "the kernel gave otherwise:$short memory is fragmented or in use: ask earlier after boot, or for less"
