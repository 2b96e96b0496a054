#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The change feed, backup and restore while serving, and a store that is damaged."""

import glob
import json
import os
import shutil

import harness

KEYS = 300


def table(a, value):
    path = os.path.join(a.dir, "rows%d.csv" % value)
    with open(path, "w") as out:
        out.write("key,n\n" + "".join("%d,%d\n" % (i, value) for i in range(KEYS)))
    return path


def tail(a, *argv):
    done = a.tool("tail", "thing", *argv)
    return [json.loads(line) for line in done.stdout.splitlines()], done.stderr.split()[-1]


def value_of(a, key):
    out = json.loads(a.tool("get", "thing", str(key), "--json", ok=(0, 1)).stdout)
    entry = out["sets"]["thing"]
    return entry["columns"]["n"] if entry["status"] == "ok" else entry["status"]


def test(build):
    a = harness.Appliance(build)
    a.start()
    a.apply("[set thing]\nid = 9\nkey = u64\ncolumn n = i32\n"
            "[set other]\nid = 10\nkey = u64\ncolumn n = i32\n")

    # The feed: what was written to this set, in order, and where to go on.
    _, start = tail(a)
    a.tool("put", "thing", "1", "n=5", "--time", "100")
    a.tool("put", "other", "1", "n=6", "--time", "100")
    a.tool("put", "thing", "1", "n=4", "--time", "50", ok=(0, 1))
    a.tool("del", "thing", "1", "--time", "200")
    changes, middle = tail(a, "--from", start)
    assert [(c["kind"], c["key"], c["event_time_us"]) for c in changes] == \
        [("put", 1, 100), ("delete", 1, 200)], changes
    assert changes[0]["columns"] == {"n": 5}
    assert tail(a, "--from", middle)[0] == []
    a.tool("load", "thing", table(a, 1))
    changes, after = tail(a, "--from", middle)
    assert len(changes) == KEYS and {c["columns"]["n"] for c in changes} == {1}
    assert sorted(c["sequence"] for c in changes) == [c["sequence"] for c in changes]
    a.tool("load", "thing", table(a, 2), "--bulk")
    changes, _ = tail(a, "--from", after)
    assert ("bulk", 2, KEYS) in [(c["kind"], c["version"], c.get("rows")) for c in changes], changes
    a.tool("tail", "thing", "--from", str(10**15), ok=(5,))
    # All of it is still there after a restart.
    a.stop()
    a.start()
    assert len(tail(a, "--from", start)[0]) >= KEYS + 2

    # A backup of now; what comes later is not in it.
    backup = os.path.join(a.dir, "backup")
    a.tool("backup", backup)
    a.tool("backup", backup, ok=(5,))
    a.tool("switch", "thing", "2")
    assert value_of(a, 7) == 2
    assert "all good" in a.tool("verify").stdout
    a.stop()
    a.tool("restore", backup, a.store, ok=(4,))
    shutil.move(a.store, a.store + ".old")
    a.tool("restore", backup, a.store)
    a.start()
    assert value_of(a, 7) == 1
    assert "all good" in a.tool("verify").stdout
    a.stop()

    # One byte of a table file turned: verify names it.
    path = max(glob.glob(os.path.join(a.store, "*.sst")), key=os.path.getsize)
    with open(path, "r+b") as sst:
        sst.seek(20)
        byte = sst.read(1)[0]
        sst.seek(20)
        sst.write(bytes([byte ^ 1]))
    a.start()
    done = a.tool("verify", ok=(5,))
    assert os.path.basename(path) in done.stderr, done.stderr
    # A read that meets it fails for its keys alone, and the log says where and what to do.
    keys = os.path.join(a.dir, "keys")
    with open(keys, "w") as out:
        out.write("".join("%d\n" % key for key in range(KEYS)))
    out = a.tool("get", "thing", "--json", "--keys-from", keys, ok=(0, 1, 3)).stdout
    assert '"status":"error"' in out.replace(" ", ""), out
    a.wait_log("restore a backup")
    assert os.path.basename(path) in a.read_log()
    a.stop()


harness.main(test)
