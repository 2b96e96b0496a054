#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Scenario 4: the failing disk. The store's file system is on a device-mapper target that starts to
fail while acknowledged writes are under way. Nothing is acknowledged that is not durable, hits are
served on, writes are refused for good and not tried again, and after a restart on the healed disk every
acknowledged write is there."""

import os
import subprocess
import time

import disk
import guest
import inside
import mapper

SERVER = "10.77.0.1:7411"


def lines(path):
    with open(path) as file:
        return [line for line in file if line.endswith("\n")]


def test(build):
    ours, theirs = inside.cards("8086:10d3")
    inside.run(["modprobe", "e1000e"])
    inside.hugepages()
    inside.bind(ours)
    inside.client_interface(inside.interface(guest.MACS[1]), ["10.77.0.2/24"])
    store = mapper.Mapper()

    ports = [("front", ours, ["10.77.0.1"], "")]
    a = inside.Appliance(build, ports, store="/mnt/disk/store")
    a.start()
    a.tool("sets", "apply", os.path.join(guest.HERE, "sets.ini"))
    a.tool("put", "user", "1", "city=Graz")
    assert "Graz" in a.tool("get", "user", "1").stdout
    log = "/run/storm.log"
    writer = subprocess.Popen([a.build + "/tests/system/rows", "storm", SERVER, log, "4000", "10000000"],
                              env=dict(os.environ, ROWS_PATIENCE_MS="20000"))
    end = time.time() + 300
    while not (os.path.exists(log) and len(lines(log)) >= 500):
        assert time.time() < end and writer.poll() is None, "the writer does not get going"
        time.sleep(0.1)

    store.switch("failing writes")
    assert writer.wait(timeout=300) == 0  # it ends with the first batch that is not acknowledged
    count = len(lines(log))
    refused = a.tool("put", "user", "2", "city=Oslo", ok=(1, 3, 5))
    inside.say("%d writes acknowledged; then:" % count, refused.stderr.strip() or refused.stdout.strip())
    assert "Graz" in a.tool("get", "user", "1").stdout
    inside.say("hits are served on")
    store.switch("sound")
    # fsync is never tried again: what the kernel threw away would be taken for written.
    a.tool("put", "user", "2", "city=Oslo", ok=(1, 3, 5))
    inside.say("the disk is sound again, writes stay refused; the log says:",
               a.read_log().strip().splitlines()[-2:])
    a.kill()
    store.mount_again()

    a.start()
    out = a.rows("check", SERVER, log).stdout.strip()
    inside.say("after the restart:", out)
    assert "%d acknowledged" % count in out and " 0 lost" in out, out
    a.tool("put", "user", "2", "city=Oslo")
    a.stop()


build, _ = guest.arguments()
disks = [] if guest.inside() else disk.Disk(build, "baddisk", 512).devices()
guest.main(test, disks + guest.hub("n0") + guest.pci_card("e1000e", "n0", guest.MACS[0], 0) +
           guest.hub("n1") + guest.pci_card("e1000e", "n1", guest.MACS[1], 1), 600)
