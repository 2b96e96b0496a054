#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Rows loaded from a CSV, looked up through the kernel's stack and a TAP port, compared with the
file; a restart; SIGKILL while acknowledged writes are under way."""

import os
import re
import subprocess
import time

import harness

ROWS = int(os.environ.get("MILLRACE_TEST_ROWS", "1000000"))
LOOKUPS = int(os.environ.get("MILLRACE_TEST_LOOKUPS", "200000"))


def timed(what, call):
    start = time.time()
    result = call()
    print("%s: %.1f s" % (what, time.time() - start), flush=True)
    return result


def verify(a, table, lookups):
    out = timed("verify", lambda: a.rows("verify", harness.SERVER, table, lookups, 7)).stdout
    print(out.strip(), flush=True)


def storm(a, log):
    """Kills the appliance once 10,000 writes have been acknowledged, with more under way."""
    writer = subprocess.Popen([os.path.join(a.build, "tests", "system", "rows"), "storm",
                               harness.SERVER, log, "20000", "10000000"])
    deadline = time.time() + 120
    while time.time() < deadline:
        if os.path.exists(log) and sum(1 for _ in open(log)) >= 10000:
            break
        time.sleep(0.02)
    a.kill()
    writer.wait(timeout=60)
    acknowledged = sum(1 for _ in open(log))
    assert acknowledged >= 10000, acknowledged
    print("%d writes acknowledged before the kill" % acknowledged, flush=True)


def test(build):
    a = harness.Appliance(build, extra="[filter]\nkeys = 2000000\n")
    table = os.path.join(a.dir, "rows.csv")
    timed("generate", lambda: a.rows("gen", table, ROWS, 1))
    timed("start", a.start)
    harness.run(["ping", "-c", "3", "-i", "0.2", harness.ADDRESS])
    a.tool("sets", "apply", harness.ROWS_INI)
    assert "user" in a.tool("sets").stdout
    timed("load %d rows" % ROWS, lambda: a.tool("load", "user", table))
    verify(a, table, LOOKUPS)
    latency = a.telemetry("/millrace/latency")
    assert latency["inline"]["count"] > 0, latency
    assert re.search(r'"city"', a.tool("get", "user", "0", "--json").stdout)
    a.tool("get", "young", "0", "2", "4")
    a.tool("get", "user", "1", ok=(1,))
    timed("stop", a.stop)

    timed("start again", a.start)
    verify(a, table, LOOKUPS // 10)
    log = os.path.join(a.dir, "storm.log")
    storm(a, log)
    timed("start after the kill", a.start)
    print(timed("check", lambda: a.rows("check", harness.SERVER, log)).stdout.strip(), flush=True)
    verify(a, table, LOOKUPS // 10)
    a.stop()


harness.main(test)
