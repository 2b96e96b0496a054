#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Scenario 2: lookups from card to card. The appliance has the card on node 0; the card on node 1 stays
with the kernel and is the client's: every status, IPv6, VLAN, jumbo frames, link down and up."""

import json
import os
import time

import guest
import inside

ROWS = 1000
V4, V6, VLAN = "10.77.0.1:7411", "[fd77::1]:7411", "10.77.7.1:7411"


def statuses(a):
    """Present, null, missing, expired; BUSY and ERROR have tests of their own."""
    a.tool("put", "user", "900001", "city=Graz")
    out = a.tool("get", "user", "900001", "--json").stdout
    assert json.loads(out.splitlines()[0]), out
    assert "null" in out and "Graz" in out, out
    out = a.tool("get", "user", "1", ok=(1,)).stdout
    assert "not_found" in out, out
    a.tool("put", "brief", "5", "value=1")
    assert "ok" in a.tool("get", "brief", "5").stdout.lower()
    time.sleep(2.5)
    out = a.tool("get", "brief", "5", ok=(1,)).stdout
    assert "expired" in out or "not_found" in out, out
    a.tool("del", "user", "900001")
    assert "not_found" in a.tool("get", "user", "900001", ok=(1,)).stdout
    inside.say("statuses: ok, null, not_found, expired, deleted")


def link_down_and_up(a, name):
    card = a.telemetry("/ethdev/list")[0]
    inside.run(["ip", "link", "set", name, "down"])
    a.tool("ping", "--timeout", "200ms", ok=(3,))
    inside.run(["ip", "link", "set", name, "up"])
    inside.client_interface(name, ["10.77.0.2/24"], 8000)
    inside.wait_answer(a.build, V4)
    assert a.telemetry("/ethdev/link_status,%d" % card)["status"] == "UP"
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

    a = inside.Appliance(build, [("front", ours, ["10.77.0.1", "10.77.7.1", "fd77::1"], "mtu = 8000")])
    table = os.path.join(a.dir, "rows.csv")
    a.rows("gen", table, ROWS, 1)
    a.start()
    a.tool("sets", "apply", os.path.join(guest.HERE, "sets.ini"))
    a.tool("load", "user", table)
    statuses(a)
    for what, server in (("IPv4", V4), ("IPv6", V6), ("VLAN 7", VLAN)):
        inside.say(what, a.rows("verify", server, table, 1000, 7).stdout.strip())
    inside.run(["ping", "-c", "2", "-i", "0.2", "-s", "7900", "-M", "do", "10.77.0.1"])
    keys = [str(2 * i) for i in range(250)]
    before = a.telemetry("/millrace/lcores")["rx"]["datagrams"]
    a.tool("get", "user", *keys)
    sent = a.telemetry("/millrace/lcores")["rx"]["datagrams"] - before
    inside.say("jumbo: 250 rows in %d datagrams" % sent)
    link_down_and_up(a, name)
    drops = a.balance()
    inside.say("balance: received %d = answered %d + dropped %d"
               % (drops["received"], drops["answered"], drops["reasons"]))
    a.stop()


guest.main(test, guest.hub("n0") + guest.pci_card("e1000e", "n0", guest.MACS[0], 0) +
           guest.hub("n1") + guest.pci_card("e1000e", "n1", guest.MACS[1], 1))
