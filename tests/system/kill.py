#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""SIGKILL at random moments, under PUTs, DELETEs, late events, bulk loads and switches, against an
oracle.

After each restart every key must be what its last acknowledged write made it, or what a later write
made it that was sent and never acknowledged: nothing acknowledged is lost, nothing deleted comes
back, no older event is on top. The set that is bulk loaded is wholly what the last acknowledged load
or switch made it, or what one made it that was under way.
MILLRACE_TEST_KILLS says how often, MILLRACE_TEST_SEED repeats a run.
"""

import json
import os
import random
import struct
import subprocess
import threading
import time

import harness
import wire

KILLS = int(os.environ.get("MILLRACE_TEST_KILLS", "20"))
SEED = int(os.environ.get("MILLRACE_TEST_SEED", str(random.randrange(1 << 30))))
KEYS = 400
BULK_KEYS = 2000
WRITERS = 3


class Oracle:
    """Per key: the newest acknowledged write, and what was sent since. A write is (time, value);
    value None: a delete. Event times grow with every write of a key."""

    def __init__(self):
        self.acked = {}
        self.sent = {k: [] for k in range(KEYS)}
        self.n_acked = self.n_puts = self.n_late = 0

    def check(self, key, seen):
        last = self.acked.get(key)
        allowed = [last] + [w for w in self.sent[key] if last is None or w[0] > last[0]]
        times = {w if w and w[1] is not None else None for w in allowed}
        # A deleted key is not found, whenever it was deleted.
        assert seen in times, "key %d is %s, acknowledged %s, sent since %s" % (
            key, seen, self.acked.get(key), self.sent[key][-5:])
        # What turned out to be there is what the next life starts from; of deletes the first.
        for write in allowed:
            if (write if write and write[1] is not None else None) == seen:
                if write:
                    self.acked[key] = write
                break
        self.sent[key] = []


class Writer(threading.Thread):
    """Writes keys of its own, one request after the other, until it is told to stop."""

    def __init__(self, number, oracle, thing, clock, rng):
        super().__init__()
        self.oracle, self.thing, self.clock = oracle, thing, clock
        self.keys = list(range(number, KEYS, WRITERS))
        self.rng = random.Random(rng.random())
        self.stop = threading.Event()
        self.client = wire.Client(self.rng)

    def send(self, op, writes):
        """Statuses, or none."""
        try:
            _, statuses, _ = self.client.write(op, *self.thing, [
                (wire.u64(key), at, struct.pack("<Qq", 0, value) if op == wire.PUT else b"")
                for key, (at, value) in writes])
            return statuses
        except wire.NoAnswer:
            return []

    def write(self, op, keys):
        writes = []
        for key in keys:
            at = next(self.clock)
            writes.append((key, (at, at * 7 if op == wire.PUT else None)))
            self.oracle.sent[key].append(writes[-1][1])
        for (key, write), status in zip(writes, self.send(op, writes)):
            assert status in (wire.OK, wire.BUSY, wire.DEGRADED, wire.ERROR), status
            if status == wire.OK:
                self.oracle.acked[key] = write
                self.oracle.n_acked += 1
                self.oracle.n_puts += op == wire.PUT

    def write_late(self, op, keys):
        """Events from before what is acknowledged: they must never be seen, and are not noted."""
        writes = [(key, (self.oracle.acked[key][0] - 1, 1 if op == wire.PUT else None))
                  for key in keys if key in self.oracle.acked]
        for status in self.send(op, writes) if writes else []:
            assert status in (wire.SUPERSEDED, wire.BUSY, wire.DEGRADED, wire.ERROR), status
            self.oracle.n_late += status == wire.SUPERSEDED

    def run(self):
        while not self.stop.is_set():
            op = wire.PUT if self.rng.random() < 0.8 else wire.DELETE
            keys = self.rng.sample(self.keys, self.rng.randint(1, 8))
            if self.rng.random() < 0.1:
                self.write_late(op, keys)
            else:
                self.write(op, keys)
        self.client.close()


def counter(start):
    lock = threading.Lock()
    at = [start]

    class Clock:
        def __next__(self):
            with lock:
                at[0] += 1
                return at[0]
    return Clock()


def rows(a, name, n):
    keys = os.path.join(a.dir, "keys")
    with open(keys, "w") as out:
        out.write("".join("%d\n" % i for i in range(n)))
    # A loaded machine may answer too late: asked again.
    for _ in range(20):
        done = a.tool("get", name, "--json", "--keys-from", keys, ok=(0, 1, 3))
        if done.returncode != 3:
            break
    found = {}
    for line in done.stdout.splitlines():
        line = json.loads(line)
        entry = line["sets"][name]
        assert entry["status"] in ("ok", "not_found"), line
        found[line["key"]] = (entry["event_time_us"], entry["columns"]["n"]) \
            if entry["status"] == "ok" else None
    return found


class Loader(threading.Thread):
    """Loads and switches until it is told to stop; versions are dropped as they pile up. A version's
    rows all have one value."""

    def __init__(self, a, values):
        super().__init__()
        self.a, self.stop = a, threading.Event()
        self.env = dict(os.environ, MILLRACE_SERVER=harness.SERVER, MILLRACE_ADMIN=a.admin)
        self.values = values  # what may be seen; what is tried joins, what is acknowledged remains
        self.n_loads = self.n_switches = 0

    def tool(self, *argv):
        """What the tool prints, or None."""
        done = subprocess.run([self.a.program("millrace")] + list(argv), env=self.env, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        return done.stdout if done.returncode == 0 else None

    def other(self):
        text = self.tool("sets", "--json")
        return [one for one in json.loads(text)["sets"] if one["name"] == "other"][0] \
            if text else None

    def change(self, value, *argv):
        self.values.add(value)
        if self.tool(*argv) is None:
            return False
        self.values.intersection_update({value})
        return True

    def run(self):
        number = max(self.values | {0})
        path = os.path.join(self.a.dir, "bulk.csv")
        while not self.stop.is_set():
            number += 1
            with open(path, "w") as out:
                out.write("key,n\n" + "".join("%d,%d\n" % (i, number) for i in range(BULK_KEYS)))
            before, known = self.other(), len(self.values) == 1 and max(self.values)
            if not self.change(number, "load", "other", path, "--bulk", "--activate"):
                continue
            self.n_loads += 1
            after = self.other()
            if not before or not after:
                continue
            # Back to the version before, of which the value is known, and forth.
            if known and before["version"] in after["beside"]:
                self.n_switches += self.change(known, "switch", "other", str(before["version"]))
                self.n_switches += self.change(number, "switch", "other", str(after["version"]))
            for version in after["beside"][:-1]:
                self.tool("version", "drop", "other", str(version))


def check(a, oracle, values):
    seen = rows(a, "thing", KEYS)
    for key in range(KEYS):
        oracle.check(key, seen[key])
    found = {row[1] if row else 0 for row in rows(a, "other", BULK_KEYS).values()}
    assert len(found) == 1, "half a bulk load: %s" % found
    assert found <= values, "the load of %s is there, not one of %s" % (found, values)
    values.intersection_update(found)


def live(a, oracle, thing, clock, rng, values, switched):
    """From a start to a kill, at any moment once something was acknowledged; `switched`: also a bulk
    load and a switch."""
    loader = Loader(a, values)
    threads = [Writer(i, oracle, thing, clock, rng) for i in range(WRITERS)] + [loader]
    goal, end = oracle.n_acked + rng.randint(1, 200), time.monotonic() + 60
    for thread in threads:
        thread.start()
    while time.monotonic() < end and \
            (oracle.n_acked < goal or (switched and loader.n_switches == 0)):
        time.sleep(0.01)
    time.sleep(rng.uniform(0, 1))
    a.kill()
    for thread in threads:
        thread.stop.set()
    for thread in threads:
        thread.join()
    return loader


def test(build):
    print("seed %d" % SEED, flush=True)
    rng = random.Random(SEED)
    # However slow the machine: what is checked is not to be shed.
    a = harness.Appliance(build, extra="[handoff]\nmax_age = 30s\n")
    oracle, clock, values = Oracle(), counter(int(time.time() * 1e6)), {0}
    a.start()
    a.apply("[set thing]\nid = 9\nkey = u64\ncolumn n = i64\n"
            "[set other]\nid = 10\nkey = u64\ntables = fast\ncolumn n = i64\n")
    thing = wire.Client(seconds=10).describe("thing")
    loads = switches = 0
    for kill in range(KILLS):
        loader = live(a, oracle, thing, clock, rng, values, kill % 4 == 0)
        loads, switches = loads + loader.n_loads, switches + loader.n_switches
        a.start()
        check(a, oracle, values)
    a.stop()
    print("%d kills, %d writes acknowledged, %d of them rows, %d late events superseded, %d bulk loads "
          "and %d switches acknowledged: none lost, none resurrected, none older on top" %
          (KILLS, oracle.n_acked, oracle.n_puts, oracle.n_late, loads, switches), flush=True)
    assert oracle.n_puts > KILLS and oracle.n_late > 0 and loads > 0 and switches > 0


harness.main(test)
