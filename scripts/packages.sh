# SPDX-License-Identifier: BSD-3-Clause
# Sourced by the other scripts: what Debian packages millrace needs, and how they get here.

build_packages=(gcc g++ meson ninja-build pkg-config libdpdk-dev librocksdb-dev libxxhash-dev
    libnuma-dev libcmocka-dev libsodium-dev libjansson-dev libzstd-dev libmicrohttpd-dev)
run_packages=(dpdk iproute2 iputils-ping procps python3)
test_packages=(dpdk-dev ethtool tcpreplay strace python3-scapy iputils-arping prometheus)
# What scripts/bench.sh process compares with.
bench_packages=(iproute2 util-linux ethtool python3 memcached redis-server)
# A guest (tests/metal): its kernel is downloaded and unpacked, not installed.
metal_packages=(qemu-system-x86 busybox-static kmod e2fsprogs dmsetup driverctl pciutils numactl
    systemd)

# install_missing PACKAGE...: installs those that are not here; says which.
install_missing() {
    local missing=() package
    for package in "$@"; do
        dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q '^install ok installed' ||
            missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    echo "installing: ${missing[*]}" >&2
    if [ "$(id -u)" -ne 0 ]; then
        echo "run as root, or first: apt-get install ${missing[*]}" >&2
        return 1
    fi
    export DEBIAN_FRONTEND=noninteractive
    apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null 2>&1 ||
        { apt-get update -qq && apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null; }
}

# install_servers PACKAGE...: the same, and their services are not started.
install_servers() {
    local policy=/usr/sbin/policy-rc.d code=0
    if [ -e "$policy" ] || [ "$(id -u)" -ne 0 ]; then
        install_missing "$@"
        return
    fi
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
    install_missing "$@" || code=$?
    rm -f "$policy"
    return $code
}

# build DIR [meson option...]: configures DIR if it is new and builds it.
build() {
    local dir=$1
    shift
    [ -f "$dir/build.ninja" ] || meson setup "$dir" "$@" >/dev/null
    ninja -C "$dir" | tail -n 1
}
