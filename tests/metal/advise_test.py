#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""`millrace advise` on made-up machines: what it finds, and the configuration that it prints."""

import os
import subprocess
import sys
import tempfile

CARD = "sys/bus/pci/devices/0000:%s:00.0"


class Machine:
    """Two nodes of four cores with two threads each (0-15), a card on each node, one for the host."""

    def __init__(self, root):
        self.root = root
        cpu = "sys/devices/system/cpu/"
        self.files = {cpu + "online": "0-15", cpu + "isolated": "", cpu + "nohz_full": "",
                      cpu + "vulnerabilities/meltdown": "Mitigation: PTI",
                      cpu + "vulnerabilities/l1tf": "Not affected",
                      "proc/cmdline": "BOOT_IMAGE=/vmlinuz root=/dev/sda1 quiet",
                      "proc/cpuinfo": "vendor_id : GenuineIntel\nflags : pdpe1gb constant_tsc nonstop_tsc\n",
                      "proc/net/route": "Iface\tDestination\neno1\t00000000\n",
                      "proc/sys/kernel/numa_balancing": "1",
                      "sys/kernel/mm/transparent_hugepage/enabled": "[always] madvise never",
                      "sys/devices/system/clocksource/clocksource0/current_clocksource": "tsc"}
        for i in range(16):
            self.files[cpu + "cpu%d/topology/thread_siblings_list" % i] = "%d,%d" % (i % 8, i % 8 + 8)
            self.files[cpu + "cpu%d/cpufreq/scaling_governor" % i] = "powersave"
        for node in (0, 1):
            base = "sys/devices/system/node/node%d/" % node
            self.files[base + "cpulist"] = "%d-%d,%d-%d" % (4 * node, 4 * node + 3,
                                                            4 * node + 8, 4 * node + 11)
            self.files[base + "distance"] = "10 21" if node == 0 else "21 10"
            self.files[base + "meminfo"] = ("Node %d MemTotal: 67108864 kB\nNode %d MemFree: 62914560 kB\n"
                                            % (node, node))
            for size in (2048, 1048576):
                self.files[base + "hugepages/hugepages-%dkB/nr_hugepages" % size] = "0"
        self.links = {}
        self.card("3b", 0, "vfio-pci")
        self.card("af", 1, "vfio-pci")
        self.card("01", 0, "igb", "eno1")

    def card(self, bus, node, driver, interface=None):
        base = CARD % bus
        self.files.update({base + "/class": "0x020000", base + "/vendor": "0x8086",
                           base + "/device": "0x1592", base + "/numa_node": str(node)})
        self.links[base + "/driver"] = "../../drivers/" + driver
        self.links[base + "/iommu_group"] = "../../iommu_groups/7"
        if interface:
            self.files[base + "/net/" + interface + "/address"] = "52:54:00:00:00:01"

    def advise(self, program, *argv, code=0):
        with tempfile.TemporaryDirectory(dir=self.root) as root:
            for path, text in self.files.items():
                path = os.path.join(root, path)
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(path, "w") as out:
                    out.write(text + "\n")
            for path, target in self.links.items():
                os.symlink(target, os.path.join(root, path))
            done = subprocess.run([program, "advise", "--root", root] + list(argv),
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert done.returncode == code, (argv, done.returncode, done.stdout)
        return done.stdout


def want(text, *parts):
    for part in parts:
        assert part in text, "no '%s' in:\n%s" % (part, text)


def refuse(text, *parts):
    for part in parts:
        assert part not in text, "'%s' in:\n%s" % (part, text)


def test(program, root):
    m = Machine(root)
    text = m.advise(program)
    want(text, "node 1: CPUs 4-7,12-15", "distances 21 10", "routes go over it",
         "isolcpus=managed_irq,domain,1-7 nohz_full=1-7", "irqaffinity=0,8-15", "intel_iommu=on iommu=pt",
         "--size 1G --node 1 --persist", "not performance", "cpupower -c 1-7", "second hardware thread",
         "9-15", "numa_balancing=0", "madvise", "mitigations=off (meltdown)")
    refuse(text, "l1tf", "There is no card", "driverctl", "not the TSC", "0000:01:00.0\n")
    config = m.advise(program, "--config", "--cache", "1024", "--mtu", "9000")
    want(config, "rx = 1,2,4,5\n", "io = 3,6,7,3,6,7\n", "memory = 1024M", "device = 0000:3b:00.0",
         "device = 0000:af:00.0", "mtu = 9000")
    refuse(config, "0000:01:00.0", "huge = no", "What to change")

    # What was done is not asked for again.
    done = Machine(root)
    done.files.update({
        "proc/cmdline": "quiet intel_iommu=on iommu=pt transparent_hugepage=madvise mitigations=off",
        "sys/devices/system/cpu/isolated": "1-7", "sys/devices/system/cpu/nohz_full": "1-7",
        "proc/sys/kernel/numa_balancing": "0",
        "sys/kernel/mm/transparent_hugepage/enabled": "always [madvise] never"})
    for i in range(16):
        done.files["sys/devices/system/cpu/cpu%d/cpufreq/scaling_governor" % i] = "performance"
        if i >= 8:
            done.files["sys/devices/system/cpu/online"] = "0-7"
    for node in (0, 1):
        done.files["sys/devices/system/node/node%d/hugepages/hugepages-1048576kB/nr_hugepages" % node] = "40"
    want(done.advise(program, "--cache", "20480"), "What to change, and why\nnothing\n")

    # The host's own card is left alone, unless it is named; one far from any core is reported.
    lone = Machine(root)
    for bus in ("3b", "af"):
        lone.links[CARD % bus + "/driver"] = "../../drivers/ice"
        del lone.links[CARD % bus + "/iommu_group"]
    text = lone.advise(program)
    want(text, "driverctl set-override 0000:3b:00.0 vfio-pci", "in no IOMMU group")
    refuse(text, "set-override 0000:01:00.0")
    want(lone.advise(program, "0000:01:00.0"), "the host's own way to the network")
    want(lone.advise(program, "0000:99:00.0", code=4), "no network card has this PCI address")
    far = Machine(root)
    far.files["sys/devices/system/cpu/online"] = "0-3,8-11"
    want(far.advise(program), "Node 1 has card 0000:af:00.0, but no core left for it")

    # A small machine: no card, one CPU.
    small = Machine(root)
    small.files = {k: v for k, v in small.files.items() if "pci" not in k}
    small.links = {}
    small.files["sys/devices/system/cpu/online"] = "0"
    text = small.advise(program)
    want(text, "There is no card for millrace", "too few cores", "rx = 0\n", "huge = no", "net_tap0")
    empty = Machine(root)
    empty.files, empty.links = {"proc/cmdline": ""}, {}
    want(empty.advise(program, code=6), "lists no CPU")


with tempfile.TemporaryDirectory(prefix="millrace-advise-") as root:
    test(os.path.abspath(sys.argv[1]), root)
print("ok")
