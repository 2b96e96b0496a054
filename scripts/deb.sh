#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Builds Debian packages from this tree: millrace (the appliance and the tool), libmillrace1 (what
# programs that use the SDK run with) and libmillrace-dev (its headers and archives).
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/packages.sh

usage() {
    cat <<EOF
usage: scripts/deb.sh [DIRECTORY]

Puts millrace_VERSION_ARCH.deb, libmillrace1_... and libmillrace-dev_... into DIRECTORY (packages).
Builds in build-deb. Installs what is missing to build. Example: scripts/deb.sh /tmp/packages
EOF
}

case "${1:-}" in
-h | --help) usage; exit 0 ;;
-*) usage >&2; exit 2 ;;
esac
out=$(realpath -m "${1:-packages}")
install_missing "${build_packages[@]}" dpkg-dev
root=build-deb/debian
arch=$(dpkg --print-architecture)
version=$(sed -n "s/^ *version: '\(.*\)',/\1/p" meson.build | head -n 1)
when=$(git log -1 --format=%ct 2>/dev/null || stat -c %Y meson.build)
full=$version-1
triplet=$(dpkg-architecture -qDEB_HOST_MULTIARCH)

# One tree for each package, from one `meson install`.
build build-deb -Dprefix=/usr -Dlibdir="lib/$triplet" -Dtests=false
rm -rf "$root"
DESTDIR=$PWD/$root/all meson install -C build-deb --no-rebuild >/dev/null

# take PACKAGE PATH...: moves what is there.
take() {
    local package=$1 path
    shift
    for path in "$@"; do
        mkdir -p "$root/$package/$(dirname "$path")"
        mv "$root/all/$path" "$root/$package/$path"
    done
}

# Paths below the installation that match; none is fine.
installed() { (cd "$root/all" && compgen -G "$1" || true); }

take millrace usr/bin/millraced usr/bin/millrace usr/bin/millrace-blast usr/share/millrace
headers=$(installed 'usr/include/*')
[ -z "$headers" ] || take libmillrace-dev $headers
shared=$(installed "usr/lib/$triplet/libmillrace.so.*")
[ -n "$shared" ] || { echo "deb.sh: no shared library is installed" >&2; exit 1; }
take libmillrace1 $shared
# The package is named after the interface that programs are linked against.
soname=$(objdump -p "$root/libmillrace1/usr/lib/$triplet"/libmillrace.so.*.*.* | awk '$1 == "SONAME" { print $2 }')
[ "$soname" = libmillrace.so.1 ] || { echo "deb.sh: package libmillrace1 has soname $soname" >&2; exit 1; }
mkdir -p "$root/libmillrace1/DEBIAN"
echo "libmillrace 1 libmillrace1 (>= $full)" >"$root/libmillrace1/DEBIAN/shlibs"
echo "activate-noawait ldconfig" >"$root/libmillrace1/DEBIAN/triggers"
rest=$(installed "usr/lib/$triplet/*")
[ -z "$rest" ] || take libmillrace-dev $rest

