#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""strace on RX lcores in steady state: no system call on an in-memory port, and on TAP only those
of the driver (reading, writing and waiting on the TAP's descriptor)."""

import re
import shutil
import subprocess
import time

import harness

# rt_sigreturn: the driver is told of waiting frames by a signal.
TAP_CALLS = {"rt_sigreturn", "readv", "writev", "read", "write", "ppoll", "poll"}


def thread_of(a, lcore_id):
    done = harness.run(["ps", "-L", "-o", "tid=,comm=", "-p", str(a.process.pid)])
    for line in done.stdout.splitlines():
        tid, name = line.split(None, 1)
        if re.search(r"(rte-worker-|lcore-worker-|dpdk-worker-?)%d$" % lcore_id, name.strip()):
            return tid
    raise AssertionError("no lcore %d among:\n%s" % (lcore_id, done.stdout))


def calls(a, lcore_id, during):
    """Names of system calls that the lcore's thread makes while `during` runs."""
    path = a.dir + "/strace"
    tracer = subprocess.Popen(["strace", "-o", path, "-p", thread_of(a, lcore_id)],
                              stderr=subprocess.PIPE, text=True)
    tracer.stderr.readline()
    during()
    tracer.terminate()
    tracer.wait()
    with open(path) as out:
        return {m.group(1) for m in re.finditer(r"^(\w+)\(", out.read(), re.M)}


def test(build):
    if shutil.which("strace") is None:
        harness.skip("no strace")
    # One RX lcore that polls, alone on CPU 1: nothing may be left but the driver.
    a = harness.Appliance(build, device="net_ring0", interface=None, rx="1", io="0",
                          lcores="rx_idle = poll")
    a.start(wait=False)
    a.wait_log("serving on")
    got = calls(a, 1, lambda: time.sleep(1))
    assert not got, "system calls on an in-memory port: %s" % got
    a.stop()

    a = harness.Appliance(build, rx="1", io="0", lcores="rx_idle = poll")
    a.start()
    a.tool("sets", "apply", harness.ROWS_INI)
    a.tool("put", "user", "2", "age=1")
    a.tool("get", "user", "2")
    got = calls(a, 1, lambda: [a.tool("get", "user", "2") for _ in range(20)])
    assert got <= TAP_CALLS, "system calls on TAP beyond the driver's: %s" % (got - TAP_CALLS)
    a.stop()


harness.main(test)
