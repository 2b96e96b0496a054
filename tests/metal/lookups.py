#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Scenario 2: lookups from card to card. The appliance has the card on node 0; the card on node 1 stays
with the kernel and is the client's: every status (BUSY and DEGRADED through a disk that stands still
and fails), IPv6, VLAN, jumbo frames, link down and up."""

import json
import os
import time

import disk
import guest
import inside
import mapper

ROWS = 1000
HIT = 900002  # a row of its own, not among those of the table
V4, V6, VLAN = "10.77.0.1:7411", "[fd77::1]:7411", "10.77.7.1:7411"


def answer(a, *keys, set_name="user"):
    """Status and columns of each key, as `millrace get` prints them."""
    out = a.tool("get", set_name, *[str(k) for k in keys], "--json", ok=(0, 1, 3)).stdout
    return [json.loads(line)["sets"][set_name] for line in out.splitlines()]


def statuses(a):
    """Those that the rows decide: present, null, missing, expired, deleted."""
    a.tool("put", "user", "900001", "city=Graz")
    row, = answer(a, 900001)
    assert row["status"] == "ok", row
    assert row["columns"]["city"] == "Graz" and row["columns"]["age"] is None, row
    assert answer(a, 1)[0]["status"] == "not_found"
    a.tool("put", "brief", "5", "value=1")
    assert answer(a, 5, set_name="brief")[0]["status"] == "ok"
    eventually("the row expires", lambda: answer(a, 5, set_name="brief")[0]["status"] == "expired")
    a.tool("del", "user", "900001")
    assert answer(a, 900001)[0]["status"] == "not_found"
    inside.say("statuses: ok, a null in it, not_found, expired, not_found after a delete")


def eventually(what, condition, seconds=300):
    end = time.time() + seconds
    while not condition():
        assert time.time() < end, "waited %d s for: %s" % (seconds, what)
        time.sleep(0.2)


def drop_caches():
    inside.run(["sync"])
    with open("/proc/sys/vm/drop_caches", "w") as out:
        out.write("3")


def make_cold(a):
    """All rows into a file of the store, and nothing of it in memory."""
    a.admin_tool("ctl", "compact")
    drop_caches()


def busy(a, store):
    """The disk stands still: misses wait in the rings until those are full, then they are BUSY at
    once; and so are those that have waited for too long when it goes on. Hits go on all the time."""
    assert answer(a, HIT)[0]["status"] == "ok"
    store.stall()
    try:
        blast = a.tool("blast", "user", "--json", "--rate", "100", "--keys", str(ROWS // 2),
                       "--duration", "4s", ok=(0, 1)).stdout
        assert answer(a, HIT)[0]["status"] == "ok", "a hit needs the disk"
    finally:
        store.go_on()
    counts = json.loads(blast)["runs"][0]["statuses"]
    assert counts["busy"] > 0, counts
    shed = a.telemetry("/millrace/lcores")
    inside.say("statuses: the disk stood still:", counts, "shed", shed["rx"]["shed"], shed["io"]["shed"])
    eventually("the store is read again", lambda: answer(a, 2)[0]["status"] == "ok")


def degraded(a, store):
    """The disk fails: ERROR, until the breaker opens; then DEGRADED at once. It closes by itself."""
    drop_caches()  # a read brings in more than was asked for
    store.switch("failing")
    said = set()
    keys = iter(range(2 * ROWS - 2, ROWS, -2))
    while "degraded" not in said:
        key = next(keys)
        said.add(answer(a, key)[0]["status"])
        assert said <= {"ok", "error", "degraded"}, said
    assert "error" in said, said
    assert a.telemetry("/millrace/lcores")["io"]["breaker_opened"] > 0
    assert answer(a, HIT)[0]["status"] == "ok", "a hit needs the disk"
    store.switch("sound")
    eventually("the breaker closes", lambda: answer(a, key)[0]["status"] == "ok")
    inside.say("statuses: the disk failed: error, then degraded; hits ok; then all ok again")


def link_down_and_up(a, name):
    def link():
        return a.telemetry("/millrace/ports")["front"]["link_up"]

    assert link() == 1
    inside.run(["ip", "link", "set", name, "down"])
    a.tool("ping", "--timeout", "200ms", ok=(3,))
    inside.run(["ip", "link", "set", name, "up"])
    inside.client_interface(name, ["10.77.0.2/24"], 8000)
    inside.wait_answer(a.build, V4)
    eventually("the port's link is up", lambda: link() == 1)
    inside.say("link: down, up, serving")


def test(build):
    ours, theirs = inside.cards("8086:10d3")
    inside.run(["modprobe", "e1000e"])
    inside.run(["modprobe", "8021q"])
    inside.hugepages()
    inside.bind(ours)
    name = inside.interface(guest.MACS[1])
    inside.client_interface(name, ["10.77.0.2/24", "fd77::2/64"], 8000)
    inside.run(["ip", "link", "add", "link", name, "name", "vlan7", "type", "vlan", "id", "7"])
    inside.client_interface("vlan7", ["10.77.7.2/24"])

    store = mapper.Mapper()
    a = inside.Appliance(build, [("front", ours, ["10.77.0.1", "10.77.7.1", "fd77::1"], "mtu = 8000")],
                         store=store.where + "/store",
                         extra="[handoff]\ndepth = 64\n[breaker]\nfailures = 1\nopen = 5s\n")
    table = a.start_with_rows(ROWS, os.path.join(guest.HERE, "sets.ini"))
    statuses(a)
    a.tool("put", "user", str(HIT), "city=Oslo")
    make_cold(a)
    busy(a, store)
    degraded(a, store)
    for what, server in (("IPv4", V4), ("IPv6", V6), ("VLAN 7", VLAN)):
        inside.say(what, a.rows("verify", server, table, 1000, 7).stdout.strip())
    inside.run(["ping", "-c", "2", "-i", "0.2", "-s", "7900", "-M", "do", "10.77.0.1"])
    keys = [str(2 * i) for i in range(250)]
    before = a.telemetry("/millrace/lcores")["rx"]["datagrams"]
    a.tool("get", "user", *keys)
    sent = a.telemetry("/millrace/lcores")["rx"]["datagrams"] - before
    assert sent <= 10, sent
    inside.say("jumbo: 250 rows in %d datagrams" % sent)
    link_down_and_up(a, name)
    drops = a.balance()
    inside.say("balance: received %d = answered %d + dropped %d"
               % (drops["received"], drops["answered"], drops["reasons"]))
    a.stop()


build, _ = guest.arguments()
disks = [] if guest.inside() else disk.Disk(build, "lookups", 256).devices()
guest.main(test, disks + guest.hub("n0") + guest.pci_card("e1000e", "n0", guest.MACS[0], 0) +
           guest.hub("n1") + guest.pci_card("e1000e", "n1", guest.MACS[1], 1), 600)
