#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""SIGKILL at random moments, under PUTs, DELETEs, bulk loads and switches, against an oracle.

After each restart every key must be what its last acknowledged write made it, or what a later write
made it that was sent and never acknowledged; and a bulk load is there wholly or not at all.
MILLRACE_TEST_KILLS says how often, MILLRACE_TEST_SEED repeats a run.
"""

import json
import os
import random
import socket
import struct
import subprocess
import threading
import time

import harness

KILLS = int(os.environ.get("MILLRACE_TEST_KILLS", "20"))
SEED = int(os.environ.get("MILLRACE_TEST_SEED", str(random.randrange(1 << 30))))
KEYS = 400
BULK_KEYS = 2000
WRITERS = 3
DATAGRAM = struct.Struct("<IBBHQQHBBI")
RECORD = struct.Struct("<QHBBI")
PUT, DELETE = 4, 5
OK, SUPERSEDED = 0, 6


class Oracle:
    """Per key: the newest acknowledged write, and what was sent since. A write is (time, value);
    value None: a delete. Event times grow with every write of a key."""

    def __init__(self):
        self.acked = {}
        self.sent = {k: [] for k in range(KEYS)}
        self.n_acked = 0

    def check(self, key, seen):
        last = self.acked.get(key)
        allowed = [last] + [w for w in self.sent[key] if last is None or w[0] > last[0]]
        times = {w if w and w[1] is not None else None for w in allowed}
        # A deleted key is not found, whenever it was deleted.
        assert seen in times, "key %d is %s, acknowledged %s, sent since %s" % (
            key, seen, self.acked.get(key), self.sent[key][-5:])
        # What turned out to be there is what the next life starts from.
        for write in allowed:
            if write and (write if write[1] is not None else None) == seen:
                self.acked[key] = write
        self.sent[key] = []


def connect():
    """A socket to the appliance, and the cookie that its address has to show."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.settimeout(0.5)
    sock.connect((harness.ADDRESS, 7411))
    sock.send(DATAGRAM.pack(0x5152524D, 1, 1, 0, 1, 0, 0, 0, 0, 0) +
              struct.pack("<BB6xQ16x", 1, 1, random.getrandbits(63)))
    return sock, struct.unpack_from("<Q", sock.recv(2048), 32 + 8)[0]


class Writer(threading.Thread):
    """Writes keys of its own, one after the other, until it is told to stop or nobody answers."""

    def __init__(self, number, oracle, layout, clock, rng):
        super().__init__()
        self.number, self.oracle, self.layout, self.clock = number, oracle, layout, clock
        self.rng = random.Random(rng.random())
        self.stop = threading.Event()
        self.sock, self.cookie = connect()

    def datagram(self, op, writes):
        self.request = self.rng.getrandbits(63)
        out = DATAGRAM.pack(0x5152524D, 1, op, 0, self.request, self.cookie, 9, len(writes), 0, 0)
        out += struct.pack("<IHH", self.layout if op == PUT else 0, 0, 0)
        for key, (at, value) in writes:
            row = struct.pack("<Qq", 0, value) if op == PUT else b""
            out += RECORD.pack(at, len(row), 8, 0, 0) + struct.pack(">Q", key) + row
        return out

    def run(self):
        keys = list(range(self.number, KEYS, WRITERS))
        while not self.stop.is_set():
            op = PUT if self.rng.random() < 0.8 else DELETE
            writes = []
            for key in self.rng.sample(keys, self.rng.randint(1, 8)):
                at = next(self.clock)
                writes.append((key, (at, at * 7 if op == PUT else None)))
            for key, write in writes:
                self.oracle.sent[key].append(write)
            try:
                self.sock.send(self.datagram(op, writes))
                reply = self.sock.recv(2048)
            except OSError:
                continue
            if struct.unpack_from("<Q", reply, 8)[0] != self.request or reply[16] != 0:
                continue
            for i, (key, write) in enumerate(writes):
                status = reply[32 + 8 * i]
                assert status in (OK, 3, 4, 5), (status, "a newer event was there already")
                if status == OK:
                    self.oracle.acked[key] = write
                    self.oracle.n_acked += 1


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
    out = a.tool("get", name, "--json", "--keys-from", keys, ok=(0, 1)).stdout
    found = {}
    for line in out.splitlines():
        line = json.loads(line)
        entry = line["sets"][name]
        assert entry["status"] in ("ok", "not_found"), line
        found[line["key"]] = (entry["event_time_us"], entry["columns"]["n"]) \
            if entry["status"] == "ok" else None
    return found


def bulk_loads(a, stop, env):
    """Loads and switches for ever; versions are dropped as they pile up."""
    n = 0
    while not stop.is_set():
        n += 1
        path = os.path.join(a.dir, "bulk.csv")
        with open(path, "w") as out:
            out.write("key,n\n" + "".join("%d,%d\n" % (i, n) for i in range(BULK_KEYS)))
        for argv in (["load", "other", path, "--bulk", "--activate"], ["sets", "--json"]):
            done = subprocess.run([a.program("millrace")] + argv, env=env, text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        if done.returncode != 0:
            continue
        for one in json.loads(done.stdout)["sets"]:
            for version in one["beside"] if one["name"] == "other" else []:
                subprocess.run([a.program("millrace"), "version", "drop", "other", str(version)],
                               env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def layout_of():
    """From DESCRIBE's reply."""
    sock, cookie = connect()
    request = DATAGRAM.pack(0x5152524D, 1, 6, 0x10, 1, cookie, 0, 0, 0, 0)
    request += struct.pack("<IB3x", 0, 5) + b"thing"
    sock.send(request.ljust(512, b"\0"))
    reply = sock.recv(2048)
    sock.close()
    return struct.unpack_from("<I", reply, 32 + 4)[0]


def check(a, oracle):
    seen = rows(a, "thing", KEYS)
    for key in range(KEYS):
        oracle.check(key, seen[key])
    values = {row[1] if row else None for row in rows(a, "other", BULK_KEYS).values()}
    assert len(values) == 1, "half a bulk load: %s" % values


def test(build):
    print("seed %d" % SEED, flush=True)
    rng = random.Random(SEED)
    a = harness.Appliance(build)
    env = dict(os.environ, MILLRACE_SERVER=harness.SERVER, MILLRACE_ADMIN=a.admin)
    oracle, clock = Oracle(), counter(int(time.time() * 1e6))
    a.start()
    ini = os.path.join(a.dir, "sets.ini")
    with open(ini, "w") as out:
        out.write("[set thing]\nid = 9\nkey = u64\ncolumn n = i64\n"
                  "[set other]\nid = 10\nkey = u64\ncolumn n = i64\n")
    a.tool("sets", "apply", ini)
    layout = layout_of()
    for kill in range(KILLS):
        stop = threading.Event()
        writers = [Writer(i, oracle, layout, clock, rng) for i in range(WRITERS)]
        loader = threading.Thread(target=bulk_loads, args=(a, stop, env))
        for thread in writers + [loader]:
            thread.start()
        time.sleep(rng.uniform(0.05, 1.5))
        a.kill()
        stop.set()
        for writer in writers:
            writer.stop.set()
        for thread in writers + [loader]:
            thread.join()
        a.start()
        check(a, oracle)
    a.stop()
    print("%d kills, %d writes acknowledged, none lost, none resurrected" %
          (KILLS, oracle.n_acked), flush=True)
    assert oracle.n_acked > KILLS * 10


harness.main(test)
