#!/bin/busybox sh
# SPDX-License-Identifier: BSD-3-Clause
# First process of the guest: modules, then the host's root file system, read-only, with a writable
# layer in memory above it; then the command. What it prints goes to ttyS1, which the host reads.
b=/bin/busybox
$b mount -t proc p /proc
$b mount -t sysfs s /sys
$b mount -t devtmpfs d /dev
while read -r module; do
	$b insmod "/mod/$module" || echo "guest: $module did not load"
done </modules
. /settings

$b mkdir -p /lower /layer /root
$b mount -t 9p -o trans=virtio,version=9p2000.L,ro,msize=524288,cache=loose host /lower
$b mount -t tmpfs -o mode=755 layer /layer
$b mkdir /layer/up /layer/work
$b mount -t overlay -o lowerdir=/lower,upperdir=/layer/up,workdir=/layer/work root /root ||
	{ echo "guest: no root"; $b poweroff -f; }
$b mount -t tmpfs -o mode=755 run /root/run
$b mkdir -p /root/run/lock /root/lib/modules
$b rm -rf "/root/lib/modules/$KERNEL"
$b ln -s "$MODULES" "/root/lib/modules/$KERNEL"
for f in proc sys dev; do $b mount --move /$f /root/$f; done
$b mkdir -p /root/dev/pts /root/dev/shm
$b mount -t devpts p /root/dev/pts
$b mount -t tmpfs -o mode=1777 s /root/dev/shm
# The host's network files and services mean nothing here.
$b rm -f /root/etc/resolv.conf
$b cp /command /root/run/command
if [ -n "$SYSTEMD" ]; then
	for unit in $MASKED; do $b ln -sf /dev/null /root/etc/systemd/system/$unit; done
	$b cp -r /units/* /root/etc/systemd/system/
	exec $b switch_root /root /lib/systemd/systemd --unit=metal.target
fi
$b stty -F /root/dev/ttyS1 raw 2>/dev/null
echo 1 >/root/proc/sys/kernel/panic
$b chroot /root /bin/bash /run/command >/root/dev/ttyS1 2>&1
echo "guest: exit $?" >/root/dev/ttyS1
[ -z "$SHELL_AT_END" ] || $b setsid $b cttyhack $b chroot /root /bin/bash -i
$b poweroff -f
