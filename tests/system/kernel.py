#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The kernel's share of a port: TCP and pings to a kernel behind millrace's port while lookups go on,
and a flood for the kernel that does not disturb them."""

import os
import socket
import subprocess
import sys
import time

import harness

# An address that only the kernel behind the port has.
KERNEL = "10.77.0.3"
ECHO = """
import socket
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("0.0.0.0", 2222))
s.listen(5)
print("listening", flush=True)
while True:
    c, _ = s.accept()
    while data := c.recv(65536):
        c.sendall(data)
    c.close()
"""


class Kernel:
    """A namespace of its own for the other side of the port, so that it is no client as well."""

    def __init__(self):
        self.process = subprocess.Popen(["unshare", "--net", sys.executable, "-c", ECHO],
                                        stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "listening\n"

    def run(self, *argv):
        return harness.run(["nsenter", "--net=/proc/%d/ns/net" % self.process.pid] + list(argv))

    def take(self, interface):
        harness.run(["ip", "link", "set", interface, "netns", str(self.process.pid)])
        self.run("ip", "address", "add", harness.ADDRESS + "/24", "dev", interface)
        self.run("ip", "address", "add", KERNEL + "/24", "dev", interface)
        self.run("ip", "link", "set", interface, "up")

    def stop(self):
        self.process.kill()
        self.process.wait()


def say(address, data, seconds=20):
    """What an echo server answers over TCP."""
    with socket.create_connection((address, 2222), timeout=seconds) as sock:
        sock.sendall(data)
        got = b""
        while len(got) < len(data):
            got += sock.recv(65536)
    return got


def reason(a, name):
    return a.telemetry("/millrace/drops")["reasons"][name]


def talk(a):
    data = os.urandom(200000)
    # To millrace's own address, and to one that only the kernel has.
    for address in (harness.ADDRESS, KERNEL):
        assert say(address, data) == data
    harness.run(["ping", "-c", "3", "-i", "0.2", KERNEL])
    assert reason(a, "to_kernel") > 10
    assert reason(a, "ip_protocol") == 0


def flood(a):
    """Far more for the kernel than it may have: lookups and TCP go on."""
    before = reason(a, "to_kernel")
    start = time.time()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        lookups = 0
        while time.time() < start + 3 or lookups < 20:
            for _ in range(500):
                sock.sendto(b"x" * 100, (harness.ADDRESS, 9))
            a.tool("get", "user", "1", "--timeout", "5s")
            lookups += 1
    seconds = time.time() - start
    taken = reason(a, "to_kernel") - before
    assert reason(a, "kernel_limited") > 0
    # The rate, and what may come at once.
    assert taken <= 500 * (seconds + 2), (taken, seconds)
    print("%d lookups, %d frames to the kernel, %d beyond its rate in %.1f s" %
          (lookups, taken, reason(a, "kernel_limited"), seconds), flush=True)
    assert say(KERNEL, b"still here") == b"still here"


def test(build):
    a = harness.Appliance(build, address=harness.ADDRESS + "\nkernel_device = net_tap9,iface=mrk0\n"
                          "kernel_rate = 500\nsteering = key")
    # What the port gets and why, without an appliance.
    shown = harness.run([a.program("millraced"), "-c", a.config, "--check", "--ports"]).stdout
    assert "port test: net_tap0,iface=mr0, driver net_tap" in shown and "rss: off" in shown, shown
    kernel = Kernel()
    try:
        a.start(wait=False)
        a.wait_log("serving on")
        # A tap has no rules for it, which is said and does not matter.
        assert "no steering by key: the device says" in a.read_log()
        kernel.take("mrk0")
        harness.run(["ip", "address", "replace", "10.77.0.2/24", "dev", "mr0"])
        harness.run(["ip", "link", "set", "mr0", "up"])
        a.tool("ping")
        a.tool("sets", "apply", harness.ROWS_INI)
        a.tool("put", "user", "1", "age=7")
        talk(a)
        flood(a)
        a.stop()
    finally:
        kernel.stop()


harness.main(test)
