#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""AF_PACKET and AF_XDP ports on a veth pair, with a client in a namespace of its own at the other
end: load, look up, compare."""

import harness

DEVICES = {
    "AF_PACKET": "net_af_packet0,iface=mrv0,qpairs=1",
    "AF_XDP": "net_af_xdp0,iface=mrv0,start_queue=0,queue_count=1",
}


def one(build, kind, device):
    harness.veth()
    a = harness.Appliance(build, device=device, rx="0", io="1", interface="mrv1")
    table = a.start_with_rows(5000)
    print(kind, a.rows("verify", harness.SERVER, table, 10000, 3).stdout.strip(), flush=True)
    a.stop()
    harness.run(["ip", "link", "delete", "mrv1"])


def test(build):
    for kind, device in DEVICES.items():
        one(build, kind, device)


harness.main(test)
