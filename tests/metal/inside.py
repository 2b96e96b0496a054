# SPDX-License-Identifier: BSD-3-Clause
"""What scenarios do inside the guest: bind cards as Debian does, give hugepages, run the appliance."""

import os
import re
import subprocess
import sys
import time

import guest

sys.path.insert(0, os.path.join(os.path.dirname(guest.HERE), "system"))
import harness  # noqa: E402
from harness import run  # noqa: E402,F401

ADDRESSES = ["10.77.0.1", "10.77.1.1"]
PCI = "/sys/bus/pci/devices/"


START = time.time()


def say(*words):
    print("[%5.1f s]" % (time.time() - START), *words, flush=True)


def read(path):
    with open(path) as file:
        return file.read().strip()


def cards(*ids):
    """PCI addresses of the cards with one of these vendor:device ids, in bus order."""
    return [d for d in sorted(os.listdir(PCI))
            if read(PCI + d + "/vendor")[2:] + ":" + read(PCI + d + "/device")[2:] in ids]


def node_of(card):
    return int(read(PCI + card + "/numa_node"))


def bind(*devices):
    """Gives cards to vfio-pci as an operator does, with driverctl; not kept for the next boot."""
    run(["modprobe", "vfio-pci"])
    for device in devices:
        run(["driverctl", "--nosave", "set-override", device, "vfio-pci"])
        driver = os.path.basename(os.path.realpath(PCI + device + "/driver"))
        assert driver == "vfio-pci", "%s is on driver %s" % (device, driver)
        say("bound: %s, NUMA node %d" % (device, node_of(device)))


def hugepages(pages=128):
    out = run([os.path.join(guest.TOP, "scripts", "hugepages.sh"), "set", str(pages)]).stdout
    say(out[out.index("after:"):].strip())


def interface(mac):
    """Name of the kernel's interface with this address."""
    for name in os.listdir("/sys/class/net"):
        if read("/sys/class/net/%s/address" % name) == mac:
            return name
    raise AssertionError("no interface %s: %s" % (mac, os.listdir("/sys/class/net")))


def client_interface(name, addresses, mtu=1500):
    """Brings a kernel interface up as a client's."""
    run(["ip", "link", "set", name, "mtu", str(mtu), "up"])
    for address in addresses:
        family = ["-6"] if ":" in address else []
        run(["ip"] + family + ["address", "replace", address, "dev", name] +
            (["nodad"] if family else []))


def wait_answer(build, server, seconds=300):
    """The link and the neighbours need a moment after a start."""
    end = time.time() + seconds
    ping = [os.path.join(build, "app", "millrace", "millrace"), "ping", "--timeout", "1s",
            "--server", server]
    while subprocess.run(ping, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode != 0:
        assert time.time() < end, "%s does not answer within %d s" % (server, seconds)


class Appliance(harness.Appliance):
    """millraced on hugepages and real cards. ports: (name, device, addresses, more lines)."""

    def __init__(self, build, ports, rx="0", io="0", where="/run/millrace-metal", store=None, cache="32M",
                 extra=""):
        self.build = build
        self.dir = where
        os.makedirs(where, exist_ok=True)
        # A disk that was here before may have the log of a former life.
        if os.path.exists(where + "/millraced.log"):
            os.remove(where + "/millraced.log")
        self.prefix = "metal"
        self.config = os.path.join(where, "millrace.ini")
        self.admin = "/run/millrace.sock"
        self.store = store or os.path.join(where, "store")
        self.interface = None
        self.process = None
        self.log = ""
        with open(self.config, "w") as out:
            out.write("[lcores]\ncontrol = 0\nrx = %s\nio = %s\nidle_sleep = 100us\nwatchdog = 0\n"
                      "[memory]\nper_node_mbufs = 8191\nfile_prefix = %s\n"
                      "[store]\npath = %s\nblock_cache = 16M\nmemtable = 16M\n"
                      "[filter]\nkeys = 100000\n[cache]\nmemory = %s\n[admin]\nsocket = %s\n"
                      "[security]\nallow = 10.77.0.0/16, fd77::/64\nwriters = 10.77.0.0/16\n"
                      % (rx, io, self.prefix, self.store, cache, self.admin))
            for name, device, addresses, more in ports:
                out.write("[port %s]\ndevice = %s\naddress = %s\n%s\n"
                          % (name, device, ", ".join(addresses), more))
            out.write(extra)

    def wait_log(self, text, seconds=300):
        """A guest is slow, and slower beside other jobs."""
        super().wait_log(text, seconds)

    def tool(self, *argv, **kwargs):
        if argv[0] in ("get", "put", "del", "load", "ping") and "--timeout" not in argv:
            argv += ("--timeout", "3s")
        return super().tool(*argv, **kwargs)

    def admin_tool(self, *argv):
        """A command that only needs the admin socket."""
        return run([self.program("millrace")] + list(argv),
                   env=dict(os.environ, MILLRACE_ADMIN=self.admin))

    def numa_pages(self):
        """Bytes of this process by (kind, node): kind is huge or small, from /proc/PID/numa_maps."""
        total = {}
        for line in read("/proc/%d/numa_maps" % self.process.pid).splitlines():
            size = int(re.search(r"kernelpagesize_kB=(\d+)", line + " kernelpagesize_kB=4").group(1))
            for node, pages in re.findall(r" N(\d+)=(\d+)", line):
                key = ("huge" if size > 4 else "small", int(node))
                total[key] = total.get(key, 0) + int(pages) * size * 1024
        return total

    def mapped(self):
        """(first byte, end, NUMA nodes of its pages) of each mapping of this process."""
        ends = {}
        for line in read("/proc/%d/maps" % self.process.pid).splitlines():
            first, end = line.split()[0].split("-")
            ends[int(first, 16)] = int(end, 16)
        mappings = []
        for line in read("/proc/%d/numa_maps" % self.process.pid).splitlines():
            first = int(line.split()[0], 16)
            nodes = {int(n) for n in re.findall(r" N(\d+)=", line)}
            mappings.append((first, ends.get(first, first), nodes))
        return mappings


def show(argv):
    """Runs a command for the reader's eyes only."""
    subprocess.run(argv, check=False)
