#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Versions of a set: loaded beside the current one, switched under load and back, dropped; kept
over restarts."""

import json
import os
import re
import subprocess
import threading

import harness

KEYS = 100
SWITCHES = 40


def table(a, version):
    path = os.path.join(a.dir, "v%d.csv" % version)
    with open(path, "w") as out:
        out.write("key,n\n")
        for i in range(KEYS):
            out.write("%d,%d\n" % (i, version))
    return path


def seen(a, ok=(0,)):
    """The versions whose rows one request of all keys sees."""
    out = a.tool("get", "thing", "--json", "--keys-from", os.path.join(a.dir, "keys"), *STRONG,
                 ok=ok).stdout
    values = set()
    for line in out.splitlines():
        entry = json.loads(line)["sets"]["thing"]
        values.add(entry["columns"]["n"] if entry["status"] == "ok" else entry["status"])
    return values


STRONG = []


def reader(a, stop, wrong, n):
    while not stop.is_set():
        values = seen(a)
        n[0] += 1
        if len(values) != 1 or not values <= {1, 2}:
            wrong.append(values)


def switch(a, version):
    out = a.tool("switch", "thing", str(version)).stdout
    return int(re.search(r"after (\d+) us", out).group(1))


def test(build):
    a = harness.Appliance(build)
    a.start()
    ini = os.path.join(a.dir, "thing.ini")
    with open(ini, "w") as out:
        out.write("[set thing]\nid = 9\nkey = u64\nttl = 0\ncolumn n = i32\n")
    with open(os.path.join(a.dir, "keys"), "w") as out:
        out.write("".join("%d\n" % i for i in range(KEYS)))
    assert "thing: added" in a.tool("plan", ini).stdout
    a.tool("get", "thing", "1", ok=(5,))
    a.tool("sets", "apply", ini)
    assert "nothing changed" in a.tool("plan", ini).stdout
    a.tool("load", "thing", table(a, 1))
    assert seen(a) == {1}

    # A version that does not exist takes no rows and cannot be switched to.
    a.tool("load", "--version", "2", "thing", table(a, 2), ok=(1, 4, 5))
    a.tool("switch", "thing", "2", ok=(5,))
    assert "would be added" in a.tool("version", "add", "thing", "2", "--plan").stdout
    a.tool("switch", "thing", "2", ok=(5,))
    a.tool("version", "add", "thing", "2")
    a.tool("load", "--version", "2", "thing", table(a, 2))
    assert seen(a) == {1}
    assert "would be current" in a.tool("switch", "thing", "2", "--plan").stdout
    assert seen(a) == {1}

    # Back and forth while requests are under way: each sees one version or the other.
    stop, wrong, n = threading.Event(), [], [0]
    thread = threading.Thread(target=reader, args=(a, stop, wrong, n))
    thread.start()
    took = []
    for i in range(SWITCHES):
        version = 2 - i % 2
        took.append(switch(a, version))
        assert seen(a) == {version}, "after the switch to %d" % version
    stop.set()
    thread.join()
    assert not wrong, wrong[:5]
    took.sort()
    print("%d switches under %d requests: in force after %d us (median), %d us (most)" %
          (SWITCHES, n[0], took[len(took) // 2], took[-1]), flush=True)
    assert took[len(took) // 2] < 10000, took

    # A restart keeps what there is.
    switch(a, 2)
    a.stop()
    a.start()
    assert seen(a) == {2}
    STRONG.append("--strong")
    assert seen(a) == {2}
    STRONG.clear()

    # A text that drops a version behind the registry's back is refused; one that says nothing is not.
    with open(ini, "w") as out:
        out.write("[set thing]\nid = 9\nkey = u64\nbeside = 7\ncolumn n = i32\n")
    a.tool("sets", "apply", ini, ok=(5,))

    # Dropped rows do not come back with a new version of that number.
    a.tool("version", "drop", "thing", "2", ok=(5,))
    a.tool("version", "drop", "thing", "1")
    a.tool("switch", "thing", "1", ok=(5,))
    a.tool("version", "add", "thing", "1")
    switch(a, 1)
    assert seen(a, ok=(1,)) == {"not_found"}
    switch(a, 2)
    a.tool("version", "drop", "thing", "1")
    a.tool("ctl", "filter-rebuild")
    assert seen(a) == {2}
    a.stop()


harness.main(test)
