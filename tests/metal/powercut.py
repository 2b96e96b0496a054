#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Scenario 3: power cuts. A writer outside the guest logs every durable acknowledgement while the
guest loses its power; booted again on the same disk, the store opens by itself and has them all.

`powercut.py BUILD [--cycles=N]`: 5 cycles, 50 in the long run (scripts/metal.sh --long)."""

import os
import subprocess
import sys
import time

import disk
import guest
import inside

INTERFACE = "mrmetal0"
ACKNOWLEDGED = 1500  # writes before each cut
SERVER = "10.77.0.1:7411"


def serve(build):
    """In the guest: the appliance on the card and the disk, until the power goes."""
    card, = inside.cards("8086:10d3")
    inside.hugepages()
    inside.bind(card)
    os.makedirs("/mnt/disk", exist_ok=True)
    inside.run(["mount", "/dev/vda", "/mnt/disk"])
    a = inside.Appliance(build, [("front", card, ["10.77.0.1"], "")], where="/mnt/disk/millrace")
    a.start(wait=False)
    a.wait_log("serving on")
    if not os.path.exists("/mnt/disk/registered"):
        a.admin_tool("sets", "apply", os.path.join(guest.HERE, "sets.ini"))
        open("/mnt/disk/registered", "w").close()
        os.sync()
    inside.say("serving")
    while not os.path.exists("/run/never"):
        time.sleep(60)


class Outside:
    def __init__(self, build):
        self.rows = os.path.join(build, "tests", "system", "rows")
        self.work = os.path.join(build, "metal")
        os.makedirs(self.work, exist_ok=True)
        self.disk = disk.Disk(build, "powercut", 1024)
        self.build = build
        self.logs = []

    def boot(self, number):
        machine = guest.Guest("powercut", self.build, guest.command(self.build),
                              guest.tap("n0", INTERFACE) +
                              guest.pci_card("e1000e", "n0", guest.MACS[0], 0) + self.disk.devices())
        # QEMU makes the interface; /sys shows another namespace's.
        end = time.time() + 300
        while subprocess.run(["ip", "link", "show", INTERFACE], stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL).returncode != 0:
            assert time.time() < end and machine.process.poll() is None, "QEMU did not start"
            time.sleep(0.1)
        inside.client_interface(INTERFACE, ["10.77.0.2/24"])
        machine.wait_for("serving", 240)
        inside.wait_answer(self.build, SERVER)
        print("boot %d: serving" % number, flush=True)
        return machine

    def check(self, logs):
        for log in logs:
            done = subprocess.run([self.rows, "check", SERVER, log], stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True)
            print("  " + done.stdout.strip(), flush=True)
            assert done.returncode == 0, done.stderr

    def cycle(self, number):
        machine = self.boot(number)
        self.check(self.logs[-1:])
        log = os.path.join(self.work, "powercut.%d.log" % number)
        if os.path.exists(log):
            os.remove(log)
        writer = subprocess.Popen([self.rows, "storm", SERVER, log, "4000", "10000000"],
                                  stdout=subprocess.DEVNULL,
                                  env=dict(os.environ, ROWS_PATIENCE_MS="20000"))
        end = time.time() + 1200
        while time.time() < end and not (os.path.exists(log) and
                                         sum(1 for _ in open(log)) >= ACKNOWLEDGED):
            assert writer.poll() is None, "the writer ended by itself"
            time.sleep(0.05)
        machine.kill()
        writer.kill()
        writer.wait()
        # A line that the writer's death tore is no acknowledgement.
        lines = [line for line in open(log) if line.endswith("\n")]
        with open(log, "w") as out:
            out.writelines(lines)
        kept, lost = self.disk.cut(seed=number)
        print("cut %d: %d writes acknowledged; the disk kept %d KiB of this boot and lost %d KiB"
              % (number, len(lines), kept >> 10, lost >> 10), flush=True)
        assert len(lines) >= ACKNOWLEDGED, "too few for a test"
        self.logs.append(log)


def main():
    build, _ = guest.arguments()
    if guest.inside():
        return serve(build)
    guest.check_host(build)
    cycles = next((int(a[9:]) for a in sys.argv if a.startswith("--cycles=")), 5)
    inside.harness.enter()
    start = time.time()
    outside = Outside(build)
    for number in range(1, cycles + 1):
        outside.cycle(number)
    machine = outside.boot(cycles + 1)
    outside.check(outside.logs)
    machine.kill()
    print("ok: %d power cuts in %.0f s" % (cycles, time.time() - start))
    return 0


sys.exit(main())
