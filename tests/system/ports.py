#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""`millrace blast` over a DPDK port of its own, with an address that the kernel does not have: open
loop and closed, against an appliance at the other end of a veth pair."""

import json

import harness

KEYS = 2000


def test(build):
    harness.veth()
    a = harness.Appliance(build, device="net_af_packet0,iface=mrv0,qpairs=1", rx="0", io="1",
                          interface="mrv1")
    a.start_with_rows(KEYS)

    def blast(*argv):
        before = a.telemetry("/millrace/lcores")["rx"]
        said = a.tool("blast", "user", "--json", "--duration", "2s", "--keys", str(KEYS), "--port",
                      "net_af_packet0,iface=mrv1,qpairs=1", "--address", "10.77.0.3", *argv, ok=(0, 1)).stdout
        after = a.telemetry("/millrace/lcores")["rx"]
        run = json.loads(said[said.index("{"):])["runs"][0]
        asked = {name: after[name] - before[name] for name in after}
        print(run["sent"], "sent,", run["answered"], "answered; p50 %.0f us," % (
            run["latency"]["p50_ns"] / 1e3), run["statuses"], flush=True)
        assert run["sent"] == run["answered"] + run["lost"] and run["malformed"] == 0, run
        assert run["answered"] > 0.9 * run["sent"] > 0, run
        assert asked["requests_get"] >= run["answered"], (asked, run)
        assert run["statuses"]["ok"] > 0.3 * sum(run["statuses"].values()), run
        return run

    run = blast("--rate", "2000")
    assert abs(run["sent"] - 4000) < 800, run["sent"]
    run = blast("--closed", "8", "--batch", "4")
    assert sum(run["statuses"].values()) == 4 * run["answered"], run
    # What it needs, and what it says without.
    said = a.tool("blast", "user", "--rate", "1", "--port", "net_null0", ok=(2,)).stderr
    assert "--address" in said, said
    a.stop()


harness.main(test)