lib=$root/millrace
install -D -m 644 deploy/millraced.service "$lib/usr/lib/systemd/system/millraced.service"
install -D -m 644 deploy/millrace.sysusers "$lib/usr/lib/sysusers.d/millrace.conf"
install -D -m 644 deploy/90-millrace.rules "$lib/usr/lib/udev/rules.d/90-millrace.rules"
install -D -m 644 deploy/millrace.ini "$lib/usr/share/doc/millrace/examples/millrace.ini"
install -D -m 644 deploy/tap.conf "$lib/usr/share/doc/millrace/examples/tap.conf"
install -D -m 755 scripts/hugepages.sh "$lib/usr/sbin/millrace-hugepages"
install -D -m 644 -t "$lib/usr/share/millrace/sample" scripts/sample/*
# The quickstart, without the building, on what is installed.
sed -e '/^say "install and build"/,/^export PATH=/d' -e '/^cd "\$(dirname/d' -e '/packages\.sh$/d' \
    -e 's#scripts/sample#/usr/share/millrace/sample#g' -e 's#scripts/quickstart.sh#/usr/share/millrace/quickstart.sh#g' \
    scripts/quickstart.sh >"$lib/usr/share/millrace/quickstart.sh"
chmod 755 "$lib/usr/share/millrace/quickstart.sh"
for page in docs/*.md; do install -D -m 644 "$page" "$lib/usr/share/doc/millrace/$(basename "$page")"; done

# Shared libraries that the programs of a package need, as dpkg knows them.
depends_of() {
    local files
    mkdir -p build-deb/shlibs/debian
    printf 'Source: millrace\n\nPackage: any\nArchitecture: any\n' >build-deb/shlibs/debian/control
    files=$(find "$root/$1" -type f \( -perm /111 -o -name '*.so.*' \) -exec sh -c 'head -c 4 "$1" | grep -q ELF' _ {} \; -print)
    [ -n "$files" ] || return 0
    (cd build-deb/shlibs && dpkg-shlibdeps --ignore-missing-info -O $(printf "$OLDPWD/%s " $files) 2>/dev/null) |
        sed -n 's/^shlibs:Depends=//p'
}

# package NAME SECTION DEPENDS SUMMARY TEXT [RECOMMENDS]
package() {
    local name=$1 dir=$root/$1
    [ -d "$dir" ] || { echo "deb.sh: nothing is installed for $name" >&2; return 1; }
    install -D -m 644 LICENSE "$dir/usr/share/doc/$name/copyright"
    mkdir -p "$dir/DEBIAN"
    cat >"$dir/DEBIAN/control" <<EOF
Package: $name
Source: millrace
Version: $full
Architecture: $arch
Maintainer: millrace packagers <root@localhost>
Installed-Size: $(du -sk --exclude=DEBIAN "$dir" | cut -f 1)
Section: $2
Priority: optional
Depends: $3
${6:+Recommends: $6
}Description: $4
 $5
EOF
    (cd "$dir" && find usr -type f -print0 | sort -z | xargs -0 md5sum) >"$dir/DEBIAN/md5sums"
    find "$dir" -newermt "@$when" -exec touch -h -d "@$when" {} +
    mkdir -p "$out"
    SOURCE_DATE_EPOCH=$when dpkg-deb --root-owner-group --build "$dir" "$out" >/dev/null
    echo "$out/${name}_${full}_$arch.deb"
}

mkdir -p "$lib/DEBIAN"
cat >"$lib/DEBIAN/postinst" <<'EOF'
#!/bin/sh
set -e
if [ "$1" = configure ]; then
    getent passwd millrace >/dev/null ||
        useradd --system --user-group --home-dir /var/lib/millrace --no-create-home --shell /usr/sbin/nologin millrace
    if [ -d /run/systemd/system ]; then
        systemctl daemon-reload || true
        udevadm control --reload || true
        # An upgrade takes effect now; a first installation waits for a configuration.
        [ -z "$2" ] || systemctl try-restart millraced.service || true
    fi
fi
EOF
cat >"$lib/DEBIAN/prerm" <<'EOF'
#!/bin/sh
set -e
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
    systemctl disable --now millraced.service || true
fi
EOF
cat >"$lib/DEBIAN/postrm" <<'EOF'
#!/bin/sh
set -e
[ ! -d /run/systemd/system ] || systemctl daemon-reload || true
# The store is data: even purge leaves /var/lib/millrace, and says so.
if [ "$1" = purge ] && [ -d /var/lib/millrace ]; then
    echo "millrace: /var/lib/millrace, the store, is left in place"
fi
EOF
chmod 755 "$lib"/DEBIAN/p*
# DPDK finds its drivers when it starts: no program names them.
drivers="librte-meta-bus, librte-meta-mempool, librte-meta-net"
package millrace net "passwd, iproute2, iputils-ping, $drivers, $(depends_of millrace)" \
    "feature-lookup appliance on DPDK" \
    "Answers \"these features of these entities, now\" over UDP in microseconds." \
    "driverctl, dpdk"
package libmillrace1 libs "$(depends_of libmillrace1)" \
    "client library of the millrace feature-lookup appliance" \
    "Typed lookups and writes over UDP, synchronous and asynchronous."
package libmillrace-dev libdevel "libmillrace1 (= $full), libxxhash-dev" \
    "client library of the millrace feature-lookup appliance, to build with" \
    "Headers and libraries."
