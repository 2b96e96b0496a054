#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The captures of bench/pktgen, sent by Debian's tcpreplay: every request is answered as it should."""

import os
import shutil

import harness

ROWS = 2000
COUNT = 3000


def test(build):
    if shutil.which("tcpreplay") is None:
        harness.skip("no tcpreplay here")
    a = harness.Appliance(build, security=harness.TRUSTED)
    a.start_with_rows(ROWS)
    mac = a.telemetry("/ethdev/info,0")["mac_addr"]
    out = os.path.join(a.dir, "captures")
    harness.run([os.path.join(harness.HERE, "../../bench/pktgen/captures.sh"), out, "user",
                 harness.ROWS_INI, "--to-mac", mac, "--keys", "200"],
                env=dict(os.environ, MILLRACE=a.program("millrace"), COUNT=str(COUNT)))
    for name, keys in (("uniform", 1), ("zipf", 1), ("batch16", 16), ("absent", 1), ("flows", 1)):
        before = a.telemetry("/millrace/lcores")
        harness.run(["tcpreplay", "-q", "-i", a.interface, "--preload-pcap", "--pps", "1000",
                     os.path.join(out, name + ".pcap")])
        a.balance()
        after = a.telemetry("/millrace/lcores")
        asked = {k: after["rx"][k] - before["rx"][k] for k in after["rx"]}
        results = {k: after["results"][k] - before["results"][k] for k in after["results"]}
        print(name, asked["requests_get"], "GETs,", asked["lookups"], "lookups,", asked["negatives"],
              "negatives", flush=True)
        # A loaded machine may lose some on the TAP port; none of what arrives is refused.
        assert asked["requests_get"] > COUNT * 0.2, asked
        # I/O lcores' answers are not among the results; refusals are, whoever refused.
        assert 0 < results["ok"] <= asked["requests"] and sum(results.values()) == results["ok"], results
        assert asked["refused"] == 0, asked
        assert asked["lookups"] == keys * asked["requests_get"], asked
        if name == "absent":
            assert asked["negatives"] > 0.98 * asked["lookups"], asked
    a.stop()


harness.main(test)
