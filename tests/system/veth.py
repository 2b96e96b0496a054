#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""AF_PACKET and AF_XDP ports on a veth pair, with a client in a namespace of its own at the other
end: load, look up, compare."""

import os
import subprocess

import harness

DEVICES = {
    "AF_PACKET": "net_af_packet0,iface=mrv0,qpairs=1",
    "AF_XDP": "net_af_xdp0,iface=mrv0,start_queue=0,queue_count=1",
}


def one(build, kind, device):
    # The appliance's end has no address of its own: the kernel would answer for it.
    harness.run(["ip", "link", "add", "mrv0", "type", "veth", "peer", "name", "mrv1"])
    harness.run(["ip", "link", "set", "mrv0", "up"])
    harness.run(["ip", "link", "set", "mrv1", "up"])
    # veth leaves checksums unfinished for a neighbour that it takes to be the kernel.
    harness.run(["ethtool", "-K", "mrv1", "tx", "off"])
    a = harness.Appliance(build, device=device, rx="0", io="1", interface="mrv1")
    table = os.path.join(a.dir, "rows.csv")
    a.rows("gen", table, 5000, 1)
    a.start()
    a.tool("sets", "apply", os.path.join(harness.HERE, "rows.ini"))
    a.tool("load", "user", table)
    print(kind, a.rows("verify", harness.SERVER, table, 10000, 3).stdout.strip(), flush=True)
    a.stop()
    harness.run(["ip", "link", "delete", "mrv1"])


def test(build):
    for kind, device in DEVICES.items():
        one(build, kind, device)


harness.main(test)
