#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""A disk that fills up under the store: writes are refused and the log says what to do, reads go on,
and once there is space again writes resume by themselves. What was acknowledged is there in the end,
also after a restart. And a start on a full disk, which is refused in words."""

import json
import os
import subprocess
import time

import harness

SIZE = 160 << 20


def put(a, key, n):
    done = a.tool("put", "thing", str(key), "n=%d" % n, ok=(0, 1, 2, 3, 4, 5))
    return done.returncode == 0


def put_until_refused(a, key):
    """Returns the last value that was acknowledged."""
    for n in range(2, 400):
        if not put(a, key, n):
            return n - 1
    raise AssertionError("writes go on though the disk is full")


def value_of(a, key):
    out = json.loads(a.tool("get", "thing", str(key), "--json", ok=(0, 1)).stdout)
    entry = out["sets"]["thing"]
    return entry["columns"]["n"] if entry["status"] == "ok" else entry["status"]


def fill(path):
    """Takes what space there is, but for nothing."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for piece in (1 << 20, 4096, 512):
        try:
            while True:
                os.write(fd, b"x" * piece)
        except OSError:
            pass
    os.close(fd)


def test(build):
    a = harness.Appliance(build, cache="1M")
    disk = os.path.join(a.dir, "disk")
    os.makedirs(disk)
    harness.run(["mount", "-t", "tmpfs", "-o", "size=%d" % SIZE, "tmpfs", disk])
    a.change_config(a.store, os.path.join(disk, "store"))
    a.store = os.path.join(disk, "store")
    try:
        run(a, os.path.join(disk, "ballast"))
    finally:
        if a.process is not None and a.process.poll() is None:
            a.process.kill()
            a.process.wait()
        subprocess.run(["umount", "-l", disk], check=False)


def run(a, ballast):
    a.start()
    a.apply("[set thing]\nid = 9\nkey = u64\ncolumn n = i64\ncolumn fill = string\n")
    assert put(a, 1, 1) and value_of(a, 1) == 1

    fill(ballast)
    acked = put_until_refused(a, 1)
    a.wait_log("free space on its file system")
    assert value_of(a, 1) == acked, "reads do not go on"
    assert a.process.poll() is None, "it died of a full disk"

    # A start on a full disk is refused in words. What runs is killed: it could not flush either.
    a.kill()
    fill(ballast)
    a.start(wait=False)
    code = a.process.wait(timeout=60)
    said = a.read_log()[len(a.log):]
    assert code == 1 and "free space" in said, (code, said)
    a.log = a.read_log()
    os.unlink(ballast)
    a.start()
    assert value_of(a, 1) == acked

    # Once more, and this time space comes back while it runs.
    assert put(a, 2, 1)
    fill(ballast)
    put_until_refused(a, 2)
    os.unlink(ballast)
    end = time.time() + 60
    while not put(a, 2, 1000):
        assert time.time() < end, "writes do not resume"
        time.sleep(0.1)
    assert value_of(a, 2) == 1000
    assert put(a, 3, 3) and value_of(a, 3) == 3
    a.stop()
    a.start()
    assert (value_of(a, 2), value_of(a, 3)) == (1000, 3)
    assert "all good" in a.tool("verify").stdout
    a.stop()


harness.main(test)
