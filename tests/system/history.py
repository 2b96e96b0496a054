#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Histories of concurrent clients, held against linear.py: every key is a linearizable register, and
every strong read sees one state of all its keys, while rows are evicted from a cache that is far
too small, the filter is rebuilt and versions are switched, all the time.

What that means here. A key is a register that keeps the greatest write by event time (ties as the
protocol says), so a write of an older event is not lost but answered SUPERSEDED, and a read shows
the greatest write that took effect. A write without an answer may have taken effect or not, at any
time after it was sent. Asked for is more than "a read that follows an acknowledgement does not see
older": what one read has shown, a later one does not take back, be it fast or strong, whether the
write was acknowledged meanwhile or not. This holds on one NUMA node, which is what there is here:
each node has a cache, and they learn of a write one after the other, before it is acknowledged.

Strong reads and datagrams of writes are one step each for all their keys; fast reads are a step for
each key. Two more things are checked: all rows of one reply are of one version, and which version
that is goes with the switches.

The set `still` is never switched. Of `flip` two versions are written to by number, key 0 of each
says which it is, and every read that might find a deleted key asks for key 0 as well.

MILLRACE_TEST_SECONDS says for how long (and at least until each client has asked a little of
everything), MILLRACE_TEST_SEED repeats what is asked (not when).
"""

import multiprocessing
import os
import pickle
import random
import struct
import subprocess
import threading
import time

import harness
import linear
import wire

SEED = int(os.environ.get("MILLRACE_TEST_SEED", str(random.randrange(1 << 30))))
SECONDS = float(os.environ.get("MILLRACE_TEST_SECONDS", "15"))
STEPS_MIN = 150
CLIENTS = 4
KEYS, HOT = 1000, 8
FLIP_KEYS = 40      # of flip: 0 the marker, up to half never deleted
BIRTHS = 1 << 32    # keys of still from here on are written together when they are new
ROW_MAX = 230       # five of them fit a datagram
OUTCOMES = {wire.OK: linear.OK, wire.SUPERSEDED: linear.SUPERSEDED, wire.BUSY: linear.REFUSED}


def row_of(n):
    """The only row with this number: the number is what decides ties."""
    tail = bytes([n >> 3 & 255]) * (n * 37 % ROW_MAX)
    return struct.pack("<QqHH", 0, n, 20, len(tail)) + tail


def number_in(row):
    n = struct.unpack_from("<q", row, 8)[0]
    assert row == row_of(n), "a row that nobody wrote: %s" % row.hex()
    return n


class Recorder:
    """One client: asks at random, and notes what it asked, when, and what came of it."""

    def __init__(self, number, rng, sets, births):
        self.number, self.rng, self.sets, self.births = number, rng, sets, births
        self.client = wire.Client(rng, seconds=5)
        self.history, self.next_row, self.acked = [], 0, []
        self.counts = dict.fromkeys(["reads", "strong", "writes", "records", "shed", "unanswered",
                                     "superseded", "again"], 0)

    # ---- writes

    def event_time(self):
        """Often equal, often late."""
        now = int(time.time() * 1e6) - self.rng.choice([0, 0, 0, 20000, 1000000])
        return now // 4000 * 4000

    def write(self, name, version, keys, delete):
        """A write of new values."""
        records = []
        for key in keys:
            self.next_row += 1
            n = 0 if delete else (self.next_row * CLIENTS + self.number) * 4 + version
            records.append((key, self.event_time(), n))
        self.send(name, version, records, delete)

    def send(self, name, version, records, delete):
        set_id, layout = self.sets[name]
        called = time.monotonic_ns()
        try:
            result, statuses, _ = self.client.write(
                wire.DELETE if delete else wire.PUT, set_id, layout,
                [(wire.u64(key), t, b"" if delete else row_of(n)) for key, t, n in records], version)
            returned = time.monotonic_ns()
        except wire.NoAnswer:
            statuses, returned = [None] * len(records), None
            result = wire.RESULT_OK
            self.counts["unanswered"] += 1
        assert result == wire.RESULT_OK, result
        items = []
        for (key, t, n), status in zip(records, statuses):
            assert status in (None, wire.OK, wire.SUPERSEDED, wire.BUSY), status
            rank = (t, delete, b"" if delete else struct.pack("<q", n))
            items.append(((name, version, key), rank, None if delete else (t, n),
                          OUTCOMES.get(status, linear.UNKNOWN)))
            self.counts["superseded"] += status == wire.SUPERSEDED
        self.history.append(("write", called, returned, items))
        self.counts["writes"] += 1
        self.counts["records"] += len(records)
        if returned is not None and wire.BUSY not in statuses:
            self.acked = self.acked[-7:] + [(name, version, records, delete)]

    def write_again(self):
        """What was acknowledged comes once more, as if the acknowledgement had been lost."""
        if self.acked:
            self.send(*self.rng.choice(self.acked))
            self.counts["again"] += 1

    # ---- reads

    def read(self, name, keys, strong):
        called = time.monotonic_ns()
        try:
            result, entries = self.client.get(self.sets[name][0], [wire.u64(key) for key in keys],
                                              wire.STRONG if strong else 0)
        except wire.NoAnswer:
            self.counts["unanswered"] += 1
            return
        returned = time.monotonic_ns()
        if result == wire.RESULT_BUSY:
            self.counts["shed"] += 1
            return
        assert result == wire.RESULT_OK and len(entries) == len(keys), (result, len(entries))
        seen = []
        for key, (status, t, row) in zip(keys, entries):
            assert status in (wire.OK, wire.NOT_FOUND, wire.BUSY), status
            if status != wire.BUSY:
                seen.append((key, (t, number_in(row)) if status == wire.OK else None))
        version = self.version_of(name, keys, seen)
        self.history.append(("read", called, returned, strong,
                             [((name, version, key), shows) for key, shows in seen
                              if version is not None]))
        if name == "flip" and version is not None:
            self.history.append(("read", called, returned, False, [("current", version)]))
        self.counts["strong" if strong else "reads"] += 1

    def version_of(self, name, keys, seen):
        """Which version a reply is of; None: everything that would say so was shed."""
        if name == "still":
            return 1
        versions = {shows[1] & 3 for _, shows in seen if shows is not None}
        assert len(versions) <= 1, "rows of two versions in one reply: %s" % seen
        assert versions or not seen or keys[0] == 0, "a row that is never deleted: %s" % seen
        return versions.pop() if versions else None

    # ---- what to do next

    def any_keys(self, most):
        n = self.rng.randint(1, most)
        pool = [self.rng.randrange(HOT) if self.rng.random() < 0.5 else self.rng.randrange(KEYS)
                for _ in range(n)]
        return sorted(set(pool), key=pool.index)

    def birth_keys(self, group):
        """Two keys of this group and one that has long been there."""
        return [BIRTHS + 2 * group, HOT + group % 8, BIRTHS + 2 * group + 1]

    def step(self):
        what = self.rng.random()
        if what < 0.20:
            self.write("still", 1, self.any_keys(5), self.rng.random() < 0.2)
        elif what < 0.25:
            self.write_again()
        elif what < 0.30:
            with self.births.get_lock():
                self.births.value += 1
                group = self.births.value
            self.write("still", 1, self.birth_keys(group), False)
        elif what < 0.42:
            self.read("still", self.birth_keys(self.births.value + self.rng.randint(0, 1)), True)
        elif what < 0.48:
            half = FLIP_KEYS // 2
            delete = self.rng.random() < 0.3
            low, high = (half, FLIP_KEYS) if delete else (1, FLIP_KEYS)
            self.write("flip", self.rng.randint(1, 2),
                       self.rng.sample(range(low, high), self.rng.randint(1, 4)), delete)
        elif what < 0.54:
            self.read("flip", [self.rng.randrange(1, FLIP_KEYS // 2)], False)
        elif what < 0.62:
            self.read("flip", [0] + self.rng.sample(range(1, FLIP_KEYS), 5), self.rng.random() < 0.5)
        else:
            self.read("still", self.any_keys(6), self.rng.random() < 0.3)


def record(number, sets, births, seconds, path):
    recorder = Recorder(number, random.Random(SEED + number), sets, births)
    end, steps = time.monotonic() + seconds, 0
    while time.monotonic() < end or steps < STEPS_MIN:
        recorder.step()
        steps += 1
    with open(path, "wb") as out:
        pickle.dump((recorder.history, recorder.counts), out)


class Operator(threading.Thread):
    """Switches and rebuilds until it is told to stop."""

    def __init__(self, a, versions):
        super().__init__()
        self.a, self.versions, self.stop = a, versions, threading.Event()
        self.env = dict(os.environ, MILLRACE_ADMIN=a.admin)
        self.history, self.done, self.error = [], 0, None

    def once(self):
        argv = ["ctl", "filter-rebuild"]
        if self.versions:
            version = 2 - self.done % 2
            argv = ["switch", "flip", str(version)]
        called = time.monotonic_ns()
        done = subprocess.run([self.a.program("millrace")] + argv, env=self.env, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        returned = time.monotonic_ns()
        if done.returncode == 0:
            self.done += 1
            if self.versions:
                self.history.append(("write", called, returned,
                                     [("current", (self.done,), version, linear.OK)]))
        elif self.versions or "already" not in done.stderr + done.stdout:
            self.error = "%s: exit code %d: %s" % (argv, done.returncode, done.stderr)

    def run(self):
        while not self.stop.is_set() and self.error is None:
            self.once()
            time.sleep(0.02)


def prepare(a):
    """Two sets; of flip both versions, with the rows that are never deleted. Returns (sets, history)."""
    a.apply("".join("[set %s]\nid = %d\nkey = u64\ndurability = %s\ncolumn n = i64\n"
                    "tables = %s\ncolumn tail = bytes\n"
                    % (name, i + 1, ["sync", "wal"][i], ["compact", "fast"][i])
                    for i, name in enumerate(["still", "flip"])))
    a.tool("version", "add", "flip", "2")
    client = wire.Client(seconds=5)
    sets = {name: client.describe(name) for name in ("still", "flip")}
    history = []
    for version in (1, 2):
        for key in range(FLIP_KEYS // 2):
            called, statuses = time.monotonic_ns(), [wire.BUSY]
            while statuses == [wire.BUSY]:
                _, statuses, _ = client.write(wire.PUT, *sets["flip"],
                                              [(wire.u64(key), 1, row_of(version))], version)
            assert statuses == [wire.OK], statuses
            history.append(("write", called, time.monotonic_ns(),
                            [(("flip", version, key), (1, False, struct.pack("<q", version)),
                              (1, version), linear.OK)]))
    client.close()
    return sets, history


def run_clients(a, sets):
    """Returns what the clients noted, and sums of their counts."""
    births = multiprocessing.Value("Q", 0)
    paths = [os.path.join(a.dir, "history.%d" % i) for i in range(CLIENTS)]
    clients = [multiprocessing.Process(target=record, args=(i, sets, births, SECONDS, path))
               for i, path in enumerate(paths)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
        assert client.exitcode == 0, "a client ended with %s" % client.exitcode
    history, sums = [], {}
    for path in paths:
        with open(path, "rb") as source:
            part, counts = pickle.load(source)
        history += part
        for name, n in counts.items():
            sums[name] = sums.get(name, 0) + n
    return history, sums


def test(build):
    print("seed %d" % SEED, flush=True)
    # An index for rows of 8 KiB has no place for more than some hundreds.
    a = harness.Appliance(build, cache="1M\nmean_row = 8K", extra="[filter]\nkeys = 20000\n[handoff]\nmax_age = 1s\n")
    a.start()
    sets, history = prepare(a)
    operators = [Operator(a, True), Operator(a, False)]
    for operator in operators:
        operator.start()
    recorded, sums = run_clients(a, sets)
    for operator in operators:
        operator.stop.set()
        operator.join()
        assert operator.error is None, operator.error
        history += operator.history
    history += recorded
    cache = a.telemetry("/millrace/cache")["node0"]
    a.stop()

    start = time.monotonic()
    wrong = linear.check(history, {"current": 1})
    print("%d operations checked in %.1f s: %s; %d switches, %d rebuilds" % (
        len(history), time.monotonic() - start,
        ", ".join("%d %s" % (n, name) for name, n in sums.items()),
        operators[0].done, operators[1].done), flush=True)
    if wrong:
        path = "/tmp/millrace-history-%d.pickle" % SEED
        with open(path, "wb") as out:
            pickle.dump(history, out)
        raise AssertionError("%d findings, the history is in %s:\n%s" % (
            len(wrong), path, "\n".join(wrong[:5])))
    # What did not happen was not tested. A slow machine may not fill the cache.
    evicted = cache["evictions_capacity"] + cache["evictions_bucket"]
    print("cached: %d rows, evicted: %d" % (cache["rows"], evicted))
    assert min(sums[n] for n in ("reads", "strong", "writes", "superseded", "again")) > 10, sums
    assert evicted > 0 or sums["records"] < 3000
    assert operators[0].done > 1 and operators[1].done > 1


harness.main(test)
