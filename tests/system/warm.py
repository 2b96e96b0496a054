#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Warm restart: skewed traffic, a stop and a start, and the hit ratio is what it was; answers do
not wait for it; a kill leaves the keys of the last clean stop."""

import json
import os
import time

import harness

KEYS = 200000
SETTLE = 600000  # lookups after which the cache has taken its shape
MEASURE = 100000  # few enough for an empty cache to show


def set_config(a, **keys):
    """Puts keys into [cache], over what is there."""
    with open(a.config) as config:
        lines = config.read().split("\n")
    for name, value in keys.items():
        lines = [line for line in lines if not line.startswith(name + " =")]
        lines.insert(lines.index("[cache]") + 1, "%s = %s" % (name, value))
    with open(a.config, "w") as config:
        config.write("\n".join(lines))


def lookups(a):
    thing = a.telemetry("/millrace/sets")["sets"]["thing"]
    return thing["hits"], thing["misses"]


def traffic(a, n, seed):
    """At least n lookups; the share of them that the cache answered."""
    first = hits, misses = lookups(a)
    while sum((hits, misses)) - sum(first) < n:
        a.tool("blast", "thing", "--closed", "8", "--duration", "300ms", "--keys", str(KEYS),
               "--zipf", "0.99", "--batch", "32", "--seed", str(seed), "--give-up", "30s",
               "--timeout", "10s", ok=(0, 1))
        seed += 1
        hits, misses = lookups(a)
    return (hits - first[0]) / (hits + misses - sum(first))


def warm(a):
    c = a.telemetry("/millrace/cache")["node0"]
    return c["warm_state"], c["warm_keys"], c["warm_done_keys"], c["warm_rows"]


def wait_warm(a):
    while warm(a)[0] == "reading":
        time.sleep(0.05)
    return warm(a)


def start(a):
    begin = time.time()
    a.start()
    a.tool("get", "thing", "1")
    return time.time() - begin


def test(build):
    a = harness.Appliance(build, extra="[handoff]\nmax_age = 0\n")
    set_config(a, memory="2M", mean_row="40")
    a.start()
    assert warm(a)[:2] == ("off", 0), warm(a)
    table = os.path.join(a.dir, "rows.csv")
    with open(table, "w") as out:
        out.write("key,n\n")
        out.writelines("%d,%d\n" % (i, i * 3) for i in range(KEYS))
    a.apply("[set thing]\nid = 9\nkey = u64\ncolumn n = i32\n")
    a.tool("load", "thing", table, "--bulk", "--activate")

    traffic(a, SETTLE, 1)
    before = traffic(a, MEASURE, 1000)
    rows = a.telemetry("/millrace/cache")["node0"]["rows"]
    a.stop()
    assert os.path.getsize(os.path.join(a.store, "cache.0.bin")) > rows * 10

    # Rows come back at 1 a second: answers do not wait for them.
    set_config(a, warm_rate="1")
    seconds = start(a)
    state, keys, done, _ = warm(a)
    assert state == "reading" and keys == rows and done < keys / 2, warm(a)
    set_config(a, warm_rate="0")
    a.tool("ctl", "reload")
    state, keys, done, back = wait_warm(a)
    assert state in ("done", "full") and back >= 0.97 * rows, (warm(a), rows)
    after = traffic(a, MEASURE, 2000)
    print("hit ratio %.4f before, %.4f after; %d of %d rows back; first answer after %.2f s" %
          (before, after, back, rows, seconds), flush=True)
    assert after > before - 0.02, (before, after)
    entry = json.loads(a.tool("get", "thing", "7", "--json").stdout)["sets"]["thing"]
    assert entry["status"] == "ok" and entry["columns"]["n"] == 21, entry

    # A kill leaves what the last clean stop saved.
    a.kill()
    start(a)
    assert wait_warm(a)[1] == rows, (warm(a), rows)
    a.stop()

    # Without it, the cache starts empty: it is not the traffic that makes up for it.
    set_config(a, warm="no")
    a.log = a.read_log()
    cold_seconds = start(a)
    assert warm(a)[0] == "off", warm(a)
    cold = traffic(a, MEASURE, 2000)
    print("hit ratio %.4f from an empty cache; first answer after %.2f s" % (cold, cold_seconds))
    assert cold < before - 0.04, (before, cold)
    a.stop()


if __name__ == "__main__":
    harness.main(test)
