#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Does what a stranger does: in a new Debian, from a clean clone, the README's two commands; or builds
# the packages there and tries them in another new Debian.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/packages.sh

usage() {
    cat <<EOF
usage: scripts/fresh.sh 12|13 [--packages] [--quick] [--keep]

  --packages  build the packages, install them in a second new Debian, run their quickstart
  --quick     of the README's two commands only scripts/quickstart.sh
  --keep      leave the Debian, and say where it is
Needs root. Takes the archive from this machine's own apt configuration. What is tested is the last
commit, not the working tree. Example: scripts/fresh.sh 13 --packages
EOF
}

release='' packages=no quick=no keep=no
for word in "$@"; do
    case $word in
    12) release=bookworm ;;
    13) release=trixie ;;
    --packages) packages=yes ;;
    --quick) quick=yes ;;
    --keep) keep=yes ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
    esac
done
[ -n "$release" ] || { usage >&2; exit 2; }
[ "$(id -u)" -eq 0 ] || { echo "fresh.sh: run as root: it mounts and changes root" >&2; exit 1; }
install_missing debootstrap debian-archive-keyring git

# The archive that this machine uses, without security and updates.
archive() {
    {
        sed -n 's/^URIs: *//p' /etc/apt/sources.list.d/*.sources 2>/dev/null
        sed -n 's/^deb \(\[[^]]*\] \)\?//p' /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null
        true # either kind of file may be missing
    } | awk '{ print $1 }' | grep -E '/debian/?$' | head -n 1
}
mirror=$(archive)
[ -n "$mirror" ] || { echo "fresh.sh: no Debian archive in /etc/apt/sources.list*" >&2; exit 1; }

work=$(mktemp -d "${TMPDIR:-/tmp}/millrace-fresh.XXXXXX")
base=${TMPDIR:-/tmp}/millrace-$release.tar

finish() {
    local code=$?
    if [ $keep = yes ]; then
        echo "left in place: $work"
    else
        rm -rf --one-file-system "$work"
    fi
    exit $code
}
trap finish EXIT

# debian DIR: a new minimal Debian, with this machine's way to the archive.
debian() {
    local root=$1
    if [ ! -f "$base" ]; then
        debootstrap --variant=minbase --include=ca-certificates "$release" "$work/base" "$mirror" >"$work/debootstrap.log" 2>&1 ||
            { tail -n 20 "$work/debootstrap.log" >&2; return 1; }
        tar -C "$work/base" -cf "$base.new" .
        mv "$base.new" "$base"
        rm -rf "$work/base"
    fi
    mkdir -p "$root"
    tar -C "$root" -xf "$base"
    # It need not survive a power cut.
    echo force-unsafe-io >"$root/etc/dpkg/dpkg.cfg.d/unsafe-io"
    cp -r /etc/apt/apt.conf.d/. "$root/etc/apt/apt.conf.d/"
    # Docker's slimming of packages would hide missing files.
    rm -f "$root"/etc/apt/apt.conf.d/docker-* "$root"/etc/apt/apt.conf.d/*packagekit "$root"/etc/apt/apt.conf.d/*appstream
    cp /etc/resolv.conf /etc/hosts "$root/etc/"
    echo "deb $mirror $release main" >"$root/etc/apt/sources.list"
}

# inside DIR COMMAND...: runs it there, with /proc, /sys and /dev, in mounts of its own.
inside() {
    local root=$1
    shift
    unshare --mount --pid --fork --kill-child bash -c '
        set -e
        root=$1; shift
        mount --make-rprivate /
        mount -t proc proc "$root/proc"
        mount --rbind /sys "$root/sys"
        mount --rbind /dev "$root/dev"
        mount -t tmpfs run "$root/run"
        exec chroot "$root" /usr/bin/env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
            HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"' inside "$root" "$@"
}

say() { printf '\n#### %s\n' "$*"; }

say "a new Debian: $release"
debian "$work/debian"
git clone -q --no-local . "$work/debian/root/millrace"
say "commit $(git -C "$work/debian/root/millrace" log -1 --format='%h %s')"

if [ $packages = yes ]; then
    say "build packages"
    inside "$work/debian" /root/millrace/scripts/deb.sh /root/packages
    debian "$work/user"
    cp -r "$work/debian/root/packages" "$work/user/root/"
    say "install them in another new Debian, and run their quickstart"
    inside "$work/user" sh -c 'apt-get update -qq && apt-get install -y -qq --no-install-recommends /root/packages/*.deb >/dev/null'
    inside "$work/user" sh -c 'dpkg -l millrace libmillrace1 libmillrace-dev | tail -n 3; ldd /usr/bin/millraced | grep -E "librte_eal|librocksdb"'
    # It needs nothing from outside any more: in a network of its own it is in nobody's way.
    inside "$work/user" unshare --net sh -c 'ip link set lo up; exec /usr/share/millrace/quickstart.sh'
else
    say "scripts/quickstart.sh"
    inside "$work/debian" /root/millrace/scripts/quickstart.sh
    if [ $quick = no ]; then
        say "scripts/test.sh"
        inside "$work/debian" /root/millrace/scripts/test.sh
    fi
fi
say "fresh: $release passed"
